//! NvGrid: four events about a load target, each complete in its webhook.

use anyhow::{Result, ensure};
use provider_sims::bodies::{self, Window, nvgrid::Loads};
use serde_json::{Value, json};

use crate::harness::{SOON, cases, holds, listed, same, shared_stack};

cases!("nvgrid": the_four_events_of_one_correlation, an_unknown_event_is_reported_and_not_guessed);

const SOURCE: &str = "nv";

/// The seed document's event.
fn seed() -> Value {
    let window = Window::new("2025-10-24T17:00:00Z", "2025-10-24T18:00:00Z");
    let loads = Loads { target: 6.5, previous: 10.0, measured: 9.2 };
    bodies::nvgrid::webhook("start_ramp_down", "curtailment-20251024-170000", &window, loads, false)
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
