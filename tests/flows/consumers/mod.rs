//! The consumers to copy, `crates/signals/examples/controller.*`: each on a queue of its own, with the signals that the
//! stack published and some that are made from them.

mod programs;
mod running;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use self::{programs::Program, running::Running};
use crate::{
    harness::{Checked, SOON, TestStack, cases, eventually, from_now, shared_stack},
    voltus::{dispatch, publish, with},
};

cases!("consumers": rust_acts_once_on_each_change, python_acts_once_on_each_change, typescript_acts_once_on_each_change);

const SOURCE: &str = "voltus-prod";

/// A sweep sends no heartbeat while messages wait in the queue, and other cases publish all the time.
const BEATS_WITHIN: Duration = Duration::from_mins(10);

async fn rust_acts_once_on_each_change() -> Result<()> {
    plays(programs::rust()?).await
}

async fn python_acts_once_on_each_change() -> Result<()> {
    // The stack installs the interpreter's environment, which has boto3.
    shared_stack().await?;
    match programs::python().await? {
        Some(program) => plays(program).await,
        None => Ok(()),
    }
}

async fn typescript_acts_once_on_each_change() -> Result<()> {
    match programs::typescript().await? {
        Some(program) => plays(program).await,
        None => Ok(()),
    }
}

async fn plays(program: Program) -> Result<()> {
    let stack = shared_stack().await?;
    let mut running = Running::start(&stack, program).await?;
    let first = changes(&stack, &mut running).await?;
    ends(&stack, &mut running).await?;
    restarts(&mut running, &first).await?;
    comes_in_parts(&mut running, &first).await?;
    begins_an_epoch(&mut running, &first).await?;
    holds_a_site_for_another_dispatch(&mut running, &first).await?;
    heartbeats(&stack, &mut running, &first).await?;
    running.ends().await
}

/// Create, update and cancel; each signal comes twice, and then the first one again. Returns the first signal.
async fn changes(stack: &TestStack, running: &mut Running) -> Result<Value> {
    let id = format!("for-{}", running.name());
    let subject = format!("{SOURCE}/{id}");
    let created = with(dispatch(&id, 0), json!({"start_time": from_now(1_200), "end_time": from_now(4_200)}));
    let moved = with(created.clone(), json!({"modification_number": 1, "end_time": from_now(5_000)}));
    let cancelled = with(moved.clone(), json!({"modification_number": 2, "authorized": false}));
    let changes = [("create", created, "scheduled"), ("update", moved, "updated"), ("update", cancelled, "cancelled")];
    let mut sent = Vec::new();
    for (event, state, kind) in &changes {
        publish(stack, SOURCE, event, state).await?;
        let signals = stack.signals.of(&subject, sent.len() + 1).await?;
        sent.push(signals[sent.len()].event.clone());
        let newest = &sent[sent.len() - 1];
        for signal in [newest, newest, &sent[0]] {
            running.gets(signal).await?;
        }
        running.says(&[&format!("gridbell.dispatch.{kind}.v1 {subject}, 0 missed before")]).await?;
        acknowledged(stack, &subject, sent.len()).await?;
    }
    Ok(sent.swap_remove(0))
}

async fn acknowledged(stack: &TestStack, subject: &str, version: usize) -> Result<()> {
    eventually(SOON, "an acknowledgement", || async {
        let seen = stack.gridbell(&["dispatch", "get", subject]).await?;
        let ack = &seen["acknowledgement"];
        let is_so = ack["version"] == json!(version) && ack["state"] == "accepted";
        Ok(if is_so { Checked::Found(()) } else { Checked::NotYet(seen.to_string()) })
    })
    .await
}

/// A dispatch without an end has begun, and ends: its site is curtailed and released.
async fn ends(stack: &TestStack, running: &mut Running) -> Result<()> {
    let id = format!("ends-{}", running.name());
    let subject = format!("{SOURCE}/{id}");
    let site = format!("site {SOURCE}/site-of-{id} is curtailed");
    let on = with(dispatch(&id, 0), json!({"start_time": from_now(-60), "end_time": null}));
    publish(stack, SOURCE, "create", &on).await?;
    running.gets(&stack.signals.of(&subject, 1).await?[0].event).await?;
    let begun = format!("gridbell.dispatch.scheduled.v1 {subject}, 0 missed before");
    running.says(&[&begun, &format!("now: {site}")]).await?;
    publish(stack, SOURCE, "update", &with(on, json!({"modification_number": 1, "end_time": from_now(-5)}))).await?;
    running.gets(&stack.signals.of(&subject, 2).await?[1].event).await?;
    let ended = format!("gridbell.dispatch.ended.v1 {subject}, 0 missed before");
    running.says(&[&ended, &format!("over: {site}")]).await
}

/// After a restart, what was done before is a duplicate, and a gap is noticed.
async fn restarts(running: &mut Running, first: &Value) -> Result<()> {
    running.restart().await?;
    running.gets(first).await?;
    running.gets(&made(first, "gap", 1, json!({"start": from_now(3_600)}))).await?;
    running.gets(&made(first, "gap", 4, json!({"start": from_now(7_200)}))).await?;
    let said = |missed: u64| format!("gridbell.dispatch.scheduled.v1 {SOURCE}/gap, {missed} missed before");
    running.says(&[&said(0), &said(2)]).await
}

