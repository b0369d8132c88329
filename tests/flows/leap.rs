//! Leap: complete dispatches in one notification, for meters or groups, without a number and without a send time.

use std::slice::from_ref;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{
    harness::{SOON, Signal, cases, config, holds, shared_stack},
    stub::Reply,
};

cases!("leap":
    the_seeds_meters,
    the_seeds_groups,
    a_redelivery_publishes_nothing,
    changed_content_is_settled_by_the_search,
    a_groups_change_is_settled_by_its_own_search,
    an_old_notification_that_lands_late_changes_nothing,
    a_cancel_is_settled_by_the_search,
    a_withdrawn_event_is_first_seen,
    test_notifications_are_tests,
    one_bad_slot_among_good_ones,
    pages_of_a_search_are_followed,
);

const SOURCE: &str = "leap";

/// A slot of one meter, far in the future.
pub(crate) fn slot(event: &str) -> Value {
    json!({
        "meter_event_id": event, "start_time": "2099-06-05T00:00:00Z", "end_time": "2099-06-05T01:00:00Z",
        "cancelled": false, "performance_compensation_cap": "up-to-site-load", "priority": 1, "is_voluntary": false,
        "dispatch_event_types": ["day-ahead"], "programs": ["DRAM"], "energy_kw": 10.0,
    })
}

/// A real notification of one meter.
pub(crate) fn notification(slots: &[Value]) -> Value {
    json!({
        "integration_test_notification": false, "communication_test": false,
        "meter_dispatches": [{"meter_id": "meter-1", "timeslots": slots}],
    })
}

/// The search's answer: the same items under another name.
pub(crate) fn found(slots: &[Value]) -> Reply {
    Reply::Json(json!({"results": [{"meter_id": "meter-1", "timeslots": slots}], "next_page_token": null}))
}

fn with(mut slot: Value, name: &str, value: Value) -> Value {
    slot[name] = value;
    slot
}

fn seed(text: &str) -> Result<Value> {
    serde_json::from_str(text).context("the seed's notification is not JSON")
}

pub(crate) fn only(signals: &[Signal]) -> Result<&Value> {
    signals.first().map(Signal::dispatch).context("no signal")
}

async fn the_seeds_meters() -> Result<()> {
    let stack = shared_stack().await?;
    let body = seed(include_str!("../../crates/providers/src/leap/fixtures/notification_meter.json"))?;
    for _ in 0..2 {
        stack.accepted(SOURCE, &body).await?;
    }
    let target = |request: &Value| json!([{"id": "dd21c76c-7126-4ef7-b0a6-f190fad300b2", "name": null, "external_id": null, "request": request}]);
    let event = |start: &str, end: &str, request: Value| {
        json!({
            "provider": "leap", "status": "ended", "version": 1, "test": true, "test_reason": "integration",
            "start": start, "end": end, "targets": target(&request), "request": request,
        })
    };
    let reduce = |watts: u32| json!({"kind": "reduce", "watts": watts});
    let day = |hour: u32| format!("2023-06-05T{hour:02}:00:00Z");
    let expected = [
        ("11", event(&day(0), &day(1), reduce(10_000)), json!({"priority": 1, "voluntary": false})),
        ("22", event(&day(1), &day(2), reduce(20_000)), json!({"priority": 1, "voluntary": false})),
        ("33", event(&day(1), &day(5), json!({"kind": "reduce_max"})), json!({"priority": 3, "voluntary": true})),
    ];
    for (number, expected, flags) in expected {
        let subject = format!("leap/{number}cfced0-16f4-4fb7-b72e-5ff939ae541e");
        let signals = stack.signals.of(&subject, 1).await?;
        ensure!(signals[0].kind() == "dispatch.ended", "{subject} is {}", signals[0].kind());
        holds(&subject, only(&signals)?, &expected)?;
        holds(&subject, only(&signals)?, &flags)?;
    }
    let signals = stack.signals.of("leap/33cfced0-16f4-4fb7-b72e-5ff939ae541e", 1).await?;
    let expected = json!({
        "programs": [{"name": "ELRP", "market": null, "type": null, "timezone": null}],
        "details": {"performance_compensation_cap": "grid-exports-allowed", "dispatch_event_types": ["standard"]},
    });
    holds("the third", only(&signals)?, &expected)
}

