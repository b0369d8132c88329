//! Voltus: thin webhooks, each of which leads to a fetch.

use anyhow::{Context, Result, ensure};
use provider_sims::bodies::{self, Window};
use serde_json::{Value, json};

use crate::{
    harness::{SOON, TestStack, cases, config, holds, same, shared_stack},
    stub::Reply,
};

cases!("voltus": a_create_and_an_update_as_in_the_contract, details_are_no_news);

const SOURCE: &str = "voltus-prod";

/// Voltus' webhook.
pub(crate) fn webhook(event: &str, id: &str) -> Value {
    bodies::voltus::webhook(&format!("dispatch.{event}"), id)
}

/// A dispatch of a site of its own, for an hour: on a shared site, the signals would have `effective`.
pub(crate) fn dispatch(id: &str, modification: u64) -> Value {
    let window = Window::new("2099-12-01T16:50:00Z", "2099-12-01T17:50:00Z");
    let site = bodies::voltus::site(&format!("site-of-{id}"), "My Site", "here", 5);
    bodies::voltus::dispatch(id, Some(modification), &window, &[site])
}

/// The dispatch with other fields.
pub(crate) fn with(mut dispatch: Value, fields: Value) -> Value {
    if let (Some(dispatch), Value::Object(fields)) = (dispatch.as_object_mut(), fields) {
        dispatch.extend(fields);
    }
    dispatch
}

/// Stores the dispatch at Voltus and sends its webhook.
pub(crate) async fn publish(stack: &TestStack, source: &str, event: &str, dispatch: &Value) -> Result<String> {
    let id = dispatch["id"].as_str().context("a dispatch without an id")?;
    stack.stub.answer(id, Reply::listed(dispatch));
    stack.accepted(source, &webhook(event, id)).await
}

async fn a_create_and_an_update_as_in_the_contract() -> Result<()> {
    let stack = shared_stack().await?;
    let mut dispatch = json!({
        "id": "dkmq", "authorized": true, "test": false, "modification_number": 0,
        "start_time": "2023-12-01T16:50:00Z",
        "program": {"name": "A Program", "timezone": "PST", "market": "CAISO", "program_type": "ancillary_services"},
        "sites": [{"name": "My Site", "id": "d4z9", "customer_location_id": "democustomerlocationid", "drop_by": 4, "commitment": 4}],
    });
    publish(&stack, SOURCE, "create", &dispatch).await?;
    stack.signals.of("voltus-prod/dkmq", 1).await?;
    dispatch["modification_number"] = json!(1);
    dispatch["end_time"] = Value::Null;
    dispatch["sites"][0]["commitment"] = json!(5);
    publish(&stack, SOURCE, "update", &dispatch).await?;
    let signals = stack.signals.of("voltus-prod/dkmq", 2).await?;

    let epoch = signals[1].event["epoch"].as_str().unwrap_or_default();
    let expected = json!({
        "specversion": "1.0", "id": format!("voltus-prod/dkmq#{epoch}.2"), "epoch": epoch, "source": "/gridbell/voltus-prod",
        "type": "gridbell.dispatch.updated.v1", "subject": "voltus-prod/dkmq", "time": signals[1].event["time"],
        "traceparent": signals[1].event["traceparent"],
        "epoch": epoch, "sequence": "2", "datacontenttype": "application/json",
        "data": {"dispatch": {
            "key": "voltus-prod/dkmq", "provider": "voltus", "source": "voltus-prod", "id": "dkmq", "version": 2,
            "status": "scheduled", "test": false, "test_reason": null, "voluntary": false, "priority": null,
            "start": "2023-12-01T16:50:00Z", "end": null,
            "request": {"kind": "reduce", "watts": 5000},
            "targets": [{"id": "d4z9", "name": "My Site", "external_id": "democustomerlocationid", "request": {"kind": "reduce", "watts": 5000}}],
            "programs": [{"name": "A Program", "market": "CAISO", "type": "ancillary_services", "timezone": "PST"}],
            "details": {"modification_number": 1}}},
    });
    same("the second signal", &signals[1].event, &expected)?;

    let first = &signals[0].event;
    ensure!(first["type"] == "gridbell.dispatch.scheduled.v1", "the first is {}", first["type"]);
    holds(
        "the first signal",
        signals[0].dispatch(),
        &json!({"version": 1, "status": "scheduled", "request": {"kind": "reduce", "watts": 4000}}),
    )?;
    let asked = stack.stub.asked("dkmq");
    let header = asked.iter().map(|seen| (seen.method.as_str(), seen.path.as_str(), seen.key.as_str()));
    for request in header {
        let key = config::api_key(SOURCE);
        ensure!(request == ("GET", "/2022-04-15/dispatches/dkmq", key.as_str()), "{request:?}");
    }
    Ok(())
}

/// A provider's additional fields are published verbatim; a change of them alone is not published.
async fn details_are_no_news() -> Result<()> {
    let stack = shared_stack().await?;
    let metadata = |number: u64, metadata: &str| -> Result<Value> {
        let metadata: Value = serde_json::from_str(metadata)?;
        Ok(with(dispatch("details", number), json!({"metadata": metadata})))
    };
    publish(&stack, SOURCE, "create", &metadata(0, r#"{"note":"first","π":3.140,"big":12345678901234567890123}"#)?)
        .await?;
    let signals = stack.signals.of("voltus-prod/details", 1).await?;
    let details = signals[0].dispatch()["details"]["metadata"].to_string();
    let verbatim = r#"{"note":"first","π":3.140,"big":12345678901234567890123}"#;
    ensure!(details == verbatim, "the details are {details}");
    publish(&stack, SOURCE, "update", &metadata(1, r#"{"note":"second"}"#)?).await?;
    stack.stub.asked_times("details", 2, SOON).await?;
    let moved = with(metadata(2, r#"{"note":"third"}"#)?, json!({"start_time": "2099-12-01T16:40:00Z"}));
    publish(&stack, SOURCE, "update", &moved).await?;
    let signals = stack.signals.of("voltus-prod/details", 2).await?;
    let expected = json!({
        "start": "2099-12-01T16:40:00Z",
        "details": {"modification_number": 2, "program_id": 42, "metadata": {"note": "third"}},
    });
    holds("the second", signals[1].dispatch(), &expected)
}
