//! What jobs about a source's list carry.

use dispatch::Fact;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Since when a look waits for the source's list, or for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// So many reads of the list had begun: a later one answers it.
    pub list: u64,
    /// Since when.
    pub since: Timestamp,
}

/// Facts of a source's list that one invocation had no time for, or too many of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListedFacts {
    /// They.
    pub facts: Vec<Fact>,
    /// How they came.
    pub by: ByList,
}

/// How facts of a list came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByList {
    /// It is the first good list of the source: what it holds was there before gridbell, and nothing of it is missed.
    #[serde(default)]
    pub is_first: bool,
    /// Webhooks that came since then wait for it: what it changes is what they announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers_since: Option<Timestamp>,
}
