//! A lane: what one output gets of one subject, in order.
//!
//! Events enter at the end and are delivered from the front, by one claim at a time. A newer version of a dispatch
//! replaces an older one that still waits, unless that one is `cancelled` or `ended`. What could not be delivered for
//! [`KEPT_AFTER`] is kept for a replay.

mod contents;

use std::fmt;

use dispatch::Subject;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use contents::{
    Claim, Delivered, Entered, EventBody, LaneAck, LaneFailure, LaneSummary, Next, StoredEvent, WaitingEvent,
};

use super::event::{EventHead, EventVersion};
use crate::dispatches::record::AckState;

/// An event is tried for this long.
pub const KEPT_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// A claim outlives its invocation by this, since clocks differ.
pub const CLAIM_MARGIN: SignedDuration = SignedDuration::from_secs(5);

/// The longest a claim lasts if the end of its invocation is not known.
const LONGEST_CLAIM: SignedDuration = SignedDuration::from_secs(30);

/// A lane that fails this often is an incident.
pub const FAILED_BEFORE_NOTIFY: u32 = 5;

/// The key of a lane.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LaneKey {
    /// The output.
    pub output: String,
    /// The subject.
    pub subject: Subject,
}

impl fmt::Display for LaneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.output, self.subject)
    }
}

/// All that is stored of one subject for one output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    /// Its key.
    pub key: LaneKey,
    /// Incremented by every write; a conditional write compares it.
    pub revision: u64,
    /// The id of the latest write.
    pub write: String,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// The newest event that entered.
    pub newest: EventVersion,
    /// What waits, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<WaitingEvent>,
    /// What could not be delivered for a day, or never can be, in order; a person can replay it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<WaitingEvent>,
    /// Who delivers from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// How the event at the front fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<LaneFailure>,
    /// From when on the sweep must find it; none if nothing waits, or if a message of `signals` still covers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
    /// The newest event that the output has taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<Delivered>,
    /// The latest acknowledgement in a response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack: Option<LaneAck>,
}

impl Lane {
    /// An empty lane.
    pub fn new(key: LaneKey, now: Timestamp) -> Self {
        Self {
            key,
            revision: 0,
            write: String::new(),
            changed_at: now,
            newest: EventVersion::default(),
            waiting: Vec::new(),
            kept: Vec::new(),
            claim: None,
            failing: None,
            next_at: None,
            delivered: None,
            ack: None,
        }
    }

    /// The next revision.
    #[must_use]
    pub fn following(mut self, write: String, now: Timestamp) -> Self {
        self.revision += 1;
        self.write = write;
        self.changed_at = now;
        if self.waiting.is_empty() {
            (self.failing, self.next_at) = (None, None);
        }
        self
    }

    /// An event enters. The parts of one version do not replace each other.
    pub fn enter(&mut self, event: WaitingEvent) -> Entered {
        let version = event.head.version;
        if version <= self.newest {
            return Entered::Known;
        }
        self.newest = version;
        let front = self.waiting.first().map(|front| front.head.version);
        let mut replaced = Vec::new();
        if event.head.is_dispatch() {
            let is_replaced = |old: &mut WaitingEvent| old.head.is_replaceable() && old.is_older_version_than(version);
            replaced.extend(self.waiting.extract_if(.., is_replaced));
            replaced.extend(self.kept.extract_if(.., is_replaced));
        }
        self.waiting.push(event);
        if front != self.waiting.first().map(|front| front.head.version) {
            // It was another event that failed.
            self.failing = None;
        }
        Entered::Waits { replaced }
    }

    /// What can be done at that instant.
    pub fn next(&self, now: Timestamp) -> Next {
        if self.waiting.is_empty() {
            return Next::Nothing;
        }
        if let Some(claim) = self.claim.as_ref().filter(|claim| now < claim.until) {
            return Next::Claimed(claim.until);
        }
        match &self.failing {
            Some(failing) if failing.is_patient() && now < failing.next_at => Next::Later(failing.next_at),
            _ => Next::Due,
        }
    }

    /// Claims it for an invocation that ends at that instant. `covered` is true if a message of `signals` brings the
    /// event again should the invocation die.
    pub fn claim(&mut self, by: &str, now: Timestamp, ends_at: Timestamp, covered: bool) {
        let until = ends_at.min(now + LONGEST_CLAIM) + CLAIM_MARGIN;
        self.claim = Some(Claim { by: by.to_owned(), until });
        if !covered || self.next_at.is_some() {
            self.next_at = Some(until);
        }
    }

    /// Ends a claim. What still waits must be tried again at that instant.
    pub fn release(&mut self, by: &str, next_at: Timestamp) {
        if self.is_claimed_by(by) {
            self.claim = None;
            self.next_at = Some(next_at);
        }
    }

