//! Every minute: send what is pending in the outbox and was not sent, because a function died between its write and its send.

use dispatch::{Publication, Signal};
use jiff::{SignedDuration, Timestamp};

use crate::{
    config::Config,
    hydrate::{Outcome, publish},
    incident::{Kind, Notice},
    ports::{Chance, Clock, Dispatches, Outlet, PortError, SignalStream},
    record::Record,
    written::{MAX_TRIES, Written, always_overtaken, written},
};

/// Younger debts are most likely being paid right now.
const PATIENCE: SignedDuration = SignedDuration::from_secs(20);

/// A version in several parts that is not sent whole after this long is an incident: its consumer can act on none of it.
const INCOMPLETE_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// The sweep.
#[derive(Debug)]
pub struct Sweep<'a, T, S, O, C> {
    /// The deadlines.
    pub config: &'a Config,
    /// `dispatches`.
    pub table: &'a T,
    /// `signals`.
    pub stream: &'a S,
    /// The inner queues.
    pub outlet: &'a O,
    /// Time and chance.
    pub world: &'a C,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Subjects that owed signals.
    pub owing: usize,
    /// Of those, how many were paid off here.
    pub sent: usize,
    /// Of those, how many could not be.
    pub failed: usize,
}

impl<T: Dispatches, S: SignalStream, O: Outlet, C: Clock + Chance> Sweep<'_, T, S, O, C> {
    /// Pays off what is owed. One subject that fails does not keep the others waiting.
    pub async fn run(&self) -> Result<Swept, PortError> {
        let mut swept = Swept::default();
        for subject in self.table.unsent(self.world.now() - PATIENCE).await? {
            swept.owing += 1;
            // The index lags behind the table: what stands there now counts.
            let outcome = match self.table.read(&subject).await {
                Ok(Some(record)) => self.send(record).await,
                Ok(None) => Ok(Outcome::Nothing),
                Err(error) => Err(error),
            };
            match outcome {
                Ok(Outcome::Sent) => swept.sent += 1,
                Ok(Outcome::Nothing | Outcome::Overtaken) => {}
                Err(error) => {
                    tracing::error!(dispatch.subject = %subject, %error, "an owed signal could not be sent");
                    swept.failed += 1;
                }
            }
        }
        Ok(swept)
    }

    /// Sends what a record has pending, numbered in the current epoch.
    async fn send(&self, record: Record) -> Result<Outcome, PortError> {
        let record = self.in_current_epoch(record).await?;
        let sent = publish(self.table, self.stream, &record).await;
        if sent.is_err() && is_half_sent_for_long(&record, self.world.now()) {
            self.outlet.notice(&incomplete(&record, self.world.now()), 0).await?;
        }
        sent
    }

    /// The record as it is in the current epoch, stored so in one conditional write: sequences begin anew, a dispatch that is on is
    /// published once more, and what was never sent is numbered anew.
    pub async fn in_current_epoch(&self, mut record: Record) -> Result<Record, PortError> {
        for _ in 0..MAX_TRIES {
            let now = self.world.now();
            let epoch = self.table.epoch(now).await?;
            let publication = Publication { epoch, now, limit_bytes: self.stream.limit_bytes() };
            let published = record.state.published();
            let programs = published.as_ref().map_or(&[][..], |(_, statement)| &statement.programs);
            let deadlines = self.config.deadlines_for(&record.origin.source, programs);
            let Some(next) = record.in_epoch(publication, deadlines) else { return Ok(record) };
            let next = next.noting(None, self.world.unique());
            match written(&next, self.table.write(&next, Some(record.revision)).await)? {
                Written::Done => return Ok(next),
                Written::Overtaken(Some(stored)) => record = stored,
                Written::Overtaken(None) => return Err(always_overtaken("dispatches", &record.subject)),
            }
        }
        Err(always_overtaken("dispatches", &record.subject))
    }
}

fn is_half_sent_for_long(record: &Record, now: Timestamp) -> bool {
    let in_parts = record.outbox.iter().any(|signal: &Signal| signal.part.is_some());
    in_parts && now.duration_since(record.changed_at) > INCOMPLETE_AFTER
}

/// Resolves by itself once the set is sent and no sweep says it again.
fn incomplete(record: &Record, now: Timestamp) -> Notice {
    let subject = &record.subject;
    let detail = "its signal has several parts, and not all of them could be sent yet: no consumer can act on it";
    Notice::happens(Kind::HydrationFailing, &record.origin.source, subject.to_string(), now, detail.to_owned())
        .gathered_by(format!("{subject}/parts"))
        .about_dispatch(Some(subject.clone()))
}
