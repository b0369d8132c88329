//! Tables that were restored or created again: sequences begin at 1 under a newer epoch, and earlier ones are not
//! confused with them.

use serde_json::{Value, json};
use simulation::{Function, Reply, Simulation, streams};

use crate::{
    common::{accepted, mail_subjects, power, run_for, thin, types, voltus},
    deadlines::{ACK_TOKEN, acknowledge, acknowledging, record},
};

const DKMQ: &str = "voltus-prod/dkmq";

fn says(sim: &Simulation, number: u64, commitment_kw: u64) {
    let mut answer = voltus("dkmq", number, commitment_kw);
    answer["end_time"] = json!("2024-01-01T00:00:00Z");
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(answer.to_string())]);
    let event = if number == 0 { "dispatch.create" } else { "dispatch.update" };
    accepted(sim, "voltus-prod", &thin(event, "dkmq"));
    run_for(sim, 5);
}

/// Epoch and sequence of each signal about a subject.
fn numbers(sim: &Simulation, subject: &str) -> Vec<(u64, u64)> {
    let decimal = |event: &Value, name: &str| event[name].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
    let events = streams(&sim.signals()).expect("streams without holes").remove(subject).unwrap_or_default().events;
    events.iter().map(|event| (decimal(event, "epoch"), decimal(event, "sequence"))).collect()
}

fn says_to(sim: &Simulation, epoch: Option<u64>, version: u64) -> (u16, Value) {
    let mut said = json!({ "dispatch": DKMQ, "version": version, "state": "accepted" });
    if let Some(epoch) = epoch {
        said["epoch"] = json!(epoch.to_string());
    }
    let answer = sim.acknowledge(ACK_TOKEN, &said.to_string()).answer().expect("an answer");
    (answer.status, serde_json::from_str(&answer.body).expect("JSON"))
}

#[test]
fn a_restored_table_publishes_what_is_on_under_a_newer_epoch() {
    let sim = acknowledging(1);
    says(&sim, 0, 5);
    let backup = sim.backup();
    says(&sim, 1, 7);
    assert_eq!(acknowledge(&sim, 2, "accepted").status, 200);
    let first = numbers(&sim, DKMQ)[0].0;
    assert_eq!(numbers(&sim, DKMQ), [(first, 1), (first, 2)]);

    sim.restore(backup);
    let second = sim.begin_epoch().as_millisecond();
    assert!(second > first);
    run_for(&sim, 60);
    assert_eq!(numbers(&sim, DKMQ), [(first, 1), (first, 2), (second, 1)]);
    assert_eq!(record(&sim).ack, None, "what was acknowledged was another epoch's version");
    // Changes since the backup are read again.
    says(&sim, 1, 7);
    assert_eq!(numbers(&sim, DKMQ)[2..], [(second, 1), (second, 2)]);
    // A repetition changes nothing.
    sim.begin_epoch();
    run_for(&sim, 60);
    assert_eq!(numbers(&sim, DKMQ).len(), 5, "each epoch publishes it once");
}

#[test]
fn an_acknowledgement_of_another_epoch_confirms_nothing() {
    let sim = acknowledging(2);
    says(&sim, 0, 5);
    let first = numbers(&sim, DKMQ)[0].0;
    let second = sim.begin_epoch().as_millisecond();
    run_for(&sim, 60);
    let (status, body) = says_to(&sim, Some(first), 1);
    assert_eq!(status, 409);
    assert_eq!((&body["current"], &body["epoch"]), (&json!(1), &json!(second.to_string())));
    assert_eq!(record(&sim).ack, None);
    assert_eq!(says_to(&sim, Some(second), 1).0, 200);
    assert_eq!(record(&sim).ack.map(|ack| ack.version), Some(1));
    assert_eq!(says_to(&sim, None, 1).0, 200, "the epoch may be left out");
}

#[test]
fn a_record_left_out_begins_its_epoch_with_its_next_change() {
    let sim = acknowledging(3);
    says(&sim, 0, 5);
    accepted(&sim, "dc-1", &power("start_ramp_down", false).to_string());
    run_for(&sim, 5);
    let backup = sim.backup();
    sim.begin_epoch();
    // The command died before it converted any record.
    sim.restore(backup);
    let second = sim.epoch().as_millisecond();
    assert_eq!(says_to(&sim, None, 1).0, 409, "no version of this epoch is out");
    says(&sim, 1, 7);
    assert_eq!(numbers(&sim, DKMQ)[1..], [(second, 1), (second, 2)]);
    accepted(&sim, "dc-1", &power("end_ramp_down", true).to_string());
    run_for(&sim, 5);
    assert_eq!(numbers(&sim, "dc-1/main_power_feed/c-1")[1..], [(second, 1)]);
    assert_eq!(types(&sim, "dc-1/main_power_feed/c-1"), ["power.start_ramp_down", "power.end_ramp_down"]);
}

#[test]
fn what_was_never_sent_is_numbered_anew() {
    let sim = acknowledging(4);
    says(&sim, 0, 5);
    sim.fault("signals.send", simulation::Toxic::Refuse, simulation::Times::Always);
    accepted(&sim, "dc-1", &power("start_ramp_down", false).to_string());
    sim.stop(Function::Sweeper);
    run_for(&sim, 3);
    let second = sim.begin_epoch().as_millisecond();
    sim.heal();
    sim.start(Function::Sweeper);
    run_for(&sim, 180);
    assert_eq!(numbers(&sim, "dc-1/main_power_feed/c-1"), [(second, 1)]);
    assert_eq!(numbers(&sim, DKMQ)[1..], [(second, 1)]);
}

#[test]
fn a_deadline_of_the_new_epoch_is_watched() {
    let sim = acknowledging(5);
    says(&sim, 0, 5);
    assert_eq!(acknowledge(&sim, 1, "accepted").status, 200);
    run_for(&sim, 120);
    assert_eq!(record(&sim).due, None);
    sim.begin_epoch();
    assert!(record(&sim).due.is_some(), "the controller has to acknowledge it anew");
}

#[test]
fn an_acknowledgement_names_the_field_that_it_lacks() {
    let sim = acknowledging(6);
    says(&sim, 0, 5);
    let check = |body: Value, status: u16, word: &str| {
        let answer = sim.acknowledge(ACK_TOKEN, &body.to_string()).answer().expect("an answer");
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
    let sim = acknowledging(7);
    let backup = sim.backup();
    sim.stop(Function::Alerter);
    says(&sim, 0, 5);
    run_for(&sim, 1_200);
    sim.restore(backup);
    sim.begin_epoch();
    says(&sim, 0, 5);
    sim.start(Function::Alerter);
    run_for(&sim, 5);
    assert!(mail_subjects(&sim).is_empty(), "{:?}", mail_subjects(&sim));
}
