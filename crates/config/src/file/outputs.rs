//! Reads `[outputs.NAME]`.

use std::{collections::BTreeMap, net::IpAddr};

use url::{Host, Url};

use super::{
    FileError,
    error::Mistakes,
    scalar,
    table::{At, Entry, Table},
};
use crate::{Output, OutputTarget, Reference};

/// Longest URL, in characters.
const MOST_URL: usize = 2_000;

/// Most signing secrets: two while rotating.
const MOST_SECRETS: usize = 2;

/// Most outputs: each signal is handed to all of them in one invocation.
const MOST_OUTPUTS: usize = 20;

/// Reads all outputs. `sources` must name sources of the file.
pub(super) fn read(table: &Table<'_>, sources: &[&str]) -> Result<BTreeMap<String, Output>, FileError> {
    let (mut mistakes, mut outputs) = (Mistakes::default(), BTreeMap::new());
    for Entry { name, offset, table: entry } in table.tables(&mut mistakes) {
        let problem = |text: String| table.document.problem(offset, entry.name.clone(), text);
        mistakes.keep(scalar::output_name(name).map_err(problem));
        if let Some(output) = mistakes.keep(output(name, &entry, sources)) {
            outputs.insert(name.to_owned(), output);
        }
    }
    if outputs.len() > MOST_OUTPUTS {
        mistakes.keep::<()>(Err(table.problem(format!("{} outputs; there may be {MOST_OUTPUTS}", outputs.len()))));
    }
    mistakes.or(Some(outputs))
}

fn output(name: &str, table: &Table<'_>, sources: &[&str]) -> Result<Output, FileError> {
    const COMMON: [&str; 5] = ["kind", "sources", "types", "tests", "required"];
    let kind = table
        .string("kind", "\"http\", \"sqs\" or \"eventbridge\"")?
        .ok_or_else(|| table.problem("kind is missing; write \"http\", \"sqs\" or \"eventbridge\""))?;
    let of_kind: &[&str] = match kind.value {
        "http" => &["url", "secret", "allow_private"],
        "sqs" => &["queue_url"],
        "eventbridge" => &["bus"],
        _ => {
            let text = "unknown kind; write \"http\", \"sqs\" or \"eventbridge\"";
            return Err(table.document.problem(kind.offset, kind.key, text));
        }
    };
    table.only(&[&COMMON, of_kind].concat())?;
    let target = match kind.value {
        "http" => http(name, table)?,
        "sqs" => OutputTarget::Sqs { queue_url: needed(table, "queue_url", "a queue's URL", queue_url)? },
        _ => OutputTarget::Eventbridge { bus: needed(table, "bus", "a bus's name or ARN", bus)? },
    };
    let known = |at: At<&str>| at.parse(table.document, |source| source_of(source, sources));
    Ok(Output {
        target,
        sources: list(table, "sources", "a source's name or a list of them", known)?,
        types: list(table, "types", "a type of signals or a list of them", |at| at.parse(table.document, pattern))?,
        tests: table.boolean("tests")?.unwrap_or(true),
        required: table.boolean("required")?.unwrap_or(true),
    })
}

fn http(name: &str, table: &Table<'_>) -> Result<OutputTarget, FileError> {
    let allow_private = table.boolean("allow_private")?.unwrap_or(false);
    let url = needed(table, "url", "an address in quotes", |value| http_url(value, allow_private))?;
    let wanted = "a reference (\"ssm:/…\") or a list of two";
    let secrets =
        list(table, "secret", wanted, |at| at.parse(table.document, |value| scalar::secret_reference(value, name)))?;
    let secrets: Vec<Reference> = secrets.ok_or_else(|| {
        let text =
            format!("secret is missing; each request is signed with it: write secret = \"ssm:/gridbell/{name}\"");
        table.problem(text)
    })?;
    let problem = |text: &str| {
        table.document.problem(table.offset_of("secret"), format!("{}.secret", table.name), text.to_owned())
    };
    if secrets.len() > MOST_SECRETS {
        return Err(problem("more than two secrets; two while rotating, one otherwise"));
    }
    if let [first, second] = secrets.as_slice()
        && first == second
    {
        return Err(problem("the same reference twice; write it once"));
    }
    Ok(OutputTarget::Http { url, secrets, allow_private })
}

/// A list that is not empty; none if the key is missing.
fn list<'d, T>(
    table: &Table<'d>,
    key: &str,
    wanted: &str,
    parse: impl Fn(At<&'d str>) -> Result<T, FileError>,
) -> Result<Option<Vec<T>>, FileError> {
    let Some(values) = table.strings(key, wanted)? else { return Ok(None) };
    if values.is_empty() {
        let key_name = format!("{}.{key}", table.name);
        return Err(table.document.problem(table.offset_of(key), key_name, "an empty list; leave the key out for all"));
    }
    values.into_iter().map(|value| value.and_then(&parse)).collect::<Result<Vec<T>, _>>().map(Some)
}

