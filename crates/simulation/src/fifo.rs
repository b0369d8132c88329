//! The FIFO queue `signals`: order within each group, five minutes of deduplication.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use pipeline::ports::Backlog;

/// A message that the queue accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// When.
    pub at: Timestamp,
    /// The message group.
    pub group: String,
    /// The deduplication id.
    pub deduplication: String,
    /// The attributes `type`, `source` and `test`.
    pub attributes: BTreeMap<&'static str, String>,
    /// The event as JSON text.
    pub body: String,
}

/// What the controller does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controller {
    /// It reads every message at once.
    Reads,
    /// It reads nothing. A test reads in its place.
    IsSilent,
}

/// A FIFO queue, deduplicating within each group.
#[derive(Debug, Default)]
pub struct Fifo {
    sent: Vec<Sent>,
    taken: BTreeMap<(String, String), Timestamp>,
    /// By group: the position of the consumer, and whether it has the group's message in flight.
    read: BTreeMap<String, (usize, bool)>,
}

impl Fifo {
    /// How long the queue deduplicates an id.
    pub const REMEMBERS: SignedDuration = SignedDuration::from_mins(5);

    /// Every message that it accepted, in order.
    pub fn sent(&self) -> &[Sent] {
        &self.sent
    }

    /// The messages not yet deleted: waiting or in flight.
    pub(crate) fn backlog(&self) -> Backlog {
        let (mut read, mut in_hand) = (0, 0);
        for (done, in_flight) in self.read.values() {
            read += *done as u64;
            in_hand += u64::from(*in_flight);
        }
        Backlog { waiting: (self.sent.len() as u64).saturating_sub(read + in_hand), in_hand }
    }

    /// Accepts a message. Drops it if its deduplication id was sent within the last five minutes.
    pub(crate) fn send(&mut self, message: Sent) {
        let key = (message.group.clone(), message.deduplication.clone());
        let known = self.taken.get(&key).is_some_and(|at| message.at.duration_since(*at) < Self::REMEMBERS);
        if !known {
            self.taken.insert(key, message.at);
            self.sent.push(message);
        }
    }

    /// The next message of the first group without a message in flight. The group then waits until [`Fifo::done`] or
    /// [`Fifo::put_back`].
    pub fn receive(&mut self) -> Option<Sent> {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for message in &self.sent {
            let place = seen.entry(&message.group).or_default();
            let (next, in_flight) = self.read.get(&message.group).copied().unwrap_or_default();
            if *place == next && !in_flight {
                self.read.insert(message.group.clone(), (next, true));
                return Some(message.clone());
            }
            *place += 1;
        }
        None
    }

    /// Whether a message can be received.
    pub(crate) fn is_readable(&self) -> bool {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for message in &self.sent {
            *counts.entry(&message.group).or_default() += 1;
        }
        counts.into_iter().any(|(group, count)| {
            let (next, in_flight) = self.read.get(group).copied().unwrap_or_default();
            next < count && !in_flight
        })
    }

    /// Whether every message was deleted.
    pub(crate) fn is_done(&self) -> bool {
        self.read.values().map(|(done, _)| done).sum::<usize>() >= self.sent.len()
    }

    /// The consumer deletes its message of a group.
    pub fn done(&mut self, group: &str) {
        if let Some((next, in_flight)) = self.read.get_mut(group) {
            *next += usize::from(*in_flight);
            *in_flight = false;
        }
    }

    /// The consumer returns a message without deleting it: the queue delivers it again.
    pub fn put_back(&mut self, group: &str) {
        if let Some((_, in_flight)) = self.read.get_mut(group) {
            *in_flight = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(queue: &mut Fifo, group: &str, deduplication: &str, seconds: i64) {
        queue.send(Sent {
            at: Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds),
            group: group.to_owned(),
            deduplication: deduplication.to_owned(),
            attributes: BTreeMap::new(),
            body: deduplication.to_owned(),
        });
    }

    #[test]
    fn a_repetition_is_dropped_for_five_minutes_within_its_group() {
        let mut queue = Fifo::default();
        for (group, at) in [("a", 0), ("a", 299), ("b", 299), ("a", 300)] {
            send(&mut queue, group, "1", at);
        }
        let groups: Vec<&str> = queue.sent().iter().map(|message| message.group.as_str()).collect();
        assert_eq!(groups, ["a", "b", "a"]);
    }

    #[test]
    fn a_group_is_read_in_order_and_by_one_consumer_at_a_time() {
        let mut queue = Fifo::default();
        for (group, id) in [("a", "1"), ("a", "2"), ("b", "1")] {
            send(&mut queue, group, id, 0);
        }
        let mut read = || queue.receive().map(|message| format!("{}{}", message.group, message.body));
        assert_eq!((read(), read(), read()), (Some("a1".to_owned()), Some("b1".to_owned()), None));
        queue.put_back("a");
        queue.done("b");
        assert_eq!(queue.receive().map(|message| message.body), Some("1".to_owned()));
        queue.done("a");
        assert_eq!(queue.receive().map(|message| message.body), Some("2".to_owned()));
        queue.done("a");
        assert_eq!(queue.receive(), None);
    }
}
