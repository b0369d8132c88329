//! `NvGrid`: asked over gRPC, by a description that is found at run time. No call of it lists webhooks.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use aws::secrets::Reference;
use jiff::Timestamp;
use serde_json::{Value, json};
use url::Url;

use super::{AboutHook, follow};
use crate::{
    cli,
    config::Provider,
    door::{Door, Opened, is_loopback, reference},
    fixtures,
    local::http_client,
    nvgrid::{Client, EVENTS, Endpoint, Login, NvgridError, Origin},
    show,
    simulate::times,
};

/// How long a call may take: the site asks nobody meanwhile.
const ANSWERS: Duration = Duration::from_secs(30);

/// How `NvGrid` is asked, where that is not what the source's configuration says.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "How NvGrid is asked (gRPC)")]
pub(super) struct Asking {
    /// A .proto file that came with the DPS install; may stand several times [default: the server's reflection]
    #[arg(long, value_name = "FILE", conflicts_with = "descriptor_set")]
    proto: Vec<PathBuf>,
    /// Where those import from; may stand several times [default: their own folders]
    #[arg(long, value_name = "FOLDER", requires = "proto")]
    proto_path: Vec<PathBuf>,
    /// The same compiled, as `protoc --include_imports --descriptor_set_out=FILE` does
    #[arg(long, value_name = "FILE")]
    descriptor_set: Option<PathBuf>,
    /// The certificate of the CA that signed the server's, in PEM [default: those that browsers trust]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The name that the server's certificate is made out to [default: the address's host]
    #[arg(long, value_name = "NAME")]
    tls_name: Option<String>,
    /// Where DPS answers, such as https://api.dps:443 [default: the source's `api_url`]
    #[arg(long, value_name = "URL", value_parser = address)]
    api_url: Option<Url>,
    /// Where username:password lies, or a token alone: `env:NAME` or `ssm:/path` [default: the source's `api_key`]
    #[arg(long, value_name = "REFERENCE", value_parser = reference)]
    login: Option<Reference>,
}

fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
    url.filter(|url| url.username().is_empty() && url.password().is_none())
        .ok_or_else(|| "write https://HOST:PORT; the login belongs in --login".to_owned())
}

impl Asking {
    /// Refuses these flags for another provider.
    pub(super) fn is_for(&self, provider: Provider) -> Result<()> {
        let given = !self.proto.is_empty()
            || self.descriptor_set.is_some()
            || self.ca.is_some()
            || self.tls_name.is_some()
            || self.api_url.is_some()
            || self.login.is_some();
        if provider != Provider::Nvgrid && given {
            return Err(cli::usage(format!(
                "--proto, --descriptor-set, --ca, --tls-name, --api-url and --login are about NvGrid, and {provider} is none"
            )));
        }
        Ok(())
    }

    fn origin(&self) -> Origin {
        match &self.descriptor_set {
            Some(file) => Origin::DescriptorSet(file.clone()),
            None if self.proto.is_empty() => Origin::Reflection,
            None => Origin::Proto { files: self.proto.clone(), folders: self.proto_path.clone() },
        }
    }

    /// Where a source's provider answers, as far as that is known.
    pub(super) fn asked(&self, opened: &Opened) -> Result<Option<Url>> {
        self.api_url.clone().map_or_else(|| opened.api_url(), |url| Ok(Some(url)))
    }

    /// Where the source's site answers.
    fn url(&self, opened: &Opened) -> Result<Url> {
        self.asked(opened)?.with_context(|| {
            format!("{0} has no api_url: say where its DPS answers with --api-url https://HOST:PORT, or write api_url and api_key for {0} in gridbell.toml", opened.name)
        })
    }

    /// Connects to the source's site.
    async fn client(&self, opened: &Opened) -> Result<Client> {
        let url = self.url(opened)?;
        let key = match &self.login {
            Some(reference) => opened.read(reference).await?,
            None => opened.key().await.with_context(
                || "no login is known; say where username:password lies with --login env:NAME or ssm:/path",
            )?,
        };
        if url.scheme() == "http" && !is_loopback(&url) {
            show::aside(&format!(
                "warning: {url} is asked in the clear: whoever is on the way reads the login; write https:// where the site has TLS"
            ));
        }
        let endpoint = Endpoint { url, ca: self.ca.clone(), tls_name: self.tls_name.clone(), answers: ANSWERS };
        Ok(Client::connect(&endpoint, &self.origin(), Login::parse(&key)).await?)
    }
}

