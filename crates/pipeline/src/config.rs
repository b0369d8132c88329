//! The operator's configuration, as the functions read it: parsed once at the start, where a bad value fails with its
//! name.

use std::collections::BTreeMap;

use dispatch::{Origin, Program};
use jiff::{SignedDuration, Timestamp};
use providers::{Precedence, Provider, Providers, UnknownProvider};
use serde::{Deserialize, Serialize};

use crate::token::TokenHash;

pub mod output;

pub use output::{Output, OutputTarget, Routed};

/// The whole configuration, made by the CLI from `gridbell.toml`. As JSON it names its providers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config<P = &'static dyn Provider> {
    /// The sources, by name.
    pub sources: BTreeMap<String, Source<P>>,
    /// When a dispatch must be acknowledged.
    #[serde(default)]
    pub deadlines: Deadlines,
    /// The people who are notified.
    #[serde(default)]
    pub contacts: Contacts,
    /// Who may acknowledge.
    #[serde(default)]
    pub acks: Acks,
    /// The operator's data about sites, by `<source>/<site>`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sites: BTreeMap<String, Site>,
    /// Where the courier delivers signals, by name. Without any, a controller reads the queue `signals` itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, Output>,
}

/// The operator's data about a site, meter or power feed: for people, not for controllers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Its display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The IANA name of its time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Whom to call there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// How to curtail by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// A page with the full description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook_url: Option<String>,
    /// Further people who are notified of its dispatches, besides the source's contacts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contacts: Option<SiteContacts>,
}

/// Further people who are notified of a site's dispatches, besides the source's contacts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteContacts {
    /// Addresses.
    pub email: Vec<String>,
}

/// A provider by name, not yet resolved.
type ProviderName = String;

/// One account at a provider, with its webhook endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source<P = &'static dyn Provider> {
    /// The provider.
    pub provider: P,
    /// Production or sandbox.
    #[serde(default)]
    pub environment: Environment,
    /// The base of the provider's API, without a slash at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_url: Option<String>,
    /// Where the API key is stored: `ssm:/…` or `env:…`, never the key itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
    /// Hashes of the tokens that are valid now.
    pub tokens: Vec<TokenHash>,
    /// By when its dispatches must be acknowledged, if different from the general deadlines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadlines: Option<Deadlines>,
    /// The same for dispatches of a program, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub programs: BTreeMap<String, Deadlines>,
    /// How often its dispatches are listed while none is near, in seconds; 0: never.
    #[serde(default = "usual_poll_s")]
    pub poll_s: u32,
    /// How many requests a minute the provider allows; none: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_a_minute: Option<u32>,
    /// People who are notified of it, in place of the general contacts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contacts: Option<SourceContacts>,
}

fn usual_poll_s() -> u32 {
    300
}

/// Whether a source's dispatches are real.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Real, unless a body is marked as a test.
    #[default]
    Production,
    /// Tests, whatever a body states.
    Sandbox,
}

/// By when a dispatch must be acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadlines {
    /// This long before its start …
    pub lead_s: u32,
    /// … or this soon after its first delivery, if it starts sooner than that.
    pub immediate_s: u32,
    /// Whether a controller acknowledges; otherwise a signal counts once it is read from the queue.
    pub acknowledge: bool,
}

impl Deadlines {
    /// By when a dispatch first received at that instant must be acknowledged.
    pub fn due_at(self, start: Timestamp, received_at: Timestamp) -> Timestamp {
        self.before(start).max(self.soon_after(received_at))
    }

    /// By when a dispatch that starts at that instant must be acknowledged, regardless of when it was received.
    pub fn before(self, start: Timestamp) -> Timestamp {
        start.saturating_sub(SignedDuration::from_secs(i64::from(self.lead_s))).unwrap_or(Timestamp::MIN)
    }

    /// By when a dispatch first received at that instant must be acknowledged while its start is unknown.
    pub fn soon_after(self, received_at: Timestamp) -> Timestamp {
        received_at.saturating_add(SignedDuration::from_secs(i64::from(self.immediate_s))).unwrap_or(Timestamp::MAX)
    }
}

