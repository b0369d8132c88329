//! The epoch of a set of tables: the numbering that the sequences of its signals belong to.

use std::{fmt, num::ParseIntError, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Unix milliseconds of the instant when a set of tables began to number its signals. New or restored tables have a
/// newer epoch, so a consumer that compares the epoch before the sequence does not mistake a restarted sequence for an
/// old one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(u64);

impl Epoch {
    /// The epoch that begins at an instant.
    pub fn at(instant: Timestamp) -> Self {
        Self(u64::try_from(instant.as_millisecond()).unwrap_or_default())
    }

    /// An epoch that begins at an instant and is newer than `self`, even if the clocks disagree.
    #[must_use]
    pub fn after(self, instant: Timestamp) -> Self {
        Self::at(instant).max(Self(self.0.saturating_add(1)))
    }

    /// Unix milliseconds.
    pub fn as_millisecond(self) -> u64 {
        self.0
    }
}

impl From<u64> for Epoch {
    fn from(milliseconds: u64) -> Self {
        Self(milliseconds)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Epoch {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_epoch_is_newer_even_where_the_clock_went_back() {
        let at = |milliseconds| Timestamp::from_millisecond(milliseconds).unwrap();
        let first = Epoch::at(at(1_700_000_000_000));
        assert_eq!(first.to_string(), "1700000000000");
        assert_eq!("1700000000000".parse(), Ok(first));
        assert_eq!(first.after(at(1_700_000_000_500)), Epoch::from(1_700_000_000_500));
        assert_eq!(first.after(at(1_600_000_000_000)), Epoch::from(1_700_000_000_001));
    }
}
