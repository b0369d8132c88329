//! What people do: an operator hands in again what was given up.

use jiff::Timestamp;
use serde_json::json;

use super::driver::{Driver, FOREIGN};
use crate::{Controller, Function, Inner};

impl Driver<'_> {
    /// From here on nothing goes wrong, and what was given up by dying over it is handed in again, as an operator would.
    pub(super) fn heal(&mut self, now: Timestamp) {
        self.live(|live| {
            live.healed = true;
            live.journal.note(now, "healed", || json!({}));
        });
        self.sim.controller(Controller::Reads);
        if self.live(|live| live.scenario.release.is_some()) {
            self.deploy_all();
        }
        self.redrive();
        self.owe_acknowledgements(now);
    }

    /// Every function is the later release's, which reads what both wrote.
    pub(super) fn deploy_all(&self) {
        for function in [Function::Receiver, Function::Hydrator, Function::Retrier, Function::Alerter] {
            self.sim.deploy_later(function);
        }
    }

    /// An operator hands in again what was given up by dying over it, and throws away what is none of ours.
    pub(super) fn redrive(&mut self) {
        for (dead, queue) in [(Inner::RetriesDead, Inner::Retries), (Inner::AlertsDead, Inner::Alerts)] {
            for message in self.sim.take(dead).iter().filter(|message| message.body != FOREIGN) {
                self.sim.put(queue, &message.body);
            }
        }
    }
}
