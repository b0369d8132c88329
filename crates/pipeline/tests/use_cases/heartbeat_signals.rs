//! Heartbeat signals: once in an interval, with the versions that were sent of every active dispatch.

use std::collections::BTreeMap;

use futures_util::future::join;
use jiff::{SignedDuration, Timestamp};
use pipeline::{health::heartbeat_signal::HeartbeatSignals, ports::Clock};
use serde_json::{Value, json};
use simulation::{Controller, Function, Invocation, Reply, Simulation, Times, Toxic};

use crate::{
    common::{accepted, config, pass, published, run_for, thin, voltus, worth_a_fault},
    power::{FIRST, event, until},
};

const DKMQ: &str = "voltus-prod/dkmq";
const EVERY_S: i64 = 300;

fn beating(seed: u64) -> Simulation {
    let mut config = config();
    config.signals.heartbeat_s = u32::try_from(EVERY_S).unwrap();
    Simulation::new(seed, config)
}

/// Voltus states a version of a dispatch from 16:50 on, without an end; it is 16:40 now.
fn says(sim: &Simulation, source: &str, id: &str, number: u64) {
    let mut answer = voltus(id, number, 5 + number);
    answer["end_time"] = Value::Null;
    sim.answers(source, &format!("/dispatches/{id}"), [Reply::Json(answer.to_string())]);
    let event = if number == 0 { "dispatch.create" } else { "dispatch.update" };
    accepted(sim, source, &thin(event, id));
    run_for(sim, 5);
}

fn minutes(sim: &Simulation, minutes: i64) {
    pass(sim, SignedDuration::from_mins(minutes));
}

/// `data.heartbeat` of each heartbeat, without gaps in their sequence.
fn beats(sim: &Simulation) -> Vec<Value> {
    let stream = published(sim).remove("heartbeat").unwrap_or_default();
    assert!(stream.types.iter().all(|kind| kind == "heartbeat"), "{:?}", stream.types);
    stream.events.into_iter().map(|mut event| event["data"]["heartbeat"].take()).collect()
}

/// The subjects that a heartbeat names, with their sequences.
fn named(beat: &Value) -> Vec<(&str, &str)> {
    let active = beat["active"].as_array().expect("a list");
    active.iter().map(|one| (one["subject"].as_str().unwrap(), one["sequence"].as_str().unwrap())).collect()
}

fn instant(value: &Value) -> Timestamp {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value}"))
}

/// Checks every heartbeat against the signals that the queue accepted before it.
fn names_only_what_was_sent(sim: &Simulation) {
    let mut sent: BTreeMap<String, u64> = BTreeMap::new();
    for signal in sim.signals() {
        let event: Value = serde_json::from_str(&signal.body).unwrap();
        for (subject, sequence) in named_in(&event) {
            assert!(sent.get(&subject).is_some_and(|sent| *sent >= sequence), "{subject} #{sequence}: {sent:?}");
        }
        sent.insert(
            event["subject"].as_str().unwrap().to_owned(),
            event["sequence"].as_str().unwrap().parse().unwrap(),
        );
    }
}

fn named_in(event: &Value) -> Vec<(String, u64)> {
    if event["type"] != "gridbell.heartbeat.v1" {
        return Vec::new();
    }
    let named = named(&event["data"]["heartbeat"]).into_iter();
    named.map(|(subject, sequence)| (subject.to_owned(), sequence.parse().unwrap())).collect()
}

