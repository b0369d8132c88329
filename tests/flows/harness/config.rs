//! The configuration of the flows.

use std::{collections::BTreeMap, fmt::Write as _};

use anyhow::Result;
use config::file::File;
use local_stack::UpOptions;
use providers::Providers;
use sha2::{Digest, Sha256};
use url::Url;

use super::hex;

/// A source: its name, its provider, whether it is a sandbox.
type Source = (&'static str, &'static str, bool);

/// The sources. Cases on the same source use different ids; cases about a whole source's incidents have a source of
/// their own.
const SOURCES: &[Source] = &[
    ("voltus-prod", "voltus", false),
    ("vbox", "voltus", true),
    // The provider refuses its key, and its bodies cannot be parsed.
    ("vkey", "voltus", false),
    // The provider answers 429; then every request of the source waits.
    ("vbusy", "voltus", false),
    // Its webhooks name other hosts.
    ("vevil", "voltus", false),
    // It is polled, and some dispatches of its webhooks cannot be fetched.
    (POLLED, "voltus", false),
    // Its incidents escalate to other people.
    ("vesc", "voltus", false),
    // Its incidents ring SNS, PagerDuty and a webhook.
    (LOUD, "voltus", false),
    ("leap", "leap", false),
    ("lbox", "leap", true),
    ("nv", "nvgrid", false),
    ("nbox", "nvgrid", true),
    ("ov", "openvolt", false),
];

/// The one polled source. On other sources, dispatches in a list would cause alerts.
pub(crate) const POLLED: &str = "vpoll";

/// The source whose incidents ring besides mail.
pub(crate) const LOUD: &str = "vring";

/// The topic of that source.
pub(crate) const TOPIC: &str = "gridbell-flows";

/// The stub's paths for PagerDuty and the webhook of that source.
pub(crate) const PAGERDUTY: &str = "/rings/pagerduty";
pub(crate) const RINGS: &str = "/rings/webhook";

/// The secrets of both.
pub(crate) const ROUTING_KEY: &str = "routing-key-of-vring";
pub(crate) const SIGNING_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Whether a source is marked as a sandbox.
pub(crate) fn is_sandbox(source: &str) -> bool {
    SOURCES.iter().any(|(name, _, sandbox)| *name == source && *sandbox)
}

/// The sender of the mails.
pub(crate) const SENDER: &str = "gridbell@example.com";

/// A source with two valid tokens.
pub(crate) const ROTATING: &str = "nv";

/// The token of a source's webhook URL.
pub(crate) fn token(source: &str) -> String {
    format!("token-of-{source}")
}

/// The second token of the rotating source.
pub(crate) fn new_token(source: &str) -> String {
    format!("new-token-of-{source}")
}

/// The API key of a source.
pub(crate) fn api_key(source: &str) -> String {
    format!("key-of-{source}")
}

/// The secrets that must not appear in a log.
pub(crate) fn secrets() -> impl Iterator<Item = String> {
    let of_channels = [ROUTING_KEY.to_owned(), SIGNING_SECRET.to_owned()];
    SOURCES.iter().flat_map(|(name, ..)| [token(name), api_key(name)]).chain(of_channels)
}

/// The token of `/acks/`.
pub(crate) const ACK_TOKEN: &str = "token-of-acks";

/// Points every source to one stub. With `acknowledge`, a controller must acknowledge each dispatch soon after its
/// publication.
pub(crate) fn options(stub: &str, acknowledge: bool) -> Result<UpOptions> {
    let mut text = String::new();
    let mut secrets = BTreeMap::new();
    for (name, provider, sandbox) in SOURCES {
        let mut tokens = vec![token(name)];
        if *name == ROTATING {
            tokens.push(new_token(name));
        }
        let tokens: Vec<String> = tokens.iter().map(|token| format!("\"sha256:{}\"", sha256(token))).collect();
        let environment = if *sandbox { "sandbox" } else { "production" };
        writeln!(text, "[sources.{name}]\nprovider = \"{provider}\"\nenvironment = \"{environment}\"")?;
        writeln!(text, "token = [{}]", tokens.join(", "))?;
        let provider = Providers::default().named(provider)?;
        if provider.lists_dispatches() {
            writeln!(text, "poll = \"{}\"", if *name == POLLED { "1m" } else { "off" })?;
        }
        if let Some(own) = provider.api_url(*sandbox).filter(|_| provider.needs_api_key()) {
            let own = Url::parse(own)?;
            let base = own.path().trim_end_matches('/');
            writeln!(text, "api_url = \"{stub}{base}\"\napi_key = \"ssm:/gridbell/{name}\"")?;
            secrets.insert(format!("/gridbell/{name}"), api_key(name));
        }
    }
    // A failure that recovers within a few retries must not be reported, so the limit leaves time for them.
    let immediate = if acknowledge { "10s" } else { "30s" };
    writeln!(text, "[deadlines]\nlead = \"60m\"\nimmediate = \"{immediate}\"\nacknowledge = {acknowledge}")?;
    // Mails that can wait are sent soon.
    writeln!(text, "[contacts]\nemail = [\"duty@example.com\"]\nfrom = \"{SENDER}\"")?;
    writeln!(text, "group_wait = \"1s\"\ngroup_interval = \"3s\"")?;
    writeln!(text, "[sources.vesc.contacts]\nescalate = [{{ after = \"90s\", email = \"lead@example.com\" }}]")?;
    writeln!(text, "[sources.{LOUD}.contacts]\nsns = \"arn:aws:sns:us-east-1:123456789012:{TOPIC}\"")?;
    writeln!(text, "pagerduty = {{ key = \"ssm:/gridbell/pagerduty\", url = \"{stub}{PAGERDUTY}\" }}")?;
    writeln!(text, "webhook = {{ url = \"{stub}{RINGS}\", secret = \"ssm:/gridbell/ring-secret\" }}")?;
    secrets.insert("/gridbell/pagerduty".to_owned(), ROUTING_KEY.to_owned());
    secrets.insert("/gridbell/ring-secret".to_owned(), SIGNING_SECRET.to_owned());
    writeln!(text, "[signals]\nheartbeat = \"1m\"")?;
    writeln!(text, "[acks]\ntoken = \"sha256:{}\"", sha256(ACK_TOKEN))?;
    let config = File::parse("the flows' configuration", &text)?.config;
    Ok(UpOptions { secrets, ..UpOptions::new(config) })
}

fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text))
}
