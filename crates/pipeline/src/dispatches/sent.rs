//! The newest version that was sent of an active subject: what a heartbeat says of it.

use dispatch::{ActiveVersion, Epoch, Origin, Signal, State, Subject};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ramping::Ramping, record::SubjectRecord, unreadable::UnreadableFields};

/// A version of an active subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentVersion {
    /// Its number in the record's epoch.
    pub sequence: u64,
    /// When it starts.
    pub start: Timestamp,
    /// When it ends; none until known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
}

impl SubjectRecord {
    /// The newest version that is known to be sent in that epoch; none if it curtails nothing or is a test.
    pub(crate) fn sent_version(&self, epoch: Epoch) -> Option<SentVersion> {
        if self.state.epoch != epoch {
            return None;
        }
        // Of several pending signals, some may be sent already.
        if !self.outbox.is_empty() {
            return self.sent.clone();
        }
        let active = self.active().filter(|active| !active.test)?;
        // A load target that is being lifted limits nothing.
        let limits = self.state.ramps().is_none() || !active.groups.is_empty();
        (limits && self.state.version > 0).then_some(SentVersion {
            sequence: self.state.version,
            start: active.start,
            end: active.end,
        })
    }

    /// What a heartbeat says of the subject; none if it is not active any more, a test, or not yet sent.
    pub(crate) fn active_version(&self, epoch: Epoch, now: Timestamp) -> Option<ActiveVersion> {
        self.active().filter(|active| !active.test)?;
        let SentVersion { sequence, start, end } = self.sent_version(epoch)?;
        let is_over = end.is_some_and(|end| end <= now);
        (!is_over).then(|| ActiveVersion { subject: self.subject.clone(), sequence, start, end })
    }

    /// The record of the heartbeats after one more, which is still to be sent. It has no timeline.
    pub(crate) fn with_heartbeat(known: Option<Self>, state: State, signal: Signal, write: String) -> Self {
        let (changed_at, traceparent, outbox) = (signal.time, signal.traceparent, vec![signal]);
        if let Some(known) = known {
            return Self { state, outbox, changed_at, traceparent, history: Vec::new(), ..known.noting(None, write) };
        }
        Self {
            subject: Subject::heartbeat(),
            revision: 1,
            write,
            follows: None,
            origin: Origin::gridbell(),
            state,
            outbox,
            sent: None,
            changed_at,
            history: Vec::new(),
            due: None,
            lapsed: None,
            open_end: None,
            ack: None,
            missed: None,
            ramping: Ramping::default(),
            unreadable: UnreadableFields::default(),
            traceparent,
        }
    }
}