async fn the_seeds_groups() -> Result<()> {
    let stack = shared_stack().await?;
    let body = seed(include_str!("../../crates/providers/src/leap/fixtures/notification_group.json"))?;
    for _ in 0..2 {
        stack.accepted(SOURCE, &body).await?;
    }
    let meters = |first: char, second: char| {
        let meter = |letter: char| json!({"id": format!("{letter}{letter}ae2779-e392-4f00-b0cf-32e716204f78"), "name": null, "external_id": null, "request": null});
        json!([meter(first), meter(second)])
    };
    let mut first = meters('a', 'b');
    first[0]["id"] = json!("abae2779-e392-4f00-b0cf-32e716204f78");
    first[1]["id"] = json!("bbae2779-e392-4f00-b0cf-32e716204f78");
    let second = meters('c', 'd');
    // The watts are the group's, once; a meter has no share of its own.
    let expected = [
        (
            "114751e8-c0df-4d69-8a4f-9e7cebef1f84",
            json!({"request": {"kind": "reduce", "watts": 8_000}, "targets": first, "priority": 2, "voluntary": false}),
        ),
        (
            "224751e8-c0df-4d69-8a4f-9e7cebef1f84",
            json!({"request": {"kind": "reduce_max"}, "targets": first, "priority": 3, "voluntary": true}),
        ),
        (
            "334751e8-c0df-4d69-8a4f-9e7cebef1f84",
            json!({"request": {"kind": "reduce", "watts": 12_000}, "targets": second, "priority": 2, "voluntary": false}),
        ),
    ];
    for (id, expected) in expected {
        let signals = stack.signals.of(&format!("leap/{id}"), 1).await?;
        holds(id, only(&signals)?, &expected)?;
        let status = json!({"status": "ended", "test": true, "test_reason": "integration", "id": id});
        holds(id, only(&signals)?, &status)?;
    }
    Ok(())
}

async fn a_redelivery_publishes_nothing() -> Result<()> {
    let stack = shared_stack().await?;
    let body = notification(&[slot("again")]);
    for _ in 0..5 {
        stack.accepted(SOURCE, &body).await?;
    }
    // The same content in another form: the number as text, the reference omitted, an unknown field.
    let mut other = with(slot("again"), "energy_kw", json!("10"));
    other["something_new"] = json!({"a": 1});
    stack.accepted(SOURCE, &notification(&[other])).await?;
    stack.signals.of("leap/again", 1).await?;
    stack.at_the_end(|stack| async move {
        let asked = stack.stub.asked("again");
        ensure!(asked.is_empty(), "an unchanged redelivery was searched for {} times", asked.len());
        Ok(())
    });
    Ok(())
}

