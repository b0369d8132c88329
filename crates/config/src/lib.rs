//! `gridbell.toml`: reads it, checks it, and converts it into what the functions read.
//!
//! This crate never prints a value from the file: a secret could be under the wrong key.

mod contacts;
mod error;
mod functions;
mod read;
mod scalar;
mod sites;
mod table;

use std::{collections::BTreeMap, path::Path};

pub use contacts::{Contacts, Escalation, SourceContacts};
pub use error::{ConfigError, Problem};
pub use functions::CONFIG_LIMIT;
use providers::{Provider, Providers};
pub use scalar::{Reference, TokenHash};
use serde::Serialize;
pub use sites::{Site, SiteContacts};
use url::Url;

/// A checked `gridbell.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The sources by name. Each is a provider's account with its own webhook.
    pub sources: BTreeMap<String, Source>,
    /// How long a dispatch may stay unacknowledged.
    pub deadlines: Deadlines,
    /// Who is notified, and who sends the mails. None if the file has no `[contacts]`.
    pub contacts: Option<Contacts>,
    /// Hashes of the tokens for `/acks/{token}`; empty if the file has no `[acks]`.
    pub acks: Vec<TokenHash>,
    /// The operator's notes on sites, by `<source>/<site>`.
    pub sites: BTreeMap<String, Site>,
}

/// One `[sources.<name>]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The provider that sends webhooks to this source.
    pub provider: &'static dyn Provider,
    /// Sandbox traffic is marked as a test, whatever its body says.
    pub environment: Environment,
    /// The base URL before the documented path, without a trailing slash. None if the provider has no API to query.
    pub api_url: Option<Url>,
    /// Where the provider's API key is stored.
    pub api_key: Option<Reference>,
    /// SHA-256 of the webhook's tokens; empty if the file has none.
    pub tokens: Vec<TokenHash>,
    /// Its overrides of the general deadlines.
    pub deadlines: Overrides,
    /// Overrides for single programs, by the program's name.
    pub programs: BTreeMap<String, Overrides>,
    /// How often its dispatches are listed while none is near, in seconds; 0: never.
    pub poll_s: u32,
    /// How many requests per minute the provider allows; none if unknown.
    pub requests_a_minute: Option<u32>,
    /// Who is notified about it instead of the general contacts.
    pub contacts: Option<SourceContacts>,
    /// The position of `api_key` in the file, for a later error.
    pub api_key_at: Option<Place>,
}

/// The provider's environment that a source belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Real dispatches.
    #[default]
    Production,
    /// Everything is a test.
    Sandbox,
}

/// Default of `poll`: every five minutes.
pub const USUAL_POLL_S: u32 = 300;

/// `[deadlines]`, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// A dispatch must be acknowledged this long before its start …
    pub lead_s: u32,
    /// … or this soon after its first delivery, if it starts sooner than that.
    pub immediate_s: u32,
    /// True if a controller acknowledges; otherwise a read from the signals queue counts.
    pub acknowledge: bool,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { lead_s: 600, immediate_s: 60, acknowledge: false }
    }
}

/// `[sources.<name>.deadlines]`, or those of one of its `programs`: missing keys have the values of the outer level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overrides {
    /// See [`Deadlines::lead_s`].
    pub lead_s: Option<u32>,
    /// See [`Deadlines::immediate_s`].
    pub immediate_s: Option<u32>,
    /// See [`Deadlines::acknowledge`].
    pub acknowledge: Option<bool>,
}

impl Deadlines {
    /// These deadlines with the overrides applied.
    #[must_use]
    pub fn but(self, said: Overrides) -> Self {
        Self {
            lead_s: said.lead_s.unwrap_or(self.lead_s),
            immediate_s: said.immediate_s.unwrap_or(self.immediate_s),
            acknowledge: said.acknowledge.unwrap_or(self.acknowledge),
        }
    }
}

/// A position in the file: line and column from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file as the caller named it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ConfigError::Read`] if the file cannot be read, otherwise [`ConfigError::Invalid`] with the position and the
    /// correction.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|source| ConfigError::Read { file: name.clone(), source })?;
        Self::parse(&name, &text)
    }

    /// Checks a text; `file` is the file name in errors.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for the first mistake, in the order of the file's sections.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        Self::parse_with(file, text, Providers::default())
    }

    /// Like [`Self::parse`], with these providers.
    ///
    /// # Errors
    /// Like [`Self::parse`].
    pub fn parse_with(file: &str, text: &str, providers: Providers) -> Result<Self, ConfigError> {
        let config = read::config(file, text, providers)?;
        config.check_size(file)?;
        Ok(config)
    }
}
