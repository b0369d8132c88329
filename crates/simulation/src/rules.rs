//! What AWS leaves open, and what only the template decides: switches of a world.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::{Simulation, query::PAGE};

/// The rules of one world.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Message groups of which the queue `signals` takes nothing.
    pub(crate) refused_groups: Vec<String>,
    /// How long calls of a port take besides.
    pub(crate) slow: BTreeMap<&'static str, SignedDuration>,
    /// The most entries that one page of a query holds.
    pub(crate) page_items: usize,
    /// Whether a redrive keeps how often a message was received.
    pub(crate) keeps_receives: bool,
    /// Whether Lambda lets chains of invocations be as long as they like: `RecursiveLoop` in the template.
    pub(crate) allows_loops: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            refused_groups: Vec::new(),
            slow: BTreeMap::new(),
            page_items: PAGE,
            keeps_receives: false,
            allows_loops: true,
        }
    }
}

impl Simulation {
    /// The queue `signals` takes nothing of those groups.
    pub fn refuse_signals_of(&self, groups: Vec<String>) {
        self.with(|state| state.rules.refused_groups = groups);
    }

    /// Each call of that port takes so much longer.
    pub fn slow(&self, port: &'static str, by: SignedDuration) {
        self.with(|state| state.rules.slow.insert(port, by));
    }

    /// A page of a query holds so many entries at most.
    pub fn pages_of(&self, entries: usize) {
        self.with(|state| state.rules.page_items = entries);
    }

    /// A message that is redriven still counts as received as often as before, which SQS may do.
    pub fn keep_receives(&self) {
        self.with(|state| state.rules.keeps_receives = true);
    }

    /// Lambda stops chains of invocations, as it does where `RecursiveLoop: Allow` is missing in the template.
    pub fn stop_loops(&self) {
        self.with(|state| state.rules.allows_loops = false);
    }
}
