//! Mistakes in a `gridbell.toml`: what, where, and how to correct it.

use super::Place;

/// Why a file was rejected.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file is missing or is not readable text.
    #[error("{file} cannot be read")]
    Read {
        /// The file as the caller named it.
        file: String,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// The file contains a mistake.
    #[error(transparent)]
    Invalid(#[from] Box<Problem>),
}

/// One mistake: `file:line:column: key: the mistake and its correction`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{}:{}: {}{text}", place.file, place.line, place.column, prefix(key))]
pub struct Problem {
    /// Its position.
    pub place: Place,
    /// The key's full name (`sources.voltus-prod.api_key`); empty for a syntax error.
    pub key: String,
    /// What is wrong and what to write instead; never the value itself.
    pub text: String,
}

fn prefix(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("{key}: ") }
}
