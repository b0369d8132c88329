//! The one path for every failure: when to try again, when to notify a person, when to quarantine. No failure is
//! silent.

pub mod state;

use dispatch::{DispatchTerms, Subject};
use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use crate::{
    alerts::{
        condition::{Condition, FIRST_STAGE, NotedEvent, StageReport},
        incident::IncidentKind,
    },
    config::Config,
    job::{FailedJob, Failure, FailureKind, Job, JobKind},
    messages::{MAX_DELAY_S, ToHydrate, hop_s},
    ports::{
        Clock, Deliveries, Dispatches, JobQueue, Measurement, Metrics, PendingRetry, PortError, Ports, Random, Refusal,
    },
};

pub use state::RetryState;

/// The longest wait between attempts, in seconds: the longest delay of one message.
const MOST_S: u64 = MAX_DELAY_S as u64;

/// How many quick attempts fail before a person is notified; slow attempts follow.
pub const QUICK_ATTEMPTS: u32 = 5;

/// A hint is delayed by so many seconds, until the index shows its evidence.
pub(crate) const NOTED_S: u32 = 2;

/// Hints sent at the same time: a body may contain thousands of unreadable dispatches.
const AT_ONCE: usize = 16;

/// A notification due later is left to the sweep.
const SWEPT: SignedDuration = SignedDuration::from_secs(120);

/// A job that no dispatch depends on may fail for this long before a person is notified.
const UNHURRIED: SignedDuration = SignedDuration::from_mins(5);

/// A key refused within this time still counts as refused.
const REFUSED_WITHIN: SignedDuration = SignedDuration::from_mins(30);

/// A slow attempt waits at least half of this, in seconds, and twice as long each time.
const FIRST_SLOW_DELAY_S: u64 = 60;

/// After this long, a job that never succeeded is quarantined: its dispatch has ended. Voltus lists the last day.
const GIVE_UP_AFTER: SignedDuration = SignedDuration::from_hours(48);

/// A dispatch that ended this long ago need not be fetched any more.
const OVER_MARGIN: SignedDuration = SignedDuration::from_hours(1);

/// The retrier.
#[derive(Debug)]
pub struct Retry<'a, P: Ports> {
    /// The deadlines.
    pub config: &'a Config,
    /// `dispatches`.
    pub table: &'a P::Dispatches,
    /// `deliveries`.
    pub deliveries: &'a P::Deliveries,
    /// The inner queues.
    pub job_queue: &'a P::JobQueue,
    /// Clock and random numbers.
    pub host: &'a P::Host,
}