impl Deadlines {
    /// The stricter of both.
    #[must_use]
    pub fn strictest(self, other: Self) -> Self {
        Self {
            lead_s: self.lead_s.max(other.lead_s),
            immediate_s: self.immediate_s.min(other.immediate_s),
            acknowledge: self.acknowledge || other.acknowledge,
        }
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { lead_s: 600, immediate_s: 60, acknowledge: false }
    }
}

/// Who is notified, by which sender, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contacts {
    /// Addresses of the people on duty.
    pub email: Vec<String>,
    /// The verified sender.
    pub from: String,
    /// The interval between reminders of an incident that no person has acknowledged, in seconds; 0: never.
    #[serde(default = "usual_remind_s")]
    pub remind_s: u32,
    /// The steps of the escalation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub escalate: Vec<Escalation>,
    /// How long the first mail of a group waits for others, in seconds, unless it is urgent.
    #[serde(default = "usual_group_wait_s")]
    pub group_wait_s: u32,
    /// How long the next mail of a group waits after the previous one, in seconds, unless it is urgent.
    #[serde(default = "usual_group_interval_s")]
    pub group_interval_s: u32,
}

/// Further people who are notified of an incident that no person has acknowledged after some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// This long after it opened, in seconds.
    pub after_s: u32,
    /// Addresses.
    pub email: Vec<String>,
}

/// People who are notified of one source; anything left out is as in the general contacts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceContacts {
    /// In place of the general addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Vec<String>>,
    /// In place of the general escalation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalate: Option<Vec<Escalation>>,
}

fn usual_remind_s() -> u32 {
    900
}

fn usual_group_wait_s() -> u32 {
    30
}

fn usual_group_interval_s() -> u32 {
    300
}

impl Default for Contacts {
    fn default() -> Self {
        Self {
            email: Vec::new(),
            from: String::new(),
            remind_s: usual_remind_s(),
            escalate: Vec::new(),
            group_wait_s: usual_group_wait_s(),
            group_interval_s: usual_group_interval_s(),
        }
    }
}

/// The people who are notified of one source's incidents, step by step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audience<'c> {
    email: &'c [String],
    escalate: &'c [Escalation],
}

impl<'c> Audience<'c> {
    /// The steps of the escalation, the earliest first.
    pub fn steps(self) -> &'c [Escalation] {
        self.escalate
    }

    /// How many steps are due when an incident has been open for so long.
    pub fn level(self, age: SignedDuration) -> usize {
        self.escalate.iter().take_while(|step| SignedDuration::from_secs(i64::from(step.after_s)) <= age).count()
    }

    /// All addresses up to that step, each once.
    pub fn addresses(self, level: usize) -> Vec<String> {
        let steps = self.escalate.iter().take(level).flat_map(|step| &step.email);
        let mut addresses: Vec<String> = Vec::new();
        for address in self.email.iter().chain(steps) {
            if !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        addresses
    }
}

/// Who may acknowledge.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acks {
    /// Hashes of the tokens that are valid now.
    pub tokens: Vec<TokenHash>,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It is not JSON of the expected form.
    #[error("the configuration cannot be read: {0}")]
    Shape(#[from] serde_json::Error),
    /// A key that this release does not know.
    #[error("the configuration has the key {0}, which this release does not know")]
    UnknownKey(String),
    /// A source names a provider that does not exist.
    #[error("source {source_name:?} names the provider {provider:?}: {error}")]
    Provider {
        /// The source.
        source_name: String,
        /// The provider that it names.
        provider: String,
        /// The providers that exist.
        error: UnknownProvider,
    },
}

impl Config {
    /// Parses the JSON that the CLI stores, strictly.
    pub fn parse(json: &str) -> Result<Self, ConfigError> {
        Self::parse_with(json, Providers::default())
    }

    /// The same with the given providers.
    pub fn parse_with(json: &str, providers: Providers) -> Result<Self, ConfigError> {
        let (config, unknown) = Self::read(json, providers)?;
        unknown.into_iter().next().map_or(Ok(config), |key| Err(ConfigError::UnknownKey(key)))
    }

    /// The same for a function: a key that this release does not know is ignored and returned by name. It may belong to
    /// a release that was rolled back or is about to be deployed; stopping all functions over it would lose webhooks.
    pub fn parse_known(json: &str) -> Result<(Self, Vec<String>), ConfigError> {
        Self::read(json, Providers::default())
    }

