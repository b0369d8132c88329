//! A standard queue for very many messages; it delivers the earliest first.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use pipeline::{job::Message, ports::Backlog};

use crate::Standard;

#[derive(Debug)]
struct Stored {
    message: Message,
    place: (Timestamp, u64),
}

/// A queue.
#[derive(Debug, Default)]
pub(crate) struct Line {
    places: BTreeMap<(Timestamp, u64), String>,
    messages: HashMap<String, Stored>,
    order: u64,
}

impl Line {
    pub(crate) fn send(&mut self, id: String, body: &str, visible_at: Timestamp) {
        let message = Message { id: id.clone(), body: body.to_owned(), receives: 0 };
        let place = self.place(visible_at);
        self.places.insert(place, id.clone());
        self.messages.insert(id, Stored { message, place });
    }

    fn place(&mut self, at: Timestamp) -> (Timestamp, u64) {
        self.order += 1;
        (at, self.order)
    }

    /// When the next message is visible.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        self.places.keys().next().map(|(at, _)| *at)
    }

    /// Receives a batch of visible messages and hides them.
    pub(crate) fn receive(&mut self, now: Timestamp, most: usize) -> Vec<Message> {
        let mut batch = Vec::new();
        while batch.len() < most
            && let Some(first) = self.places.first_entry().filter(|first| first.key().0 <= now)
        {
            let id = first.remove();
            let place = self.place(now + Standard::VISIBILITY);
            let Some(stored) = self.messages.get_mut(&id) else { continue };
            stored.message.receives += 1;
            stored.place = place;
            batch.push(stored.message.clone());
            self.places.insert(place, id);
        }
        batch
    }

    pub(crate) fn delete(&mut self, id: &str) {
        if let Some(stored) = self.messages.remove(id) {
            self.places.remove(&stored.place);
        }
    }

    /// The waiting and the in-flight messages.
    pub(crate) fn backlog(&self, now: Timestamp) -> Backlog {
        let waiting = self.places.range(..=(now, u64::MAX)).count() as u64;
        let in_hand =
            self.messages.values().filter(|stored| stored.message.receives > 0 && stored.place.0 > now).count() as u64;
        Backlog { waiting, in_hand }
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }
}