impl<P: Ports> Retry<'_, P> {
    /// Handles a failed job. If it was delivered again, a person must be notified at once.
    pub async fn failed(&self, FailedJob { failure, job }: FailedJob, is_again: bool) -> Result<(), PortError> {
        let now = self.host.now();
        if job.kind == JobKind::Poll {
            // The hydrator died over the poll. The next poll notices and counts that, and is the retry.
            return Ok(());
        }
        match failure.kind {
            FailureKind::UnknownEvent => {
                let event = unknown_event(&job.source, &failure.detail, now);
                self.quarantine(&job, &failure, vec![event]).await
            }
            FailureKind::Unreadable => {
                let detail = format!("delivery {} is kept: {}", job.delivery, failure.detail);
                let about = if failure.about.is_empty() { &vec![None] } else { &failure.about };
                let events = about.iter().map(|of| unreadable(of.as_ref(), &job.source, now, detail.clone())).collect();
                self.quarantine(&job, &failure, events).await
            }
            _ => return self.again(job.after(failure), is_again, now).await,
        }?;
        // No earlier failure of it waits any more.
        self.settled(&job).await
    }

    /// First stores, then notifies: a mail names only what is stored.
    async fn quarantine(&self, job: &Job, failure: &Failure, events: Vec<NotedEvent>) -> Result<(), PortError> {
        self.deliveries.quarantine(job, failure, &events).await?;
        tracing::warn!(delivery.id = job.delivery, source.name = job.source, reason = failure.detail, "quarantined");
        let hints = stream::iter(events)
            .map(|event| self.job_queue.hint_in(job.traceparent, event.condition, event.at, NOTED_S));
        let sent: Vec<Result<(), PortError>> = hints.buffer_unordered(AT_ONCE).collect().await;
        sent.into_iter().collect()
    }

    async fn settled(&self, job: &Job) -> Result<(), PortError> {
        if job.attempt == 0 {
            return Ok(());
        }
        self.deliveries.settled(job, Timestamp::MIN).await?;
        self.job_queue.hint_in(job.traceparent, job.condition(), self.host.now(), 0).await
    }

    /// No further attempt: the job is quarantined for a replay, and a person is notified once.
    async fn give_up(&self, job: &Job, failure: &Failure, kind: IncidentKind, now: Timestamp) -> Result<(), PortError> {
        let detail = format!("given up after {} attempts; the last: {}", job.attempt, failure.detail);
        let subject = concerned(job, failure);
        let source = job.source.clone();
        let about = subject.map_or_else(|| job.about(), Subject::to_string);
        // One incident for each, so that no job given up among many is hidden from people.
        let condition = match (kind, subject) {
            (IncidentKind::Quarantined, Some(subject)) => {
                Condition::Quarantined { source, about: Some(subject.clone()) }
            }
            _ => Condition::GivenUp { source, about: about.clone() },
        };
        let event =
            NotedEvent { condition, at: now, news: StageReport { stage: "given up".to_owned(), about, detail } };
        self.quarantine(job, failure, vec![event]).await?;
        self.settled(job).await
    }

    async fn again(&self, job: Job, is_again: bool, now: Timestamp) -> Result<(), PortError> {
        let Some(failure) = job.failures.last().cloned() else { return Ok(()) };
        let known = match job.subject() {
            Some(subject) => self.table.read(subject).await?,
            None => None,
        };
        let known = known.as_ref().and_then(|record| record.state.published()).map(|(_, terms)| terms);
        if is_pointless(&job, known.as_ref(), now) {
            return self.give_up(&job, &failure, IncidentKind::DeadLetter, now).await;
        }
        if is_lasting(&job) {
            return self.give_up(&job, &failure, IncidentKind::Quarantined, now).await;
        }
        let programs = known.as_ref().map_or(&[][..], |known| &known.programs);
        let deadlines = self.config.deadlines_for(&job.source, programs);
        let delay_s = self.delay_s(&job, &failure, known.as_ref().map(|known| deadlines.before(known.start)), now);
        let due_at = self.is_time_critical(&job).then(|| match &known {
            Some(known) => deadlines.due_at(known.start, job.received_at),
            None => deadlines.soon_after(job.received_at),
        });
        let mut state = state(&job, &failure, now + SignedDuration::from_secs(i64::from(delay_s)), due_at);
        if is_again {
            state.notify_at = state.notify_at.min(failure.at);
        }
        let booked = self.deliveries.retry_state(job.key()).await?;
        let is_own = booked.as_ref().is_some_and(|of| of.delivery == job.delivery && of.attempt == job.attempt);
        let booked = booked.map(|booked| booked.notify_at);
        // The notification time of an earlier booking applies to both jobs.
        state.notify_at = booked.map_or(state.notify_at, |booked| booked.min(state.notify_at));
        let pending = PendingRetry { job, state };
        // The booking may be this very message's next attempt, made by an invocation that died before it sent the
        // attempt. If a later attempt is booked, it was sent: sending an old message again as well would multiply the
        // attempts of one job.
        let goes_on = self.deliveries.book(&pending, now).await? || (is_again && is_own);
        let PendingRetry { job, state } = pending;
        if !goes_on {
            // A later request for the same resource is booked already, and will see everything that this one would.
            self.deliveries.hasten(job.key(), state.notify_at).await?;
            tracing::info!(delivery.id = job.delivery, fetch.key = job.key(), "joined a pending attempt");
        }
        if failure.kind == FailureKind::Credentials {
            self.refused(&job, &failure).await?;
        }
        let is_armed = booked.is_some_and(|booked| booked <= state.notify_at && now < booked);
        if !is_armed && state.notify_at < now + SWEPT {
            let (at, delay_s) = (state.notify_at.min(now), hop_s(state.notify_at, now));
            self.job_queue.hint_in(job.traceparent, job.condition(), at, delay_s).await?;
        }
        if goes_on {
            self.job_queue.deliver(ToHydrate::Job(job), delay_s).await?;
            self.host.measure(Measurement::Retry { reason: failure.kind });
        }
        Ok(())
    }

    async fn refused(&self, job: &Job, failure: &Failure) -> Result<(), PortError> {
        let source = job.source.clone();
        let known = self.deliveries.refusal(&source).await?;
        let lately = known.filter(|known| failure.at.duration_since(known.at) < REFUSED_WITHIN);
        let refusal = Refusal {
            source: source.clone(),
            since: lately.as_ref().map_or(failure.at, |known| known.since),
            at: failure.at,
            detail: format!("{}; {} waits for it", failure.detail, job.about()),
        };
        self.deliveries.refuse(&refusal).await?;
        // Each time: the hint at an earlier refusal may be lost.
        self.job_queue.hint_in(job.traceparent, Condition::KeyRefused { source }, failure.at, 0).await
    }

    /// Whether it may concern a dispatch that must be acted on in time; an unknown source counts as such.
    fn is_time_critical(&self, job: &Job) -> bool {
        let source = self.config.named(&job.source);
        source.is_none_or(|source| source.provider.is_time_critical())
    }

    /// Full jitter with doubling: jobs that failed together are not retried together. Never later than the dispatch
    /// needs it, and never before `Retry-After`.
    fn delay_s(&self, job: &Job, failure: &Failure, needed_at: Option<Timestamp>, now: Timestamp) -> u32 {
        let jittered_s = if job.attempt < QUICK_ATTEMPTS {
            1 + self.host.up_to((1 << job.attempt) - 1)
        } else {
            let doublings = (job.attempt - QUICK_ATTEMPTS).min(8);
            let half_s = (FIRST_SLOW_DELAY_S << doublings).min(MOST_S) / 2;
            half_s + self.host.up_to(half_s)
        };
        let needed_in_s = needed_at
            .map(|needed_at| needed_at.duration_since(now).as_secs())
            .and_then(|seconds| u64::try_from(seconds).ok())
            .filter(|seconds| *seconds > 0);
        // Other jobs were refused as well and wait as long: a quarter more at most, so that not all are retried
        // together.
        let asked_s = failure.retry_after_s.map_or(0, |asked_s| {
            let asked_s = u64::from(asked_s).min(MOST_S);
            asked_s + self.host.up_to((asked_s / 4).max(2))
        });
        let delay_s = jittered_s.min(needed_in_s.unwrap_or(MOST_S)).max(asked_s).clamp(1, MOST_S);
        u32::try_from(delay_s).unwrap_or(1)
    }
}

