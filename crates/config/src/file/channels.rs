//! Reads `sns`, `pagerduty`, `webhook` and `ring_tests` of `[contacts]` and of `[sources.NAME.contacts]`.

use url::{Host, Url};

use super::{
    FileError,
    error::Mistakes,
    scalar,
    table::{At, Table},
};
use crate::{Channel, Channels, PAGERDUTY_URL};

/// The keys of the channels.
pub(super) const KEYS: [&str; 4] = ["sns", "pagerduty", "webhook", "ring_tests"];

/// Longest address of a webhook, in characters.
const MOST_URL: usize = 2_000;

/// What a table says about one channel.
enum Said {
    /// Nothing.
    Nothing,
    /// It does not ring.
    Off,
    Channel(Channel),
}

/// The channels of `[contacts]`.
pub(super) fn general(table: &Table<'_>) -> Result<Channels, FileError> {
    Ok(of_source(table, &Channels::default())?.unwrap_or_default())
}

/// The channels of a source, complete; none if it has only the general ones. `"off"` leaves a general one out.
pub(super) fn of_source(table: &Table<'_>, general: &Channels) -> Result<Option<Channels>, FileError> {
    let mut mistakes = Mistakes::default();
    let said = [("sns", sns(table)), ("pagerduty", pagerduty(table)), ("webhook", webhook(table))];
    let said = said.map(|(kind, said)| (kind, mistakes.keep(said).unwrap_or(Said::Nothing)));
    let ring_tests = mistakes.some(table.boolean("ring_tests"));
    if ring_tests.is_none() && said.iter().all(|(_, said)| matches!(said, Said::Nothing)) {
        return mistakes.or(Some(None));
    }
    let to = said.into_iter().filter_map(|(kind, said)| match said {
        Said::Off => None,
        Said::Channel(channel) => Some(channel),
        Said::Nothing => general.to.iter().find(|channel| channel.kind() == kind).cloned(),
    });
    let channels = Channels { to: to.collect(), ring_tests: ring_tests.unwrap_or(general.ring_tests) };
    mistakes.or(Some(Some(channels)))
}

fn sns(table: &Table<'_>) -> Result<Said, FileError> {
    let Some(at) = table.string("sns", "the ARN of a topic in quotes, or \"off\"")? else { return Ok(Said::Nothing) };
    if at.value == "off" {
        return Ok(Said::Off);
    }
    at.parse(table.document, topic).map(|topic| Said::Channel(Channel::Sns { topic }))
}

fn topic(value: &str) -> Result<String, String> {
    let parts: Vec<&str> = value.split(':').collect();
    let plain =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    match parts[..] {
        // SNS itself knows a FIFO topic by the end of its name.
        ["arn", _, "sns", _, _, name] if name.strip_suffix(".fifo").is_some() => Err(
            "a FIFO topic, to which no telephone, chat or paging service subscribes; write the ARN of a standard topic"
                .to_owned(),
        ),
        ["arn", partition, "sns", region, account, name]
            if partition.starts_with("aws")
                && plain(partition)
                && plain(region)
                && account.len() == 12
                && account.bytes().all(|byte| byte.is_ascii_digit())
                && plain(name)
                && name.len() <= 256 =>
        {
            Ok(value.to_owned())
        }
        _ => Err("not the ARN of an SNS topic; write \"arn:aws:sns:us-east-1:123456789012:grid-duty\"".to_owned()),
    }
}

fn pagerduty(table: &Table<'_>) -> Result<Said, FileError> {
    let own = "pagerduty";
    let reference = |at: At<&str>| at.parse(table.document, |value| scalar::reference(value, own));
    if table.is_table(own) {
        let Some(inner) = table.table(own)? else { return Ok(Said::Nothing) };
        inner.only(&["key", "url"])?;
        let key = inner
            .string("key", "a reference (\"ssm:/…\" or \"env:…\")")?
            .ok_or_else(|| inner.problem("key is missing; write key = \"ssm:/gridbell/pagerduty\""))?;
        let url =
            inner.string("url", "an address in quotes")?.map(|at| at.parse(table.document, address)).transpose()?;
        let url = url.unwrap_or_else(|| PAGERDUTY_URL.to_owned());
        return Ok(Said::Channel(Channel::PagerDuty { key: reference(key)?, url }));
    }
    let wanted = "a reference (\"ssm:/…\" or \"env:…\"), { key = …, url = … }, or \"off\"";
    match table.string(own, wanted)? {
        None => Ok(Said::Nothing),
        Some(At { value: "off", .. }) => Ok(Said::Off),
        Some(at) => {
            let key = reference(at)?;
            Ok(Said::Channel(Channel::PagerDuty { key, url: PAGERDUTY_URL.to_owned() }))
        }
    }
}

fn webhook(table: &Table<'_>) -> Result<Said, FileError> {
    let wanted = "{ url = \"https://…\", secret = \"ssm:/…\" }, or \"off\"";
    if !table.is_table("webhook") {
        return match table.string("webhook", wanted)? {
            None => Ok(Said::Nothing),
            Some(At { value: "off", .. }) => Ok(Said::Off),
            Some(at) => at.parse(table.document, |_| Err(format!("not a webhook; write webhook = {wanted}"))),
        };
    }
    let Some(inner) = table.table("webhook")? else { return Ok(Said::Nothing) };
    let mut mistakes = Mistakes::default();
    mistakes.keys(inner.only(&["url", "secret"]));
    let missing = || inner.problem("url is missing; write url = \"https://…\"");
    let url = mistakes.required(inner.string("url", "an address in quotes"), missing);
    let url = url.and_then(|at| mistakes.keep(at.parse(table.document, address)));
    let missing = || inner.problem("secret is missing; write secret = \"ssm:/gridbell/alert-webhook\"");
    let secret = mistakes.required(inner.string("secret", "a reference (\"ssm:/…\" or \"env:…\")"), missing);
    let reference = |value: &str| scalar::reference(value, "alert-webhook");
    let secret = secret.and_then(|at| mistakes.keep(at.parse(table.document, reference)));
    mistakes.or(url.zip(secret).map(|(url, secret)| Said::Channel(Channel::Webhook { url, secret })))
}

/// An address that gridbell posts to.
fn address(value: &str) -> Result<String, String> {
    let url = Url::parse(value).ok().filter(|_| value.len() <= MOST_URL);
    let url = url.ok_or_else(|| "not a web address; write \"https://alerts.example.com/gridbell\"".to_owned())?;
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err("an address without a host; write \"https://alerts.example.com/gridbell\"".to_owned()),
    };
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => {
            return Err("http would send alerts in the clear; write https:// (http is for loopback alone)".to_owned());
        }
        _ => return Err("not a web address; write \"https://alerts.example.com/gridbell\"".to_owned()),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user or a password; write the address alone".to_owned());
    }
    if url.fragment().is_some() {
        return Err("holds a fragment, which is never sent; write the address without it".to_owned());
    }
    Ok(url.into())
}
