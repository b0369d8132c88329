//! The one path for every failure: when to try again, when to tell a person, when to put aside. Never silently.

use dispatch::{Statement, Subject};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use providers::Provider;

use crate::{
    config::{Config, Source},
    incident::{Kind, Notice},
    ports::{Chance, Clock, Deliveries, Dispatches, Outlet, Pending, PortError},
    work::{Failed, Message, Task, Trouble, TroubleKind, Work},
};

/// Failures in quick succession before a person is told; slow attempts follow.
pub const QUICK_ATTEMPTS: u32 = 5;

/// SQS delays a message by this many seconds at most.
const MAX_DELAY_S: u64 = 900;

/// A slow attempt waits at least half of this, in seconds, and twice as long each time.
const FIRST_SLOW_DELAY_S: u64 = 60;

/// After this long, work that never succeeded is put aside: whatever it was about is over. Voltus lists the last day.
const GIVE_UP_AFTER: SignedDuration = SignedDuration::from_hours(48);

/// A dispatch that has been over for this long needs no further look.
const OVER_MARGIN: SignedDuration = SignedDuration::from_hours(1);

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
    /// Handles a batch; returns the ids of the messages that nobody took care of, to be delivered again.
    pub async fn batch(&self, messages: Vec<Message>) -> Vec<String> {
        let handled = messages.into_iter().map(|message| async move {
            match self.one(&message).await {
                Ok(()) => None,
                Err(error) => {
                    tracing::error!(delivery.message = message.id, %error, "left to be delivered again");
                    Some(message.id)
                }
            }
        });
        join_all(handled).await.into_iter().flatten().collect()
    }

    async fn one(&self, message: &Message) -> Result<(), PortError> {
        let now = self.world.now();
        let Failed { failed, mut work } = Failed::parse(&message.body, now).unwrap_or_else(|_| Failed {
            failed: Trouble::new(TroubleKind::Unreadable, now, "the message is none of ours"),
            work: Work::foreign(message, now),
        });
        if work.task == Task::Poll {
            // The hydrator died over it. The next poll sees that, counts it, and is its retry.
            return Ok(());
        }
        if message.receives > 1 && failed.kind.is_passing() {
            // Whoever had it before could neither book it nor pass it on: this time may end no better.
            let detail = format!("{}; what becomes of it could not be settled at once", failed.detail);
            let notice = failing(&work, now, detail);
            self.outlet.notice(&notice, 0).await?;
            work.told = Some(notice.gather);
        }
        if !failed.kind.is_passing() {
            // From here on it is told of as what it is.
            self.over(&work, now, "it is put aside".to_owned()).await?;
        }
        match failed.kind {
            TroubleKind::UnknownEvent => {
                let notice = Notice::unknown_event(&work.source, &failed.detail, now);
                self.put_aside(&work, &failed, vec![notice]).await
            }
            TroubleKind::Unreadable => {
                let detail = format!("delivery {} is kept: {}", work.delivery, failed.detail);
                let about = if failed.about.is_empty() { &vec![None] } else { &failed.about };
                let notices = about.iter().map(|of| Notice::unreadable(of.as_ref(), &work.source, now, detail.clone()));
                self.put_aside(&work, &failed, notices.collect()).await
            }
            _ => self.again(work.after(failed), now).await,
        }
    }

    /// First kept, then told: a mail never speaks of what is not there.
    async fn put_aside(&self, work: &Work, trouble: &Trouble, notices: Vec<Notice>) -> Result<(), PortError> {
        self.deliveries.quarantine(work, trouble).await?;
        tracing::warn!(delivery.id = work.delivery, source.name = work.source, reason = trouble.detail, "put aside");
        for notice in notices {
            self.outlet.notice(&notice, 0).await?;
        }
        Ok(())
    }

    /// No further attempt: what was to be done is kept for a replay, and a person is notified once.
    async fn give_up(&self, work: &Work, trouble: &Trouble, kind: Kind, now: Timestamp) -> Result<(), PortError> {
        let detail = format!("given up after {} attempts; the last: {}", work.attempt, trouble.detail);
        // No other component resolves the failing.
        self.over(work, now, detail.clone()).await?;
        let subject = concerned(work, trouble);
        let about = subject.map_or_else(|| work.about(), Subject::to_string);
        let notice = Notice::happens(kind, &work.source, about.clone(), now, detail);
        // Each an incident of its own: of many that are given up together none is kept from a person.
        let notice = notice.about_dispatch(subject.cloned()).gathered_by(about).mailed_as("given up");
        self.deliveries.settled(work).await?;
        self.put_aside(work, trouble, vec![notice]).await
    }

    async fn again(&self, work: Work, now: Timestamp) -> Result<(), PortError> {
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
        let next_at = now + SignedDuration::from_secs(i64::from(delay_s));
        let due_at = self.presses(&work).then(|| match &known {
            Some(known) => deadlines.due_at(known.start, work.received_at),
            None => deadlines.soon_after(work.received_at),
        });
        let mut pending = Pending { work, next_at };
        let booked = self.deliveries.book(&pending, now).await?;
        if !booked && !has_told(&pending.work) {
            // A later look at the same thing is due already and will see all that this one would.
            tracing::info!(
                delivery.id = pending.work.delivery,
                look.key = pending.work.key(),
                "joined a pending attempt"
            );
            return Ok(());
        }
        self.tell(&mut pending, &trouble, due_at).await?;
        self.outlet.work(&pending.work, delay_s).await
    }

    /// Told is what failed too often, what would be tried again only when the dispatch is due, and what somebody died over.
    async fn tell(&self, pending: &mut Pending, trouble: &Trouble, due_at: Option<Timestamp>) -> Result<(), PortError> {
        let Pending { work, next_at } = pending;
        if trouble.kind == TroubleKind::Credentials {
            let detail = format!("{}; {} waits for it", trouble.detail, work.about());
            // As of the failure, not of its handling: meanwhile another dispatch's success may have ended the incident.
            let notice = Notice::happens(Kind::Credentials, &work.source, work.source.clone(), trouble.at, detail);
            self.outlet.notice(&notice.until_over(), 0).await?;
        }
        let too_late = due_at.is_some_and(|due_at| *next_at > due_at);
        let died = matches!(trouble.kind, TroubleKind::Crash | TroubleKind::Incomplete);
        if work.attempt < QUICK_ATTEMPTS && work.told.is_none() && !too_late && !died {
            return Ok(());
        }
        let detail = format!("{} (attempt {}; the next at {next_at:.0})", trouble.detail, work.attempt);
        let mut notice = failing(work, trouble.at, detail);
        if let Some(subject) = concerned(work, trouble) {
            notice = Notice { about: subject.to_string(), ..notice }.about_dispatch(Some(subject.clone()));
        }
        self.outlet.notice(&notice, 0).await?;
        work.told = Some(notice.gather);
        Ok(())
    }

    /// What a person was told of is over.
    async fn over(&self, work: &Work, now: Timestamp, detail: String) -> Result<(), PortError> {
        let Some(told) = &work.told else { return Ok(()) };
        let over = Notice::over(Kind::HydrationFailing, &work.source, told, now, detail);
        self.outlet.notice(&over, 0).await
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
        let delay_s = jittered_s
            .min(needed_in_s.unwrap_or(MAX_DELAY_S))
            .max(u64::from(trouble.retry_after_s.unwrap_or(0)))
            .clamp(1, MAX_DELAY_S);
        u32::try_from(delay_s).unwrap_or(1)
    }
}

/// The notice that work cannot be done. All that it turns into is one incident, until somebody says that it is over.
pub(crate) fn failing(work: &Work, at: Timestamp, detail: String) -> Notice {
    let notice = Notice::happens(Kind::HydrationFailing, &work.source, work.about(), at, detail);
    notice.gathered_by(work.incident()).about_dispatch(work.subject().cloned()).until_over()
}

/// The dispatch or meter that people look for, where it is known.
fn concerned<'a>(work: &'a Work, trouble: &'a Trouble) -> Option<&'a Subject> {
    work.subject().or_else(|| trouble.about.iter().flatten().next())
}

/// Whether a person was told of it: then it goes on until it can tell that it is over, whatever other attempts there are. So
/// does a message that comes again, which was just told of: what is booked may be its own attempt, by somebody who died before
/// sending it.
fn has_told(work: &Work) -> bool {
    let mut earlier = work.troubles.iter().rev().skip(1);
    work.told.is_some() || earlier.any(|trouble| trouble.kind == TroubleKind::Credentials)
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
