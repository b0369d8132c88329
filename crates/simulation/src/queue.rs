//! A standard queue: delay, visibility, receive counts and redrive, without a guaranteed order.

use jiff::{SignedDuration, Timestamp};
use pipeline::{job::Message, ports::Backlog};

use crate::Seed;

/// The maximum size of a message, in bytes.
pub(crate) const MAX_MESSAGE_BYTES: usize = 1_048_576;

/// The longest delay that SQS allows.
const MAX_DELAY_S: u32 = 900;

/// Lambda stops a chain of this many invocations, unless the function allows recursive loops.
const LONGEST_CHAIN: u32 = 16;

/// The most messages in one batch.
const MAX_BATCH: u64 = 10;

/// The internal queues, as `infra/template.yaml` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Inner {
    /// Jobs for the hydrator. A message received too often goes to the retrier.
    Deliveries,
    /// Failures for the retrier.
    Retries,
    /// Urgent messages for the alerter.
    Alerts,
    /// Messages for the alerter that can wait.
    Reviews,
    /// Messages that the retrier failed to process.
    RetriesDead,
    /// Messages that the alerter failed to process or cannot read.
    AlertsDead,
    /// Messages for the courier: lanes to deliver from.
    Outputs,
    /// Messages that the courier failed to process.
    OutputsDead,
}

impl Inner {
    /// The queues that a function reads.
    pub const READ: [Inner; 4] = [Inner::Deliveries, Inner::Retries, Inner::Alerts, Inner::Reviews];

    /// The same with a courier.
    pub const READ_WITH_COURIER: [Inner; 5] =
        [Inner::Deliveries, Inner::Retries, Inner::Alerts, Inner::Reviews, Inner::Outputs];

    /// How often a message is received before it is redriven. The limit of `retries` is higher: a message redriven to
    /// it may still have the receive count of `deliveries`.
    pub fn max_receives(self) -> u32 {
        if self == Inner::Retries { 2 * Standard::MAX_RECEIVES } else { Standard::MAX_RECEIVES }
    }

    /// The destination of a message received too often.
    pub(crate) fn redrives_into(self) -> Option<Inner> {
        match self {
            Inner::Deliveries => Some(Inner::Retries),
            Inner::Retries => Some(Inner::RetriesDead),
            Inner::Alerts | Inner::Reviews => Some(Inner::AlertsDead),
            Inner::Outputs => Some(Inner::OutputsDead),
            Inner::RetriesDead | Inner::AlertsDead | Inner::OutputsDead => None,
        }
    }
}

/// A message in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// The queue's id for it.
    pub id: String,
    /// Its body.
    pub body: String,
    /// When it can be received (again).
    pub visible_at: Timestamp,
    /// How often it was received.
    pub receives: u32,
    /// How many invocations led to it through messages. Lambda counts this to stop endless loops.
    pub chain: u32,
}

/// A standard queue.
#[derive(Debug, Default)]
pub struct Standard {
    messages: Vec<Queued>,
}

impl Standard {
    /// How long a received message is hidden: 6 × the function's timeout.
    pub const VISIBILITY: SignedDuration = SignedDuration::from_secs(120);

    /// How often a message is received before it is redriven, from most queues.
    pub const MAX_RECEIVES: u32 = 5;

    /// Every message, visible or not.
    pub fn messages(&self) -> &[Queued] {
        &self.messages
    }

    /// Whether the queue accepts the body; SQS refuses one that is too large.
    pub(crate) fn takes(body: &str) -> bool {
        body.len() <= MAX_MESSAGE_BYTES
    }

    /// Adds a message.
    ///
    /// # Panics
    ///
    /// If the delay is longer than SQS allows: that is a bug of the caller.
    pub(crate) fn send(&mut self, id: String, body: &str, now: Timestamp, delay_s: u32, chain: u32) {
        assert!(delay_s <= MAX_DELAY_S, "a message cannot be delayed by {delay_s} s");
        let visible_at = now + SignedDuration::from_secs(i64::from(delay_s));
        self.messages.push(Queued { id, body: body.to_owned(), visible_at, receives: 0, chain });
    }

