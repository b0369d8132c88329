//! The port of the table `deliveries`, and the heartbeat, which is stored in it.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use pipeline::{
    conditions::{Condition, NotedEvent},
    job::{BodyPart, Failure, Job, StoredBody},
    polling::{budget::Shown, state::PollState},
    ports::{Answered, Deliveries, Health, PendingRetry, PortError, Refusal, WriteError},
    retry::state::RetryState,
};

use crate::{Booking, Invocation, Noted, Quarantined, query::Entry, sim::State};

impl State {
    fn note(&mut self, event: &NotedEvent, quarantined: Option<String>) {
        let key = (event.condition.incident(), event.news.stage.clone());
        let noted = self.events.entry(key).or_insert_with(|| Noted {
            event: event.clone(),
            quarantined: BTreeSet::new(),
            alone: false,
        });
        noted.event = event.clone();
        noted.alone |= quarantined.is_none();
        noted.quarantined.extend(quarantined);
    }
}

impl Deliveries for Invocation<'_> {
    async fn book(&self, pending: &PendingRetry, now: Timestamp) -> Result<bool, PortError> {
        let PendingRetry { job, state: retry } = pending.clone();
        self.call("deliveries.book", |state| {
            let other = state.bookings.get(job.key());
            let replaces = |other: &Booking| {
                other.chain == job.delivery && (other.job.attempt < job.attempt || other.state.next_at == retry.next_at)
            };
            if other.is_some_and(|other| other.state.next_at > now && !replaces(other)) {
                return false;
            }
            let booking = Booking { chain: job.delivery.clone(), state: retry.clone(), job: job.clone() };
            state.bookings.insert(job.key().to_owned(), booking);
            true
        })
        .await
    }

    async fn retry_state(&self, key: &str) -> Result<Option<RetryState>, PortError> {
        self.call("deliveries.retry_state", |state| state.bookings.get(key).map(|booking| booking.state.clone())).await
    }

    async fn hasten(&self, key: &str, notify_at: Timestamp) -> Result<(), PortError> {
        self.call("deliveries.hasten", |state| {
            if let Some(booking) = state.bookings.get_mut(key) {
                booking.state.notify_at = booking.state.notify_at.min(notify_at);
            }
        })
        .await
    }

    async fn settled(&self, job: &Job, as_of: Timestamp) -> Result<(), PortError> {
        self.call("deliveries.settled", |state| {
            let is_settled = |booked: &Booking| booked.chain == job.delivery || booked.state.failed_at < as_of;
            if state.bookings.get(job.key()).is_some_and(is_settled) {
                state.bookings.remove(job.key());
            }
        })
        .await
    }

    async fn overdue(&self, source: &str, before: Timestamp) -> Result<Vec<PendingRetry>, PortError> {
        self.query("deliveries.overdue", |state| {
            let of = state.bookings.values().filter(|booking| booking.state.source == source);
            let overdue = of.filter(|booking| booking.state.next_at < before);
            let pending = |booking: &Booking| PendingRetry { job: booking.job.clone(), state: booking.state.clone() };
            let entry = |booking: &Booking| Entry {
                key: (booking.state.notify_at, booking.job.key().to_owned()),
                brings: pending(booking),
            };
            overdue.map(entry).collect()
        })
        .await
    }

    async fn refuse(&self, refusal: &Refusal) -> Result<(), PortError> {
        self.call("deliveries.refuse", |state| {
            state.refusals.insert(refusal.source.clone(), refusal.clone());
        })
        .await
    }

    async fn accept(&self, source: &str, as_of: Timestamp) -> Result<(), PortError> {
        self.call("deliveries.accept", |state| {
            state.refusals.retain(|refused, refusal| refused != source || refusal.at >= as_of);
        })
        .await
    }

    async fn refusal(&self, source: &str) -> Result<Option<Refusal>, PortError> {
        self.call("deliveries.refusal", |state| state.refusals.get(source).cloned()).await
    }

    async fn quarantine(&self, job: &Job, reason: &Failure, events: &[NotedEvent]) -> Result<(), PortError> {
        let quarantined = Quarantined { job: job.clone(), reason: reason.detail.clone() };
        self.call("deliveries.quarantine", |state| {
            state.quarantined.insert(job.quarantined_as(), quarantined.clone());
            for event in events {
                state.note(event, Some(job.quarantined_as()));
            }
        })
        .await
    }

    async fn note(&self, event: &NotedEvent) -> Result<(), PortError> {
        self.call("deliveries.note", |state| state.note(event, None)).await
    }

    async fn events(&self, condition: &Condition, since: Timestamp) -> Result<Vec<NotedEvent>, PortError> {
        self.call("deliveries.events", |state| {
            let counts = |noted: &&Noted| noted.alone || !noted.quarantined.is_empty();
            let of = state.events.values().filter(counts).map(|noted| &noted.event);
            let of = of.filter(|event| event.condition == *condition && event.at > since);
            let mut events: Vec<NotedEvent> = of.cloned().collect();
            events.sort_by_key(|event| event.at);
            events
        })
        .await
    }

    async fn firing(&self, source: &str, now: Timestamp) -> Result<Vec<Condition>, PortError> {
        self.query("deliveries.firing", |state| {
            let due = state.bookings.values().filter(|booking| booking.state.notify_at <= now);
            let retries = due.map(|booking| (booking.state.notify_at, booking.job.condition()));
            let recent = now - SignedDuration::from_hours(1);
            let counts = |noted: &&Noted| (noted.alone || !noted.quarantined.is_empty()) && noted.event.at > recent;
            let events =
                state.events.values().filter(counts).map(|noted| (noted.event.at, noted.event.condition.clone()));
            let of_source = retries.chain(events).filter(|(_, condition)| condition.source() == source);
            of_source.map(|(at, condition)| Entry { key: (at, condition.incident()), brings: condition }).collect()
        })
        .await
    }

    async fn keep_part(&self, delivery: &str, part: &BodyPart, _at: Timestamp) -> Result<(), PortError> {
        const PORT: &str = "deliveries.keep_part";
        let chunks = part.chunks().map_err(|error| PortError::Broken { port: PORT, reason: error.to_string() })?;
        for (number, chunk) in chunks {
            self.call(PORT, |state| state.chunks.insert((delivery.to_owned(), number), chunk.clone())).await?;
        }
        Ok(())
    }

    async fn body(&self, stored: &StoredBody) -> Result<Option<String>, PortError> {
        self.call("deliveries.body", |state| state.body(stored)).await
    }

    async fn poll_state(&self, source: &str) -> Result<Option<PollState>, PortError> {
        self.call("deliveries.poll_state", |state| state.polls.get(source)).await
    }

    async fn write_poll_state(&self, poll: &PollState, expected: Option<u64>) -> Result<(), WriteError<PollState>> {
        self.write("deliveries.write_poll_state", |state| state.polls.write(poll, expected)).await
    }

    async fn shown(&self, source: &str) -> Result<Option<Shown>, PortError> {
        self.call("deliveries.shown", |state| {
            let shown = state.shown_lists.get(source).cloned();
            state.moves(shown.as_ref(), false);
            shown
        })
        .await
    }

    async fn show(&self, shown: &Shown) -> Result<(), PortError> {
        self.call("deliveries.show", |state| {
            state.moves(Some(shown), true);
            state.shown_lists.insert(shown.source.clone(), shown.clone())
        })
        .await
        .map(drop)
    }
}

impl State {
    /// Counts a read or a write of an item as large as the list that it stores.
    fn moves(&mut self, shown: Option<&Shown>, is_write: bool) {
        let now = self.now;
        if let (Some(storm), Some(shown)) = (&mut self.storm, shown) {
            storm.moved(now, shown.bytes(), is_write);
        }
    }
}

impl Health for Invocation<'_> {
    async fn answer(&self, sent_at: Timestamp, now: Timestamp) -> Result<(), PortError> {
        self.call("health.answer", |state| {
            if state.answered.is_none_or(|answered| answered.sent_at < sent_at) {
                state.answered = Some(Answered { sent_at, at: now });
            }
        })
        .await
    }

    async fn answered(&self) -> Result<Option<Answered>, PortError> {
        self.call("health.answered", |state| state.answered).await
    }
}