/// The state of a job's attempts after one more failure. A person is notified at once of a job that failed too often,
/// whose next attempt would come only when the dispatch is due, or over which a component died; of any other when the
/// dispatch is due. A refused key is an incident of its source: a job that waits for the key has an incident of its own
/// only when its dispatch is due.
fn state(job: &Job, failure: &Failure, next_at: Timestamp, due_at: Option<Timestamp>) -> RetryState {
    let died = matches!(failure.kind, FailureKind::Crash | FailureKind::Incomplete);
    let too_late = due_at.is_some_and(|due_at| next_at > due_at);
    let notify_at = if failure.kind == FailureKind::Credentials {
        due_at.unwrap_or(job.received_at + GIVE_UP_AFTER)
    } else if job.attempt >= QUICK_ATTEMPTS || died || too_late {
        failure.at
    } else {
        // Without a deadline: when the quick attempts must be used up.
        due_at.unwrap_or_else(|| job.received_at + UNHURRIED)
    };
    RetryState {
        source: job.source.clone(),
        about: concerned(job, failure).map_or_else(|| job.about(), Subject::to_string),
        delivery: job.delivery.clone(),
        attempt: job.attempt,
        failed_at: failure.at,
        next_at,
        notify_at,
        detail: failure.detail.clone(),
    }
}

/// Something unreadable. A dispatch that is lost with it has an incident of its own, so that other unreadable content
/// of the source does not hide it.
pub(crate) fn unreadable(about: Option<&Subject>, source: &str, at: Timestamp, detail: String) -> NotedEvent {
    let condition = Condition::Quarantined { source: source.to_owned(), about: about.cloned() };
    let stage = if about.is_some() { "lost" } else { FIRST_STAGE }.to_owned();
    let about = about.map_or_else(|| source.to_owned(), Subject::to_string);
    NotedEvent { condition, at, news: StageReport { stage, about, detail } }
}

/// An event whose name gridbell does not know: all of one source are one incident, with a stage for each new name.
pub(crate) fn unknown_event(source: &str, name: &str, at: Timestamp) -> NotedEvent {
    let detail = format!(
        "the source sent an event of the unknown type {name:?}; what it means is not guessed, its body is kept"
    );
    let condition = Condition::UnknownEvent { source: source.to_owned() };
    NotedEvent {
        condition,
        at,
        news: StageReport { stage: name.to_owned(), about: format!("{source}: {name}"), detail },
    }
}

/// The dispatch or meter that people must be notified of, if known.
fn concerned<'a>(job: &'a Job, failure: &'a Failure) -> Option<&'a Subject> {
    job.subject().or_else(|| failure.about.iter().flatten().next())
}

/// Whether the latest attempts all ended in failures that no attempt can fix.
fn is_lasting(job: &Job) -> bool {
    let quick = usize::try_from(QUICK_ATTEMPTS).unwrap_or(usize::MAX);
    let lasting = job.failures.iter().rev().take_while(|failure| failure.kind.is_lasting());
    job.attempt >= QUICK_ATTEMPTS && lasting.count() >= quick
}

/// Whether no result of another attempt can matter any more.
fn is_pointless(job: &Job, known: Option<&DispatchTerms>, now: Timestamp) -> bool {
    let over = known.and_then(|known| known.end).is_some_and(|end| now.duration_since(end) > OVER_MARGIN);
    let old = now.duration_since(job.received_at) > GIVE_UP_AFTER;
    job.attempt > QUICK_ATTEMPTS && (over || old)
}
