//! A standard queue for very many messages: the earliest first.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use pipeline::{job::Message, ports::Backlog};

use crate::Standard;

#[derive(Debug)]
struct BusyPoller {
    message: Message,
    place: (Timestamp, u64),
}

/// What lies in a queue.
#[derive(Debug, Default)]
pub(crate) struct Line {
    places: BTreeMap<(Timestamp, u64), String>,
    held: HashMap<String, BusyPoller>,
    order: u64,
}

impl Line {
    pub(crate) fn send(&mut self, id: String, body: &str, visible_at: Timestamp) {
        let message = Message { id: id.clone(), body: body.to_owned(), receives: 0 };
        let place = self.place(visible_at);
        self.places.insert(place, id.clone());
        self.held.insert(id, BusyPoller { message, place });
    }

    fn place(&mut self, at: Timestamp) -> (Timestamp, u64) {
        self.order += 1;
        (at, self.order)
    }

    /// When the next message is visible.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        self.places.keys().next().map(|(at, _)| *at)
    }

    /// A batch of what is visible, hidden from then on.
    pub(crate) fn receive(&mut self, now: Timestamp, most: usize) -> Vec<Message> {
        let mut batch = Vec::new();
        while batch.len() < most
            && let Some(first) = self.places.first_entry().filter(|first| first.key().0 <= now)
        {
            let id = first.remove();
            let place = self.place(now + Standard::VISIBILITY);
            let Some(held) = self.held.get_mut(&id) else { continue };
            held.message.receives += 1;
            held.place = place;
            batch.push(held.message.clone());
            self.places.insert(place, id);
        }
        batch
    }

    pub(crate) fn delete(&mut self, id: &str) {
        if let Some(held) = self.held.remove(id) {
            self.places.remove(&held.place);
        }
    }

    /// What waits, and what is in hand.
    pub(crate) fn backlog(&self, now: Timestamp) -> Backlog {
        let waiting = self.places.range(..=(now, u64::MAX)).count() as u64;
        let in_hand = self.held.values().filter(|held| held.message.receives > 0 && held.place.0 > now).count() as u64;
        Backlog { waiting, in_hand }
    }

    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }
}
