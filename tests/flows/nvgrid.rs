//! NvGrid: four events about a load target, each complete in its webhook.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::harness::{SOON, cases, from_now, holds, listed, same, shared_stack};

cases!("nvgrid":
    the_four_events_of_one_correlation,
    the_same_fact_in_another_unit_is_the_same_fact,
    a_feed_may_be_missing,
    subjects_are_percent_encoded,
    a_ramp_that_did_not_comply_is_reported_at_its_end,
    an_unknown_event_is_reported_and_not_guessed,
);

const SOURCE: &str = "nv";

/// The seed document's event.
fn seed() -> Value {
    json!({
        "event": "start_ramp_down", "feed_tag": "main_power_feed",
        "start_time": "2025-10-24T17:00:00Z", "end_time": "2025-10-24T18:00:00Z", "strategy": "best_effort",
        "target_load": {"value": 6.5, "unit": "mw"}, "prev_target_load": {"value": 10.0, "unit": "mw"},
        "calculated_load": {"value": 9.2, "unit": "mw"}, "compliant": false,
        "correlation_id": "curtailment-20251024-170000",
    })
}

pub(crate) fn about(correlation_id: &str) -> Value {
    let mut event = seed();
    event["correlation_id"] = json!(correlation_id);
    event
}

async fn the_four_events_of_one_correlation() -> Result<()> {
    let stack = shared_stack().await?;
    let subject = "nv/main_power_feed/curtailment-20251024-170000";
    let limit = |watts: u64| json!({"kind": "limit", "watts": watts});
    let events = ["start_ramp_down", "end_ramp_down", "start_ramp_up", "end_ramp_up"];
    for (index, event) in events.into_iter().enumerate() {
        let mut body = seed();
        body["event"] = json!(event);
        if index == 1 {
            body["compliant"] = json!(true);
        }
        if index >= 2 {
            body["start_time"] = json!("2025-10-24T18:00:00Z");
            body["target_load"] = json!({"value": 10.0, "unit": "mw"});
            body["prev_target_load"] = json!({"value": 6.5, "unit": "mw"});
            body["end_time"] = Value::Null;
        }
        // Each twice: the second changes nothing.
        stack.accepted(SOURCE, &body).await?;
        stack.accepted(SOURCE, &body).await?;
        stack.signals.of(subject, index + 1).await?;
    }
    let signals = stack.signals.of(subject, 4).await?;
    for (signal, event) in signals.iter().zip(events) {
        ensure!(signal.event["type"] == json!(format!("gridbell.power.{event}.v1")), "{}", signal.event);
    }
    let expected = json!({"power": {
        "key": subject, "provider": "nvgrid", "source": "nv", "feed": "main_power_feed",
        "correlation_id": "curtailment-20251024-170000", "event": "start_ramp_down",
        "start": "2025-10-24T17:00:00Z", "end": "2025-10-24T18:00:00Z", "strategy": "best_effort",
        "target": limit(6_500_000), "previous": limit(10_000_000), "measured_watts": 9_200_000, "compliant": false,
    }});
    same("the first", &signals[0].event["data"], &expected)?;
    let expected =
        json!({"event": "end_ramp_up", "end": null, "target": limit(10_000_000), "previous": limit(6_500_000)});
    holds("the last", &signals[3].event["data"]["power"], &expected)
}

async fn the_same_fact_in_another_unit_is_the_same_fact() -> Result<()> {
    let stack = shared_stack().await?;
    let subject = "nv/main_power_feed/units";
    stack.accepted(SOURCE, &about("units")).await?;
    stack.signals.of(subject, 1).await?;
    let loads = [
        json!({"value": 6500, "unit": "kw"}),
        json!({"value": "6500000", "unit": "W"}),
        json!({"value": 6.500, "unit": "Megawatt"}),
        json!({"value": 6.5e3, "unit": "KILOWATT"}),
    ];
    for load in loads {
        let mut event = about("units");
        event["target_load"] = load;
        // The measured load and the compliance change during a ramp; they do not identify the event.
        event["calculated_load"] = json!({"value": 8000, "unit": "kw"});
        event["compliant"] = json!(true);
        stack.accepted(SOURCE, &event).await?;
    }
    let mut other = about("units");
    other["target_load"] = json!({"value": 6501, "unit": "kw"});
    stack.accepted(SOURCE, &other).await?;
    let signals = stack.signals.of(subject, 2).await?;
    let watts = &signals[1].event["data"]["power"]["target"]["watts"];
    ensure!(watts == &json!(6_501_000), "the second limit is {watts}");
    Ok(())
}