/// A version in parts is one version, and a newer one discards its parts.
async fn comes_in_parts(running: &mut Running, first: &Value) -> Result<()> {
    let part = |sequence: u64, part: u64| {
        let target =
            json!({"id": format!("site-{sequence}-{part}"), "name": null, "external_id": null, "request": null});
        let fields = json!({"part": part, "parts": 2, "targets": [target], "start": from_now(-60), "end": null});
        made(first, "parts", sequence, fields)
    };
    for event in [part(1, 1), part(2, 2), part(1, 2), part(2, 1)] {
        running.gets(&event).await?;
    }
    let whole = format!("gridbell.dispatch.scheduled.v1 {SOURCE}/parts, 0 missed before");
    let site = |place: u64| format!("site {SOURCE}/site-2-{place} is curtailed");
    running.says(&[&whole, &format!("now: {}", site(1)), &format!("now: {}", site(2))]).await?;
    running.gets(&made(first, "parts", 3, json!({"status": "cancelled", "targets": []}))).await?;
    let over = format!("gridbell.dispatch.scheduled.v1 {SOURCE}/parts, 0 missed before");
    running.says(&[&over, &format!("over: {}", site(1)), &format!("over: {}", site(2))]).await
}

/// A rebuilt stack counts from 1 in a newer epoch. A version of the old epoch is outdated, whatever its number.
async fn begins_an_epoch(running: &mut Running, first: &Value) -> Result<()> {
    let epoch: u64 = first["epoch"].as_str().context("no epoch")?.parse()?;
    let of = |epoch: u64, sequence: u64| {
        let mut event = made(first, "rebuilt", sequence, json!({"start": from_now(3_600), "test": true}));
        event["epoch"] = json!(epoch.to_string());
        event
    };
    // As text, the sequence 10 is lower than 9.
    for event in [of(epoch, 9), of(epoch, 10), of(epoch + 1, 1), of(epoch, 11), of(epoch + 1, 2)] {
        running.gets(&event).await?;
    }
    let said = format!("gridbell.dispatch.scheduled.v1 {SOURCE}/rebuilt, 0 missed before");
    running.says(&[&said, &said, &said, &said]).await
}

/// A dispatch ends, and `effective` names another one that did not arrive: the site stays curtailed until that one is
/// cancelled.
async fn holds_a_site_for_another_dispatch(running: &mut Running, first: &Value) -> Result<()> {
    let event = |id: &str, sequence: u64, status: &str, effective: Option<&str>| {
        let mut target = json!({"id": "shared", "name": null, "external_id": null, "request": null});
        if let Some(other) = effective {
            target["effective"] = json!({"until": null, "governed_by": other, "with": [other], "others": 1});
        }
        made(first, id, sequence, json!({"status": status, "start": from_now(-60), "end": null, "targets": [target]}))
    };
    let second = format!("{SOURCE}/second");
    let said = |id: &str| format!("gridbell.dispatch.scheduled.v1 {SOURCE}/{id}, 0 missed before");
    let site = format!("site {SOURCE}/shared is curtailed");
    running.gets(&event("one", 1, "scheduled", None)).await?;
    running.says(&[&said("one"), &format!("now: {site}")]).await?;
    running.gets(&event("one", 2, "ended", Some(&second))).await?;
    running.says(&[&said("one")]).await?;
    running.gets(&event("second", 1, "cancelled", None)).await?;
    running.says(&[&said("second"), &format!("over: {site}")]).await
}

/// The stack's own heartbeat, and then one that names a version which does not arrive and after which nothing comes.
async fn heartbeats(stack: &TestStack, running: &mut Running, first: &Value) -> Result<()> {
    let heartbeat = stack.signals.first(BEATS_WITHIN, "heartbeat").await?.event;
    ensure!(heartbeat["data"]["heartbeat"]["more"] == 0, "{heartbeat}");
    running.gets(&heartbeat).await?;
    let said = |missed: u64| format!("gridbell.heartbeat.v1 heartbeat, {missed} missed before");
    running.says(&[&said(0)]).await?;
    let sequence: u64 = heartbeat["sequence"].as_str().context("no sequence")?.parse()?;
    let mut silence = heartbeat.clone();
    silence["sequence"] = json!((sequence + 1).to_string());
    let lost = json!({"subject": format!("{SOURCE}/lost"), "sequence": "3", "start": from_now(3_600), "end": null});
    silence["data"]["heartbeat"] = json!({"at": from_now(0), "next_by": from_now(6), "active": [lost], "more": 0});
    running.gets(&silence).await?;
    let epoch = first["epoch"].as_str().context("no epoch")?;
    let missing = format!("ALARM: version {epoch}.3 of {SOURCE}/lost did not arrive");
    running.says(&[&said(0), &format!("now: {missing}"), "now: ALARM: no signal since 20"]).await?;
    // Any signal ends the silence.
    running.gets(&made(first, "lost", 3, json!({"start": from_now(3_600)}))).await?;
    let late = format!("gridbell.dispatch.scheduled.v1 {SOURCE}/lost, 0 missed before");
    running.says(&[&late, &format!("over: {missing}"), "over: ALARM: no signal since 20"]).await
}

/// A signal about another dispatch of the source, made from a real one.
fn made(first: &Value, id: &str, sequence: u64, fields: Value) -> Value {
    let mut event = first.clone();
    let subject = format!("{SOURCE}/{id}");
    (event["subject"], event["sequence"]) = (json!(subject), json!(sequence.to_string()));
    event["id"] = json!(format!("{subject}#{}.{sequence}", event["epoch"].as_str().unwrap_or_default()));
    let known = with(event["data"]["dispatch"].clone(), json!({"key": subject, "id": id, "version": sequence}));
    event["data"]["dispatch"] = with(known, fields);
    event
}