/// A power event by its name.
pub(super) fn event(name: &str) -> Result<String, String> {
    if EVENTS.contains(&name) { Ok(name.to_owned()) } else { Err(format!("there are {}", EVENTS.join(", "))) }
}

/// Registers the door, which has been seen to answer.
pub(super) async fn register(asking: &Asking, opened: &Opened, door: &Door, events: &[String]) -> Result<()> {
    let mut client = asking.client(opened).await.context("nothing is registered")?;
    if let Err(error) = client.register(door.address().as_str(), events).await {
        return Err(undone(&opened.name, error, "registered"));
    }
    let of = if events.is_empty() { "all power events".to_owned() } else { events.join(", ") };
    show::print(&format!("Registered for {of}: {door}"))?;
    if opened.rotates() {
        show::print(
            "Two tokens open this source. Once this one works, unregister the address with the old one (--token), and leave its hash out of gridbell.toml.",
        )?;
    }
    show::print(&format!(
        "NvGrid has no call that lists webhooks: keep in mind that it is there. It goes away with: gridbell webhook unregister {0}\nTry it: gridbell webhook test {0}",
        opened.name
    ))
}

/// Takes the door's address away.
pub(super) async fn unregister(asking: &Asking, opened: &Opened, door: &Door) -> Result<()> {
    let mut client = asking.client(opened).await.context("it is registered still, if it was")?;
    match client.unregister(door.address().as_str()).await {
        Ok(()) => show::print(&format!("Unregistered {door}. No webhook of NvGrid's comes to it any more.")),
        Err(error @ NvgridError::Refused { .. }) => Err(anyhow::anyhow!(
            "{error}: nothing is taken away; NvGrid takes away the very address that was registered, so say --url and --token if that was another"
        )),
        Err(error) => Err(undone(&opened.name, error, "unregistered")),
    }
}

/// Why it did not go through, and what holds now.
fn undone(source: &str, error: NvgridError, what: &str) -> anyhow::Error {
    if error.is_in_doubt() {
        return anyhow::anyhow!(
            "it may be {what} or not: {error}; NvGrid has no call that lists webhooks, so make sure with `gridbell webhook unregister {source}`, and begin anew"
        );
    }
    anyhow::Error::from(error).context(format!("nothing is {what}"))
}

/// What can be said instead of a list.
pub(super) async fn list(asking: &Asking, opened: &Opened, json: bool) -> Result<()> {
    let mut client = asking.client(opened).await?;
    let status = client.status().await?;
    if json {
        show::json(&json!({"webhooks": null, "status": status}))?;
    } else {
        show::print(&format!(
            "What its status says of the feeds, by {}:\n{}",
            client.described_by(),
            outline(&status)
        ))?;
    }
    bail!(
        "NvGrid has no call that lists webhooks, so whether {0} is registered shows when an event comes (`gridbell delivery list --source {0}`); its DPS operator sees the registrations",
        opened.name
    )
}

/// Lets an event come: a rehearsal's own, or the next that there is.
pub(super) async fn test(asking: &Asking, hook: &AboutHook, opened: &Opened, wait: Duration) -> Result<()> {
    if !opened.is_sandbox() {
        show::print(
            "NvGrid sends no tests, and an event of our own would pass for a real one: its source is production.",
        )?;
        let mut client = asking.client(opened).await?;
        client.status().await?;
        show::print("The site takes the login and tells its status. A ramp at the site brings an event.")?;
        return follow::to_delivery(opened, times::now(), wait).await;
    }
    let door = opened.door(&hook.place).await?;
    let now = times::now();
    let mut body = fixtures::json("nvgrid/start_ramp_down.json")?;
    let correlation = format!("gridbell-test-{}", now.as_millisecond());
    let hour_later = now.checked_add(jiff::SignedDuration::from_hours(1)).unwrap_or(now);
    for (name, value) in
        [("correlation_id", &correlation), ("start_time", &now.to_string()), ("end_time", &hour_later.to_string())]
    {
        body[name] = json!(value);
    }
    let feed = body["feed_tag"].as_str().map(str::to_owned);
    let sent = http_client()?.post(door.address()).json(&body).timeout(ANSWERS).send().await;
    let answer = sent
        .map_err(|error| anyhow::Error::from(error.without_url()))
        .with_context(|| format!("{door} does not answer"))?;
    if !answer.status().is_success() {
        bail!("{door} answers {}, where NvGrid counts 200 alone as taken", answer.status());
    }
    show::print(&format!(
        "NvGrid sends no tests, so gridbell sent an event as it would: start_ramp_down of {correlation}."
    ))?;
    follow::to_signal(opened, &dispatch::Subject::power(&opened.name, feed.as_deref(), &correlation), wait).await
}

