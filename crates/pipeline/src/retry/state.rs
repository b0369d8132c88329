//! The state of a job's attempts, stored with its booking.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The state of a job's attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryState {
    /// The source.
    pub source: String,
    /// What it is about, for people.
    pub about: String,
    /// The delivery of its latest attempt.
    pub delivery: String,
    /// How often it has failed.
    pub attempt: u32,
    /// When it last failed.
    pub failed_at: Timestamp,
    /// When it is tried again.
    pub next_at: Timestamp,
    /// From when on a person must be notified.
    pub notify_at: Timestamp,
    /// The latest failure, in words.
    pub detail: String,
}
