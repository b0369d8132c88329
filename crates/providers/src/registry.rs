//! A set of providers, found by their names, and what makes a provider a value that configurations can hold.

use std::{cmp::Ordering, fmt};

use dispatch::Origin;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::{PROVIDERS, Provider};

/// The providers that a source can name. gridbell's own are [`Providers::default`]; a test may add others.
#[derive(Debug, Clone, Copy)]
pub struct Providers(&'static [&'static dyn Provider]);

/// Those that gridbell ships.
impl Default for Providers {
    fn default() -> Self {
        Self(PROVIDERS)
    }
}

impl Providers {
    /// These.
    pub const fn of(providers: &'static [&'static dyn Provider]) -> Self {
        Self(providers)
    }

    /// These and one more. For tests: what holds them is never freed.
    #[must_use]
    pub fn and(self, provider: &'static dyn Provider) -> Self {
        Self(self.iter().chain([provider]).collect::<Vec<_>>().leak())
    }

    /// In the order in which they are listed to people.
    pub fn iter(self) -> impl Iterator<Item = &'static dyn Provider> {
        self.0.iter().copied()
    }

    /// The provider of that name.
    ///
    /// # Errors
    /// There is none.
    pub fn named(self, name: &str) -> Result<&'static dyn Provider, UnknownProvider> {
        self.iter().find(|provider| provider.name() == name).ok_or_else(|| UnknownProvider { known: self.names() })
    }

    /// Their names, for people.
    pub fn names(self) -> String {
        self.iter().map(Provider::name).collect::<Vec<&str>>().join(", ")
    }
}

/// No provider has that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown provider; known: {known}")]
pub struct UnknownProvider {
    /// The names that there are.
    pub known: String,
}

impl dyn Provider + '_ {
    /// Whether it is asked with an API key.
    pub fn needs_api_key(&self) -> bool {
        self.key_header().is_some()
    }

    /// Whether it lists its dispatches, so that they can be polled.
    pub fn lists_dispatches(&self) -> bool {
        let origin = Origin { source: String::new(), provider: self.name().to_owned(), sandbox: false };
        !self.listings(&origin, Timestamp::UNIX_EPOCH).is_empty()
    }
}

/// A provider is its name.
impl fmt::Display for dyn Provider + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for dyn Provider + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl PartialEq for dyn Provider + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for dyn Provider + '_ {}

impl PartialOrd for dyn Provider + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn Provider + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name().cmp(other.name())
    }
}

impl Serialize for dyn Provider + '_ {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
