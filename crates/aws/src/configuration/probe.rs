//! The event by which `config apply` and `doctor` ask a function which configuration it runs with.

use serde::{Deserialize, Serialize};

/// The event. Neither a queue nor the HTTP API can send it: both wrap what they carry.
pub const PROBE: &str = r#"{"probe":true}"#;

/// What a function answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probed {
    /// Such as `receiver`.
    pub function: String,
    /// The release that it was built from.
    pub release: String,
    /// The version of the configuration that it runs with; none where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// SHA-256 of that configuration, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Why it runs with none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Whether an event is the probe. Every other event is longer, so it costs them one comparison.
pub fn is_probe(event: &str) -> bool {
    event.trim() == PROBE
}
