//! The event source mappings: batches in the seed's order and size, delivered at least once.

use jiff::{SignedDuration, Timestamp};
use pipeline::job::Message;
use serde_json::json;

use super::{
    Saboteur,
    driver::{Done, Driver, FOREIGN, Purpose},
    scenario::FaultKind,
};
use crate::{Function, Inner, Queued};

impl Driver<'_> {
    /// Adds foreign messages to the internal queues.
    pub(super) fn foreign(&mut self) {
        if !self.live(|live| live.scenario.has(FaultKind::Foreign)) {
            return;
        }
        for (queue, body) in [
            (Inner::Deliveries, FOREIGN),
            (Inner::Retries, "{\"foreign\":1}"),
            (Inner::Alerts, FOREIGN),
            (Inner::Reviews, FOREIGN),
        ] {
            self.sim.put(queue, body);
        }
    }

    /// Starts batches of visible messages, within the concurrency limit.
    pub(super) fn take_up(&mut self) {
        self.take_up_signals();
        for queue in Inner::READ_WITH_COURIER {
            while let Some(at) = self.batch_at(queue)
                && at <= self.sim.now()
            {
                let Some(batch) = self.sim.with(|state| state.receive(queue)) else { break };
                self.hand_out(queue, batch);
            }
        }
    }

    /// When the next batch of any queue can start.
    pub(super) fn next_batch_at(&self) -> Option<Timestamp> {
        let queues = Inner::READ_WITH_COURIER.into_iter().filter_map(|queue| self.batch_at(queue));
        queues.chain(self.signals_at()).min()
    }

    fn batch_at(&self, queue: Inner) -> Option<Timestamp> {
        let most = self.live(|live| live.scenario.concurrency);
        let visible_at = self.sim.with(|state| state.queue(queue).next_at())?;
        let asks_at = self.asks_at.get(&queue).copied().unwrap_or(Timestamp::MIN);
        (self.batches_of(queue) < most).then(|| visible_at.max(asks_at))
    }

    fn hand_out(&mut self, queue: Inner, batch: Vec<Message>) {
        let now = self.sim.now();
        let Some(function) = Function::of(queue) else { return };
        let saboteur = self.live(|live| live.saboteur);
        let waits_ms = self.live(|live| if live.healed { 0 } else { live.random.up_to(live.scenario.window_ms) });
        self.asks_at.insert(queue, now + SignedDuration::from_millis(i64::try_from(waits_ms).unwrap_or(0)));
        for message in &batch {
            let twice = self.live(|live| live.strikes(FaultKind::Duplicate).then(|| live.random.up_to(20)));
            self.sim.with(|state| match twice {
                _ if saboteur == Some(Saboteur::DeleteBeforeWork) => state.queue(queue).delete(&message.id),
                Some(after_s) => state.queue(queue).again(&message.id, now + seconds(1 + after_s)),
                None => {}
            });
        }
        let messages = batch.clone();
        self.start(function, Purpose::Batch(queue, batch), move |invocation| {
            Box::pin(async move {
                Done::Batch(match function {
                    Function::Hydrator => invocation.hydrate(messages).await,
                    Function::Alerter => invocation.alert(messages).await,
                    Function::Courier => invocation.deliver_again(messages).await,
                    _ => invocation.retry(messages).await,
                })
            })
        });
    }

    /// The mapping deletes the processed messages.
    pub(super) fn worked_off(&mut self, queue: Inner, messages: &[Message], failed: &[String], now: Timestamp) {
        let blind = self.live(|live| live.saboteur) == Some(Saboteur::BlindAcknowledgement);
        if self.live(|live| live.strikes(FaultKind::BatchError)) {
            return self
                .live(|live| live.journal.note(now, "batch-error", || json!({ "queue": format!("{queue:?}") })));
        }
        for message in messages.iter().filter(|message| blind || !failed.contains(&message.id)) {
            let (lost, twice) = self.live(|live| {
                let twice = live.strikes(FaultKind::Duplicate).then(|| live.random.up_to(400));
                (live.strikes(FaultKind::Throttle), twice)
            });
            if lost {
                continue; // not deleted: it comes again
            }
            self.sim.with(|state| {
                state.queue(queue).delete(&message.id);
                if let Some(after_s) = twice {
                    let copy = Queued {
                        id: message.id.clone(),
                        body: message.body.clone(),
                        visible_at: now,
                        receives: 0,
                        chain: 0,
                    };
                    state.queue(queue).redriven(copy, now + seconds(after_s), 0);
                }
            });
        }
    }
}

fn seconds(seconds: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(0))
}
