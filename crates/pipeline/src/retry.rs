//! The one path for every failure: when to try again, when to notify a person, when to quarantine. Never silently.

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
    ports::{Clock, Deliveries, Dispatches, JobQueue, PendingRetry, PortError, Ports, Random, Refusal},
};

pub use state::RetryState;

/// No attempt waits for longer, in seconds: it is one message.
const MOST_S: u64 = MAX_DELAY_S as u64;

/// Failures in quick succession before a person is notified; slow attempts follow.
pub const QUICK_ATTEMPTS: u32 = 5;

/// A hint waits for so many seconds until the index shows what it is about.
pub(crate) const NOTED_S: u32 = 2;

/// Hints on their way at once: a body may hold thousands of dispatches that cannot be read.
const AT_ONCE: usize = 16;

/// The sweep finds what is due later.
const SWEPT: SignedDuration = SignedDuration::from_secs(120);

/// A job that no dispatch depends on may fail for this long before a person is notified.
const UNHURRIED: SignedDuration = SignedDuration::from_mins(5);

/// A key that was refused within this time is still refused.
const REFUSED_WITHIN: SignedDuration = SignedDuration::from_mins(30);

/// A slow attempt waits at least half of this, in seconds, and twice as long each time.
const FIRST_SLOW_DELAY_S: u64 = 60;

/// After this long, work that never succeeded is quarantined: whatever it was about is over. Voltus lists the last day.
const GIVE_UP_AFTER: SignedDuration = SignedDuration::from_hours(48);

/// A dispatch that has been over for this long needs no further look.
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
    /// Handles a failed job. One that comes again is one of which a person must know at once.
    pub async fn failed(&self, FailedJob { failure, job }: FailedJob, is_again: bool) -> Result<(), PortError> {
        let now = self.host.now();
        if job.kind == JobKind::Poll {
            // The hydrator died over it. The next poll sees that, counts it, and is its retry.
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
        // Nothing of it waits any more, whatever failure before.
        self.settled(&job).await
    }

    /// First stored, then notified: a mail never speaks of what is not there.
    async fn quarantine(&self, job: &Job, failure: &Failure, events: Vec<NotedEvent>) -> Result<(), PortError> {
        self.deliveries.quarantine(job, failure, &events).await?;
        tracing::warn!(delivery.id = job.delivery, source.name = job.source, reason = failure.detail, "quarantined");
        let hints = stream::iter(events).map(|event| self.job_queue.hint(event.condition, event.at, NOTED_S));
        let sent: Vec<Result<(), PortError>> = hints.buffer_unordered(AT_ONCE).collect().await;
        sent.into_iter().collect()
    }

    async fn settled(&self, job: &Job) -> Result<(), PortError> {
        if job.attempt == 0 {
            return Ok(());
        }
        self.deliveries.settled(job, Timestamp::MIN).await?;
        self.job_queue.hint(job.condition(), self.host.now(), 0).await
    }

    /// No further attempt: what was to be done is kept for a replay, and a person is notified once.
    async fn give_up(&self, job: &Job, failure: &Failure, kind: IncidentKind, now: Timestamp) -> Result<(), PortError> {
        let detail = format!("given up after {} attempts; the last: {}", job.attempt, failure.detail);
        let subject = concerned(job, failure);
        let source = job.source.clone();
        let about = subject.map_or_else(|| job.about(), Subject::to_string);
        // Each an incident of its own: of many that are given up together none is kept from a person.
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
        // What a person must know of the job before this one holds of both.
        state.notify_at = booked.map_or(state.notify_at, |booked| booked.min(state.notify_at));
        let pending = PendingRetry { job, state };
        // What is booked may be the next attempt of this very message, by an invocation that died before it sent it. A later attempt
        // was sent: were an old message that comes again sent on as well, the chains of one job would multiply.
        let goes_on = self.deliveries.book(&pending, now).await? || (is_again && is_own);
        let PendingRetry { job, state } = pending;
        if !goes_on {
            // A later request for the same thing is booked already and will see all that this one would.
            self.deliveries.hasten(job.key(), state.notify_at).await?;
            tracing::info!(delivery.id = job.delivery, fetch.key = job.key(), "joined a pending attempt");
        }
        if failure.kind == FailureKind::Credentials {
            self.refused(&job, &failure).await?;
        }
        let is_armed = booked.is_some_and(|booked| booked <= state.notify_at && now < booked);
        if !is_armed && state.notify_at < now + SWEPT {
            self.job_queue.hint(job.condition(), state.notify_at.min(now), hop_s(state.notify_at, now)).await?;
        }
        if goes_on {
            self.job_queue.deliver(ToHydrate::Job(job), delay_s).await?;
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
        self.job_queue.hint(Condition::KeyRefused { source }, failure.at, 0).await
    }

    /// Whether it may be a dispatch that must be acted on in time; what is not known is.
    fn is_time_critical(&self, job: &Job) -> bool {
        let source = self.config.sources.get(&job.source);
        source.is_none_or(|source| source.provider.is_time_critical())
    }

    /// Full jitter, doubling: a herd that failed together does not come back together. Never past the point where the dispatch
    /// needs it, and never before the provider said.
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
        // Other jobs were refused as well and wait as long: a quarter more at most, so that not all come back together.
        let asked_s = failure.retry_after_s.map_or(0, |asked_s| {
            let asked_s = u64::from(asked_s).min(MOST_S);
            asked_s + self.host.up_to((asked_s / 4).max(2))
        });
        let delay_s = jittered_s.min(needed_in_s.unwrap_or(MOST_S)).max(asked_s).clamp(1, MOST_S);
        u32::try_from(delay_s).unwrap_or(1)
    }
}

