//! Whether a channel takes messages, stored beside the incidents.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::log::pause;
use crate::job::clip;

/// The id of mail, as a channel that may fail.
pub const MAIL: &str = "mail";

/// A person is notified after so many failures in a row.
const NOTIFIED_AFTER: u32 = 3;

/// A channel to which nothing was sent for so long counts as working.
const QUIET: SignedDuration = SignedDuration::from_mins(30);

/// The longest error that is stored, in characters.
const MAX_ERROR: usize = 300;

/// The state of one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelHealth {
    /// `channel/<id>`.
    pub channel: String,
    /// Incremented by every write.
    pub revision: u64,
    /// The id of the latest write.
    pub write: String,
    /// Its name for people.
    pub name: String,
    /// Since when it fails; none: it works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    /// How many attempts in a row have failed.
    #[serde(default)]
    pub failures: u32,
    /// Why the last one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The last attempt.
    pub last_at: Timestamp,
}

impl ChannelHealth {
    /// The key of the channel with that id.
    pub fn key(id: &str) -> String {
        format!("channel/{id}")
    }

    /// A channel that works.
    pub(crate) fn fresh(id: &str, name: &str, now: Timestamp) -> Self {
        Self {
            channel: Self::key(id),
            revision: 0,
            write: String::new(),
            name: name.to_owned(),
            failing_since: None,
            failures: 0,
            error: None,
            last_at: now,
        }
    }

    /// From when on it may be tried again.
    pub fn retry_at(&self) -> Timestamp {
        if self.failures == 0 { Timestamp::MIN } else { self.last_at + pause(self.failures) }
    }

    /// Whether a person must know that it fails.
    pub fn is_failing(&self, now: Timestamp) -> bool {
        self.failures >= NOTIFIED_AFTER && !self.is_quiet(now)
    }

    /// Whether nothing was sent there for a while.
    pub(crate) fn is_quiet(&self, now: Timestamp) -> bool {
        now.duration_since(self.last_at) >= QUIET
    }

    /// After another failure.
    pub(crate) fn failed(self, error: &str, now: Timestamp) -> Self {
        let failing_since = self.failing_since.or(Some(now));
        let error = Some(clip(error, MAX_ERROR));
        Self { failing_since, failures: self.failures.saturating_add(1), error, last_at: now, ..self }
    }

    /// After a success.
    pub(crate) fn worked(self, now: Timestamp) -> Self {
        Self { failing_since: None, failures: 0, error: None, last_at: now, ..self }
    }
}
