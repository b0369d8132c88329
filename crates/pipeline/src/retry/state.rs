//! How the attempts of a job stand: what is stored with its booking.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How the attempts of a job stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryState {
    /// The source.
    pub source: String,
    /// What it is about, as a person reads it.
    pub about: String,
    /// The delivery that its latest attempt is for.
    pub delivery: String,
    /// How often it has failed.
    pub attempt: u32,
    /// When it failed last.
    pub failed_at: Timestamp,
    /// When it is tried again.
    pub next_at: Timestamp,
    /// From when on a person must know.
    pub notify_at: Timestamp,
    /// The latest failure, in words.
    pub detail: String,
}
