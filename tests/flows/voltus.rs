//! Voltus: thin webhooks, each of which leads to a fetch.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{
    harness::{SOON, TestStack, cases, config, from_now, holds, instant, listed, same, shared_stack},
    stub::Reply,
};

cases!("voltus":
    a_create_and_an_update_as_in_the_contract,
    the_seeds_answer_is_published_once_and_ended,
    a_cancel_stays_until_a_newer_authorization,
    an_open_end_becomes_known_and_then_passes,
    a_known_end_that_passes_is_no_news,
    both_shapes_of_an_answer_are_read,
    what_cannot_be_asked_is_unspecified,
    an_update_alone_is_first_seen,
    a_self_test_is_a_test,
    an_unknown_event_is_fetched_and_reported,
    details_are_no_news,
);

const SOURCE: &str = "voltus-prod";

/// Voltus' webhook.
pub(crate) fn webhook(event: &str, id: &str) -> Value {
    json!({"event": {"name": format!("dispatch.{event}")}, "resource": format!("/2022-04-15/dispatches/{id}")})
}

/// A dispatch of a site of its own, for an hour: on a shared site, the signals would have `effective`.
pub(crate) fn dispatch(id: &str, modification: u64) -> Value {
    json!({
        "id": id, "authorized": true, "test": false, "modification_number": modification,
        "start_time": "2099-12-01T16:50:00Z", "end_time": "2099-12-01T17:50:00Z",
        "program": {"id": 7, "name": "A Program", "timezone": "PST", "market": "CAISO", "program_type": "capacity"},
        "sites": [{"name": "My Site", "id": format!("site-of-{id}"), "customer_location_id": "here", "commitment": 5, "drop_by": 5}],
    })
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

/// The answer in the seed document with another id: long past, two sites, without a number and without times of its
/// own.
async fn the_seeds_answer_is_published_once_and_ended() -> Result<()> {
    let stack = shared_stack().await?;
    let site = |name: &str, id: &str, location: &str, kw: u32| json!({"name": name, "id": id, "customer_location_id": location, "drop_by": kw, "commitment": kw});
    let dispatch = json!({
        "id": "seed", "authorized": true, "test": false,
        "start_time": "2023-12-01T16:50:00Z", "end_time": "2023-12-01T17:00:00Z",
        "program": {"name": "A Program", "timezone": "PST", "market": "CAISO", "program_type": "ancillary_services"},
        "sites": [site("My Site", "7sds", "democustomerlocationid", 5), site("Another Site", "9jeq", "democustomerlocationid2", 50)],
    });
    for event in ["create", "update", "update"] {
        publish(&stack, SOURCE, event, &dispatch).await?;
    }
    stack.stub.asked_times("seed", 1, SOON).await?;
    let signals = stack.signals.of("voltus-prod/seed", 1).await?;
    ensure!(signals[0].kind() == "dispatch.ended", "{}", signals[0].event);
    holds(
        "the signal",
        signals[0].dispatch(),
        &json!({
            "status": "ended", "version": 1, "start": "2023-12-01T16:50:00Z", "end": "2023-12-01T17:00:00Z",
            "request": {"kind": "reduce", "watts": 55_000},
            "targets": [
                {"id": "7sds", "name": "My Site", "external_id": "democustomerlocationid", "request": {"kind": "reduce", "watts": 5_000}},
                {"id": "9jeq", "name": "Another Site", "external_id": "democustomerlocationid2", "request": {"kind": "reduce", "watts": 50_000}},
            ],
        }),
    )
}

async fn a_cancel_stays_until_a_newer_authorization() -> Result<()> {
    let stack = shared_stack().await?;
    let subject = "voltus-prod/cancel";
    let authorized =
        |number: u64, authorized: bool| with(dispatch("cancel", number), json!({"authorized": authorized}));
    publish(&stack, SOURCE, "create", &authorized(0, true)).await?;
    stack.signals.of(subject, 1).await?;
    publish(&stack, SOURCE, "update", &authorized(1, false)).await?;
    stack.signals.of(subject, 2).await?;
    // A stale answer, and the cancel again: nothing changes.
    publish(&stack, SOURCE, "update", &authorized(0, true)).await?;
    stack.stub.asked_times("cancel", 3, SOON).await?;
    publish(&stack, SOURCE, "update", &authorized(1, false)).await?;
    stack.stub.asked_times("cancel", 4, SOON).await?;
    publish(&stack, SOURCE, "update", &authorized(2, true)).await?;
    let signals = stack.signals.of(subject, 3).await?;
    let kinds: Vec<_> = signals.iter().map(|signal| (signal.kind(), signal.dispatch()["status"].clone())).collect();
    let expected = [
        ("dispatch.scheduled", json!("scheduled")),
        ("dispatch.cancelled", json!("cancelled")),
        ("dispatch.scheduled", json!("scheduled")),
    ];
    ensure!(kinds == expected, "{kinds:?}");
    Ok(())
}

async fn an_open_end_becomes_known_and_then_passes() -> Result<()> {
    let stack = shared_stack().await?;
    let subject = "voltus-prod/open";
    let open =
        |number: u64, end: Value| with(dispatch("open", number), json!({"start_time": from_now(-60), "end_time": end}));
    let mut first = open(0, Value::Null);
    let start = first["start_time"].clone();
    if let Some(fields) = first.as_object_mut() {
        fields.remove("end_time");
    }
    publish(&stack, SOURCE, "create", &first).await?;
    let signals = stack.signals.of(subject, 1).await?;
    holds("the first", signals[0].dispatch(), &json!({"status": "scheduled", "end": null, "start": start}))?;

    let ahead = from_now(3_600);
    publish(&stack, SOURCE, "update", &with(open(1, json!(ahead)), json!({"start_time": start}))).await?;
    let signals = stack.signals.of(subject, 2).await?;
    ensure!(signals[1].kind() == "dispatch.updated", "{}", signals[1].event);
    holds("the second", signals[1].dispatch(), &json!({"status": "scheduled", "end": ahead}))?;

    let past = from_now(-1);
    publish(&stack, SOURCE, "update", &with(open(2, json!(past)), json!({"start_time": start}))).await?;
    let signals = stack.signals.of(subject, 3).await?;
    ensure!(signals[2].kind() == "dispatch.ended", "{}", signals[2].event);
    holds("the third", signals[2].dispatch(), &json!({"status": "ended", "end": past, "version": 3}))
}

async fn a_known_end_that_passes_is_no_news() -> Result<()> {
    let stack = shared_stack().await?;
    let length = Duration::from_secs(25);
    let began = instant();
    let soon = with(dispatch("passing", 0), json!({"start_time": from_now(-60), "end_time": from_now(25)}));
    publish(&stack, SOURCE, "create", &soon).await?;
    let signals = stack.signals.of("voltus-prod/passing", 1).await?;
    ensure!(signals[0].kind() == "dispatch.scheduled", "{}", signals[0].event);
    tokio::time::sleep(length.saturating_sub(began.elapsed()) + Duration::from_secs(1)).await;
    publish(&stack, SOURCE, "update", &soon).await?;
    stack.stub.asked_times("passing", 2, SOON).await?;
    // After all cases, the stack checks that nothing more was published.
    Ok(())
}

async fn both_shapes_of_an_answer_are_read() -> Result<()> {
    let stack = shared_stack().await?;
    let bare = dispatch("shape-bare", 0);
    stack.stub.answer("shape-bare", Reply::Json(bare));
    let other = dispatch("shape-other", 0);
    let many = json!({"dispatches": [other, dispatch("shape-list", 0)], "page": 0, "perPage": 0});
    stack.stub.answer("shape-list", Reply::Json(many));
    // The older samples have neither number nor end, and nine fractional digits.
    let old = json!({
        "id": "shape-old", "authorized": true, "start_time": "2099-12-01T16:50:00.123456789+01:00",
        "program": {}, "sites": [{"id": "8bis", "commitment": "5.5", "name": "", "customer_location_id": ""}],
    });
    stack.stub.answer("shape-old", Reply::Json(old));
    for id in ["shape-bare", "shape-list", "shape-old"] {
        stack.accepted(SOURCE, &webhook("create", id)).await?;
    }
    for id in ["shape-bare", "shape-list"] {
        let signals = stack.signals.of(&format!("voltus-prod/{id}"), 1).await?;
        holds(id, signals[0].dispatch(), &json!({"id": id, "request": {"kind": "reduce", "watts": 5_000}}))?;
    }
    let signals = stack.signals.of("voltus-prod/shape-old", 1).await?;
    let old = signals[0].dispatch();
    holds("the old shape", old, &json!({"end": null, "request": {"kind": "reduce", "watts": 5_500}}))?;
    let start = old["start"].as_str().unwrap_or_default();
    ensure!(start.starts_with("2099-12-01T15:50:00.123456") && start.ends_with('Z'), "the start is {start}");
    Ok(())
}

async fn what_cannot_be_asked_is_unspecified() -> Result<()> {
    let stack = shared_stack().await?;
    let sites = |id: &str, commitments: &[Value]| {
        let site = |(index, commitment): (usize, &Value)| json!({"id": format!("s{index}"), "name": "Site", "commitment": commitment});
        with(dispatch(id, 0), json!({"sites": commitments.iter().enumerate().map(site).collect::<Vec<_>>()}))
    };
    let unspecified = json!({"kind": "unspecified"});
    // The provider uses null, so no person is notified. Impossible numbers are reported.
    publish(&stack, SOURCE, "create", &sites("null-kw", &[Value::Null])).await?;
    publish(&stack, SOURCE, "create", &sites("odd-kw", &[json!(-5), json!(100_000.5), json!(0.0125)])).await?;
    let signals = stack.signals.of("voltus-prod/null-kw", 1).await?;
    holds("null", signals[0].dispatch(), &json!({"request": unspecified}))?;
    ensure!(signals[0].dispatch()["targets"][0]["request"] == unspecified, "{}", signals[0].event);

    let signals = stack.signals.of("voltus-prod/odd-kw", 1).await?;
    let requests: Vec<_> = (0..3).map(|site| signals[0].dispatch()["targets"][site]["request"].clone()).collect();
    let half_to_even = json!({"kind": "reduce", "watts": 12});
    ensure!(requests == [unspecified.clone(), unspecified.clone(), half_to_even], "{requests:?}");
    ensure!(signals[0].dispatch()["request"] == unspecified, "{}", signals[0].event);
    stack.mail.one_naming(SOON, &["quarantined"], "voltus-prod/odd-kw").await?;
    stack.at_the_end(|stack| async move {
        let mail = stack.mail.naming(&[], "voltus-prod/null-kw").await?;
        ensure!(mail.is_empty(), "a null commitment was reported:{}", listed(&mail));
        Ok(())
    });
    Ok(())
}

async fn an_update_alone_is_first_seen() -> Result<()> {
    let stack = shared_stack().await?;
    publish(&stack, SOURCE, "update", &dispatch("late", 3)).await?;
    publish(&stack, SOURCE, "update", &with(dispatch("gone", 1), json!({"authorized": false}))).await?;
    // Withdrawn and ended: cancelled.
    let both = json!({"authorized": false, "start_time": from_now(-600), "end_time": from_now(-60)});
    publish(&stack, SOURCE, "update", &with(dispatch("gone-by", 1), both)).await?;
    let expected = [("late", "dispatch.scheduled"), ("gone", "dispatch.cancelled"), ("gone-by", "dispatch.cancelled")];
    for (id, kind) in expected {
        let signals = stack.signals.of(&format!("voltus-prod/{id}"), 1).await?;
        ensure!(signals[0].kind() == kind, "{id} is {}", signals[0].kind());
        holds(id, signals[0].dispatch(), &json!({"version": 1}))?;
    }
    Ok(())
}

async fn a_self_test_is_a_test() -> Result<()> {
    let stack = shared_stack().await?;
    publish(&stack, SOURCE, "create", &with(dispatch("self-test", 0), json!({"test": true}))).await?;
    let signals = stack.signals.of("voltus-prod/self-test", 1).await?;
    holds("the signal", signals[0].dispatch(), &json!({"test": true, "test_reason": "self"}))
}

async fn an_unknown_event_is_fetched_and_reported() -> Result<()> {
    let stack = shared_stack().await?;
    stack.stub.answer("unknown-event", Reply::listed(&dispatch("unknown-event", 0)));
    for _ in 0..3 {
        stack.accepted("vbox", &webhook("paused", "unknown-event")).await?;
    }
    stack.signals.of("vbox/unknown-event", 1).await?;
    let mail = stack.mail.one(SOON, &["unknown-event", "dispatch.paused"]).await?;
    ensure!(mail.text.contains("vbox"), "{}", mail.text);
    stack.at_the_end(|stack| async move {
        let mail = stack.mail.about(&["unknown-event", "dispatch.paused"]).await?;
        ensure!(mail.len() == 1, "one name, one mail:{}", listed(&mail));
        Ok(())
    });
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
        "details": {"modification_number": 2, "program_id": 7, "metadata": {"note": "third"}},
    });
    holds("the second", signals[1].dispatch(), &expected)
}