fn needed(
    table: &Table<'_>,
    key: &str,
    wanted: &str,
    parse: impl FnOnce(&str) -> Result<String, String>,
) -> Result<String, FileError> {
    let at = table.string(key, wanted)?;
    let at = at.ok_or_else(|| table.problem(format!("{key} is missing; {wanted} belongs here")))?;
    at.parse(table.document, parse)
}

fn source_of(value: &str, sources: &[&str]) -> Result<String, String> {
    if sources.contains(&value) {
        return Ok(value.to_owned());
    }
    let known = sources.join(", ");
    Err(format!("names no source of this file; there are: {known}"))
}

/// A type of signals, with `*` for any text.
fn pattern(value: &str) -> Result<String, String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-*".contains(&byte);
    if value.is_empty() || value.len() > 128 || !value.bytes().all(good) {
        return Err("not a type of signals; write \"gridbell.dispatch.*\": letters, digits and . _ - *".to_owned());
    }
    if !value.starts_with("gridbell.") && !value.starts_with('*') {
        return Err("matches no signal: every type begins with \"gridbell.\"".to_owned());
    }
    Ok(value.to_owned())
}

fn http_url(value: &str, allow_private: bool) -> Result<String, String> {
    let url = Url::parse(value).ok().filter(|_| value.len() <= MOST_URL);
    let url = url.ok_or_else(|| "not an address; write \"https://ems.example.com/gridbell\"".to_owned())?;
    let host = url.host().ok_or_else(|| "an address without a host; write \"https://host/path\"".to_owned())?;
    let (address, is_local) = match host {
        Host::Domain(name) => (None, name == "localhost"),
        Host::Ipv4(address) => (Some(IpAddr::V4(address)), address.is_loopback()),
        Host::Ipv6(address) => (Some(IpAddr::V6(address)), address.is_loopback()),
    };
    match url.scheme() {
        "https" => {}
        "http" if is_local => {}
        "http" => return Err("http can be read on its way; write https:// (http is for this machine alone)".to_owned()),
        _ => return Err("not a web address; write \"https://host/path\"".to_owned()),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user or a password; write the address alone, requests are signed".to_owned());
    }
    if url.fragment().is_some() {
        return Err("holds a fragment (#), which is never sent; write the address without it".to_owned());
    }
    if !allow_private && (is_local || address.is_some_and(is_private)) {
        return Err("a private address; write allow_private = true as well if it is meant".to_owned());
    }
    Ok(url.into())
}

/// Whether an address is surely private; a name is resolved only when a request is sent.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private() || address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

fn queue_url(value: &str) -> Result<String, String> {
    let url = Url::parse(value).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
    let segments =
        url.as_ref().and_then(Url::path_segments).map(|segments| segments.filter(|it| !it.is_empty()).count());
    if segments.is_none_or(|segments| segments < 2) {
        return Err(
            "not a queue's URL; write \"https://sqs.REGION.amazonaws.com/ACCOUNT/NAME\" as the SQS console shows it"
                .to_owned(),
        );
    }
    Ok(value.to_owned())
}

