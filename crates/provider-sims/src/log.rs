//! What happened, in order, for whoever follows a play.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A play of an exercise, or a scenario that was posted.
pub type PlayId = u64;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Counts up from 1.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Whose it is.
    pub play: PlayId,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum What {
    /// A state was published.
    Published {
        /// In words.
        says: String,
    },
    /// A webhook was answered, or not.
    Webhook {
        /// In words.
        says: String,
        /// From 1.
        attempt: u32,
        /// The status of the answer; none where there was none.
        status: Option<u16>,
        /// What was wrong with it.
        problem: Option<String>,
        /// How long the answer took, in milliseconds.
        took_ms: u64,
        /// When it is sent again; none: delivered, or given up.
        again: Option<Timestamp>,
    },
    /// A webhook was given up.
    GaveUp {
        /// In words.
        says: String,
        /// What the provider does then.
        then: String,
    },
    /// Nothing more comes of this play.
    Over,
}
