//! `gridbell.toml`: read, checked, and turned into what the functions read.
//!
//! Nothing here ever prints a value out of the file: a misplaced key could stand in any of them.

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
    /// The sources by name, each a provider's account with a webhook of its own.
    pub sources: BTreeMap<String, Source>,
    /// How long a dispatch may stay unacknowledged.
    pub deadlines: Deadlines,
    /// Who is notified, and who sends the mails. None where the file has no `[contacts]`.
    pub contacts: Option<Contacts>,
    /// Hashes of the tokens that guard `/acks/{token}`; empty where the file has no `[acks]`.
    pub acks: Vec<TokenHash>,
    /// What the operator says of sites, by `<source>/<site>`.
    pub sites: BTreeMap<String, Site>,
}

/// One `[sources.<name>]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Whose webhooks arrive here.
    pub provider: &'static dyn Provider,
    /// Sandbox traffic is marked as a test, whatever its body says.
    pub environment: Environment,
    /// Base before the documented path, without a trailing slash. None where the provider has none to ask.
    pub api_url: Option<Url>,
    /// Where the provider's API key is kept.
    pub api_key: Option<Reference>,
    /// SHA-256 of the tokens that guard the hook; empty where the file names none.
    pub tokens: Vec<TokenHash>,
    /// What its deadlines are otherwise.
    pub deadlines: Overrides,
    /// The same for one of its programs, by the program's name.
    pub programs: BTreeMap<String, Overrides>,
    /// How often its dispatches are listed while none is near, in seconds; 0: never.
    pub poll_s: u32,
    /// How many requests a minute the provider allows; none where that is not known.
    pub requests_a_minute: Option<u32>,
    /// Who is notified about it instead of the general contacts.
    pub contacts: Option<SourceContacts>,
    /// Where `api_key` stands in the file, for an error that is found later.
    pub api_key_at: Option<Place>,
}

/// Which of the provider's worlds a source belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Real dispatches.
    #[default]
    Production,
    /// Everything is a test.
    Sandbox,
}

/// Where `poll` is not said: every five minutes.
pub const USUAL_POLL_S: u32 = 300;

/// `[deadlines]`, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// A dispatch must be acknowledged this long before its start …
    pub lead_s: u32,
    /// … or this soon after its first delivery, where it starts sooner than that.
    pub immediate_s: u32,
    /// True where a controller acknowledges; else being read from the signals queue counts.
    pub acknowledge: bool,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { lead_s: 600, immediate_s: 60, acknowledge: false }
    }
}

/// `[sources.<name>.deadlines]`, or one of its `programs`: what is not said is as it is further out.
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
    /// These, but for what is said otherwise.
    #[must_use]
    pub fn but(self, said: Overrides) -> Self {
        Self {
            lead_s: said.lead_s.unwrap_or(self.lead_s),
            immediate_s: said.immediate_s.unwrap_or(self.immediate_s),
            acknowledge: said.acknowledge.unwrap_or(self.acknowledge),
        }
    }
}

/// A place in the file: line and column from 1.
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
    /// [`ConfigError::Read`] where it cannot be read, [`ConfigError::Invalid`] with the place and the way out otherwise.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|source| ConfigError::Read { file: name.clone(), source })?;
        Self::parse(&name, &text)
    }

    /// Checks a text; `file` is the name that errors carry.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for the first thing that is wrong, in the file's order of sections.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        Self::parse_with(file, text, Providers::default())
    }

    /// The same where these are the providers that a source can name.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_with(file: &str, text: &str, providers: Providers) -> Result<Self, ConfigError> {
        let config = read::config(file, text, providers)?;
        config.check_size(file)?;
        Ok(config)
    }
}