fn bus(value: &str) -> Result<String, String> {
    let name =
        value.strip_prefix("arn:").map_or(Some(value), |arn| arn.rsplit_once("event-bus/").map(|(_, name)| name));
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    match name {
        Some(name) if !name.is_empty() && name.len() <= 256 && name.bytes().all(good) => Ok(value.to_owned()),
        _ => Err("not a bus; write its name or its ARN: \"arn:aws:events:REGION:ACCOUNT:event-bus/NAME\"".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use crate::{Config, file::File};

    const SOURCES: &str = "[sources.n]\nprovider = \"nvgrid\"\n[sources.m]\nprovider = \"nvgrid\"\n";

    fn read(outputs: &str) -> Result<Config, String> {
        let read = File::parse("gridbell.toml", &format!("{SOURCES}{outputs}"));
        read.map(|file| file.config).map_err(|error| error.to_string())
    }

    #[test]
    fn each_kind_is_read_with_its_defaults_and_survives_the_functions_json() {
        let text = "[outputs.gateway]\nkind = 'http'\nurl = 'https://ems.example.com/gridbell'\n\
                    secret = ['ssm:/gridbell/a', 'ssm:/gridbell/b']\nsources = 'n'\ntypes = ['gridbell.dispatch.*']\ntests = false\n\
                    [outputs.queue]\nkind = 'sqs'\nqueue_url = 'https://sqs.eu-west-1.amazonaws.com/123456789012/q.fifo'\nrequired = false\n\
                    [outputs.bus]\nkind = 'eventbridge'\nbus = 'arn:aws:events:eu-west-1:123456789012:event-bus/grid'\n";
        let config = read(text).unwrap();
        let gateway = &config.outputs["gateway"];
        assert_eq!((gateway.target.kind(), gateway.tests, gateway.required), ("http", false, true));
        assert_eq!(gateway.sources.as_deref(), Some(["n".to_owned()].as_slice()));
        let (queue, bus) = (&config.outputs["queue"], &config.outputs["bus"]);
        assert_eq!(
            (queue.target.kind(), queue.required, queue.tests, queue.sources.is_none()),
            ("sqs", false, true, true)
        );
        assert_eq!((bus.target.kind(), bus.types.is_none()), ("eventbridge", true));
        assert_eq!(Config::parse(&config.to_json()).unwrap(), config);
    }

    #[test]
    fn a_mistake_is_named_with_its_place_and_the_way_out() {
        let check = |outputs: &str, expected: &str| {
            let error = read(outputs).unwrap_err();
            assert!(error.starts_with(&format!("gridbell.toml:{expected}")), "{error}");
        };
        let http = |rest: &str| format!("[outputs.a]\nkind = 'http'\n{rest}");
        let good = "url = 'https://ems.example.com/'\nsecret = 'ssm:/gridbell/a'\n";
        check("[outputs.a]\nurl = 'x'\n", "5:1: outputs.a: kind is missing");
        check("[outputs.a]\nkind = 'smtp'\n", "6:8: outputs.a.kind: unknown kind; write \"http\"");
        let queue = "queue_url = 'https://sqs.eu-west-1.amazonaws.com/1/q'\n";
        check(&format!("[outputs.A]\nkind = 'sqs'\n{queue}"), "5:10: outputs.A: not an output's name");
        check(&http("url = 'https://ems.example.com/'\n"), "5:1: outputs.a: secret is missing");
        check(&http("secret = 'ssm:/gridbell/a'\n"), "5:1: outputs.a: url is missing");
        check(&http(&format!("{good}bus = 'b'\n")), "9:1: outputs.a.bus: unknown key; known here: kind, sources");
        let url = |url: &str| http(&format!("url = '{url}'\nsecret = 'ssm:/gridbell/a'\n"));
        check(&url("http://ems.example.com/"), "7:7: outputs.a.url: http can be read on its way");
        check(&url("http://127.0.0.1:9/"), "7:7: outputs.a.url: a private address; write allow_private = true");
        check(&url("https://10.0.0.1/"), "7:7: outputs.a.url: a private address");
        check(&url("https://u:p@ems.example.com/"), "7:7: outputs.a.url: holds a user or a password");
        check(&url("ems.example.com"), "7:7: outputs.a.url: not an address");
        let secret = |secret: &str| http(&format!("url = 'https://ems.example.com/'\nsecret = {secret}\n"));
        check(&secret("'whsec_c2VjcmV0'"), "8:10: outputs.a.secret: not a reference to a secret");
        check(&secret("[]"), "8:10: outputs.a.secret: an empty list");
        check(&secret("['ssm:/a', 'ssm:/a']"), "8:10: outputs.a.secret: the same reference twice");
        check(&secret("['ssm:/a', 'ssm:/b', 'ssm:/c']"), "8:10: outputs.a.secret: more than two secrets");
        check(
            &http(&format!("{good}sources = ['n', 'x']\n")),
            "9:17: outputs.a.sources: names no source of this file; there are: m, n",
        );
        check(&http(&format!("{good}types = 'dispatch.*'\n")), "9:9: outputs.a.types: matches no signal");
        check(&http(&format!("{good}tests = 'no'\n")), "9:9: outputs.a.tests: a string where true or false belongs");
        check("[outputs.a]\nkind = 'sqs'\nqueue_url = 'q'\n", "7:13: outputs.a.queue_url: not a queue's URL");
        check("[outputs.a]\nkind = 'eventbridge'\nbus = 'arn:aws:sns:x'\n", "7:7: outputs.a.bus: not a bus");
        assert!(!read(&secret("'whsec_c2VjcmV0'")).unwrap_err().contains("c2VjcmV0"), "no value is shown");
        assert!(read(&http("url = 'http://127.0.0.1:9/'\nallow_private = true\nsecret = 'env:SECRET'\n")).is_ok());
    }
}