#[test]
fn each_interval_brings_one_heartbeat_with_every_active_dispatch() {
    let sim = beating(1);
    says(&sim, "voltus-prod", "dkmq", 0);
    says(&sim, "voltus-prod", "dkmq", 1);
    says(&sim, "voltus-sandbox", "test", 0);
    accepted(&sim, "dc-1", &event("start_ramp_down", "c-1", ("16:45", Some("17:05")), false).to_string());
    until(&sim, "16:56:30");
    let beats_so_far = beats(&sim);
    let at: Vec<i64> = beats_so_far.iter().map(|beat| instant(&beat["at"]).as_second()).collect();
    assert_eq!(at.len(), 4, "{at:?}");
    assert!(at.windows(2).all(|pair| (pair[1] - pair[0] - EVERY_S).abs() <= 30), "{at:?}");
    for beat in &beats_so_far {
        let promised = instant(&beat["next_by"]).duration_since(instant(&beat["at"])).as_secs();
        assert_eq!((promised, &beat["more"]), (EVERY_S + 120, &json!(0)));
        assert_eq!(named(beat), [(FIRST, "1"), (DKMQ, "2")], "the first to start comes first");
    }
    let first = &beats_so_far[0]["active"];
    assert_eq!((&first[0]["end"], &first[1]["end"]), (&json!("2023-12-01T17:05:00Z"), &Value::Null));
    // A known end passes, and the other one is withdrawn.
    until(&sim, "17:06:00");
    assert_eq!(named(beats(&sim).last().unwrap()), [(DKMQ, "2")]);
    let mut withdrawn = voltus("dkmq", 2, 5);
    withdrawn["authorized"] = json!(false);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(withdrawn.to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
    minutes(&sim, 6);
    assert_eq!(named(beats(&sim).last().unwrap()), []);
    names_only_what_was_sent(&sim);
    let signal = sim.signals().into_iter().find(|sent| sent.group == "heartbeat").expect("a heartbeat");
    let event: Value = serde_json::from_str(&signal.body).unwrap();
    assert_eq!((&event["source"], &event["subject"]), (&json!("/gridbell"), &json!("heartbeat")));
    assert_eq!((signal.attributes["source"].as_str(), signal.attributes["test"].as_str()), ("/gridbell", "false"));
}

#[test]
fn without_the_setting_none_is_sent_and_it_can_be_turned_off() {
    let mut sim = beating(2);
    sim.config.signals.heartbeat_s = 0;
    minutes(&sim, 20);
    assert_eq!(beats(&sim).len(), 0);
    sim.config.signals.heartbeat_s = 60;
    minutes(&sim, 5);
    let sent = beats(&sim).len();
    assert!((4..=6).contains(&sent), "{sent} in five minutes");
    sim.config.signals.heartbeat_s = 0;
    minutes(&sim, 20);
    assert_eq!(beats(&sim).len(), sent);
}

#[test]
fn of_sweeps_at_the_same_time_one_sends_the_heartbeat() {
    for seed in 0..100 {
        let sim = beating(seed);
        says(&sim, "voltus-prod", "dkmq", 0);
        for expected in 1..=3_usize {
            let sent = sim.run(Function::Sweeper, async |ports: &Invocation<'_>| {
                let beats = HeartbeatSignals::<Invocation<'_>> {
                    config: &sim.config,
                    table: ports,
                    stream: ports,
                    queues: ports,
                    host: ports,
                };
                let until = ports.now() + SignedDuration::from_secs(10);
                let sent = join(beats.send_due(until), beats.send_due(until)).await;
                [sent.0.unwrap(), sent.1.unwrap()]
            });
            let sent = sent.answer().expect("an answer").into_iter().filter(|sent| *sent).count();
            assert_eq!((sent, beats(&sim).len()), (1, expected), "seed {seed}");
            sim.advance(SignedDuration::from_secs(EVERY_S - 20));
        }
    }
}

#[test]
fn none_is_sent_while_messages_wait_in_the_queue() {
    let sim = beating(3);
    sim.controller(Controller::IsSilent);
    minutes(&sim, 2);
    assert_eq!(beats(&sim).len(), 1, "the queue was empty");
    minutes(&sim, 20);
    assert_eq!(beats(&sim).len(), 1, "it waits in the queue");
    sim.controller(Controller::Reads);
    minutes(&sim, 1);
    assert_eq!(beats(&sim).len(), 2);
}

