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

/// The longest that the probe may be, however it is spaced: what hands it on may write it anew. Other events are longer, and cost one
/// comparison.
const LONGEST: usize = 32;

#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    probe: bool,
}

/// Whether an event is the probe.
pub fn is_probe(event: &str) -> bool {
    event.len() <= LONGEST && serde_json::from_str::<Event>(event).is_ok_and(|event| event.probe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_is_known_however_it_is_spaced_and_nothing_else_is() {
        for probe in [PROBE, r#"{"probe": true}"#, "{\n  \"probe\" : true\n}\n"] {
            assert!(is_probe(probe), "{probe}");
        }
        for other in
            [r#"{"sweep":true}"#, r#"{"probe":false}"#, "{}", "null", r#"{"probe":true,"Records":[{"body":"x"}]}"#]
        {
            assert!(!is_probe(other), "{other}");
        }
    }
}
