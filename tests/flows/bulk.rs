//! Notifications for thousands of meters: megabytes of input, one signal for each event.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{
    harness::{TestStack, cases, holds, shared_stack},
    leap::{only, slot},
};

cases!("bulk":
    five_thousand_meters_of_one_event_are_one_signal,
    what_would_not_fit_is_written_as_lists_of_ids,
    fifty_thousand_meters_come_in_parts_that_name_each_once,
    megabytes_travel_compressed,
);

const SOURCE: &str = "leap";

/// The ids of all targets, in either form, and their count with repetitions.
fn targets(dispatch: &Value) -> Result<(BTreeSet<String>, usize)> {
    let (mut ids, mut count) = (BTreeSet::new(), 0);
    for target in dispatch["targets"].as_array().context("no targets")? {
        let many = target["ids"].as_array().cloned().unwrap_or_else(|| vec![target["id"].clone()]);
        for id in many {
            ids.insert(id.as_str().context("a target without an id")?.to_owned());
            count += 1;
        }
    }
    Ok((ids, count))
}

fn meter(index: usize) -> String {
    format!("{index:08x}-7126-4ef7-b0a6-{:012x}", index * 7_919)
}

/// The meter of a dispatch that shares no meter with others: shared meters would add `effective` and split the entries.
fn meter_alone(index: usize) -> String {
    meter(1_000_000 + index)
}

async fn all_of(stack: &TestStack, subject: &str, count: usize, meter: fn(usize) -> String) -> Result<Value> {
    let signals = stack.signals.of(subject, 1).await?;
    let dispatch = only(&signals)?;
    let (ids, with_repetition) = targets(dispatch)?;
    let expected: BTreeSet<String> = (0..count).map(meter).collect();
    ensure!(ids == expected, "{} of {count} meters are there", ids.intersection(&expected).count());
    ensure!(with_repetition == count, "{with_repetition} targets for {count} meters");
    Ok(dispatch.clone())
}

/// A group of so many meters, in one slot.
fn group(event: &str, meters: usize, meter: fn(usize) -> String) -> Value {
    let mut slot = slot("");
    slot["market_group_event_id"] = json!(event);
    let ids: Vec<String> = (0..meters).map(meter).collect();
    json!({
        "integration_test_notification": false, "communication_test": false,
        "group_dispatches": [{"market_group_id": "group-1", "meter_ids": ids, "timeslots": [slot]}],
    })
}

async fn what_would_not_fit_is_written_as_lists_of_ids() -> Result<()> {
    let stack = shared_stack().await?;
    stack.accepted(SOURCE, &group("very-many", 15_000, meter_alone)).await?;
    let dispatch = all_of(&stack, "leap/very-many", 15_000, meter_alone).await?;
    let lists = dispatch["targets"].as_array().context("no targets")?;
    ensure!(lists.len() == 1 && lists[0]["request"].is_null(), "{} targets", lists.len());
    Ok(())
}

/// The ids alone exceed a message, and the record exceeds an item.
async fn fifty_thousand_meters_come_in_parts_that_name_each_once() -> Result<()> {
    const METERS: usize = 50_000;
    let stack = shared_stack().await?;
    let body = group("too-many", METERS, meter_far);
    ensure!(body.to_string().len() > 1_900_000, "the body is {} bytes long", body.to_string().len());
    stack.accepted("lbox", &body).await?;
    let signals = stack.signals.of("lbox/too-many", 2).await?;
    let (mut ids, mut count) = (BTreeSet::new(), 0);
    for (number, signal) in (1..).zip(&signals) {
        let head = json!({"part": number, "parts": 2, "version": 1, "request": {"kind": "reduce", "watts": 10_000}});
        holds("a part", signal.dispatch(), &head)?;
        let (of_part, with_repetition) = targets(signal.dispatch())?;
        ids.extend(of_part);
        count += with_repetition;
    }
    ensure!(ids == (0..METERS).map(meter_far).collect(), "{} meters are there", ids.len());
    ensure!(count == METERS, "{count} targets");
    // Sent again, it changes nothing.
    stack.accepted("lbox", &body).await?;
    Ok(())
}

/// The meter of a dispatch that shares no meter with any other.
fn meter_far(index: usize) -> String {
    meter(2_000_000 + index)
}

async fn five_thousand_meters_of_one_event_are_one_signal() -> Result<()> {
    let stack = shared_stack().await?;
    stack.accepted(SOURCE, &group("many-grouped", 5_000, meter)).await?;
    let dispatch = all_of(&stack, "leap/many-grouped", 5_000, meter).await?;
    holds("the group's", &dispatch, &json!({"request": {"kind": "reduce", "watts": 10_000}, "status": "scheduled"}))?;

    // Each meter has its own slot of the event: megabytes, and a share for each.
    let item = |index: usize| json!({"meter_id": meter(index), "timeslots": [slot_of(index, "many-metered")]});
    let body = json!({
        "integration_test_notification": false, "communication_test": false,
        "meter_dispatches": (0..5_000).map(item).collect::<Vec<_>>(),
    });
    stack.accepted(SOURCE, &body).await?;
    let dispatch = all_of(&stack, "leap/many-metered", 5_000, meter).await?;
    let shares: u64 = (0..5_000).map(|index| 1_000 * (1 + index % 3)).sum();
    holds("the meters'", &dispatch, &json!({"request": {"kind": "reduce", "watts": shares}}))
}

/// A minimal slot, with one of three shares.
fn slot_of(index: usize, event: &str) -> Value {
    json!({
        "meter_event_id": event, "start_time": "2099-06-05T00:00:00Z", "end_time": "2099-06-05T01:00:00Z",
        "cancelled": false, "priority": 1, "is_voluntary": false, "programs": ["DRAM"], "energy_kw": 1 + index % 3,
    })
}

async fn megabytes_travel_compressed() -> Result<()> {
    let stack = shared_stack().await?;
    // 1.5 MB of many events; escaped in a message it would be half as much again.
    let item = |index: usize| {
        let mut slot = slot(&format!("bulk-{}", index / 2_000));
        slot["note"] = json!("\"quoted\"");
        json!({"meter_id": meter(index), "partner_reference": format!("ref {index}"), "timeslots": [slot]})
    };
    let body = json!({
        "integration_test_notification": false, "communication_test": false,
        "meter_dispatches": (0..4_000).map(item).collect::<Vec<_>>(),
    });
    let length = body.to_string().len();
    ensure!((1_200_000..2_097_152).contains(&length), "the body is {length} bytes long");
    stack.accepted(SOURCE, &body).await?;
    for event in ["bulk-0", "bulk-1"] {
        let signals = stack.signals.of(&format!("leap/{event}"), 1).await?;
        let (ids, _) = targets(only(&signals)?)?;
        ensure!(ids.len() == 2_000, "{event}: {} meters", ids.len());
        let request = json!({"kind": "reduce", "watts": 20_000_000});
        holds(event, only(&signals)?, &json!({"request": request}))?;
    }
    Ok(())
}
