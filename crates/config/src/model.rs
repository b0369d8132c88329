//! The whole configuration, and its JSON: a function parses it once at its start, where a bad value fails with its name.

use std::collections::BTreeMap;

use dispatch::{Origin, Program};
use providers::{Precedence, Provider, Providers, UnknownProvider};
use serde::{Deserialize, Serialize};

use crate::{Audience, Channel, Channels, Contacts, Deadlines, Environment, Output, Signals, Site, Source, TokenHash};

/// Most bytes of the JSON that the functions read.
pub const MAX_JSON_BYTES: usize = 1_024 * 1_024;

/// The whole configuration, made by the CLI from `gridbell.toml`. As JSON it names its providers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config<P = &'static dyn Provider> {
    /// The sources, by name.
    pub sources: BTreeMap<String, Source<P>>,
    /// When a dispatch must be acknowledged.
    #[serde(default)]
    pub deadlines: Deadlines,
    /// The people who are notified.
    #[serde(default, skip_serializing_if = "Contacts::is_empty")]
    pub contacts: Contacts,
    /// Who may acknowledge.
    #[serde(default)]
    pub acks: Acks,
    /// What is published besides the providers' facts.
    #[serde(default, skip_serializing_if = "Signals::is_usual")]
    pub signals: Signals,
    /// The operator's data about sites, by `<source>/<site>`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sites: BTreeMap<String, Site>,
    /// Where the courier delivers signals, by name. Without any, a controller reads the queue `signals` itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, Output>,
}

/// A provider by name, not yet resolved.
pub(crate) type ProviderName = String;

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

    /// The JSON that the functions read. It contains hashes and references, no secrets.
    #[expect(clippy::expect_used, reason = "texts, numbers and maps with text keys serialize")]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts, numbers and maps with text keys serialize")
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
        self.contacts.audience(self.named(source).and_then(|source| source.contacts.as_ref()))
    }

    /// The channels that ring for a source's incidents besides mail.
    pub fn channels(&self, source: &str) -> &Channels {
        self.contacts.channels(self.named(source).and_then(|source| source.contacts.as_ref()))
    }

    /// Whether any channel rings besides mail.
    pub fn has_channels(&self) -> bool {
        self.all_channels().next().is_some()
    }

    /// All channels, each with the name of its source; none: the general ones.
    pub fn all_channels(&self) -> impl Iterator<Item = (Option<&str>, &Channel)> {
        let general = self.contacts.channels.to.iter().map(|channel| (None, channel));
        let own = self.sources.iter().flat_map(|(name, source)| {
            let own = source.contacts.as_ref().and_then(|contacts| contacts.channels.as_ref());
            own.into_iter().flat_map(|own| &own.to).map(move |channel| (Some(name.as_str()), channel))
        });
        general.chain(own)
    }

    /// The same, to change them.
    pub fn all_channels_mut(&mut self) -> impl Iterator<Item = (Option<&str>, &mut Channel)> {
        let general = self.contacts.channels.to.iter_mut().map(|channel| (None, channel));
        let own = self.sources.iter_mut().flat_map(|(name, source)| {
            let own = source.contacts.as_mut().and_then(|contacts| contacts.channels.as_mut());
            own.into_iter().flat_map(|own| &mut own.to).map(move |channel| (Some(name.as_str()), channel))
        });
        general.chain(own)
    }

    /// The operator's data about a source's site, by the provider's id of it; about a power feed by its tag, or `-`.
    pub fn site(&self, source: &str, id: &str) -> Option<&Site> {
        // Most configurations describe few sites, and a dispatch may name thousands of meters.
        if self.sites.is_empty() { None } else { self.sites.get(&format!("{source}/{id}")) }
    }

    /// A source with the origin that its facts carry.
    pub fn source(&self, name: &str) -> Option<(&Source, Origin)> {
        let source = self.named(name)?;
        let sandbox = source.environment == Environment::Sandbox;
        Some((source, Origin { source: name.to_owned(), provider: source.provider.name().to_owned(), sandbox }))
    }

    /// Which of a source's overlapping dispatches governs; none if its provider states no order, or if there is no such
    /// source.
    pub fn precedence(&self, source: &str) -> Option<Precedence> {
        self.named(source)?.provider.governs()
    }
}

impl Config<ProviderName> {
    fn with(self, providers: Providers) -> Result<Config, ConfigError> {
        let Self { sources, deadlines, contacts, acks, signals, sites, outputs } = self;
        let known = sources.into_iter().map(|(name, source)| {
            let provider = providers.named(&source.provider).map_err(|error| ConfigError::Provider {
                source_name: name.clone(),
                provider: source.provider.clone(),
                error,
            })?;
            Ok((name, source.of(provider)))
        });
        let sources = known.collect::<Result<_, ConfigError>>()?;
        Ok(Config { sources, deadlines, contacts, acks, signals, sites, outputs })
    }
}
