//! Whole histories from one number: providers, a controller, the pipeline, and every fault between them. The invariants
//! are checked after every step.
//!
//! [`run`] runs a seed. A history that violates an invariant ends there, with a [`Violation`]; run again with
//! [`Options::record`], it is recorded.

mod closing;
mod configuration;
mod consumer;
mod driver;
mod invocations;
mod journal;
pub(crate) mod live;
mod mapping;
mod model;
mod monitor;
mod operator;
mod outputs;
mod pending;
mod person;
mod sabotage;
mod scenario;
mod sender;

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::Value;

pub use self::{
    journal::timeline,
    model::{Pace, dispatch_story, meter_story, power_story},
    sabotage::Saboteur,
    scenario::FaultKind,
};

/// How to run a seed.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Record the history.
    pub record: bool,
    /// Kinds of faults to leave out, to see which of them matter.
    pub without: Vec<FaultKind>,
    /// The broken variant to run.
    pub saboteur: Option<Saboteur>,
}

/// The result of a seed.
#[derive(Debug, Clone)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// The violation; none if every invariant held.
    pub violation: Option<Violation>,
    /// The kinds of faults that were on.
    pub kinds: Vec<FaultKind>,
    /// The driver's steps.
    pub steps: u64,
    /// Published signals.
    pub signals: usize,
    /// Mails sent.
    pub mails: usize,
    /// Webhooks answered with 2xx.
    pub accepted: usize,
    /// The virtual time of the last step.
    pub ended_at: Timestamp,
    /// The history, if recorded: one JSON object for each event.
    pub history: Vec<Value>,
}

impl Report {
    /// The history as JSON lines.
    pub fn jsonl(&self) -> String {
        self.history.iter().fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "{line}");
            text
        })
    }
}

/// A violated invariant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{invariant} does not hold at step {step}, {at}, of {subject}: {detail}")]
pub struct Violation {
    /// The invariant.
    pub invariant: &'static str,
    /// The driver's step.
    pub step: u64,
    /// The virtual time.
    pub at: Timestamp,
    /// The subject, incident or queue that violates it.
    pub subject: String,
    /// What was observed.
    pub detail: String,
}

/// Runs a seed to its end, or to the first violation.
pub fn run(seed: u64, options: &Options) -> Report {
    driver::run(seed, options)
}
