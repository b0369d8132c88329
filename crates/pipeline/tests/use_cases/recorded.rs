//! Messages and rows as each format was first written: every later release can read what stayed in a queue or table for
//! weeks.
//!
//! The files of a format never change. A new format gets files of its own, written by [`record`] before its first
//! release: `RECORD_FORMATS=1 cargo test -p pipeline --test use_cases -- recorded`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use jiff::SignedDuration;
use pipeline::{
    alerts::channels::ChannelHealth,
    conditions::NotedEvent,
    group::{AckLink, AlertGroup},
    incident::Incident,
    job::{BodyPart, FailedJob, Failure, FailureKind, Job, JobKind, StoredBody},
    messages::{
        self, Deadline, FORMAT, Heartbeat, HeartbeatCheck, Hint, READS, ToAlert, ToCourier, ToHydrate, ToRetry, to_json,
    },
    outputs::{
        lane::{Lane, LaneKey},
        state::OutputState,
    },
    polling::state::PollState,
    record::SubjectRecord,
    retry::state::RetryState,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use simulation::{Reply, Simulation, TargetReply, Times, Toxic};

use crate::{
    common::{accepted, leap, pass, run_for, thin, voltus},
    messages::{AT, conditions, fetch, job},
    outputs::{http, output},
    rings::ringing,
};

fn folder(format: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/recorded/format-{format}"))
}

/// The lines of a recorded file: the type of each, and its value.
fn lines(format: u32, file: &str) -> Vec<(String, Value)> {
    let text = fs::read_to_string(folder(format).join(file)).expect("recorded");
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        (line["of"].as_str().expect("a name").to_owned(), line["is"].clone())
    };
    text.lines().map(line).collect()
}

/// Every kind of message, with its queue.
fn messages_now() -> Vec<(&'static str, String)> {
    let stored = StoredBody { delivery: "d-1".to_owned(), chunks: 3 };
    let part = BodyPart { first: 2, of: 3, data: "H4sI".to_owned() };
    let kinds = [
        JobKind::Body("{\"event\":{\"name\":\"dispatch.create\"}}".to_owned()),
        JobKind::Packed("H4sI".to_owned()),
        JobKind::Part(part),
        JobKind::Stored(stored.clone()),
        JobKind::Awaited(stored),
        JobKind::Fetch(fetch()),
        JobKind::Poll,
    ];
    let mut all: Vec<(&str, String)> =
        kinds.iter().map(|kind| ("deliveries", to_json(&ToHydrate::Job(job(kind.clone()))).unwrap())).collect();
    all.push(("deliveries", to_json(&ToHydrate::Heartbeat(Heartbeat { at: AT })).unwrap()));
    let fresh = Job::fresh("d-1", "voltus-prod", AT, JobKind::Fetch(fetch()));
    let failed = Failure::new(FailureKind::Credentials, AT, "401").about(&fetch().subject);
    let retries = [
        ToRetry::Failed(FailedJob { failure: failed, job: fresh }),
        ToRetry::Deadline(Deadline::of(fetch().subject)),
        ToRetry::Deadline(Deadline { unread: Some(7), ..Deadline::of(fetch().subject) }),
        ToRetry::HeartbeatCheck(HeartbeatCheck::of(AT)),
        ToRetry::HeartbeatCheck(HeartbeatCheck { again: true, lay: Some(7), ..HeartbeatCheck::of(AT) }),
    ];
    all.extend(retries.iter().map(|message| ("retries", to_json(message).unwrap())));
    let hints = conditions().into_iter().map(|condition| Hint { attempt: 3, timer: true, ..Hint::new(condition, AT) });
    let alerts = hints.map(ToAlert::Hint).chain([
        ToAlert::Review { incidents: vec!["source-down/voltus-prod".to_owned()] },
        ToAlert::Flush { group: "group/quarantined/voltus-prod/first".to_owned(), traceparent: None },
    ]);
    all.extend(alerts.map(|message| ("alerts", to_json(&message).unwrap())));
    let (output, subject) = ("gateway".to_owned(), fetch().subject);
    let outputs = [
        ToCourier::Deliver(LaneKey { output: output.clone(), subject: subject.clone() }),
        ToCourier::Probe { output: output.clone() },
        ToCourier::Release { output: output.clone() },
        ToCourier::Replay { output: output.clone(), subject: None },
        ToCourier::Replay { output: output.clone(), subject: Some(subject) },
        ToCourier::Test { output, id: "t-1".to_owned() },
    ];
    all.extend(outputs.iter().map(|message| ("outputs", to_json(message).unwrap())));
    all
}

/// Rows of every kind, from a simulation of all providers.
fn rows_now() -> Vec<(&'static str, Value)> {
    let mut config = ringing(false);
    config.outputs = [("gateway".to_owned(), output(http()))].into();
    config.sources.get_mut("voltus-prod").expect("a source").poll_s = 60;
    config.signals.heartbeat_s = 60;
    let sim = Simulation::new(7, config);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    sim.answers("voltus-prod", "/dispatches/dk2", [Reply::Status(500, None)]);
    sim.answers("voltus-prod", "/dispatches", [Reply::Status(503, None)]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 2);
    sim.replies("gateway", [TargetReply::Refuses, TargetReply::IsDown]);
    sim.fault("channel.webhook", Toxic::Refuse, Times::Always);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dk2"));
    accepted(&sim, "leap-prod", &leap("ev-1", 12).to_string());
    accepted(&sim, "openvolt-prod", "[]");
    run_for(&sim, 30);
    pass(&sim, SignedDuration::from_mins(8));
    // A version is sent, and the next one is pending.
    sim.fault("signals.send", Toxic::Refuse, Times::Always);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 1, 7).to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
    pass(&sim, SignedDuration::from_mins(4));
    let mut rows = Vec::new();
    rows.extend(sim.dispatches().all().iter().map(|row| ("record", json!(row))));
    rows.extend(sim.incidents().all().iter().map(|row| ("incident", json!(row))));
    rows.extend(sim.groups().all().iter().map(|row| ("group", json!(row))));
    rows.extend(sim.links().all().iter().map(|row| ("link", json!(row))));
    rows.extend(sim.polls().all().iter().map(|row| ("poll", json!(row))));
    rows.extend(sim.bookings().values().map(|booking| ("retry", json!(booking.state))));
    rows.extend(sim.events().values().map(|noted| ("event", json!(noted.event))));
    rows.extend(sim.channel_states().all().iter().map(|row| ("channel", json!(row))));
    rows.extend(sim.lanes().iter().map(|row| ("lane", json!(row))));
    rows.extend(sim.output_state("gateway").iter().map(|row| ("output", json!(row))));
    rows
}

