//! Notifications for thousands of meters: megabytes of input, one signal for each event.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use provider_sims::bodies;
use serde_json::{Value, json};

use crate::{
    harness::{cases, holds, shared_stack},
    leap::{only, slot},
};

cases!("bulk": fifty_thousand_meters_come_in_parts_that_name_each_once, megabytes_travel_compressed);

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

/// A group of so many meters, in one slot.
fn group(event: &str, meters: usize, meter: fn(usize) -> String) -> Value {
    let ids: Vec<String> = (0..meters).map(meter).collect();
    bodies::leap::group_notification(&[bodies::leap::group("group-1", &ids, &[bodies::leap::of_group(slot(event))])])
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

async fn megabytes_travel_compressed() -> Result<()> {
    let stack = shared_stack().await?;
    // 1.5 MB of many events; escaped in a message it would be half as much again.
    let item = |index: usize| {
        let mut slot = slot(&format!("bulk-{}", index / 2_000));
        slot["note"] = json!("\"quoted\"");
        json!({"meter_id": meter(index), "partner_reference": format!("ref {index}"), "timeslots": [slot]})
    };
    let body = bodies::leap::notification(&(0..4_000).map(item).collect::<Vec<_>>());
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
