//! The configuration as the functions read it: one line of JSON, stored as a version in the table `config`.

use std::collections::BTreeMap;

use aws::configuration::MAX_JSON_BYTES;
use providers::Provider;
use serde::Serialize;

use super::{
    Config, ConfigError, Contacts, Deadlines, Environment, Place, Problem, Site, Source, SourceContacts, TokenHash,
    USUAL_POLL_S,
};

/// Most bytes of that JSON.
pub const CONFIG_LIMIT: usize = MAX_JSON_BYTES;

/// Bytes of a token's hash that `up` or `config apply` will add.
const TOKEN_BYTES: usize = 67;

#[derive(Serialize)]
struct Functions<'c> {
    sources: BTreeMap<&'c str, FunctionSource<'c>>,
    deadlines: FunctionDeadlines,
    #[serde(skip_serializing_if = "Option::is_none")]
    contacts: Option<&'c Contacts>,
    acks: FunctionAcks<'c>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    sites: &'c BTreeMap<String, Site>,
}

#[derive(Serialize)]
struct FunctionSource<'c> {
    provider: &'static dyn Provider,
    /// None means production.
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<Environment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_url: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<String>,
    tokens: &'c [TokenHash],
    #[serde(skip_serializing_if = "Option::is_none")]
    poll_s: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requests_a_minute: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadlines: Option<FunctionDeadlines>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    programs: BTreeMap<&'c str, FunctionDeadlines>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contacts: Option<&'c SourceContacts>,
}

#[derive(Serialize)]
struct FunctionDeadlines {
    lead_s: u32,
    immediate_s: u32,
    acknowledge: bool,
}

impl From<Deadlines> for FunctionDeadlines {
    fn from(Deadlines { lead_s, immediate_s, acknowledge }: Deadlines) -> Self {
        Self { lead_s, immediate_s, acknowledge }
    }
}

#[derive(Serialize)]
struct FunctionAcks<'c> {
    tokens: &'c [TokenHash],
}

impl Config {
    /// The JSON that the functions read. It contains hashes and references, no secrets.
    ///
    /// # Errors
    /// None in practice: every part of it serializes.
    pub fn functions_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Functions {
            sources: self.sources.iter().map(|(name, source)| (name.as_str(), self.function_source(source))).collect(),
            deadlines: self.deadlines.into(),
            contacts: self.contacts.as_ref(),
            acks: FunctionAcks { tokens: &self.acks },
            sites: &self.sites,
        })
    }

    /// The functions get every deadline complete, so that they need no defaults.
    fn function_source<'c>(&self, source: &'c Source) -> FunctionSource<'c> {
        let own = self.deadlines.but(source.deadlines);
        let programs = source.programs.iter().map(|(name, said)| (name.as_str(), own.but(*said).into()));
        FunctionSource {
            provider: source.provider,
            environment: Some(source.environment).filter(|environment| *environment != Environment::Production),
            api_url: source.api_url.as_ref().map(|url| url.as_str().trim_end_matches('/')),
            api_key: source.api_key.as_ref().map(ToString::to_string),
            tokens: &source.tokens,
            poll_s: Some(source.poll_s).filter(|seconds| *seconds != USUAL_POLL_S),
            requests_a_minute: source.requests_a_minute,
            deadlines: (own != self.deadlines).then(|| own.into()),
            programs: programs.collect(),
            contacts: source.contacts.as_ref(),
        }
    }

    /// Rejects a configuration that is too large for the functions.
    pub(super) fn check_size(&self, file: &str) -> Result<(), ConfigError> {
        let to_be_made =
            self.sources.values().filter(|source| source.tokens.is_empty()).count() + usize::from(self.acks.is_empty());
        let bytes =
            self.functions_json().map_or(usize::MAX, |json| json.len().saturating_add(to_be_made * TOKEN_BYTES));
        if bytes <= CONFIG_LIMIT {
            return Ok(());
        }
        Err(ConfigError::Invalid(Box::new(Problem {
            place: Place { file: file.to_owned(), line: 1, column: 1 },
            key: "sources".to_owned(),
            text: format!(
                "too large: {bytes} bytes, and the functions read {CONFIG_LIMIT}; spread the {} sources and {} sites over several stacks",
                self.sources.len(),
                self.sites.len()
            ),
        })))
    }
}