async fn changed_content_is_settled_by_the_search() -> Result<()> {
    let stack = shared_stack().await?;
    stack.accepted(SOURCE, &notification(&[slot("changed")])).await?;
    stack.signals.of("leap/changed", 1).await?;
    let newer = with(slot("changed"), "energy_kw", json!(25.5));
    stack.stub.answer("changed", found(&[slot("another"), newer.clone()]));
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

async fn a_groups_change_is_settled_by_its_own_search() -> Result<()> {
    let stack = shared_stack().await?;
    let item = |kw: u32| {
        let mut slot = with(slot(""), "energy_kw", json!(kw));
        slot["market_group_event_id"] = json!("group-changed");
        json!([{"market_group_id": "group-7", "meter_ids": ["meter-1", "meter-2"], "timeslots": [slot]}])
    };
    let body = |kw: u32| json!({"integration_test_notification": false, "communication_test": false, "group_dispatches": item(kw)});
    stack.accepted(SOURCE, &body(8)).await?;
    stack.signals.of("leap/group-changed", 1).await?;
    stack.stub.answer("group-changed", Reply::Json(json!({"results": item(9), "next_page_token": null})));
    stack.accepted(SOURCE, &body(9)).await?;
    let signals = stack.signals.of("leap/group-changed", 2).await?;
    let expected = json!({"request": {"kind": "reduce", "watts": 9_000}, "version": 2});
    holds("the update", signals[1].dispatch(), &expected)?;
    let asked = stack.stub.asked("group-changed");
    ensure!(asked.iter().all(|seen| seen.path == "/v2/dispatch/group/search"), "{asked:?}");
    Ok(())
}

async fn an_old_notification_that_lands_late_changes_nothing() -> Result<()> {
    let stack = shared_stack().await?;
    let subject = "leap/overtaken";
    let newer = with(slot("overtaken"), "energy_kw", json!(20));
    stack.accepted(SOURCE, &notification(&[slot("overtaken")])).await?;
    stack.signals.of(subject, 1).await?;
    stack.stub.answer("overtaken", found(from_ref(&newer)));
    stack.accepted(SOURCE, &notification(&[newer])).await?;
    stack.signals.of(subject, 2).await?;
    // Leap sends the first one again: the search still returns 20 kW.
    stack.accepted(SOURCE, &notification(&[slot("overtaken")])).await?;
    stack.stub.asked_times("overtaken", 2, SOON).await?;
    // A genuine revert has the same body, and the search confirms it.
    stack.stub.answer("overtaken", found(&[slot("overtaken")]));
    stack.accepted(SOURCE, &notification(&[slot("overtaken")])).await?;
    let signals = stack.signals.of(subject, 3).await?;
    let watts: Vec<_> = signals.iter().map(|signal| signal.dispatch()["request"]["watts"].clone()).collect();
    ensure!(watts == [json!(10_000), json!(20_000), json!(10_000)], "{watts:?}");
    Ok(())
}

async fn a_cancel_is_settled_by_the_search() -> Result<()> {
    let stack = shared_stack().await?;
    let subject = "leap/called-off";
    let cancelled = with(slot("called-off"), "cancelled", json!(true));
    stack.accepted(SOURCE, &notification(&[slot("called-off")])).await?;
    stack.signals.of(subject, 1).await?;
    stack.stub.answer("called-off", found(from_ref(&cancelled)));
    for _ in 0..3 {
        stack.accepted(SOURCE, &notification(from_ref(&cancelled))).await?;
    }
    let signals = stack.signals.of(subject, 2).await?;
    ensure!(signals[1].kind() == "dispatch.cancelled", "{}", signals[1].event);
    holds("the cancel", signals[1].dispatch(), &json!({"status": "cancelled", "version": 2}))?;
    // The notification from before the cancel, sent again.
    stack.accepted(SOURCE, &notification(&[slot("called-off")])).await?;
    stack.at_the_end(|stack| async move { stack.signals.of("leap/called-off", 2).await.map(drop) });
    Ok(())
}

async fn a_withdrawn_event_is_first_seen() -> Result<()> {
    let stack = shared_stack().await?;
    stack.accepted(SOURCE, &notification(&[with(slot("withdrawn"), "cancelled", json!(true))])).await?;
    let signals = stack.signals.of("leap/withdrawn", 1).await?;
    ensure!(signals[0].kind() == "dispatch.cancelled", "{}", signals[0].event);
    Ok(())
}

async fn test_notifications_are_tests() -> Result<()> {
    let stack = shared_stack().await?;
    let flagged = |id: &str, integration: bool, communication: bool| {
        let mut body = notification(&[slot(id)]);
        body["integration_test_notification"] = json!(integration);
        body["communication_test"] = json!(communication);
        body
    };
    let expected = [
        ("flag-none", false, false, json!({"test": false, "test_reason": null})),
        ("flag-integration", true, false, json!({"test": true, "test_reason": "integration"})),
        ("flag-communication", false, true, json!({"test": true, "test_reason": "communication"})),
        ("flag-both", true, true, json!({"test": true})),
    ];
    for (id, integration, communication, expected) in expected {
        stack.accepted(SOURCE, &flagged(id, integration, communication)).await?;
        let signals = stack.signals.of(&format!("leap/{id}"), 1).await?;
        holds(id, only(&signals)?, &expected)?;
    }
    Ok(())
}

async fn one_bad_slot_among_good_ones() -> Result<()> {
    let stack = shared_stack().await?;
    let bad = with(slot("slot-bad"), "start_time", json!("soon"));
    let nameless = with(slot(""), "meter_event_id", Value::Null);
    stack.accepted("lbox", &notification(&[slot("slot-good"), bad, nameless, json!(7), slot("slot-fine")])).await?;
    for id in ["slot-good", "slot-fine"] {
        stack.signals.of(&format!("lbox/{id}"), 1).await?;
    }
    stack.mail.one_naming(SOON, &["quarantined"], "lbox/slot-bad").await?;
    Ok(())
}

async fn pages_of_a_search_are_followed() -> Result<()> {
    let stack = shared_stack().await?;
    stack.accepted(SOURCE, &notification(&[slot("paged")])).await?;
    stack.signals.of("leap/paged", 1).await?;
    let newer = with(slot("paged"), "priority", json!(4));
    let last = newer.clone();
    stack.stub.answer(
        "paged",
        Reply::with(move |seen| match seen.body["page_token"].as_str() {
            None => json!({"results": [], "next_page_token": "second"}),
            Some("second") => {
                json!({"results": [{"meter_id": "meter-9", "timeslots": []}], "next_page_token": "third"})
            }
            _ => json!({"results": [{"meter_id": "meter-1", "timeslots": [last]}], "next_page_token": null}),
        }),
    );
    stack.accepted(SOURCE, &notification(&[newer])).await?;
    let signals = stack.signals.of("leap/paged", 2).await?;
    holds("the update", signals[1].dispatch(), &json!({"priority": 4}))?;
    let tokens: Vec<_> = stack.stub.asked("paged").iter().map(|seen| seen.body["page_token"].clone()).collect();
    ensure!(tokens.starts_with(&[Value::Null, json!("second"), json!("third")]), "{tokens:?}");
    Ok(())
}
