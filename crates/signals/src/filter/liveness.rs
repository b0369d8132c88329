//! What the heartbeats tell a consumer: which versions did not arrive, and since when gridbell is silent.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::VersionFilter;
use crate::{HeartbeatSignal, Subject, Version};

/// What the heartbeats said so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Liveness {
    /// By when another signal must come.
    next_by: Timestamp,
    /// How long after any signal the next one must come, in milliseconds.
    within_ms: i64,
    /// The versions that the newest heartbeat names and that did not arrive before it, by subject.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    missing: BTreeMap<String, MissingVersion>,
}

/// A version that a heartbeat names and that did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingVersion {
    /// The subject of its signal.
    pub subject: Subject,
    /// Its epoch and sequence.
    pub version: Version,
    /// When it starts.
    pub start: Timestamp,
    /// When it ends; none until known.
    pub end: Option<Timestamp>,
    /// When the consumer received the first heartbeat that named it.
    pub named_at: Timestamp,
}

impl Liveness {
    /// A signal was received: gridbell works, and sends another one within the time that it promised last.
    pub(super) fn heard(&mut self, now: Timestamp) {
        let next_by = now.saturating_add(SignedDuration::from_millis(self.within_ms)).unwrap_or(Timestamp::MAX);
        self.next_by = self.next_by.max(next_by);
    }
}

impl VersionFilter {
    /// The versions that the newest heartbeat names, that did not arrive, and that a heartbeat named first before that
    /// instant. A message that another read of the queue has in flight arrives within the queue's visibility timeout,
    /// so pass an instant that lies further back than that.
    pub fn missing(&self, named_before: Timestamp) -> impl Iterator<Item = &MissingVersion> {
        let missing = self.liveness.iter().flat_map(|liveness| liveness.missing.values());
        missing.filter(move |missing| missing.named_at < named_before && !self.has(&missing.subject, missing.version))
    }

    /// By when a signal should have come, if none came by then; none while gridbell is in time, and before the first
    /// heartbeat. Any signal counts.
    pub fn late_since(&self, now: Timestamp) -> Option<Timestamp> {
        Some(self.liveness.as_ref()?.next_by).filter(|next_by| *next_by < now)
    }

    /// Forgets the heartbeats: call it once after gridbell was configured to send none.
    pub fn expect_no_heartbeat(&mut self) {
        self.liveness = None;
    }

    /// Takes over what a heartbeat says.
    pub(super) fn follow(&mut self, heartbeat: &HeartbeatSignal, epoch: u64, now: Timestamp) {
        let before = self.liveness.take().map(|liveness| liveness.missing).unwrap_or_default();
        let mut missing = BTreeMap::new();
        for named in &heartbeat.active {
            let version = Version { epoch, sequence: named.sequence };
            if let Some(newest) = self.subjects.get_mut(named.subject.as_str()) {
                // It is active, however long ago its last signal was: it must not be forgotten.
                newest.time = newest.time.max(heartbeat.at);
            }
            if self.has(&named.subject, version) {
                continue;
            }
            let known = before.get(named.subject.as_str()).filter(|known| known.version == version);
            let named_at = known.map_or(now, |known| known.named_at);
            let subject = named.subject.clone();
            let key = subject.to_string();
            missing.insert(key, MissingVersion { subject, version, start: named.start, end: named.end, named_at });
        }
        let within_ms =
            i64::try_from(heartbeat.next_by.duration_since(heartbeat.at).as_millis()).unwrap_or(i64::MAX).max(0);
        let mut liveness = Liveness { next_by: heartbeat.next_by, within_ms, missing };
        // A heartbeat that waited in the queue is a sign of life, too.
        if heartbeat.next_by < now {
            liveness.heard(now);
        }
        self.liveness = Some(liveness);
    }

    /// Whether the consumer acted on that version, or knows a newer one.
    fn has(&self, subject: &Subject, version: Version) -> bool {
        let newest = self.subjects.get(subject.as_str());
        newest.is_some_and(|newest| newest.version > version || (newest.version == version && newest.done))
    }
}
