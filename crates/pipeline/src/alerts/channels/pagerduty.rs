//! An event for PagerDuty's Events API v2.

use serde_json::{Value, json};

use super::{Report, State};

/// PagerDuty refuses a larger event, in bytes.
pub const PAGERDUTY_MOST_BYTES: usize = 512 * 1_024;

/// The event about one incident: `trigger`, `acknowledge` or `resolve`. All events of one occurrence have the same
/// deduplication key, so PagerDuty keeps one incident for it.
pub fn event(report: &Report, routing_key: &str) -> Value {
    let action = match report.state {
        State::Firing => "trigger",
        State::Acknowledged => "acknowledge",
        State::Resolved => "resolve",
    };
    let links: Vec<Value> =
        report.link.iter().map(|link| json!({ "href": link, "text": "Open and acknowledge in gridbell" })).collect();
    let mut event = json!({
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": report.deduplication,
    });
    if report.state == State::Firing {
        event["client"] = json!("gridbell");
        event["links"] = json!(links);
        event["payload"] = json!({
            "summary": report.text,
            "source": report.source,
            "severity": report.severity.as_str(),
            "component": report.dispatch.as_ref().map(|dispatch| dispatch.key.as_str()),
            "group": report.source,
            "class": report.kind.as_str(),
            "custom_details": report,
        });
    }
    event
}
