//! The providers' bodies as their documentation shows them: what a simulator sends and answers, and what tests send by hand. A
//! field of the result may be replaced.

pub mod leap;
pub mod nvgrid;
pub mod openvolt;
pub mod voltus;

use serde::Serialize;
use serde_json::{Value, json};

/// A start and an end, as JSON: an instant, a text, or null.
#[derive(Debug, Clone)]
pub struct Window {
    start: Value,
    end: Value,
}

impl Window {
    /// From a start to an end; an end of `None` is open.
    pub fn new(start: impl Serialize, end: impl Serialize) -> Self {
        Self { start: json!(start), end: json!(end) }
    }
}
