//! Leap: complete dispatches in one notification, for meters or groups, without a number and without a send time.

use anyhow::{Context, Result, ensure};
use provider_sims::bodies::{self, Window};
use serde_json::{Value, json};

use crate::{
    harness::{SOON, Signal, cases, config, holds, shared_stack},
    stub::Reply,
};

cases!("leap": changed_content_is_settled_by_the_search);

const SOURCE: &str = "leap";

/// A slot of one meter, far in the future.
pub(crate) fn slot(event: &str) -> Value {
    bodies::leap::slot(event, 10, &Window::new("2099-06-05T00:00:00Z", "2099-06-05T01:00:00Z"))
}

/// A real notification of one meter.
pub(crate) fn notification(slots: &[Value]) -> Value {
    bodies::leap::notification(&[bodies::leap::meter("meter-1", slots)])
}

pub(crate) fn only(signals: &[Signal]) -> Result<&Value> {
    signals.first().map(Signal::dispatch).context("no signal")
}

async fn changed_content_is_settled_by_the_search() -> Result<()> {
    let stack = shared_stack().await?;
    stack.accepted(SOURCE, &notification(&[slot("changed")])).await?;
    stack.signals.of("leap/changed", 1).await?;
    let mut newer = slot("changed");
    newer["energy_kw"] = json!(25.5);
    let found =
        json!({"results": [{"meter_id": "meter-1", "timeslots": [slot("another"), newer]}], "next_page_token": null});
    stack.stub.answer("changed", Reply::Json(found));
    stack.accepted(SOURCE, &notification(&[newer])).await?;
    let signals = stack.signals.of("leap/changed", 2).await?;
    ensure!(signals[1].kind() == "dispatch.updated", "{}", signals[1].event);
    holds("the update", signals[1].dispatch(), &json!({"request": {"kind": "reduce", "watts": 25_500}, "version": 2}))?;

    let asked = stack.stub.asked_times("changed", 1, SOON).await?;
    let search = &asked[0];
    ensure!(search.method == "POST" && search.path == "/v2/dispatch/meter/search", "{search:?}");
    ensure!(search.key == format!("Bearer {}", config::api_key(SOURCE)), "{search:?}");
    ensure!(search.body["exclude_real_time_events"] == json!(false), "{}", search.body);
    let instant = |name: &str| -> Result<jiff::Timestamp> {
        Ok(search.body[name].as_str().with_context(|| format!("no {name}"))?.parse()?)
    };
    let span = instant("end_date")?.duration_since(instant("start_date")?);
    ensure!(span.as_hours() > 0 && span.as_hours() <= 31 * 24, "the search spans {span}");
    Ok(())
}
