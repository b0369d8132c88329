//! The log of a play, in order.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A play of an exercise, or a posted scenario.
pub type PlayId = u64;

/// A log entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Counts up from 1.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// The play.
    pub play: PlayId,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// The kinds of log entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum What {
    /// The provider published a state.
    Published {
        /// A description.
        says: String,
    },
    /// A webhook was answered, or failed.
    Webhook {
        /// A description.
        says: String,
        /// From 1.
        attempt: u32,
        /// The status of the answer, if any.
        status: Option<u16>,
        /// What was wrong with it.
        problem: Option<String>,
        /// How long the answer took, in milliseconds.
        took_ms: u64,
        /// When it is sent again; none: it was delivered or given up.
        again: Option<Timestamp>,
    },
    /// The provider gave up a webhook.
    GaveUp {
        /// A description.
        says: String,
        /// What the provider does then.
        then: String,
    },
    /// The play has ended.
    Over,
}
