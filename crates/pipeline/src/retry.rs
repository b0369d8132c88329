//! The one path for every failure: when to try again, when to notify a person, when to quarantine. Never silently.

use dispatch::{Statement, Subject};
use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use providers::Provider;
use serde::{Deserialize, Serialize};

use crate::{
    conditions::{Condition, FIRST_STAGE, News, NotedEvent},
    config::{Config, Source},
    incident::Kind,
    messages::ToHydrate,
    ports::{Chance, Clock, Deliveries, Dispatches, Outlet, Pending, PortError, Refusal},
    watch::hop_s,
    work::{Failed, Task, Trouble, TroubleKind, Work},
};

/// Failures in quick succession before a person is notified; slow attempts follow.
pub const QUICK_ATTEMPTS: u32 = 5;

/// SQS delays a message by this many seconds at most.
const MAX_DELAY_S: u64 = 900;

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

/// How the attempts of a job stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryState {
    /// The source.
    pub source: String,
    /// What it is about, as a person reads it.
    pub about: String,
    /// The delivery that its latest attempt is for.
    pub delivery: String,
    /// How often it has failed.
    pub attempt: u32,
    /// When it failed last.
    pub failed_at: Timestamp,
    /// When it is tried again.
    pub next_at: Timestamp,
    /// From when on a person must know.
    pub notify_at: Timestamp,
    /// The latest failure, in words.
    pub detail: String,
}

/// The retrier.
#[derive(Debug)]
pub struct Retry<'a, T, D, O, C> {
    /// The deadlines.
    pub config: &'a Config,
    /// `dispatches`.
    pub table: &'a T,
    /// `deliveries`.
    pub deliveries: &'a D,
    /// The inner queues.
    pub outlet: &'a O,
    /// Time and chance.
    pub world: &'a C,
}

