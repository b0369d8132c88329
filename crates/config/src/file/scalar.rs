//! Parses the values of keys. An error is the text after the key's name and never contains the value.

use url::{Host, Url};

use crate::{Reference, TokenHash};

/// `sha256:` and the hash of a token.
pub(super) fn token_hash(value: &str) -> Result<TokenHash, String> {
    value.strip_prefix("sha256:").and_then(TokenHash::parse).ok_or_else(|| {
        "not a token's hash; write \"sha256:\" and the 64 lower-case hex digits of `printf %s TOKEN | sha256sum`, never the token itself".to_owned()
    })
}

/// A reference to a secret that belongs to `owner`.
pub(super) fn reference(value: &str, owner: &str) -> Result<Reference, String> {
    Reference::parse(value).ok_or_else(|| match value.split_once(':') {
        Some(("ssm", _)) => format!(
            "not the path of an SSM parameter; write \"ssm:/gridbell/{owner}\": letters, digits and _ . - between slashes"
        ),
        Some(("env", _)) => {
            "not the name of an environment variable; write \"env:VOLTUS_API_KEY\": letters, digits and _".to_owned()
        }
        _ => format!(
            "a value stands where a reference belongs; keep the key out of this file and write \"ssm:/gridbell/{owner}\" or \"env:{}_API_KEY\"",
            owner.to_ascii_uppercase().replace('-', "_")
        ),
    })
}

/// Longest deadline, in seconds: one day.
const LONGEST: i64 = 24 * 60 * 60;

pub(super) fn duration(value: &str) -> Result<u32, String> {
    let parsed: Option<jiff::SignedDuration> = value.parse().ok();
    parsed
        .filter(|duration| duration.subsec_nanos() == 0 && (1..=LONGEST).contains(&duration.as_secs()))
        .and_then(|duration| u32::try_from(duration.as_secs()).ok())
        .ok_or_else(|| {
            "not a duration; write \"60s\", \"10m\" or \"1h30m\": whole seconds, from 1 s to 24 h".to_owned()
        })
}

/// A duration, or none: "off" or "0".
pub(super) fn duration_or_off(value: &str) -> Result<u32, String> {
    if value == "off" { Ok(0) } else { duration_or_none(value) }
}

/// A duration, or zero: "0" or "0s".
pub(super) fn duration_or_none(value: &str) -> Result<u32, String> {
    if matches!(value, "0" | "0s") { Ok(0) } else { duration(value) }
}

/// The base of an API, without a slash at the end.
pub(super) fn api_url(value: &str) -> Result<String, String> {
    let mut url = Url::parse(value)
        .map_err(|_| "not an address; write \"https://host/base\", the part before the documented path".to_owned())?;
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err("an address without a host; write \"https://host/base\"".to_owned()),
    };
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => {
            return Err(
                "http would send the API key in the clear; write https:// (http is for loopback alone)".to_owned()
            );
        }
        _ => return Err("not a web address; write \"https://host/base\"".to_owned()),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user or a password; write the address alone, the key belongs in api_key".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("holds a query or a fragment; write the base before the documented path alone".to_owned());
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

pub(super) fn email(value: &str) -> Result<String, String> {
    let plain = value.len() <= 254
        && value.is_ascii()
        && !value.bytes().any(|byte| byte <= b' ' || byte == 0x7f || b",;<>\"".contains(&byte));
    match value.split_once('@') {
        Some((local, domain)) if plain && !local.is_empty() && !domain.is_empty() && !domain.contains('@') => {
            Ok(value.to_owned())
        }
        _ => Err("not a mail address; write one plain address, \"grid-duty@example.com\"".to_owned()),
    }
}

/// A reference to a signing secret of an output.
pub(super) fn secret_reference(value: &str, owner: &str) -> Result<Reference, String> {
    Reference::parse(value).ok_or_else(|| {
        format!(
            "not a reference to a secret; keep the secret (whsec_…) out of this file and write \"ssm:/gridbell/{owner}\" or \"env:NAME\""
        )
    })
}

pub(super) fn output_name(value: &str) -> Result<(), String> {
    if is_name(value) {
        return Ok(());
    }
    Err("not an output's name: a-z, 0-9 and -, 64 characters at most, not beginning with -".to_owned())
}

fn is_name(value: &str) -> bool {
    (1..=64).contains(&value.len())
        && !value.starts_with('-')
        && value.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

pub(super) fn source_name(value: &str) -> Result<(), String> {
    if is_name(value) {
        Ok(())
    } else {
        Err("not a source's name; it stands in the webhook's address: a-z, 0-9 and -, 64 characters at most, not beginning with -".to_owned())
    }
}