#[test]
fn a_version_that_is_not_sent_is_not_named() {
    let sim = beating(4);
    says(&sim, "voltus-prod", "dkmq", 0);
    sim.fault("signals.send", Toxic::Refuse, Times::Always);
    says(&sim, "voltus-prod", "dkmq", 1);
    says(&sim, "voltus-prod", "new", 0);
    let sweep = || sim.sweep().answer().expect("an answer");
    sweep();
    sim.heal();
    // The heartbeat is pending, and made before the other signals are sent.
    minutes(&sim, 1);
    assert_eq!(named(&beats(&sim)[0]), [(DKMQ, "1")]);
    minutes(&sim, 6);
    assert_eq!(named(beats(&sim).last().unwrap()), [(DKMQ, "2"), ("voltus-prod/new", "1")]);
    names_only_what_was_sent(&sim);
}

#[test]
fn whatever_fails_once_each_heartbeat_is_true_and_the_next_one_comes() {
    let play = |sim: &Simulation| {
        says(sim, "voltus-prod", "dkmq", 0);
        minutes(sim, 1);
        says(sim, "voltus-prod", "dkmq", 1);
        minutes(sim, 8);
    };
    let calm = beating(5);
    play(&calm);
    let count = beats(&calm).len();
    let calls = worth_a_fault(&calm.calls(), 0).into_iter();
    for (number, call) in calls.filter(|(_, call)| call.function != Function::Receiver) {
        for toxic in Toxic::ALL {
            let sim = beating(5);
            sim.fault_at(number, toxic);
            play(&sim);
            let beats = beats(&sim);
            let what = format!("{toxic:?} of call {number}, {call:?}");
            assert!(beats.len() + 1 >= count, "{what}: {} of {count}", beats.len());
            // If the first webhook is read late, its fetch brings the second version.
            let versions = published(&sim)[DKMQ].events.len().to_string();
            assert_eq!(named(beats.last().unwrap()), [(DKMQ, versions.as_str())], "{what}");
            names_only_what_was_sent(&sim);
        }
    }
}

#[test]
fn a_heartbeat_that_is_full_counts_the_rest() {
    let sim = beating(6);
    for number in 0..40 {
        let mut answer = voltus(&format!("d{number}"), 0, 5);
        answer["start_time"] = json!(format!("2023-12-01T17:{number:02}:00Z"));
        answer["end_time"] = Value::Null;
        sim.answers("voltus-prod", &format!("/dispatches/d{number}"), [Reply::Json(answer.to_string())]);
        accepted(&sim, "voltus-prod", &thin("dispatch.create", &format!("d{number}")));
    }
    run_for(&sim, 30);
    sim.limit_signals(3_000);
    minutes(&sim, 2);
    let beats = beats(&sim);
    let all = named(&beats[0]);
    assert!(all.len() > 10 && all[0].0 == "voltus-prod/d0", "{all:?}");
    assert_eq!(beats[0]["more"], 40 - all.len());
    let body = sim.signals().into_iter().find(|sent| sent.group == "heartbeat").expect("a heartbeat").body;
    assert!((2_000..=3_000).contains(&body.len()), "{}", body.len());
}

#[test]
fn in_a_new_epoch_heartbeats_begin_at_one_and_name_its_versions() {
    let sim = beating(7);
    says(&sim, "voltus-prod", "dkmq", 0);
    says(&sim, "voltus-prod", "dkmq", 1);
    minutes(&sim, 7);
    assert_eq!(named(beats(&sim).last().unwrap()), [(DKMQ, "2")]);
    sim.begin_epoch();
    minutes(&sim, 2);
    let last = published(&sim).remove("heartbeat").unwrap().events.pop().unwrap();
    assert_eq!((&last["sequence"], last["epoch"].as_str()), (&json!("1"), Some(sim.epoch().to_string().as_str())));
    assert_eq!(named(&last["data"]["heartbeat"]), [(DKMQ, "1")]);
}

#[test]
fn a_target_that_is_lifted_is_not_named() {
    let sim = beating(8);
    accepted(&sim, "dc-1", &event("start_ramp_down", "c-1", ("16:41", Some("18:50")), false).to_string());
    minutes(&sim, 2);
    assert_eq!(named(beats(&sim).last().unwrap()), [(FIRST, "1")]);
    accepted(&sim, "dc-1", &event("start_ramp_up", "c-1", ("16:43", Some("16:55")), true).to_string());
    minutes(&sim, 6);
    assert_eq!(named(beats(&sim).last().unwrap()), []);
}
