//! Deadlines: a person is notified in time of every dispatch that no controller has acknowledged.
//!
//! A deadline is a delayed message that fires to the second. The sweep sends one for each subject that the index shows
//! as due soon, so a lost message costs a minute at most. Firing twice is harmless: the table decides.

use dispatch::{Status, Subject};
use futures_util::lock::Mutex;
use jiff::{SignedDuration, Timestamp};

use crate::{
    alerts::{
        condition::Condition,
        conditions::{QUIET, ends_at},
        review::OpenIncidents,
    },
    config::Config,
    dispatches::{
        record::SubjectRecord,
        timeline::{Closed, Event, TimelineEvent},
    },
    messages::{Deadline, ToRetry, hop_s},
    outputs::reach::{Reach, reach},
    ports::{Backlog, Clock, Depths, Dispatches, DueSubject, JobQueue, PortError, Ports, Random, Watched},
    update::{Change, From, Records, update},
};

/// The component that learns of a nearer deadline arms it; the sweep of each minute finds the others.
pub const ARMED_AHEAD: SignedDuration = SignedDuration::from_secs(120);

/// A deadline that fires early by less than this was sent in time, by another clock.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(10);

/// How long the signals queue must remain unread to count as unread. The first check of its depth is this long before
/// the deadline.
const STILL: SignedDuration = SignedDuration::from_secs(3);

/// A signal younger than this is probably being sent.
const SENDING: SignedDuration = SignedDuration::from_secs(5);

/// How many deadlines are armed between two readings of the clock.
const ARMED_AT_ONCE: usize = 200;

/// Arms and checks the deadlines.
#[derive(Debug)]
pub struct DeadlineMonitor<'a, P: Ports> {
    /// The deadlines.
    pub config: &'a Config,
    /// `dispatches`.
    pub table: &'a P::Dispatches,
    /// The depth of `signals`.
    pub queues: &'a P::Depths,
    /// `outputs`; none if the stack has no courier.
    pub outputs: Option<&'a P::Outputs>,
    /// That depth, read once for all deadlines of a batch.
    pub backlog: Mutex<Option<Backlog>>,
    /// The inner queues.
    pub job_queue: &'a P::JobQueue,
    /// Clock and random numbers.
    pub host: &'a P::Host,
}

enum Next {
    Nothing,
    /// Fire again at this instant: it is not due yet.
    Early(Timestamp),
    /// Fire again at this instant, to compare the depth of the signals queue with this one.
    Again(Timestamp, u64),
    /// Send the alerter a hint at this condition.
    Hint(Condition),
}

