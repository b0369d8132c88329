//! The event source mapping from the FIFO queue `signals` to the courier: in order within a group, one batch of a group
//! at a time, delivered at least once.

use jiff::Timestamp;
use pipeline::job::Message;

use crate::{Standard, sim::State};

/// The most messages in one batch.
const MAX_BATCH: u64 = 10;

/// A message of `signals`, and its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grouped {
    pub(crate) group: String,
    pub(crate) message: Message,
}

impl State {
    /// A batch of `signals`, each message of another group; empty if nothing can be received.
    pub(crate) fn receive_signals(&mut self) -> Vec<Grouped> {
        self.show_groups();
        let most = self.seed.up_to(MAX_BATCH - 1) + 1;
        let mut batch = Vec::new();
        while (batch.len() as u64) < most
            && let Some(sent) = self.signals.receive()
        {
            let id = self.name("s");
            batch.push(Grouped { group: sent.group, message: Message { id, body: sent.body, receives: 1 } });
        }
        batch
    }

    /// When a batch of `signals` can start.
    pub(crate) fn next_signals_at(&self) -> Option<Timestamp> {
        if self.signals.is_readable() { Some(self.now) } else { self.hidden_groups.values().min().copied() }
    }

    /// The mapping deletes what is processed. The rest is hidden until its visibility time-out.
    pub(crate) fn signals_done(&mut self, batch: &[Grouped], is_left: impl Fn(&str) -> bool) {
        let until = self.now + Standard::VISIBILITY;
        for Grouped { group, message } in batch {
            if is_left(&message.id) {
                self.hidden_groups.insert(group.clone(), until);
            } else {
                self.signals.done(group);
            }
        }
    }

    fn show_groups(&mut self) {
        let now = self.now;
        for (group, _) in self.hidden_groups.extract_if(.., |_, until| *until <= now) {
            self.signals.put_back(&group);
        }
    }
}
