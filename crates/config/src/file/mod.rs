//! `gridbell.toml`: reads it, checks it, and converts it into the [`Config`] that the functions read.
//!
//! This module never prints a value from the file: a secret could be under the wrong key.

mod channels;
mod contacts;
mod deploy;
mod error;
mod outputs;
mod read;
mod scalar;
mod sites;
mod source;
mod table;

use std::{collections::BTreeMap, path::Path};

pub use error::{FileError, Problem};
use providers::Providers;

use crate::{Config, MAX_JSON_BYTES};

/// Bytes of a token's hash that `up` or `config apply` will add.
const TOKEN_BYTES: usize = 67;

/// A checked `gridbell.toml`. Sources without a token, and a file without `[acks]` or `[contacts]`, are completed by the
/// command that uses them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its content.
    pub config: Config,
    /// The position of each source, for a later error.
    pub places: BTreeMap<String, Place>,
    /// The position of each source's `api_key`, by the source's name, and of each channel with a secret, by its full name
    /// (`contacts.pagerduty`), for a later error.
    pub api_keys: BTreeMap<String, Place>,
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

impl File {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`FileError::Read`] if the file cannot be read, otherwise [`FileError::Invalid`] with all mistakes, their positions
    /// and corrections.
    pub fn load(file: &Path) -> Result<Self, FileError> {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|source| FileError::Read { file: name.clone(), source })?;
        Self::parse(&name, &text)
    }

    /// Checks a text; `file` is the file name in errors.
    ///
    /// # Errors
    /// [`FileError::Invalid`] with all mistakes, in the file's order.
    pub fn parse(file: &str, text: &str) -> Result<Self, FileError> {
        Self::parse_with(file, text, Providers::default())
    }

    /// Like [`Self::parse`], with these providers.
    ///
    /// # Errors
    /// Like [`Self::parse`].
    pub fn parse_with(file: &str, text: &str, providers: Providers) -> Result<Self, FileError> {
        let read = read::file(file, text, providers)?;
        read.check_size(file)?;
        Ok(read)
    }

    /// Rejects a configuration that is too large for the functions.
    fn check_size(&self, file: &str) -> Result<(), FileError> {
        let Config { sources, acks, sites, .. } = &self.config;
        let to_be_made =
            sources.values().filter(|source| source.tokens.is_empty()).count() + usize::from(acks.tokens.is_empty());
        let bytes = self.config.to_json().len() + to_be_made * TOKEN_BYTES;
        if bytes <= MAX_JSON_BYTES {
            return Ok(());
        }
        Err(FileError::from(Problem {
            place: Place { file: file.to_owned(), line: 1, column: 1 },
            key: "sources".to_owned(),
            text: format!(
                "too large: {bytes} bytes, and the functions read {MAX_JSON_BYTES}; spread the {} sources and {} sites over several stacks",
                sources.len(),
                sites.len()
            ),
        }))
    }
}
