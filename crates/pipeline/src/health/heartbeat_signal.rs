//! The heartbeat signals for consumers: a controller that hears nothing knows that something is wrong, and one that
//! missed a version sees it.
//!
//! The heartbeats are a subject with an outbox of its own. The conditional write of its record makes a heartbeat, so of
//! several sweeps at the same time one sends it. If that one dies before it sends, the sweep sends the outbox.

use dispatch::{ActiveVersion, Epoch, HeartbeatSignal, Publication, State, Subject};
use futures_util::{StreamExt, future::ready, future::try_join_all, stream};
use jiff::{SignedDuration, Timestamp};

use crate::{
    config::Config,
    dispatches::record::SubjectRecord,
    hydrate::publish,
    in_time::AT_ONCE,
    ports::{Clock, Depths, Dispatches, PortError, Ports, Random, SignalStream, Watched},
    trace::Hop,
    update::{Change, From, Records, Updated, update},
};

/// A sweep may run a little earlier in its minute than the one before. It still sends the heartbeat of its interval.
const EARLY: SignedDuration = SignedDuration::from_secs(30);

/// How much later than its interval a heartbeat may come: one sweep may fail.
const GRACE: SignedDuration = SignedDuration::from_mins(2);

/// The size limit of a heartbeat's body, in bytes (256 KiB).
const LIMIT_BYTES: usize = 256 * 1_024;

/// Room for the envelope and the other fields of the heartbeat, in bytes.
const ENVELOPE_BYTES: usize = 1_024;

/// How many records a heartbeat reads at most. No more versions fit into it.
const MOST_READ: usize = 3_000;

/// The part of the sweep that sends heartbeats.
#[derive(Debug)]
pub struct HeartbeatSignals<'a, P: Ports> {
    /// The sources and the interval.
    pub config: &'a Config,
    /// `dispatches`.
    pub table: &'a P::Dispatches,
    /// `signals`.
    pub stream: &'a P::SignalStream,
    /// The depth of the queues.
    pub queues: &'a P::Depths,
    /// Clock and random numbers.
    pub host: &'a P::Host,
}

impl<P: Ports> HeartbeatSignals<'_, P> {
    /// Sends a heartbeat if one is due, and returns whether it did. While messages wait in the queue, consumers have
    /// other signals to read, or do not read: none is sent. Reads records until that instant, from which on none is
    /// sent.
    pub async fn send_due(&self, until: Timestamp) -> Result<bool, PortError> {
        let Some(interval) = self.config.signals.heartbeat() else { return Ok(false) };
        let (subject, now) = (Subject::heartbeat(), self.host.now());
        if now >= until {
            return Ok(false);
        }
        let record = self.table.read(&subject).await?;
        let epoch =
            self.table.epoch(now).await?.max(record.as_ref().map_or(Epoch::default(), |record| record.state.epoch));
        let is_due =
            |record: Option<&SubjectRecord>| record.is_none_or(|record| is_next_due(record, epoch, interval, now));
        if !is_due(record.as_ref()) || self.queues.depth(Watched::Signals).await?.waiting > 0 {
            return Ok(false);
        }
        let limit_bytes = LIMIT_BYTES.min(self.stream.limit_bytes());
        let Named { active, more } = self.named(epoch, now, until).await?.within(limit_bytes);
        let heartbeat = HeartbeatSignal { at: now, next_by: now + interval + GRACE, active, more };
        // Nothing came in that caused it.
        let hop = Hop::after(None, self.host);
        let publication = Publication { epoch, now, limit_bytes, traceparent: Some(hop.context) };
        let updated = update(Records(self.table), &subject, From::Known(record), async |record| {
            // Another sweep has sent one.
            if !is_due(record.as_ref()) {
                return Ok::<_, PortError>(Change::Keep(()));
            }
            let state = record.as_ref().map(|record| record.state.clone());
            let (state, signal) = State::with_heartbeat(state, heartbeat.clone(), publication);
            let next = SubjectRecord::with_heartbeat(record, state, signal, self.host.unique());
            Ok(Change::Write(Box::new(next), ()))
        });
        let Updated { written, .. } = updated.await?;
        let Some(record) = written else { return Ok(false) };
        publish(self.table, self.stream, &record, hop).await?;
        Ok(true)
    }

    /// The versions that were sent of all active dispatches and load targets.
    async fn named(&self, epoch: Epoch, now: Timestamp, until: Timestamp) -> Result<Named, PortError> {
        let sources = self.config.sources.keys();
        let found = try_join_all(sources.map(|source| self.table.active(source, now))).await?;
        let real = found.into_iter().flatten().filter(|subject| !subject.active.test);
        let mut subjects: Vec<(Timestamp, Subject)> = real.map(|found| (found.active.start, found.subject)).collect();
        subjects.sort();
        let all = subjects.len();
        // The index lags behind the table, and does not know what was sent: the stored record counts.
        let reads = stream::iter(subjects.into_iter().take(MOST_READ)).take_while(|_| ready(self.host.now() < until));
        let records = reads.map(|(_, subject)| async move { (self.table.read(&subject).await, subject) });
        let records: Vec<_> = records.buffered(AT_ONCE).collect().await;
        let mut named = Named { active: Vec::new(), more: (all - records.len()) as u64 };
        for (record, subject) in records {
            match record {
                Ok(record) => named.active.extend(record.and_then(|record| record.active_version(epoch, now))),
                Err(error) => {
                    tracing::warn!(dispatch.subject = %subject, %error, "a heartbeat does not name it");
                    named.more += 1;
                }
            }
        }
        Ok(named)
    }
}

/// What a heartbeat names, and how many more there are.
struct Named {
    active: Vec<ActiveVersion>,
    more: u64,
}

impl Named {
    /// As many as fit, the first to start.
    fn within(mut self, limit_bytes: usize) -> Self {
        let mut room_bytes = limit_bytes.saturating_sub(ENVELOPE_BYTES);
        let fits = |version: &&ActiveVersion| {
            let bytes = serde_json::to_string(version).map_or(usize::MAX, |json| json.len().saturating_add(1));
            let left_bytes = room_bytes.checked_sub(bytes);
            room_bytes = left_bytes.unwrap_or(0);
            left_bytes.is_some()
        };
        let count = self.active.iter().take_while(fits).count();
        self.more += (self.active.len() - count) as u64;
        self.active.truncate(count);
        self
    }
}

/// Whether the next heartbeat is due. A pending one is sent first.
fn is_next_due(record: &SubjectRecord, epoch: Epoch, interval: SignedDuration, now: Timestamp) -> bool {
    let is_first = record.state.epoch < epoch || record.state.version == 0;
    record.outbox.is_empty() && (is_first || now.duration_since(record.changed_at) >= interval - EARLY)
}
