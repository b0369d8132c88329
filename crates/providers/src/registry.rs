//! A set of providers, found by name, and the traits that let configurations contain a provider.

use std::{cmp::Ordering, fmt};

use dispatch::Origin;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::{PROVIDERS, Provider};

/// The providers that a source can name. [`Providers::default`] contains gridbell's own; a test may add others.
#[derive(Debug, Clone, Copy)]
pub struct Providers(&'static [&'static dyn Provider]);

/// The providers that gridbell ships.
impl Default for Providers {
    fn default() -> Self {
        Self(PROVIDERS)
    }
}

impl Providers {
    /// A set of these providers.
    pub const fn of(providers: &'static [&'static dyn Provider]) -> Self {
        Self(providers)
    }

    /// Adds one provider. For tests: the memory is never freed.
    #[must_use]
    pub fn and(self, provider: &'static dyn Provider) -> Self {
        Self(self.iter().chain([provider]).collect::<Vec<_>>().leak())
    }

    /// In the order in which people see them.
    pub fn iter(self) -> impl Iterator<Item = &'static dyn Provider> {
        self.0.iter().copied()
    }

    /// The provider of that name.
    ///
    /// # Errors
    /// There is no such provider.
    pub fn named(self, name: &str) -> Result<&'static dyn Provider, UnknownProvider> {
        self.iter().find(|provider| provider.name() == name).ok_or_else(|| UnknownProvider { known: self.names() })
    }

    /// The names, for people.
    pub fn names(self) -> String {
        self.iter().map(Provider::name).collect::<Vec<&str>>().join(", ")
    }
}

/// No provider has that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown provider; known: {known}")]
pub struct UnknownProvider {
    /// The known names.
    pub known: String,
}

impl dyn Provider + '_ {
    /// Whether its API needs an API key.
    pub fn needs_api_key(&self) -> bool {
        self.key_header().is_some()
    }

    /// Whether it lists its dispatches, so that gridbell can poll them.
    pub fn lists_dispatches(&self) -> bool {
        let origin = Origin { source: String::new(), provider: self.name().to_owned(), sandbox: false };
        !self.listings(&origin, Timestamp::UNIX_EPOCH).is_empty()
    }
}

/// Shown as its name.
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
