//! The queues that gridbell monitors, and their depth.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A queue that gridbell monitors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Watched {
    /// `deliveries`: whether the hydrator reads it.
    Deliveries,
    /// `signals`: whether a controller reads it.
    Signals,
    /// `reviews`: whether the alerter is behind.
    Reviews,
    /// The dead letters of `retries`: whether there are any.
    RetriesDead,
    /// The dead letters of `alerts` and `reviews`: whether there are any.
    AlertsDead,
    /// The dead letters of `outputs`, if the stack has a courier: whether there are any.
    OutputsDead,
}

impl Watched {
    /// The queue's name, as in `stack.json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deliveries => "deliveries",
            Self::Signals => "signals",
            Self::Reviews => "reviews",
            Self::RetriesDead => "retries_dead",
            Self::AlertsDead => "alerts_dead",
            Self::OutputsDead => "outputs_dead",
        }
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The approximate depth of a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Messages that wait.
    pub waiting: u64,
    /// Messages in flight: a consumer is processing them.
    pub in_hand: u64,
}
