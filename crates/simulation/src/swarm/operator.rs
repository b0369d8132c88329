//! The operator: redrives dead letters.

use jiff::Timestamp;
use serde_json::json;

use super::driver::{Driver, FOREIGN};
use crate::{Controller, Function, Inner};

impl Driver<'_> {
    /// Ends the faults and redrives the dead letters.
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
        self.acknowledge_late(now);
    }

    /// Deploys the later release, which reads both formats, of every function.
    pub(super) fn deploy_all(&self) {
        for function in [Function::Receiver, Function::Hydrator, Function::Retrier, Function::Alerter] {
            self.sim.deploy_later(function);
        }
    }

    /// Redrives the dead letters and deletes foreign messages.
    pub(super) fn redrive(&mut self) {
        let outputs = (Inner::OutputsDead, Inner::Outputs);
        for (dead, queue) in [(Inner::RetriesDead, Inner::Retries), (Inner::AlertsDead, Inner::Alerts), outputs] {
            for message in self.sim.take(dead).iter().filter(|message| message.body != FOREIGN) {
                self.sim.put(queue, &message.body);
            }
        }
    }
}