impl<P: Ports> DeadlineMonitor<'_, P> {
    /// Arms the deadlines that the index shows as due soon, and those that are due without an open incident, the most
    /// urgent first, until that instant. Reads only the index. Returns how many.
    pub async fn arm_due(&self, open: &OpenIncidents, until: Timestamp) -> Result<usize, PortError> {
        let now = self.host.now();
        let due = self.table.due(now + ARMED_AHEAD).await?;
        let is_covered = |DueSubject { at, subject }: &DueSubject| {
            let dispatch = || subject.clone();
            let conditions = [
                Condition::NotAcknowledged { dispatch: dispatch() },
                Condition::ControllerFailed { dispatch: dispatch() },
                Condition::NotCompliant { subject: dispatch() },
            ];
            // The incident of the daily question stays open for days; it does not cover the deadline of a new version.
            let is_asked =
                now.duration_since(*at) > ARMED_AHEAD && open.covers(&Condition::NoEnd { dispatch: dispatch() });
            is_asked || conditions.iter().any(|condition| open.covers(condition))
        };
        let due = due.into_iter().filter(|due| due.at > now || !is_covered(due));
        let fires =
            due.map(|DueSubject { at, subject }| (fires_at(at, self.config, subject.source()), Deadline::of(subject)));
        let fires: Vec<(Timestamp, Deadline)> = fires.collect();
        let (mut armed, mut failed) = (0, None);
        for some in fires.chunks(ARMED_AT_ONCE) {
            // Arming thousands takes seconds, and a delay counts from its sending.
            let now = self.host.now();
            if now >= until {
                tracing::warn!(sweep.armed = armed, sweep.left = fires.len() - armed, "armed in the next minute");
                break;
            }
            let messages = some.iter().map(|(at, deadline)| ToRetry::Deadline(deadline.clone()).after(hop_s(*at, now)));
            match self.job_queue.retry(&messages.collect::<Vec<_>>()).await {
                Ok(()) => armed += some.len(),
                // The next sweep arms it, still before it is due. The rest of the sweep must not wait for it.
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(armed), Err)
    }

    /// A deadline fired.
    pub async fn fired(&self, Deadline { subject, unread, traceparent, .. }: Deadline) -> Result<(), PortError> {
        // The sweep knows no trace: that of the current version counts.
        let mut traceparent = traceparent;
        let checked = update(Records(self.table), &subject, From::Stored, async |record| {
            let Some(record) = record else { return Ok(Change::Keep(vec![Next::Nothing])) };
            traceparent = traceparent.or(record.traceparent);
            self.decide(record, unread).await
        });
        let found = checked.await?.result;
        let deadline = || Deadline { traceparent, ..Deadline::of(subject.clone()) };
        let now = self.host.now();
        for next in found {
            match next {
                Next::Nothing => {}
                Next::Hint(condition) => self.job_queue.hint_in(traceparent, condition, now, 0).await?,
                // The sweep arms what is due later. Sending each early message again would keep a duplicated one alive
                // for ever.
                Next::Early(at) if at.duration_since(now) > CLOCKS_DIFFER => {}
                Next::Early(at) => self.again(deadline(), hop_s(at, now)).await?,
                Next::Again(at, unread) => {
                    let deadline = Deadline { unread: Some(unread), ..deadline() };
                    self.again(deadline, hop_s(at, now)).await?;
                }
            }
        }
        Ok(())
    }

    async fn again(&self, deadline: Deadline, delay_s: u32) -> Result<(), PortError> {
        self.job_queue.retry(&[ToRetry::Deadline(deadline).after(delay_s)]).await
    }

    async fn decide(
        &self,
        record: SubjectRecord,
        unread: Option<u64>,
    ) -> Result<Change<SubjectRecord, Vec<Next>>, PortError> {
        let now = self.host.now();
        let mut next = Vec::new();
        if record.open_end.is_some_and(|ask_from| ask_from <= now) {
            next.push(Next::Hint(Condition::NoEnd { dispatch: record.subject.clone() }));
        }
        if record.has_failed() {
            next.push(Next::Hint(Condition::ControllerFailed { dispatch: record.subject.clone() }));
        }
        let Some(due) = record.due else { return Ok(Change::Keep(next)) };
        if record.state.published().is_none() {
            return Ok(self.ramp(record, due, next).await);
        }
        let hint = || Next::Hint(Condition::NotAcknowledged { dispatch: record.subject.clone() });
        let closed = match self.judge(&record, due, unread).await? {
            Ok(closed) => closed,
            Err(Next::Hint(_)) => {
                next.push(hint());
                return Ok(Change::Keep(next));
            }
            Err(other) => {
                next.push(other);
                return Ok(Change::Keep(next));
            }
        };
        // The acknowledgement resolves an incident, and a deadline that passed unnoticed opens one. Before the
        // deadline, this version has no incident, and that of an earlier version is reviewed each minute.
        if now >= due {
            next.push(hint());
        }
        let lapsed = (closed == Closed::Lapsed).then_some(due);
        let event = TimelineEvent::new(now, Event::DeadlineClosed { why: closed });
        let record = SubjectRecord { due: None, lapsed, ..record.noting(event, self.host.unique()) };
        Ok(Change::Write(Box::new(record), next))
    }

    async fn backlog(&self) -> Result<Backlog, PortError> {
        let mut known = self.backlog.lock().await;
        match *known {
            Some(backlog) => Ok(backlog),
            None => Ok(*known.insert(self.queues.depth(Watched::Signals).await?)),
        }
    }

    /// Why the deadline of a dispatch can be closed, or the next step.
    async fn judge(
        &self,
        record: &SubjectRecord,
        due: Timestamp,
        unread: Option<u64>,
    ) -> Result<Result<Closed, Next>, PortError> {
        let now = self.host.now();
        let Some((Status::Scheduled, terms)) = record.state.published() else { return Ok(Ok(Closed::Inactive)) };
        if record.is_acknowledged() {
            return Ok(Ok(Closed::Acknowledged));
        }
        let acknowledge = self.config.deadlines_for(&record.origin.source, &terms.programs).acknowledge;
        if let Some(outputs) = self.outputs.filter(|_| !self.config.outputs.is_empty()) {
            let reach = reach(outputs, self.config, record).await?;
            return Ok(self.judge_reach(record, due, acknowledge, &reach));
        }
        let is_sent = record.outbox.is_empty();
        let backlog = if acknowledge { None } else { Some(self.backlog().await?) };
        if is_sent && backlog.is_some_and(|backlog| backlog.waiting == 0) {
            return Ok(Ok(Closed::Read));
        }
        let is_still = backlog.filter(|backlog| is_sent && backlog.in_hand == 0);
        match is_still {
            _ if now >= due => {}
            Some(backlog) if now + STILL >= due => return Ok(Err(Next::Again(due, backlog.waiting))),
            _ => return Ok(Err(Next::Early(due))),
        }
        if !is_sent && now.duration_since(record.changed_at) < SENDING {
            return Ok(Err(Next::Early(now + SENDING)));
        }
        let overdue = if ends_at(record).is_some_and(|end| end <= now) {
            Ok(Closed::Lapsed)
        } else {
            Err(Next::Hint(Condition::NotAcknowledged { dispatch: record.subject.clone() }))
        };
        Ok(match (backlog.filter(|_| is_sent), unread) {
            (None, _) => overdue,
            // A consumer is reading the queue and will reach this dispatch, or the next sweep checks again.
            (Some(backlog), _) if backlog.in_hand > 0 => Err(Next::Nothing),
            (Some(backlog), Some(before)) if backlog.waiting >= before => overdue,
            (Some(backlog), _) => Err(Next::Again(now + STILL, backlog.waiting)),
        })
    }

    /// The same with outputs: they have taken the version, or acknowledged it.
    fn judge_reach(
        &self,
        record: &SubjectRecord,
        due: Timestamp,
        acknowledge: bool,
        reach: &Reach,
    ) -> Result<Closed, Next> {
        let now = self.host.now();
        if reach.acknowledged.is_some() {
            return Ok(Closed::Acknowledged);
        }
        if !acknowledge && reach.is_delivered() {
            return Ok(Closed::Delivered);
        }
        if now < due {
            return Err(Next::Early(due));
        }
        if !record.outbox.is_empty() && now.duration_since(record.changed_at) < SENDING {
            return Err(Next::Early(now + SENDING));
        }
        if ends_at(record).is_some_and(|end| end <= now) {
            return Ok(Closed::Lapsed);
        }
        Err(Next::Hint(Condition::NotAcknowledged { dispatch: record.subject.clone() }))
    }

    /// The deadline of a load target: the end of a ramp is overdue, unless another target has replaced it.
    async fn ramp(
        &self,
        mut record: SubjectRecord,
        due: Timestamp,
        mut next: Vec<Next>,
    ) -> Change<SubjectRecord, Vec<Next>> {
        let now = self.host.now();
        if now < due {
            next.push(Next::Early(due));
            return Change::Keep(next);
        }
        next.push(Next::Hint(Condition::NotCompliant { subject: record.subject.clone() }));
        if let Some((by, at)) = self.replaced(&record).await {
            record = record.noting(None, self.host.unique());
            record.replace(&by, at, |event| TimelineEvent::new(now, event));
            return Change::Write(Box::new(record), next);
        }
        let event = match record.awaited() {
            Some(awaited) if now.duration_since(awaited.at) < QUIET => return Change::Keep(next),
            Some(awaited) => Event::RampUnreported { ramp: awaited.kind },
            None => Event::RampSettled,
        };
        let record = SubjectRecord { due: None, ..record.noting(TimelineEvent::new(now, event), self.host.unique()) };
        Change::Write(Box::new(record), next)
    }

    /// Which target replaced it, if the index did not show that yet when either was received.
    async fn replaced(&self, record: &SubjectRecord) -> Option<(Subject, Timestamp)> {
        let own = record.state.ramps()?.ramp_start()?;
        let active = match self.table.active(&record.origin.source, own.start).await {
            Ok(active) => active,
            Err(error) => {
                // A needless alert about a replaced target is better than none.
                tracing::warn!(dispatch.subject = %record.subject, %error, "not known whether it was replaced");
                return None;
            }
        };
        let on_this_feed = active.into_iter().filter(|other| other.subject.feed() == record.subject.feed());
        let others = on_this_feed.filter(|other| other.subject != record.subject);
        let replacing = others.filter_map(|other| Some((other.active.ramp?, other.subject)));
        let replacing = replacing.filter(|(ramp, _)| ramp.replaces(&own));
        replacing.map(|(ramp, subject)| (subject, ramp.start)).max_by_key(|(_, start)| *start)
    }
}

/// When the deadline message for that instant must fire. If reading the signals queue counts, it checks the depth
/// twice.
pub(crate) fn fires_at(due: Timestamp, config: &Config, source: &str) -> Timestamp {
    let is_exact = !config.outputs.is_empty() || config.deadlines_for(source, &[]).acknowledge;
    if is_exact { due } else { due.saturating_sub(STILL).unwrap_or(due) }
}