impl<T: Dispatches, D: Deliveries, O: Outlet, C: Clock + Chance> Retry<'_, T, D, O, C> {
    /// Handles a failed job. One that comes again is one of which a person must know at once.
    pub async fn failed(&self, Failed { failed, work }: Failed, is_again: bool) -> Result<(), PortError> {
        let now = self.world.now();
        if work.task == Task::Poll {
            // The hydrator died over it. The next poll sees that, counts it, and is its retry.
            return Ok(());
        }
        match failed.kind {
            TroubleKind::UnknownEvent => {
                let event = unknown_event(&work.source, &failed.detail, now);
                self.quarantine(&work, &failed, vec![event]).await
            }
            TroubleKind::Unreadable => {
                let detail = format!("delivery {} is kept: {}", work.delivery, failed.detail);
                let about = if failed.about.is_empty() { &vec![None] } else { &failed.about };
                let events =
                    about.iter().map(|of| unreadable(of.as_ref(), &work.source, now, detail.clone())).collect();
                self.quarantine(&work, &failed, events).await
            }
            _ => return self.again(work.after(failed), is_again, now).await,
        }?;
        // Nothing of it waits any more, whatever failed before.
        self.settled(&work).await
    }

    /// First stored, then notified: a mail never speaks of what is not there.
    async fn quarantine(&self, work: &Work, trouble: &Trouble, events: Vec<NotedEvent>) -> Result<(), PortError> {
        self.deliveries.quarantine(work, trouble, &events).await?;
        tracing::warn!(delivery.id = work.delivery, source.name = work.source, reason = trouble.detail, "quarantined");
        let hints = stream::iter(events).map(|event| self.outlet.hint(event.condition, event.at, NOTED_S));
        let sent: Vec<Result<(), PortError>> = hints.buffer_unordered(AT_ONCE).collect().await;
        sent.into_iter().collect()
    }

    async fn settled(&self, work: &Work) -> Result<(), PortError> {
        if work.attempt == 0 {
            return Ok(());
        }
        self.deliveries.settled(work, Timestamp::MIN).await?;
        self.outlet.hint(work.condition(), self.world.now(), 0).await
    }

    /// No further attempt: what was to be done is kept for a replay, and a person is notified once.
    async fn give_up(&self, work: &Work, trouble: &Trouble, kind: Kind, now: Timestamp) -> Result<(), PortError> {
        let detail = format!("given up after {} attempts; the last: {}", work.attempt, trouble.detail);
        let subject = concerned(work, trouble);
        let source = work.source.clone();
        let about = subject.map_or_else(|| work.about(), Subject::to_string);
        // Each an incident of its own: of many that are given up together none is kept from a person.
        let condition = match (kind, subject) {
            (Kind::Quarantined, Some(subject)) => Condition::Quarantined { source, about: Some(subject.clone()) },
            _ => Condition::GivenUp { source, about: about.clone() },
        };
        let event = NotedEvent { condition, at: now, news: News { stage: "given up".to_owned(), about, detail } };
        self.quarantine(work, trouble, vec![event]).await?;
        self.settled(work).await
    }

    async fn again(&self, work: Work, is_again: bool, now: Timestamp) -> Result<(), PortError> {
        let Some(trouble) = work.troubles.last().cloned() else { return Ok(()) };
        let known = match work.subject() {
            Some(subject) => self.table.read(subject).await?,
            None => None,
        };
        let known = known.as_ref().and_then(|record| record.state.published()).map(|(_, statement)| statement);
        if is_pointless(&work, known.as_ref(), now) {
            return self.give_up(&work, &trouble, Kind::DeadLetter, now).await;
        }
        if is_lasting(&work) {
            return self.give_up(&work, &trouble, Kind::Quarantined, now).await;
        }
        let programs = known.as_ref().map_or(&[][..], |known| &known.programs);
        let deadlines = self.config.deadlines_for(&work.source, programs);
        let delay_s = self.delay_s(&work, &trouble, known.as_ref().map(|known| deadlines.before(known.start)), now);
        let due_at = self.presses(&work).then(|| match &known {
            Some(known) => deadlines.due_at(known.start, work.received_at),
            None => deadlines.soon_after(work.received_at),
        });
        let mut state = state(&work, &trouble, now + SignedDuration::from_secs(i64::from(delay_s)), due_at);
        if is_again {
            state.notify_at = state.notify_at.min(trouble.at);
        }
        let booked = self.deliveries.retry_state(work.key()).await?;
        let is_own = booked.as_ref().is_some_and(|of| of.delivery == work.delivery && of.attempt == work.attempt);
        let booked = booked.map(|booked| booked.notify_at);
        // What a person must know of the job before this one holds of both.
        state.notify_at = booked.map_or(state.notify_at, |booked| booked.min(state.notify_at));
        let pending = Pending { work, state };
        // What is booked may be the next attempt of this very message, by an invocation that died before it sent it. A later attempt
        // was sent: were an old message that comes again sent on as well, the chains of one job would multiply.
        let goes_on = self.deliveries.book(&pending, now).await? || (is_again && is_own);
        let Pending { work, state } = pending;
        if !goes_on {
            // A later request for the same thing is booked already and will see all that this one would.
            self.deliveries.hasten(work.key(), state.notify_at).await?;
            tracing::info!(delivery.id = work.delivery, look.key = work.key(), "joined a pending attempt");
        }
        if trouble.kind == TroubleKind::Credentials {
            self.refused(&work, &trouble).await?;
        }
        let is_armed = booked.is_some_and(|booked| booked <= state.notify_at && now < booked);
        if !is_armed && state.notify_at < now + SWEPT {
            self.outlet.hint(work.condition(), state.notify_at.min(now), hop_s(state.notify_at, now)).await?;
        }
        if goes_on {
            self.outlet.deliver(ToHydrate::Work(work), delay_s).await?;
        }
        Ok(())
    }

    async fn refused(&self, work: &Work, trouble: &Trouble) -> Result<(), PortError> {
        let source = work.source.clone();
        let known = self.deliveries.refusal(&source).await?;
        let lately = known.filter(|known| trouble.at.duration_since(known.at) < REFUSED_WITHIN);
        let refusal = Refusal {
            source: source.clone(),
            since: lately.as_ref().map_or(trouble.at, |known| known.since),
            at: trouble.at,
            detail: format!("{}; {} waits for it", trouble.detail, work.about()),
        };
        self.deliveries.refuse(&refusal).await?;
        // Each time: the hint at an earlier refusal may be lost.
        self.outlet.hint(Condition::KeyRefused { source }, trouble.at, 0).await
    }

    /// Whether it may be a dispatch that must be acted on in time; what is not known is.
    fn presses(&self, work: &Work) -> bool {
        let source = self.config.sources.get(&work.source);
        source.and_then(Source::provider).is_none_or(Provider::presses)
    }

    /// Full jitter, doubling: a herd that failed together does not come back together. Never past the point where the dispatch
    /// needs it, and never before the provider said.
    fn delay_s(&self, work: &Work, trouble: &Trouble, needed_at: Option<Timestamp>, now: Timestamp) -> u32 {
        let jittered_s = if work.attempt < QUICK_ATTEMPTS {
            1 + self.world.up_to((1 << work.attempt) - 1)
        } else {
            let doublings = (work.attempt - QUICK_ATTEMPTS).min(8);
            let half_s = (FIRST_SLOW_DELAY_S << doublings).min(MAX_DELAY_S) / 2;
            half_s + self.world.up_to(half_s)
        };
        let needed_in_s = needed_at
            .map(|needed_at| needed_at.duration_since(now).as_secs())
            .and_then(|seconds| u64::try_from(seconds).ok())
            .filter(|seconds| *seconds > 0);
        // Other jobs were refused as well and wait as long: a quarter more at most, so that not all come back together.
        let asked_s = trouble.retry_after_s.map_or(0, |asked_s| {
            let asked_s = u64::from(asked_s).min(MAX_DELAY_S);
            asked_s + self.world.up_to((asked_s / 4).max(2))
        });
        let delay_s = jittered_s.min(needed_in_s.unwrap_or(MAX_DELAY_S)).max(asked_s).clamp(1, MAX_DELAY_S);
        u32::try_from(delay_s).unwrap_or(1)
    }
}