/// Writes the files of the format that this release writes, unless they exist.
fn record() {
    let write = |file: &str, lines: Vec<(&'static str, Value)>| {
        let path = folder(FORMAT).join(file);
        assert!(!path.exists(), "{} never changes", path.display());
        let text: Vec<String> =
            lines.into_iter().map(|(of, is)| json!({ "of": of, "is": is }).to_string() + "\n").collect();
        fs::write(path, text.concat()).expect("written");
    };
    fs::create_dir_all(folder(FORMAT)).expect("a folder");
    write("messages.jsonl", messages_now().into_iter().map(|(of, is)| (of, Value::String(is))).collect());
    write("rows.jsonl", rows_now());
}

/// Checks that it is readable, and that nothing of it is lost.
fn reads<T: Serialize + DeserializeOwned>(is: &Value) {
    let row: T = serde_json::from_value(is.clone()).unwrap_or_else(|error| panic!("{error}: {is}"));
    let again = serde_json::to_value(&row).unwrap();
    let lost = is.as_object().expect("an object").iter().find(|(name, value)| again.get(*name) != Some(value));
    assert_eq!(lost, None, "of {is}");
}

#[test]
fn messages_of_every_format_are_read_for_ever() {
    if std::env::var_os("RECORD_FORMATS").is_some() {
        record();
    }
    for format in 1..=READS {
        let mut sorts = BTreeSet::new();
        for (queue, message) in lines(format, "messages.jsonl") {
            let body = message.as_str().expect("text");
            let sort = match queue.as_str() {
                "deliveries" => messages::read::<ToHydrate>(body).map(|message| json!(message)),
                "retries" => messages::read::<ToRetry>(body).map(|message| json!(message)),
                "outputs" => messages::read::<ToCourier>(body).map(|message| json!(message)),
                _ => messages::read::<ToAlert>(body).map(|message| json!(message)),
            };
            let sort = sort.unwrap_or_else(|error| panic!("format {format}: {error}: {body}"));
            sorts.extend(sort.as_object().expect("a tag").keys().cloned());
            // A message without a version has the first format.
            if format == 1 && queue == "deliveries" {
                messages::read::<ToHydrate>(&body.replacen(r#""v":1,"#, "", 1)).expect("the first format");
            }
        }
        let expected = [
            "deadline",
            "deliver",
            "failed",
            "flush",
            "heartbeat",
            "heartbeat_check",
            "hint",
            "job",
            "probe",
            "release",
            "replay",
            "review",
            "test",
        ];
        assert!(expected.iter().all(|sort| sorts.contains(*sort)), "format {format}: {sorts:?}");
    }
}

#[test]
fn rows_of_every_format_are_read_for_ever() {
    for format in 1..=READS {
        let mut sorts = BTreeSet::new();
        for (of, is) in lines(format, "rows.jsonl") {
            match of.as_str() {
                "record" => reads::<SubjectRecord>(&is),
                "incident" => reads::<Incident>(&is),
                "group" => reads::<AlertGroup>(&is),
                "link" => reads::<AckLink>(&is),
                "poll" => reads::<PollState>(&is),
                "retry" => reads::<RetryState>(&is),
                "channel" => reads::<ChannelHealth>(&is),
                "lane" => reads::<Lane>(&is),
                "output" => reads::<OutputState>(&is),
                _ => reads::<NotedEvent>(&is),
            }
            sorts.insert(of);
        }
        let expected = ["channel", "event", "group", "incident", "lane", "link", "output", "poll", "record", "retry"];
        assert_eq!(sorts, expected.map(str::to_owned).into(), "format {format}");
    }
}

#[test]
fn a_message_of_a_later_release_is_kept_and_a_person_is_notified() {
    use crate::common::config;
    use simulation::Inner;
    let later = r#"{"v":2,"jobs":[{"webhook":"…"}]}"#;
    for (queue, named) in [(Inner::Deliveries, "in deliveries"), (Inner::Retries, "in retries")] {
        let sim = Simulation::new(1, config());
        sim.put(queue, later);
        run_for(&sim, 60);
        let mails: Vec<String> =
            sim.mails().into_iter().map(|(_, mail)| crate::common::digest(&mail.subject)).collect();
        assert_eq!(mails.len(), 1, "{mails:?}");
        assert!(mails[0].contains("dead-letter") && mails[0].contains(named), "{mails:?}");
        run_for(&sim, 3_600);
        let dead: Vec<String> = sim.queued(Inner::RetriesDead).into_iter().map(|message| message.body).collect();
        assert_eq!(dead, [later], "it waits to be redriven");
        assert!(sim.quarantined().is_empty(), "it is not quarantined as a stranger's");
    }
}
