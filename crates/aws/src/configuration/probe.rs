//! The event with which `config apply` and `doctor` query the configuration that a function runs with.

use serde::{Deserialize, Serialize};

/// The event. Neither a queue nor the HTTP API can send it, because both wrap their content.
pub const PROBE: &str = r#"{"probe":true}"#;

/// The answer of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probed {
    /// The function's name, such as `receiver`.
    pub function: String,
    /// The release that the function was built from.
    pub release: String,
    /// The version of its configuration; none if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// SHA-256 of that configuration, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Why it has no configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The maximum length of the probe with any spacing, since a service may reformat it. A longer event costs only this
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
    fn only_the_probe_is_recognised_with_any_spacing() {
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
