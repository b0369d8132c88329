//! What is wrong with a `gridbell.toml`, where, and the way out.

use super::Place;

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is missing or not readable text.
    #[error("{file} cannot be read")]
    Read {
        /// The file as the caller named it.
        file: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file says something that cannot be.
    #[error(transparent)]
    Invalid(#[from] Box<Problem>),
}

/// One mistake: `file:line:column: key: what and the way out`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{}:{}: {}{text}", place.file, place.line, place.column, prefix(key))]
pub struct Problem {
    /// Where it stands.
    pub place: Place,
    /// The key's full name (`sources.voltus-prod.api_key`); empty for a syntax error.
    pub key: String,
    /// What is wrong and what to write instead; never the value itself.
    pub text: String,
}

fn prefix(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("{key}: ") }
}
