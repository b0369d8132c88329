//! What the courier needs: the table `outputs`, the queue `outputs`, and the targets.

use jiff::{SignedDuration, Timestamp};

use super::{PortError, WriteError};
use crate::{
    config::Output,
    dispatches::record::AckState,
    messages::DelayedToCourier,
    outputs::{
        event::EventHead,
        lane::{Lane, LaneKey, LaneSummary, StoredEvent},
        state::OutputState,
    },
};

/// The table `outputs`: what waits for each output.
pub trait Outputs {
    /// A lane, read consistently.
    async fn lane(&self, key: &LaneKey) -> Result<Option<Lane>, PortError>;
    /// Writes a lane if `expected` is the stored revision (none: if nothing is stored).
    async fn write_lane(&self, lane: &Lane, expected: Option<u64>) -> Result<(), WriteError<Lane>>;
    /// An output's lanes that must be looked at before that instant, the earliest first, `limit` at most. Lanes in
    /// which nothing but kept events is left come last, at [`Timestamp::MAX`]. Lanes written a moment ago may be missing.
    async fn lanes(&self, output: &str, before: Timestamp, limit: usize) -> Result<Vec<LaneSummary>, PortError>;
    /// Stores the text of an event under a unique name; returns where it is.
    async fn keep_text(&self, name: &str, text: &str, now: Timestamp) -> Result<StoredEvent, PortError>;
    /// The text of an event; none if one of its items is gone.
    async fn text(&self, stored: &StoredEvent) -> Result<Option<String>, PortError>;
    /// Deletes the text of an event. What a failed call leaves expires.
    async fn forget_text(&self, stored: &StoredEvent) -> Result<(), PortError>;
    /// The state of an output, read consistently; none if it never failed and was never tested.
    async fn output_state(&self, output: &str) -> Result<Option<OutputState>, PortError>;
    /// Writes the state of an output, as [`Outputs::write_lane`] does.
    async fn write_output_state(
        &self,
        state: &OutputState,
        expected: Option<u64>,
    ) -> Result<(), WriteError<OutputState>>;
}

/// The queue `outputs`, which the courier reads.
pub trait CourierQueue {
    /// Sends the courier messages, each after a delay of at most 900 s.
    async fn courier(&self, messages: &[DelayedToCourier]) -> Result<(), PortError>;
}

/// An event on its way to an output.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    /// The output's name.
    pub name: &'a str,
    /// The output.
    pub output: &'a Output,
    /// What is known of the event.
    pub head: &'a EventHead,
    /// Its text.
    pub body: &'a str,
}

/// A controller's acknowledgement in its response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseAck {
    /// The state that it reports.
    pub state: AckState,
    /// Its own words.
    pub detail: Option<String>,
}

/// Why an output did not take an event, or may not have taken it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct SendError {
    /// What failed.
    pub kind: SendFailure,
    /// `Retry-After`, in seconds.
    pub retry_after_s: Option<u32>,
    /// The reason, in words.
    pub detail: String,
}

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendFailure {
    /// The output as a whole: no connection, no answer in time, a missing permission or secret, an overload.
    Output,
    /// This event: another one may be taken.
    Event,
    /// The event is too large for the target.
    TooLarge,
}

/// The targets of the outputs.
pub trait OutputTargets {
    /// The size limit of one event's text at that output, in bytes; none: only its answer tells.
    fn limit_bytes(&self, sending: Sending<'_>) -> Option<usize>;
    /// Delivers an event, limited in time and size. Returns the acknowledgement in the response, if there is one.
    async fn send(&self, sending: Sending<'_>, within: SignedDuration) -> Result<Option<ResponseAck>, SendError>;
}