/// `webhook status`.
#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    #[command(flatten)]
    about: super::About,
    #[command(flatten)]
    asking: Asking,
    /// Print JSON: the answer with the names of its description
    #[arg(long)]
    json: bool,
}

/// `webhook schedule`.
#[derive(Debug, clap::Args)]
pub(crate) struct Schedule {
    #[command(flatten)]
    about: super::About,
    /// The beginning of the interval, RFC 3339 [default: now]
    #[arg(long, value_name = "INSTANT")]
    from: Option<Timestamp>,
    /// Its end [default: a day after its beginning]
    #[arg(long, value_name = "INSTANT")]
    until: Option<Timestamp>,
    /// A feed's tag; may stand several times [default: all]
    #[arg(long, value_name = "TAG")]
    feed: Vec<String>,
    #[command(flatten)]
    asking: Asking,
    /// Print JSON: the answer with the names of its description
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(super) async fn run(self) -> Result<()> {
        let opened = site(&self.about, "status").await?;
        tell(&self.asking.client(&opened).await?.status().await?, self.json)
    }
}

impl Schedule {
    pub(super) async fn run(self) -> Result<()> {
        let from = self.from.unwrap_or_else(times::now);
        let until =
            self.until.unwrap_or_else(|| from.checked_add(jiff::SignedDuration::from_hours(24)).unwrap_or(from));
        if until <= from {
            return Err(cli::usage("--until lies after --from".to_owned()));
        }
        let opened = site(&self.about, "schedule").await?;
        tell(&self.asking.client(&opened).await?.schedule((from, until), &self.feed).await?, self.json)
    }
}

async fn site(about: &super::About, what: &str) -> Result<Opened> {
    let opened = about.open().await?;
    if opened.provider != Provider::Nvgrid {
        return Err(cli::usage(format!(
            "{what} is told by NvGrid alone, and {} is a source of {}",
            opened.name, opened.provider
        )));
    }
    Ok(opened)
}

fn tell(answer: &Value, json: bool) -> Result<()> {
    if json { show::json(answer) } else { show::print(&outline(answer)) }
}

/// An answer as people read it: a name a line, what lies in it further to the right. How the messages look is the site's to say.
fn outline(answer: &Value) -> String {
    let mut lines = Vec::new();
    branch(answer, 0, &mut lines);
    if lines.is_empty() { "nothing".to_owned() } else { lines.join("\n") }
}

fn branch(value: &Value, depth: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    let named: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, field)| (name.clone(), field)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, item)| (format!("{}.", at + 1), item)).collect(),
        _ => Vec::new(),
    };
    for (name, field) in named {
        match leaf(field) {
            Some(text) if text.is_empty() => {}
            Some(text) => lines.push(format!("{indent}{name}  {text}")),
            None => {
                lines.push(format!("{indent}{name}"));
                branch(field, depth + 1, lines);
            }
        }
    }
}

/// A value on one line; none: it has several. A load is one, and so is a list of words.
fn leaf(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(known) => Some(if *known { "yes" } else { "no" }.to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            items.iter().map(Value::as_str).collect::<Option<Vec<_>>>().map(|words| words.join(", "))
        }
        Value::Object(fields) => {
            let unit = fields.get("unit")?.as_str()?.trim_start_matches("UNIT_").to_ascii_lowercase();
            (fields.len() == 2).then_some(format!("{} {unit}", fields.get("value")?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_as_it_is_built() {
        let load = json!({"value": 6.5, "unit": "UNIT_MEGAWATT"});
        let target = json!({"interval": {"start_time": "2026-03-01T12:00:00Z", "end_time": null}, "target_load": load, "feed_tags": ["a", "b"]});
        let answer = json!({"statuses": {"a": {"compliant": false, "load_target": target}}, "load_targets": []});
        assert_eq!(
            outline(&answer),
            "statuses\n  a\n    compliant  no\n    load_target\n      interval\n        start_time  2026-03-01T12:00:00Z\n      \
             target_load  6.5 megawatt\n      feed_tags  a, b"
        );
        assert_eq!(outline(&json!({"load_targets": []})), "nothing");
    }

    #[test]
    fn an_address_holds_no_login() {
        assert!(address("https://api.dps:443").is_ok() && address("http://127.0.0.1:9").is_ok());
        for wrong in ["api.dps:443", "ftp://h", "https://u:p@h", "https://"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }
}