async fn a_feed_may_be_missing() -> Result<()> {
    let stack = shared_stack().await?;
    let mut event = about("no-feed");
    if let Some(fields) = event.as_object_mut() {
        fields.remove("feed_tag");
        fields.remove("end_time");
        fields.remove("calculated_load");
        fields.remove("compliant");
        fields.remove("prev_target_load");
    }
    stack.accepted(SOURCE, &event).await?;
    let signals = stack.signals.of("nv/-/no-feed", 1).await?;
    let expected = json!({"feed": null, "end": null, "measured_watts": null, "compliant": null, "previous": null, "key": "nv/-/no-feed"});
    holds("the signal", &signals[0].event["data"]["power"], &expected)
}

async fn subjects_are_percent_encoded() -> Result<()> {
    let stack = shared_stack().await?;
    let mut event = about("a b/ü#1");
    event["feed_tag"] = json!("feed/2");
    stack.accepted(SOURCE, &event).await?;
    let signals = stack.signals.of("nv/feed%2F2/a%20b%2F%C3%BC%231", 1).await?;
    let expected = json!({"feed": "feed/2", "correlation_id": "a b/ü#1"});
    holds("the signal", &signals[0].event["data"]["power"], &expected)?;
    // A group name that SQS does not allow is hashed; the reader checks that.
    let long = "long-".repeat(25);
    stack.accepted(SOURCE, &about(&long)).await?;
    stack.signals.of(&format!("nv/main_power_feed/{long}"), 1).await?;
    Ok(())
}

/// Reported while the load target still applies: later, no person can act on it.
async fn a_ramp_that_did_not_comply_is_reported_at_its_end() -> Result<()> {
    let stack = shared_stack().await?;
    let (start, end) = (from_now(-600), from_now(3_600));
    for event in ["start_ramp_down", "end_ramp_down"] {
        let mut body = about("idle");
        // A feed of its own: on a shared feed it would replace the targets of other cases, which then stay unreported.
        for (field, value) in [("event", event), ("feed_tag", "idle"), ("start_time", &start), ("end_time", &end)] {
            body[field] = json!(value);
        }
        stack.accepted(SOURCE, &body).await?;
    }
    stack.signals.of("nv/idle/idle", 2).await?;
    let mail = stack.mail.one(SOON, &["not-compliant", "nv/idle/idle"]).await?;
    ensure!(mail.text.contains("9200 kW") && mail.text.contains("6500 kW"), "{}", mail.text);
    stack.at_the_end(|stack| async move {
        let mail = stack.mail.about(&["not-compliant"]).await?;
        ensure!(mail.len() == 1, "not to comply while ramping is normal:{}", listed(&mail));
        Ok(())
    });
    Ok(())
}

async fn an_unknown_event_is_reported_and_not_guessed() -> Result<()> {
    let stack = shared_stack().await?;
    let mut event = about("unknown");
    event["event"] = json!("emergency_stop");
    for _ in 0..3 {
        stack.accepted(SOURCE, &event).await?;
    }
    stack.mail.one(SOON, &["unknown-event", "emergency_stop"]).await?;
    stack.at_the_end(|stack| async move {
        let mail = stack.mail.about(&["unknown-event", "emergency_stop"]).await?;
        ensure!(mail.len() == 1, "one name, one mail:{}", listed(&mail));
        Ok(())
    });
    Ok(())
}
