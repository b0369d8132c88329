//! The data of jobs about a source's list.

use dispatch::Fact;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Since when a fetch request waits for the source's list, or for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// How many reads of the list had begun: a later one answers it.
    pub list: u64,
    /// Since when.
    pub since: Timestamp,
}

/// Facts of a source's list that one invocation had no time for, or too many of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListedFacts {
    /// The facts.
    pub facts: Vec<Fact>,
    /// The list that they come from.
    pub by: ByList,
}

/// The circumstances of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByList {
    /// It is the first good list of the source: its dispatches are older than gridbell's polling, and none of them
    /// counts as missed.
    #[serde(default)]
    pub is_first: bool,
    /// Webhooks received since then wait for it: its changes are what they announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers_since: Option<Timestamp>,
}
