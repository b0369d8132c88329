//! Tables that were restored or made anew: sequences begin anew under a newer epoch, and nothing of before is taken for it.

use serde_json::{Value, json};
use sim::{Function, Reply, World, streams};

use crate::{
    common::{accepted, mail_subjects, power, run_for, thin, types, voltus},
    deadlines::{ACK_TOKEN, acknowledge, acknowledging, record},
};

const DKMQ: &str = "voltus-prod/dkmq";

fn says(world: &World, number: u64, commitment_kw: u64) {
    let mut answer = voltus("dkmq", number, commitment_kw);
    answer["end_time"] = json!("2024-01-01T00:00:00Z");
    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(answer.to_string())]);
    let event = if number == 0 { "dispatch.create" } else { "dispatch.update" };
    accepted(world, "voltus-prod", &thin(event, "dkmq"));
    run_for(world, 5);
}

/// Epoch and sequence of each signal about a subject.
fn numbers(world: &World, subject: &str) -> Vec<(u64, u64)> {
    let decimal = |event: &Value, name: &str| event[name].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
    let events = streams(&world.signals()).expect("streams without holes").remove(subject).unwrap_or_default().events;
    events.iter().map(|event| (decimal(event, "epoch"), decimal(event, "sequence"))).collect()
}

fn says_to(world: &World, epoch: Option<u64>, version: u64) -> (u16, Value) {
    let mut said = json!({ "dispatch": DKMQ, "version": version, "state": "accepted" });
    if let Some(epoch) = epoch {
        said["epoch"] = json!(epoch.to_string());
    }
    let answer = world.acknowledge(ACK_TOKEN, &said.to_string()).answer().expect("an answer");
    (answer.status, serde_json::from_str(&answer.body).expect("JSON"))
}

#[test]
fn a_restored_table_publishes_what_is_on_under_a_newer_epoch() {
    let world = acknowledging(1);
    says(&world, 0, 5);
    let backup = world.backup();
    says(&world, 1, 7);
    assert_eq!(acknowledge(&world, 2, "accepted").status, 200);
    let first = numbers(&world, DKMQ)[0].0;
    assert_eq!(numbers(&world, DKMQ), [(first, 1), (first, 2)]);

    world.restore(backup);
    let second = world.begin_epoch().as_millisecond();
    assert!(second > first);
    run_for(&world, 60);
    assert_eq!(numbers(&world, DKMQ), [(first, 1), (first, 2), (second, 1)]);
    assert_eq!(record(&world).ack, None, "what was acknowledged was another epoch's version");
    // What happened since the backup is learned again.
    says(&world, 1, 7);
    assert_eq!(numbers(&world, DKMQ)[2..], [(second, 1), (second, 2)]);
    // Once more changes nothing.
    world.begin_epoch();
    run_for(&world, 60);
    assert_eq!(numbers(&world, DKMQ).len(), 5, "each epoch publishes it once");
}

#[test]
fn an_acknowledgement_of_another_epoch_confirms_nothing() {
    let world = acknowledging(2);
    says(&world, 0, 5);
    let first = numbers(&world, DKMQ)[0].0;
    let second = world.begin_epoch().as_millisecond();
    run_for(&world, 60);
    let (status, body) = says_to(&world, Some(first), 1);
    assert_eq!(status, 409);
    assert_eq!((&body["current"], &body["epoch"]), (&json!(1), &json!(second.to_string())));
    assert_eq!(record(&world).ack, None);
    assert_eq!(says_to(&world, Some(second), 1).0, 200);
    assert_eq!(record(&world).ack.map(|ack| ack.version), Some(1));
    assert_eq!(says_to(&world, None, 1).0, 200, "the epoch may be left out");
}

#[test]
fn a_record_left_out_begins_its_epoch_with_its_next_change() {
    let world = acknowledging(3);
    says(&world, 0, 5);
    accepted(&world, "dc-1", &power("start_ramp_down", false).to_string());
    run_for(&world, 5);
    let backup = world.backup();
    world.begin_epoch();
    // The command died before it brought any record along.
    world.restore(backup);
    let second = world.epoch().as_millisecond();
    assert_eq!(says_to(&world, None, 1).0, 409, "no version of this epoch is out");
    says(&world, 1, 7);
    assert_eq!(numbers(&world, DKMQ)[1..], [(second, 1), (second, 2)]);
    accepted(&world, "dc-1", &power("end_ramp_down", true).to_string());
    run_for(&world, 5);
    assert_eq!(numbers(&world, "dc-1/main_power_feed/c-1")[1..], [(second, 1)]);
    assert_eq!(types(&world, "dc-1/main_power_feed/c-1"), ["power.start_ramp_down", "power.end_ramp_down"]);
}

#[test]
fn what_was_never_sent_is_numbered_anew() {
    let world = acknowledging(4);
    says(&world, 0, 5);
    world.fault("signals.send", sim::Toxic::Refuse, sim::Times::Always);
    accepted(&world, "dc-1", &power("start_ramp_down", false).to_string());
    world.stop(Function::Sweeper);
    run_for(&world, 3);
    let second = world.begin_epoch().as_millisecond();
    world.heal();
    world.start(Function::Sweeper);
    run_for(&world, 180);
    assert_eq!(numbers(&world, "dc-1/main_power_feed/c-1"), [(second, 1)]);
    assert_eq!(numbers(&world, DKMQ)[1..], [(second, 1)]);
}

#[test]
fn a_deadline_of_the_new_epoch_is_watched() {
    let world = acknowledging(5);
    says(&world, 0, 5);
    assert_eq!(acknowledge(&world, 1, "accepted").status, 200);
    run_for(&world, 120);
    assert_eq!(record(&world).due, None);
    world.begin_epoch();
    assert!(record(&world).due.is_some(), "the controller has to acknowledge it anew");
}

#[test]
fn an_acknowledgement_names_the_field_that_it_lacks() {
    let world = acknowledging(6);
    says(&world, 0, 5);
    let check = |body: Value, status: u16, word: &str| {
        let answer = world.acknowledge(ACK_TOKEN, &body.to_string()).answer().expect("an answer");
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        assert!(answer.body.contains(word), "{body}: {}", answer.body);
    };
    let said = |field: &str, value: Value| {
        let mut said = json!({ "dispatch": DKMQ, "version": 1, "state": "accepted", "detail": null });
        said[field] = value;
        said
    };
    check(json!([]), 400, "object");
    check(said("dispatch", json!("")), 400, "`dispatch`");
    check(said("dispatch", json!(7)), 400, "`dispatch`");
    check(said("version", json!(null)), 400, "`version`");
    check(said("version", json!(-1)), 400, "`version`");
    check(said("version", json!(1.5)), 400, "`version`");
    check(said("state", json!("done")), 400, "`state`");
    check(said("detail", json!({})), 400, "`detail`");
    check(said("epoch", json!("soon")), 400, "`epoch`");
    check(said("epoch", json!("1")), 409, "epoch");
    check(said("version", serde_json::from_str("1.0").unwrap()), 200, "acknowledged");
}

#[test]
fn a_hint_from_before_a_restore_that_comes_late_opens_nothing() {
    let world = acknowledging(7);
    let backup = world.backup();
    world.stop(Function::Alerter);
    says(&world, 0, 5);
    run_for(&world, 1_200);
    world.restore(backup);
    world.begin_epoch();
    says(&world, 0, 5);
    world.start(Function::Alerter);
    run_for(&world, 5);
    assert!(mail_subjects(&world).is_empty(), "{:?}", mail_subjects(&world));
}
