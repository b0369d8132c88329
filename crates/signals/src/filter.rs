//! Which deliveries a consumer acts on.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Data, Envelope, Subject, TargetEntry, Version};

/// Keeps the newest version of each subject, so that a consumer acts on each version once, whatever is delivered twice or late.
///
/// For each message: [`accept`](Self::accept) it, act where it says [`Delivery::New`], then [`mark_done`](Self::mark_done),
/// store the filter, acknowledge, and delete the message from the queue. The filter is plain data: store it as JSON, and load it
/// after a restart. A consumer that stops between acting and storing acts on that version once more.
///
/// ```
/// use signals::{Delivery, Envelope, VersionFilter};
///
/// let body = |sequence: u64| format!(r#"{{"specversion": "1.0", "id": "s/account#7.{sequence}", "source": "/gridbell/s",
///     "type": "gridbell.account.customer.created.v1", "subject": "s/account", "time": "2025-12-01T16:40:03Z",
///     "epoch": "7", "sequence": "{sequence}", "datacontenttype": "application/json", "data": {{"account": {{
///     "provider": "openvolt", "source": "s", "event": "customer.created", "delivery": "d", "payload": {{}}}}}}}}"#);
/// let mut filter = VersionFilter::default();
/// let Delivery::New { signal, missed: 0 } = filter.accept(Envelope::parse(&body(9))?) else { panic!() };
/// // Act on the signal here.
/// filter.mark_done(&signal);
/// assert!(matches!(filter.accept(Envelope::parse(&body(9))?), Delivery::Duplicate(_)));
/// assert!(matches!(filter.accept(Envelope::parse(&body(8))?), Delivery::Outdated { .. }));
/// // 10 is newer than 9. As text it would be older.
/// assert!(matches!(filter.accept(Envelope::parse(&body(10))?), Delivery::New { .. }));
/// # Ok::<(), signals::InvalidSignal>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VersionFilter {
    subjects: BTreeMap<String, Newest>,
}

/// What a delivery means to a consumer.
#[derive(Debug, Clone, PartialEq)]
pub enum Delivery {
    /// A version to act on, with the targets of all its parts.
    New {
        /// The whole version.
        signal: Box<Envelope>,
        /// How many versions before it never came, as far as the filter can know.
        missed: u64,
    },
    /// A version that was acted on before, as it came: do not act again. Acknowledge it again, since the first
    /// acknowledgement may be lost.
    Duplicate(Box<Envelope>),
    /// One part of a version whose other parts are still to come: store the filter, delete the message, and wait.
    Incomplete {
        /// How many parts are missing.
        missing: u32,
    },
    /// A version older than the newest one that came: delete the message.
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
    /// The consumer acted on it.
    done: bool,
    missed: u64,
    /// How many parts it has, where it has parts.
    of: u32,
    /// The targets of the parts that came, until the consumer has acted on the whole.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    parts: BTreeMap<u32, Vec<TargetEntry>>,
}

impl VersionFilter {
    /// Says what a delivery means, and remembers its part where it is one.
    pub fn accept(&mut self, signal: Envelope) -> Delivery {
        let version = signal.version();
        let known = self.subjects.get(signal.subject.as_str());
        if let Some(known) = known.filter(|known| version < known.version) {
            return Delivery::Outdated { newest: known.version };
        }
        if known.is_none_or(|known| known.version < version) {
            // The parts of an older version do not matter any more.
            let missed = known.map_or(0, |known| between(known.version, version));
            let newest = Newest { version, time: signal.time, missed, ..Newest::default() };
            self.subjects.insert(signal.subject.to_string(), newest);
        }
        let newest = self.subjects.entry(signal.subject.to_string()).or_default();
        if newest.done { Delivery::Duplicate(Box::new(signal)) } else { newest.join(signal) }
    }

    /// The consumer acted on this version. From now on its deliveries are duplicates.
    pub fn mark_done<D>(&mut self, signal: &Envelope<D>) {
        let newest = self.subjects.get_mut(signal.subject.as_str());
        if let Some(newest) = newest.filter(|newest| newest.version == signal.version()) {
            newest.done = true;
            newest.parts.clear();
        }
    }

    /// The newest version of a subject of which anything came.
    pub fn newest(&self, subject: &Subject) -> Option<Version> {
        Some(self.subjects.get(subject.as_str())?.version)
    }

    /// Forgets the subjects whose newest signal was published before an instant, so that the filter does not grow for ever.
    /// Keep at least the time for which the queue retains messages (SQS: up to 14 days): a forgotten version that is
    /// delivered again counts as new.
    pub fn forget_before(&mut self, instant: Timestamp) {
        self.subjects.retain(|_, newest| newest.time >= instant);
    }
}

/// How many versions lie between two. A newer epoch counts from 1.
fn between(known: Version, new: Version) -> u64 {
    let before = if known.epoch == new.epoch { known.sequence } else { 0 };
    new.sequence.saturating_sub(before).saturating_sub(1)
}

impl Newest {
    /// The whole version, as soon as all parts are there.
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