    fn read(json: &str, providers: Providers) -> Result<(Self, Vec<String>), ConfigError> {
        let (mut deserializer, mut unknown) = (serde_json::Deserializer::from_str(json), Vec::new());
        let named: Config<ProviderName> =
            serde_ignored::deserialize(&mut deserializer, |path| unknown.push(path.to_string()))?;
        deserializer.end()?;
        let mut config = named.with(providers)?;
        config.contacts.escalate.sort_by_key(|step| step.after_s);
        for source in config.sources.values_mut() {
            if let Some(escalate) = source.contacts.as_mut().and_then(|contacts| contacts.escalate.as_mut()) {
                escalate.sort_by_key(|step| step.after_s);
            }
        }
        Ok((config, unknown))
    }

    /// By when a dispatch of that source must be acknowledged. A dispatch of several programs must satisfy each of
    /// them. A program that is not named, and a dispatch without programs, have the source's deadlines.
    pub fn deadlines_for(&self, source: &str, programs: &[Program]) -> Deadlines {
        let source = self.sources.get(source);
        let usual = source.and_then(|source| source.deadlines).unwrap_or(self.deadlines);
        let of = |program: &Program| source?.programs.get(program.name.as_deref()?).copied();
        let each = programs.iter().map(|program| of(program).unwrap_or(usual));
        each.reduce(Deadlines::strictest).unwrap_or(usual)
    }

    /// The people who are notified of a source's incidents.
    pub fn audience(&self, source: &str) -> Audience<'_> {
        let own = self.sources.get(source).and_then(|source| source.contacts.as_ref());
        Audience {
            email: own.and_then(|own| own.email.as_deref()).unwrap_or(&self.contacts.email),
            escalate: own.and_then(|own| own.escalate.as_deref()).unwrap_or(&self.contacts.escalate),
        }
    }

    /// The operator's data about a source's site, by the provider's id of it; about a power feed by its tag, or `-`.
    pub fn site(&self, source: &str, id: &str) -> Option<&Site> {
        // Most configurations describe few sites, and a dispatch may name thousands of meters.
        if self.sites.is_empty() { None } else { self.sites.get(&format!("{source}/{id}")) }
    }

    /// A source with the origin that its facts carry.
    pub fn source(&self, name: &str) -> Option<(&Source, Origin)> {
        let source = self.sources.get(name)?;
        let sandbox = source.environment == Environment::Sandbox;
        Some((source, Origin { source: name.to_owned(), provider: source.provider.name().to_owned(), sandbox }))
    }

    /// Which of a source's overlapping dispatches governs; none if its provider states no order, or if there is no such
    /// source.
    pub fn precedence(&self, source: &str) -> Option<Precedence> {
        self.sources.get(source)?.provider.governs()
    }
}

impl Config<ProviderName> {
    fn with(self, providers: Providers) -> Result<Config, ConfigError> {
        let Self { sources, deadlines, contacts, acks, sites, outputs } = self;
        let known = sources.into_iter().map(|(name, source)| {
            let provider = providers.named(&source.provider).map_err(|error| ConfigError::Provider {
                source_name: name.clone(),
                provider: source.provider.clone(),
                error,
            })?;
            Ok((name, source.of(provider)))
        });
        Ok(Config { sources: known.collect::<Result<_, ConfigError>>()?, deadlines, contacts, acks, sites, outputs })
    }
}

impl Source<ProviderName> {
    fn of(self, provider: &'static dyn Provider) -> Source {
        Source {
            provider,
            environment: self.environment,
            api_url: self.api_url,
            api_key: self.api_key,
            tokens: self.tokens,
            deadlines: self.deadlines,
            programs: self.programs,
            poll_s: self.poll_s,
            requests_a_minute: self.requests_a_minute,
            contacts: self.contacts,
        }
    }
}

impl Source {
    /// Whether its dispatches are polled: the provider has a list, and the source has a key.
    pub fn is_polled(&self) -> bool {
        self.poll_s > 0 && self.api_key.is_some() && self.provider.lists_dispatches()
    }
}
