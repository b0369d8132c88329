//! NvGrid's bodies.

use serde_json::{Value, json};

use super::Window;

/// Target, previous target and measured load, in megawatts.
#[derive(Debug, Clone, Copy)]
pub struct Loads {
    /// The new limit.
    pub target: f64,
    /// The limit before.
    pub previous: f64,
    /// What is measured.
    pub measured: f64,
}

/// A webhook about a load target of the feed `main_power_feed`; `event` is `start_ramp_down` and the like. Without an end, the
/// field is left out.
pub fn webhook(event: &str, correlation: &str, window: &Window, loads: Loads, compliant: bool) -> Value {
    let load = |value: f64| json!({"value": value, "unit": "mw"});
    let mut body = json!({"event": event, "feed_tag": "main_power_feed", "start_time": window.start});
    if !window.end.is_null() {
        body["end_time"] = window.end.clone();
    }
    body["strategy"] = json!("best_effort");
    body["target_load"] = load(loads.target);
    body["prev_target_load"] = load(loads.previous);
    body["calculated_load"] = load(loads.measured);
    body["compliant"] = json!(compliant);
    body["correlation_id"] = json!(correlation);
    body
}