/// How the attempts of a job stand after one more failure. A person must know of what failed too often, of what would be tried again
/// only when the dispatch is due, and of what a component died over; of the rest when the dispatch is due.
fn state(work: &Work, trouble: &Trouble, next_at: Timestamp, due_at: Option<Timestamp>) -> RetryState {
    let died = matches!(trouble.kind, TroubleKind::Crash | TroubleKind::Incomplete);
    let too_late = due_at.is_some_and(|due_at| next_at > due_at);
    let notify_at = if work.attempt >= QUICK_ATTEMPTS || died || too_late {
        trouble.at
    } else {
        // Without a deadline: when the quick attempts must be used up.
        due_at.unwrap_or_else(|| work.received_at + UNHURRIED)
    };
    RetryState {
        source: work.source.clone(),
        about: concerned(work, trouble).map_or_else(|| work.about(), Subject::to_string),
        delivery: work.delivery.clone(),
        attempt: work.attempt,
        failed_at: trouble.at,
        next_at,
        notify_at,
        detail: trouble.detail.clone(),
    }
}

/// Something that cannot be read. A dispatch that is lost with it has an incident of its own: what else of its source cannot be
/// read must not hide it.
pub(crate) fn unreadable(about: Option<&Subject>, source: &str, at: Timestamp, detail: String) -> NotedEvent {
    let condition = Condition::Quarantined { source: source.to_owned(), about: about.cloned() };
    let stage = if about.is_some() { "lost" } else { FIRST_STAGE }.to_owned();
    let about = about.map_or_else(|| source.to_owned(), Subject::to_string);
    NotedEvent { condition, at, news: News { stage, about, detail } }
}

/// An event whose name gridbell does not know: all of one source are one incident, each new name one stage of it.
pub(crate) fn unknown_event(source: &str, name: &str, at: Timestamp) -> NotedEvent {
    let detail = format!(
        "the source sent an event of the unknown type {name:?}; what it means is not guessed, its body is kept"
    );
    let condition = Condition::UnknownEvent { source: source.to_owned() };
    NotedEvent { condition, at, news: News { stage: name.to_owned(), about: format!("{source}: {name}"), detail } }
}

/// The dispatch or meter that people look for, where it is known.
fn concerned<'a>(work: &'a Work, trouble: &'a Trouble) -> Option<&'a Subject> {
    work.subject().or_else(|| trouble.about.iter().flatten().next())
}

/// Whether the latest attempts all ended in what no attempt mends.
fn is_lasting(work: &Work) -> bool {
    let quick = usize::try_from(QUICK_ATTEMPTS).unwrap_or(usize::MAX);
    let lasting = work.troubles.iter().rev().take_while(|trouble| trouble.kind.is_lasting());
    work.attempt >= QUICK_ATTEMPTS && lasting.count() >= quick
}

/// Whether nothing that another attempt could bring matters any more.
fn is_pointless(work: &Work, known: Option<&Statement>, now: Timestamp) -> bool {
    let over = known.and_then(|known| known.end).is_some_and(|end| now.duration_since(end) > OVER_MARGIN);
    let old = now.duration_since(work.received_at) > GIVE_UP_AFTER;
    work.attempt > QUICK_ATTEMPTS && (over || old)
}