    /// Whether that claim is the current one.
    pub fn is_claimed_by(&self, by: &str) -> bool {
        self.claim.as_ref().is_some_and(|claim| claim.by == by)
    }

    /// The output has taken an event. Returns the event if it still waited.
    pub fn confirm(&mut self, head: &EventHead, now: Timestamp) -> Option<WaitingEvent> {
        let version = head.version;
        let is_complete = head.parts.is_none_or(|parts| version.part == 0 || version.part == parts);
        if self.delivered.as_ref().is_none_or(|delivered| delivered.version < version) {
            self.delivered = Some(Delivered { version, is_complete, at: now });
        }
        let at = self.waiting.iter().position(|waiting| waiting.head.version == version)?;
        if at == 0 {
            self.failing = None;
        }
        Some(self.waiting.remove(at))
    }

    /// Stores an acknowledgement. A late "accepted" does not replace a "completed" of the same version.
    pub fn acknowledge(&mut self, ack: LaneAck) {
        let known = self.ack.as_ref();
        let is_old = known.is_some_and(|known| {
            known.version > ack.version
                || known.version == ack.version && known.state == AckState::Completed && ack.state == AckState::Accepted
        });
        if !is_old {
            self.ack = Some(ack);
        }
    }

    /// Moves what has waited for too long to what is kept for a replay. Returns how many.
    pub fn keep_expired(&mut self, now: Timestamp) -> usize {
        let expired =
            self.waiting.extract_if(.., |waiting| now.duration_since(waiting.stored_at) >= KEPT_AFTER).collect();
        self.keep(expired)
    }

    /// Moves an event that no attempt can deliver to what is kept for a replay.
    pub fn keep_event(&mut self, version: EventVersion) {
        let event = self.waiting.extract_if(.., |waiting| waiting.head.version == version).collect();
        self.keep(event);
    }

    fn keep(&mut self, events: Vec<WaitingEvent>) -> usize {
        let count = events.len();
        self.kept.extend(events);
        self.kept.sort_by_key(|kept| kept.head.version);
        count
    }

    /// Lets what was kept wait again, oldest first. Versions of a dispatch older than what the output has taken are
    /// dropped: a consumer keeps the newest version. Returns those.
    pub fn replay(&mut self, now: Timestamp) -> Vec<WaitingEvent> {
        let delivered = self.delivered.as_ref().map(|delivered| delivered.version);
        let is_old = |kept: &mut WaitingEvent| {
            kept.head.is_dispatch() && delivered.is_some_and(|delivered| kept.head.version < delivered)
        };
        let dropped = self.kept.extract_if(.., is_old).collect();
        let again = self.kept.drain(..).map(|kept| WaitingEvent { stored_at: now, ..kept });
        self.waiting.splice(0..0, again);
        self.waiting.sort_by_key(|waiting| waiting.head.version);
        self.failing = None;
        dropped
    }

    /// Replaces the events of a version by others, which carry it in smaller parts. Returns the replaced ones.
    pub fn replace(&mut self, version: EventVersion, parts: Vec<WaitingEvent>) -> Vec<WaitingEvent> {
        let of = |waiting: &mut WaitingEvent| waiting.head.version.whole() == version.whole();
        let Some(at) = self.waiting.iter_mut().position(of) else { return Vec::new() };
        let replaced = self.waiting.extract_if(.., of).collect();
        self.newest = parts.iter().map(|part| part.head.version).fold(self.newest, EventVersion::max);
        self.waiting.splice(at..at, parts);
        replaced
    }

    /// Whether all parts of that version wait.
    pub fn has_all_parts(&self, head: &EventHead) -> bool {
        let of = self.waiting.iter().filter(|waiting| waiting.head.version.whole() == head.version.whole());
        head.parts.is_none_or(|parts| u32::try_from(of.count()).is_ok_and(|count| count >= parts))
    }

    /// The instant that the index sorts it by; none if it is not in the index. What is only kept sorts last.
    pub fn indexed_at(&self) -> Option<Timestamp> {
        self.next_at.or_else(|| Some(Timestamp::MAX).filter(|_| !self.kept.is_empty()))
    }

    /// The lane in short.
    pub fn summary(&self) -> LaneSummary {
        let all = || self.waiting.iter().chain(&self.kept);
        LaneSummary {
            key: self.key.clone(),
            waiting: self.waiting.len(),
            kept: self.kept.len(),
            since: all().map(|event| event.stored_at).min().unwrap_or(self.changed_at),
            next_at: self.indexed_at().unwrap_or(Timestamp::MAX),
            test: all().all(|event| event.head.test),
            attempts: self.failing.as_ref().map_or(0, |failing| failing.attempts),
            is_whole_output: self.failing.as_ref().is_some_and(|failing| failing.is_whole_output),
            detail: self.failing.as_ref().map(|failing| failing.detail.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
