//! Whole histories from one number: providers with a truth of their own, a controller, the pipeline, and everything that can go
//! wrong between them; the invariants are checked after every step.
//!
//! [`run`] plays a seed. A history in which something does not hold ends there, with a [`Violation`]; played again with
//! [`Options::record`] it is written down.

mod closing;
mod consumer;
mod driver;
mod invocations;
mod journal;
pub(crate) mod live;
mod mapping;
mod model;
mod monitor;
mod operator;
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

/// How a seed is played.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Write the history down.
    pub record: bool,
    /// Kinds of faults that are left out, to see which of them matter.
    pub without: Vec<FaultKind>,
    /// A broken variant.
    pub saboteur: Option<Saboteur>,
}

/// What came of a seed.
#[derive(Debug, Clone)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What did not hold; none where all is well.
    pub violation: Option<Violation>,
    /// The kinds of faults that were switched on.
    pub kinds: Vec<FaultKind>,
    /// Steps of the driver.
    pub steps: u64,
    /// Signals that the controller could read.
    pub signals: usize,
    /// Mails sent.
    pub mails: usize,
    /// Webhooks that the receiver answered 2xx.
    pub accepted: usize,
    /// When the last thing was done, in virtual time.
    pub ended_at: Timestamp,
    /// The history, where it was to be recorded: one JSON object for each thing that happened.
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

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{invariant} does not hold at step {step}, {at}, of {subject}: {detail}")]
pub struct Violation {
    /// Which.
    pub invariant: &'static str,
    /// The driver's step.
    pub step: u64,
    /// The virtual time.
    pub at: Timestamp,
    /// Of what: a subject, an incident, a queue.
    pub subject: String,
    /// What was seen.
    pub detail: String,
}

/// Plays a seed to its end, or to the first thing that does not hold.
pub fn run(seed: u64, options: &Options) -> Report {
    driver::run(seed, options)
}
