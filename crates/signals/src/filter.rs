//! Finds the deliveries that a consumer must act on.

mod liveness;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::liveness::Liveness;
use crate::{Data, Envelope, Subject, TargetEntry, Version};

pub use self::liveness::MissingVersion;

/// Remembers the newest version of each subject, so that a consumer acts on each version once even if messages arrive
/// twice or late. It also follows the heartbeats, if gridbell sends them: [`missing`](Self::missing) names versions that
/// did not arrive, [`late_since`](Self::late_since) says whether gridbell is silent.
///
/// For each message: call [`accept`](Self::accept), act on [`Delivery::New`], then call [`mark_done`](Self::mark_done),
/// store the filter, acknowledge, and delete the message from the queue. The filter is plain data: store it as JSON,
/// and load it after a restart. A consumer that stops between acting and storing acts on that version once more.
///
/// ```
/// use jiff::Timestamp;
/// use signals::{Delivery, Envelope, VersionFilter};
///
/// let body = |sequence: u64| format!(r#"{{"specversion": "1.0", "id": "s/account#7.{sequence}", "source": "/gridbell/s",
///     "type": "gridbell.account.customer.created.v1", "subject": "s/account", "time": "2025-12-01T16:40:03Z",
///     "epoch": "7", "sequence": "{sequence}", "datacontenttype": "application/json", "data": {{"account": {{
///     "provider": "openvolt", "source": "s", "event": "customer.created", "delivery": "d", "payload": {{}}}}}}}}"#);
/// let (mut filter, now) = (VersionFilter::default(), Timestamp::UNIX_EPOCH);
/// let Delivery::New { signal, missed: 0 } = filter.accept(Envelope::parse(&body(9))?, now) else { panic!() };
/// // Act on the signal here.
/// filter.mark_done(&signal);
/// assert!(matches!(filter.accept(Envelope::parse(&body(9))?, now), Delivery::Duplicate(_)));
/// assert!(matches!(filter.accept(Envelope::parse(&body(8))?, now), Delivery::Outdated { .. }));
/// // 10 is newer than 9. As text it would be older.
/// assert!(matches!(filter.accept(Envelope::parse(&body(10))?, now), Delivery::New { .. }));
/// # Ok::<(), signals::InvalidSignal>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VersionFilter {
    subjects: BTreeMap<String, Newest>,
    /// What the heartbeats said; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    liveness: Option<Liveness>,
}

/// How a consumer must treat a delivery.
#[derive(Debug, Clone, PartialEq)]
pub enum Delivery {
    /// A version to act on, with the targets of all its parts.
    New {
        /// The whole version.
        signal: Box<Envelope>,
        /// How many earlier versions never arrived, as far as the filter knows.
        missed: u64,
    },
    /// The consumer already acted on this version: do not act again. Acknowledge again, since the first acknowledgement
    /// may be lost.
    Duplicate(Box<Envelope>),
    /// One part of a version; other parts are missing. Store the filter, delete the message, and wait.
    Incomplete {
        /// The number of missing parts.
        missing: u32,
    },
    /// A version older than the newest one: delete the message.
    Outdated {
        /// The newest version.
        newest: Version,
    },
}

/// The newest version of one subject.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Newest {
    version: Version,
    time: Timestamp,
    /// True if the consumer acted on it.
    done: bool,
    missed: u64,
    /// The number of parts, if it has parts.
    of: u32,
    /// The targets of the received parts, until the consumer has acted on the whole version.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    parts: BTreeMap<u32, Vec<TargetEntry>>,
}

impl VersionFilter {
    /// Classifies a delivery that is received now, and stores it if it is a part.
    pub fn accept(&mut self, signal: Envelope, now: Timestamp) -> Delivery {
        let version = signal.version();
        if let Some(liveness) = &mut self.liveness {
            liveness.heard(now);
        }
        let known = self.subjects.get(signal.subject.as_str());
        if let Some(known) = known.filter(|known| version < known.version) {
            return Delivery::Outdated { newest: known.version };
        }
        if known.is_none_or(|known| known.version < version) {
            // The parts of an older version are not needed any more.
            let missed = known.map_or(0, |known| between(known.version, version));
            let newest = Newest { version, time: signal.time, missed, ..Newest::default() };
            self.subjects.insert(signal.subject.to_string(), newest);
            if let Data::Heartbeat(heartbeat) = &signal.data {
                self.follow(heartbeat, version.epoch, now);
            }
        }
        let newest = self.subjects.entry(signal.subject.to_string()).or_default();
        if newest.done { Delivery::Duplicate(Box::new(signal)) } else { newest.join(signal) }
    }

    /// Records that the consumer acted on this version. Later deliveries of it are duplicates.
    pub fn mark_done<D>(&mut self, signal: &Envelope<D>) {
        let newest = self.subjects.get_mut(signal.subject.as_str());
        if let Some(newest) = newest.filter(|newest| newest.version == signal.version()) {
            newest.done = true;
            newest.parts.clear();
        }
    }

    /// The newest received version of a subject, complete or not.
    pub fn newest(&self, subject: &Subject) -> Option<Version> {
        Some(self.subjects.get(subject.as_str())?.version)
    }

    /// Removes the subjects whose newest signal was published before an instant, so that the filter does not grow for
    /// ever. Keep at least the retention time of the queue (SQS: up to 14 days): a removed version that is delivered
    /// again counts as new.
    pub fn forget_before(&mut self, instant: Timestamp) {
        self.subjects.retain(|_, newest| newest.time >= instant);
    }
}

/// The number of versions between two. A newer epoch counts from 1.
fn between(known: Version, new: Version) -> u64 {
    let before = if known.epoch == new.epoch { known.sequence } else { 0 };
    new.sequence.saturating_sub(before).saturating_sub(1)
}

impl Newest {
    /// The whole version, once all parts have arrived.
    fn join(&mut self, mut signal: Envelope) -> Delivery {
        let missed = self.missed;
        let Data::Dispatch(dispatch) = &mut signal.data else {
            return Delivery::New { signal: Box::new(signal), missed };
        };
        let (Some(part), Some(of)) = (dispatch.part, dispatch.parts) else {
            return Delivery::New { signal: Box::new(signal), missed };
        };
        if self.of != of {
            self.of = of;
            self.parts.clear();
        }
        if (1..=of).contains(&part) {
            self.parts.insert(part, std::mem::take(&mut dispatch.targets));
        }
        let missing = of.saturating_sub(u32::try_from(self.parts.len()).unwrap_or(u32::MAX));
        if missing > 0 {
            return Delivery::Incomplete { missing };
        }
        dispatch.targets = self.parts.values().flatten().cloned().collect();
        (dispatch.part, dispatch.parts) = (None, None);
        signal.id = format!("{}#{}", signal.subject, signal.version());
        Delivery::New { signal: Box::new(signal), missed }
    }
}

#[cfg(test)]
mod tests;