    /// When the next message becomes visible, now or later.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        self.messages.iter().map(|message| message.visible_at).min()
    }

    /// The waiting and the in-flight messages. A message that was never received and is not visible yet counts as
    /// neither.
    pub(crate) fn backlog(&self, now: Timestamp) -> Backlog {
        let count =
            |is: fn(&Queued, Timestamp) -> bool| self.messages.iter().filter(|message| is(message, now)).count() as u64;
        Backlog {
            waiting: count(|message, now| message.visible_at <= now),
            in_hand: count(|message, now| message.visible_at > now && message.receives > 0),
        }
    }

    /// Returns a batch of visible messages, in the seed's order, and the messages that were received too often.
    pub(crate) fn receive(
        &mut self,
        now: Timestamp,
        seed: &mut Seed,
        most_receives: u32,
    ) -> (Vec<Message>, Vec<Queued>) {
        let visible = self.messages.iter().filter(|message| message.visible_at <= now).count();
        let most = seed.up_to(MAX_BATCH - 1) + 1;
        let (mut batch, mut worn_out) = (Vec::new(), Vec::new());
        for _ in 0..most.min(u64::try_from(visible).unwrap_or(u64::MAX)) {
            let places: Vec<usize> = (0..self.messages.len()).filter(|i| self.messages[*i].visible_at <= now).collect();
            let place = places[seed.place(places.len())];
            let message = &mut self.messages[place];
            message.receives += 1;
            if message.receives > most_receives {
                worn_out.push(self.messages.remove(place));
                continue;
            }
            message.visible_at = now + Self::VISIBILITY;
            let Queued { id, body, receives, .. } = message.clone();
            batch.push(Message { id, body, receives });
        }
        (batch, worn_out)
    }

    /// Removes every visible message and returns them, oldest first.
    pub(crate) fn take(&mut self, now: Timestamp) -> Vec<Message> {
        let visible = self.messages.extract_if(.., |message| message.visible_at <= now);
        visible.map(|Queued { id, body, receives, .. }| Message { id, body, receives: receives + 1 }).collect()
    }

    /// Adds a message redriven from another queue, with the same id. AWS does not document whether its receive count
    /// stays.
    pub(crate) fn redriven(&mut self, message: Queued, now: Timestamp, receives: u32) {
        self.messages.push(Queued { visible_at: now, receives, ..message });
    }

    /// Makes a message in flight visible again at that time: SQS promises at-least-once delivery.
    pub(crate) fn again(&mut self, id: &str, at: Timestamp) {
        for message in self.messages.iter_mut().filter(|message| message.id == id) {
            message.visible_at = at;
        }
    }

    /// The longest chain that led to one of the messages.
    pub(crate) fn chain_of(&self, batch: &[Message]) -> u32 {
        let of = self.messages.iter().filter(|message| batch.iter().any(|handed| handed.id == message.id));
        of.map(|message| message.chain).max().unwrap_or(0)
    }

    /// Removes the messages that Lambda refuses because the chain of invocations is too long.
    pub(crate) fn take_loops(&mut self, batch: &mut Vec<Message>) -> Vec<Queued> {
        let is_loop =
            |message: &mut Queued| message.chain >= LONGEST_CHAIN && batch.iter().any(|handed| handed.id == message.id);
        let loops: Vec<Queued> = self.messages.extract_if(.., is_loop).collect();
        batch.retain(|handed| !loops.iter().any(|message| message.id == handed.id));
        loops
    }

    /// Deletes a message.
    pub(crate) fn delete(&mut self, id: &str) {
        self.messages.retain(|message| message.id != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn after(seconds: i64) -> Timestamp {
        NOW + SignedDuration::from_secs(seconds)
    }

    #[test]
    fn a_received_message_is_hidden_and_comes_back() {
        let mut queue = Standard::default();
        queue.send("m-1".to_owned(), "body", NOW, 10, 0);
        let mut seed = Seed::new(1);
        assert!(queue.receive(after(9), &mut seed, 5).0.is_empty());
        assert_eq!(queue.receive(after(10), &mut seed, 5).0.len(), 1);
        assert!(queue.receive(after(129), &mut seed, 5).0.is_empty());
        assert_eq!(queue.receive(after(130), &mut seed, 5).0.len(), 1);
        queue.delete("m-1");
        assert_eq!(queue.next_at(), None);
    }

    #[test]
    fn a_message_received_too_often_is_redriven() {
        let mut queue = Standard::default();
        queue.send("m-1".to_owned(), "body", NOW, 0, 0);
        let mut seed = Seed::new(1);
        for round in 0..i64::from(Standard::MAX_RECEIVES) {
            assert_eq!(queue.receive(after(round * 120), &mut seed, 5).0.len(), 1);
        }
        let (batch, worn_out) = queue.receive(after(600), &mut seed, 5);
        assert!(batch.is_empty() && queue.messages().is_empty());
        assert_eq!(worn_out.len(), 1);
    }

    #[test]
    fn the_seed_chooses_the_order_and_the_size_of_batches() {
        let orders: std::collections::BTreeSet<Vec<String>> = (0..32)
            .map(|seed| {
                let mut queue = Standard::default();
                for n in 0..3 {
                    queue.send(format!("m-{n}"), "body", NOW, 0, 0);
                }
                queue.receive(NOW, &mut Seed::new(seed), 5).0.into_iter().map(|message| message.id).collect()
            })
            .collect();
        assert!(orders.len() > 6, "{orders:?}");
    }
}