/// How the attempts of a job stand after one more failure. A person must know of what failed too often, of what would be tried again
/// only when the dispatch is due, and of what a component died over; of the rest when the dispatch is due. A refused key is an
/// incident of its source: what waits for the key has one of its own only when its dispatch is due.
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

/// Something that cannot be read. A dispatch that is lost with it has an incident of its own: what else of its source cannot be
/// read must not hide it.
pub(crate) fn unreadable(about: Option<&Subject>, source: &str, at: Timestamp, detail: String) -> NotedEvent {
    let condition = Condition::Quarantined { source: source.to_owned(), about: about.cloned() };
    let stage = if about.is_some() { "lost" } else { FIRST_STAGE }.to_owned();
    let about = about.map_or_else(|| source.to_owned(), Subject::to_string);
    NotedEvent { condition, at, news: StageReport { stage, about, detail } }
}

/// An event whose name gridbell does not know: all of one source are one incident, each new name one stage of it.
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

/// The dispatch or meter that people look for, where it is known.
fn concerned<'a>(job: &'a Job, failure: &'a Failure) -> Option<&'a Subject> {
    job.subject().or_else(|| failure.about.iter().flatten().next())
}

/// Whether the latest attempts all ended in what no attempt mends.
fn is_lasting(job: &Job) -> bool {
    let quick = usize::try_from(QUICK_ATTEMPTS).unwrap_or(usize::MAX);
    let lasting = job.failures.iter().rev().take_while(|failure| failure.kind.is_lasting());
    job.attempt >= QUICK_ATTEMPTS && lasting.count() >= quick
}

/// Whether nothing that another attempt could bring matters any more.
fn is_pointless(job: &Job, known: Option<&DispatchTerms>, now: Timestamp) -> bool {
    let over = known.and_then(|known| known.end).is_some_and(|end| now.duration_since(end) > OVER_MARGIN);
    let old = now.duration_since(job.received_at) > GIVE_UP_AFTER;
    job.attempt > QUICK_ATTEMPTS && (over || old)
}
