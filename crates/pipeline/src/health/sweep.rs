//! Every minute: sends the signals still pending in outboxes because a function died between its write and its send.

use std::collections::BTreeSet;

use dispatch::{Publication, Subject};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use crate::{
    alerts::{condition::Condition, review::OpenIncidents},
    config::Config,
    dispatches::record::SubjectRecord,
    hydrate::{PublishOutcome, publish},
    in_time::each,
    job::FOREIGN,
    messages::ToHydrate,
    ports::{Clock, Deliveries, Dispatches, JobQueue, PendingRetry, PortError, Ports, Random, SignalStream},
    retry::state::RetryState,
    trace::Hop,
    update::{Change, From, Records, Updated, update},
};

/// Younger signals are probably being sent.
const PATIENCE: SignedDuration = SignedDuration::from_secs(20);

/// An attempt that is overdue for longer is not under way any more: this is more than twice a message's visibility
/// timeout.
const OVERDUE: SignedDuration = SignedDuration::from_mins(5);

/// The sweep.
#[derive(Debug)]
pub struct Sweep<'a, P: Ports> {
    /// The deadlines.
    pub config: &'a Config,
    /// `dispatches`.
    pub table: &'a P::Dispatches,
    /// `signals`.
    pub stream: &'a P::SignalStream,
    /// The inner queues.
    pub job_queue: &'a P::JobQueue,
    /// Clock and random numbers.
    pub host: &'a P::Host,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Subjects with pending signals.
    pub owing: usize,
    /// How many of those were sent here.
    pub sent: usize,
    /// How many of those could not be sent.
    pub failed: usize,
}

impl<P: Ports> Sweep<'_, P> {
    /// Sends the pending signals of outboxes, as many as it can begin before that instant. A subject that fails does
    /// not delay the others.
    pub async fn run(&self, until: Timestamp) -> Result<Swept, PortError> {
        let subjects = self.table.unsent(self.host.now() - PATIENCE).await?;
        let mut swept = Swept { owing: subjects.len(), ..Swept::default() };
        let outcomes = each(subjects, until, self.host, async |subject| {
            let outcome = self.pay(&subject).await;
            if let Err(error) = &outcome {
                tracing::error!(dispatch.subject = %subject, %error, "a signal in the outbox could not be sent");
            }
            outcome
        });
        for outcome in outcomes.await {
            match outcome {
                Ok(PublishOutcome::Sent) => swept.sent += 1,
                Ok(PublishOutcome::Nothing | PublishOutcome::Overtaken) => {}
                Err(_) => swept.failed += 1,
            }
        }
        Ok(swept)
    }

    async fn pay(&self, subject: &Subject) -> Result<PublishOutcome, PortError> {
        // The index lags behind the table: the stored record counts.
        match self.table.read(subject).await? {
            Some(record) => self.send(record).await,
            None => Ok(PublishOutcome::Nothing),
        }
    }

    /// Sends a record's pending signals, numbered in the current epoch.
    async fn send(&self, record: SubjectRecord) -> Result<PublishOutcome, PortError> {
        let record = self.in_current_epoch(record).await?;
        let in_parts = record.outbox.iter().any(|signal| signal.part.is_some());
        let traceparent = record.outbox.last().and_then(|signal| signal.traceparent).or(record.traceparent);
        let sent = publish(self.table, self.stream, &record, Hop::after(traceparent, self.host)).await;
        if sent.is_err() && in_parts {
            let condition = Condition::PartsUnsent { dispatch: record.subject.clone() };
            self.job_queue.hint_in(traceparent, condition, self.host.now(), 0).await?;
        }
        sent
    }

    /// The record in the current epoch, stored in one conditional write: sequences begin again at 1, an active dispatch
    /// is published once more, and unsent signals are renumbered.
    pub async fn in_current_epoch(&self, record: SubjectRecord) -> Result<SubjectRecord, PortError> {
        let subject = record.subject.clone();
        let changed = update(Records(self.table), &subject, From::Known(Some(record)), async |record| {
            let Some(record) = record else {
                return Err(PortError::Unavailable { port: "dispatches", reason: format!("{subject} is gone") });
            };
            let now = self.host.now();
            let epoch = self.table.epoch(now).await?;
            let (limit_bytes, hop) = (self.stream.limit_bytes(), Hop::after(record.traceparent, self.host));
            let publication = Publication { epoch, now, limit_bytes, traceparent: Some(hop.context) };
            let published = record.state.published();
            let programs = published.as_ref().map_or(&[][..], |(_, terms)| &terms.programs);
            let deadlines = self.config.deadlines_for(&record.origin.source, programs);
            Ok(match record.in_epoch(publication, deadlines) {
                Some(next) => Change::Write(Box::new(next.noting(None, self.host.unique())), None),
                None => Change::Keep(Some(record)),
            })
        });
        let Updated { written, result } = changed.await?;
        written
            .or(result)
            .ok_or_else(|| PortError::Unavailable { port: "dispatches", reason: format!("{subject} is gone") })
    }

    /// Sends jobs again whose attempt is long overdue, as many as it can begin before that instant. Returns how many.
    pub async fn resend(&self, deliveries: &impl Deliveries, until: Timestamp) -> Result<usize, PortError> {
        let now = self.host.now();
        let before = now - OVERDUE;
        let overdue = join_all(self.config.sources.keys().map(|source| deliveries.overdue(source, before))).await;
        // A source whose jobs cannot be listed does not delay other sources, and a job that fails does not delay other
        // jobs.
        let (mut jobs, mut failed) = (Vec::new(), None);
        for found in overdue {
            match found {
                Ok(found) => jobs.extend(found),
                Err(error) => failed = Some(error),
            }
        }
        let sent = each(jobs, until, self.host, async |PendingRetry { job, state }| {
            // Book first, so that the next sweep does not find the same job overdue.
            let pending = PendingRetry { job, state: RetryState { next_at: now + OVERDUE, ..state } };
            if !deliveries.book(&pending, now).await? {
                return Ok(0);
            }
            self.job_queue.deliver(ToHydrate::Job(pending.job), 0).await.map(|()| 1)
        });
        let count = sent.await.into_iter().sum::<Result<usize, PortError>>();
        failed.map_or(count, Err)
    }

    /// Sends hints at conditions that may be firing in a source without an open incident, as many as it can begin
    /// before that instant. Returns how many.
    pub async fn hint(
        &self,
        deliveries: &impl Deliveries,
        open: &OpenIncidents,
        until: Timestamp,
    ) -> Result<usize, PortError> {
        let now = self.host.now();
        // Messages that no source sent are quarantined as well.
        let sources = self.config.sources.keys().map(String::as_str).chain([FOREIGN]);
        let firing = join_all(sources.map(|source| deliveries.firing(source, now))).await;
        let (mut conditions, mut failed) = (BTreeSet::new(), None);
        for found in firing {
            match found {
                Ok(found) => conditions.extend(found.into_iter().filter(|condition| !open.covers(condition))),
                Err(error) => failed = Some(error),
            }
        }
        let hints = each(conditions.into_iter().collect(), until, self.host, async |condition: Condition| {
            self.job_queue.hint(condition, now, 0).await.map(|()| 1)
        });
        let count = hints.await.into_iter().sum::<Result<usize, PortError>>();
        failed.map_or(count, Err)
    }
}
