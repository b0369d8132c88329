//! What a lane holds, and what is said about it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{FAILED_BEFORE_NOTIFY, LaneKey};
use crate::{
    dispatches::record::AckState,
    outputs::event::{EventHead, EventVersion},
};

/// So many failures of a lane are put down to its output.
const MOST_WITH_OUTPUT: u32 = 3;

/// An event that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingEvent {
    /// What is known of it.
    pub head: EventHead,
    /// When it entered.
    pub stored_at: Timestamp,
    /// Its text.
    pub body: EventBody,
    /// It was split for its output.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub split: bool,
}

/// Where the text of an event is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventBody {
    /// Here.
    Inline(String),
    /// In items of its own.
    Stored(StoredEvent),
}

/// A text in items of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredEvent {
    /// A unique name.
    pub name: String,
    /// The number of items.
    pub chunks: u32,
    /// The size of the text.
    pub bytes: usize,
}

/// Who delivers from a lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// A unique name.
    pub by: String,
    /// The process has ended by then.
    pub until: Timestamp,
}

/// How the event at the front of a lane fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneFailure {
    /// Since when.
    pub since: Timestamp,
    /// How many attempts failed.
    pub attempts: u32,
    /// When it is tried again.
    pub next_at: Timestamp,
    /// The output as a whole failed.
    pub is_whole_output: bool,
    /// The latest failure in words.
    pub detail: String,
}

impl LaneFailure {
    /// Whether it waits for its own next attempt. A lane that failed a few times with its output is tried as soon as
    /// the output works again; one that fails again and again may be the cause.
    pub(super) fn is_patient(&self) -> bool {
        !self.is_whole_output || self.attempts >= MOST_WITH_OUTPUT
    }
}

/// An event that the output has taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// Which.
    pub version: EventVersion,
    /// It is a whole version, or its last part.
    pub is_complete: bool,
    /// When.
    pub at: Timestamp,
}

/// An acknowledgement in a response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneAck {
    /// To which version.
    pub version: EventVersion,
    /// The state that the controller reports.
    pub state: AckState,
    /// Its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// A lane in short, for the sweep, for the incident and for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneSummary {
    /// Its key.
    pub key: LaneKey,
    /// How many events wait.
    pub waiting: usize,
    /// How many are kept for a replay.
    pub kept: usize,
    /// When the oldest of them entered.
    pub since: Timestamp,
    /// When it must be looked at; [`Timestamp::MAX`] if nothing but kept events is left.
    pub next_at: Timestamp,
    /// Whether all of them are tests.
    pub test: bool,
    /// How often the event at the front failed.
    pub attempts: u32,
    /// Whether the output as a whole fails.
    pub is_whole_output: bool,
    /// The latest failure in words; none if nothing failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl LaneSummary {
    /// Whether a person must know of it even if the output works: an event fails again and again, or is kept.
    pub fn is_stuck(&self) -> bool {
        self.kept > 0 || self.attempts >= FAILED_BEFORE_NOTIFY
    }
}

/// The result of an event's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entered {
    /// It, or a newer one, has entered before.
    Known,
    /// It waits. These do not any more.
    Waits {
        /// The older versions that it replaces.
        replaced: Vec<WaitingEvent>,
    },
}

/// What can be done with a lane now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing waits.
    Nothing,
    /// Another invocation delivers from it, until then at most.
    Claimed(Timestamp),
    /// It is tried again then.
    Later(Timestamp),
    /// The event at the front can be delivered.
    Due,
}

impl WaitingEvent {
    /// The size of its text.
    pub fn bytes(&self) -> usize {
        match &self.body {
            EventBody::Inline(text) => text.len(),
            EventBody::Stored(stored) => stored.bytes,
        }
    }

    pub(super) fn is_older_version_than(&self, version: EventVersion) -> bool {
        self.head.version.whole() < version.whole()
    }
}
