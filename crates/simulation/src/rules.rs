//! Switches for what AWS leaves open and what only the template decides.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::{Simulation, query::PAGE};

/// The rules of one simulation.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Message groups that the queue `signals` refuses.
    pub(crate) refused_groups: Vec<String>,
    /// By port: additional time of each call.
    pub(crate) slow: BTreeMap<&'static str, SignedDuration>,
    /// The most entries in one page of a query.
    pub(crate) page_items: usize,
    /// Whether a redriven message keeps its receive count.
    pub(crate) keeps_receives: bool,
    /// Whether Lambda allows chains of any length: `RecursiveLoop` in the template.
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
    /// Makes the queue `signals` refuse those groups.
    pub fn refuse_signals_of(&self, groups: Vec<String>) {
        self.with(|state| state.rules.refused_groups = groups);
    }

    /// Makes each call of that port slower.
    pub fn slow(&self, port: &'static str, by: SignedDuration) {
        self.with(|state| state.rules.slow.insert(port, by));
    }

    /// Limits a page of a query to so many entries.
    pub fn pages_of(&self, entries: usize) {
        self.with(|state| state.rules.page_items = entries);
    }

    /// Redriven messages keep their receive count, as SQS may do.
    pub fn keep_receives(&self) {
        self.with(|state| state.rules.keeps_receives = true);
    }

    /// Lambda stops long chains of invocations, as it does without `RecursiveLoop: Allow` in the template.
    pub fn stop_loops(&self) {
        self.with(|state| state.rules.allows_loops = false);
    }
}
