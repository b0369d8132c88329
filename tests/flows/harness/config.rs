//! The configuration that the flows run with.

use std::{collections::BTreeMap, fmt::Write as _};

use anyhow::Result;
use config::Config;
use local_stack::UpOptions;
use providers::Providers;
use sha2::{Digest, Sha256};
use url::Url;

use super::hex;

/// A source: its name, its provider, whether it is a sandbox.
type Source = (&'static str, &'static str, bool);

/// The sources. Tests of one source tell themselves apart by ids; those of a whole source's incidents have one of their own.
const SOURCES: &[Source] = &[
    ("voltus-prod", "voltus", false),
    ("vbox", "voltus", true),
    // The provider refuses its key, and its bodies are not understood.
    ("vkey", "voltus", false),
    // The provider refuses its requests for being too many: all of the source wait then.
    ("vbusy", "voltus", false),
    // Its webhooks name other hosts.
    ("vevil", "voltus", false),
    // It is polled, and some of what its webhooks announce cannot be fetched.
    (POLLED, "voltus", false),
    // Other people are notified of its incidents as well.
    ("vesc", "voltus", false),
    ("leap", "leap", false),
    ("lbox", "leap", true),
    ("nv", "nvgrid", false),
    ("nbox", "nvgrid", true),
    ("ov", "openvolt", false),
    ("obox", "openvolt", true),
];

/// The one source that is polled. People would be notified of what the others list.
pub(crate) const POLLED: &str = "vpoll";

/// Whether a source is marked as a sandbox.
pub(crate) fn is_sandbox(source: &str) -> bool {
    SOURCES.iter().any(|(name, _, sandbox)| *name == source && *sandbox)
}

/// Who sends the mail.
pub(crate) const SENDER: &str = "gridbell@example.com";

/// A source of which two tokens are valid.
pub(crate) const ROTATING: &str = "nv";

/// The token that guards a source's hook.
pub(crate) fn token(source: &str) -> String {
    format!("token-of-{source}")
}

/// The second token of the source that is rotating.
pub(crate) fn new_token(source: &str) -> String {
    format!("new-token-of-{source}")
}

/// The API key that a source asks its provider with.
pub(crate) fn api_key(source: &str) -> String {
    format!("key-of-{source}")
}

/// Everything that nobody may read in a log.
pub(crate) fn secrets() -> impl Iterator<Item = String> {
    SOURCES.iter().flat_map(|(name, ..)| [token(name), api_key(name)])
}

/// The token that guards `/acks/`.
pub(crate) const ACK_TOKEN: &str = "token-of-acks";

/// Everything on one stub. With `acknowledge`, a controller must acknowledge each dispatch soon after it is published.
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
    // No person is notified of what mends itself within a few attempts, so the limit leaves time for them.
    let immediate = if acknowledge { "10s" } else { "30s" };
    writeln!(text, "[deadlines]\nlead = \"60m\"\nimmediate = \"{immediate}\"\nacknowledge = {acknowledge}")?;
    // Mails that can wait come soon.
    writeln!(text, "[contacts]\nemail = [\"duty@example.com\"]\nfrom = \"{SENDER}\"")?;
    writeln!(text, "group_wait = \"1s\"\ngroup_interval = \"3s\"")?;
    writeln!(text, "[sources.vesc.contacts]\nescalate = [{{ after = \"90s\", email = \"lead@example.com\" }}]")?;
    writeln!(text, "[acks]\ntoken = \"sha256:{}\"", sha256(ACK_TOKEN))?;
    let config = Config::parse("the flows' configuration", &text)?;
    Ok(UpOptions { secrets, ..UpOptions::new(config) })
}

fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text))
}
