//! Every exercise, triggered at a stack, produces exactly the signals in its description.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;

use crate::bench::{Bench, short};

/// An exercise, its speed, and the expected signals.
type Expected = (&'static str, &'static str, &'static [&'static str]);

// At these speeds changes are ten seconds apart, so a busy machine publishes one before the next arrives.
// Closer ones may become one signal.
const VOLTUS: &[Expected] = &[
    // Curtails at its start, ramps up at its end. The first signal contains both, so the passing end causes no signal.
    ("basic", "120", &["0 #1 scheduled"]),
    // Curtails now, without an end; an update releases it.
    ("ancillary-services", "120", &["0 #1 scheduled, no end", "0 #2 ended"]),
    ("back-to-back", "120", &["0 #1 scheduled", "1 #1 scheduled"]),
    ("minutes-apart", "120", &["0 #1 scheduled", "1 #1 scheduled"]),
    // Withdrawn before its start.
    ("cancelled", "60", &["0 #1 scheduled", "0 #2 cancelled"]),
    ("moved", "30", &["0 #1 scheduled", "0 #2 updated", "0 #3 updated"]),
];

const LEAP: &[Expected] = &[
    ("basic", "60", &["0 #1 scheduled"]),
    ("group", "60", &["0 #1 scheduled"]),
    ("update", "60", &["0 #1 scheduled", "0 #2 updated"]),
    ("cancel", "60", &["0 #1 scheduled", "0 #2 cancelled"]),
    ("priority-overlap", "60", &["0 #1 scheduled", "1 #1 scheduled"]),
    ("five-minute", "20", &["0 #1 scheduled", "0 #2 updated"]),
    ("replay-of-old", "60", &["0 #1 scheduled", "0 #2 updated"]),
    ("communication-test", "60", &["0 #1 scheduled"]),
];

// The queue keeps no order between these events: at this speed two may change places.
const NVGRID: &[Expected] = &[
    (
        "ramp-compliant",
        "1200",
        &["0 power.start_ramp_down", "0 power.end_ramp_down", "0 power.start_ramp_up", "0 power.end_ramp_up"],
    ),
    ("ramp-missed", "300", &["0 power.start_ramp_down", "0 power.end_ramp_down"]),
    ("for-ever", "300", &["0 power.start_ramp_down", "0 power.end_ramp_down"]),
    (
        "new-target",
        "120",
        &["0 power.start_ramp_down", "0 power.end_ramp_down", "1 power.start_ramp_down", "1 power.end_ramp_down"],
    ),
];

const OPENVOLT: &[Expected] = &[
    ("daily", "60", &["0 #1 meter.data"]),
    ("backfill-residential", "300", &["0 meter.data"; 13]),
    ("backfill-commercial", "60", &["0 meter.data"; 13]),
    ("gap-filled", "300", &["0 #1 meter.data", "0 #2 meter.data"]),
    ("backwards", "60", &[]),
    ("account", "300", &["0 account.customer.created", "0 account.api_keys.rotated"]),
];

/// Meters in Leap's huge notification, each an event of its own.
const HUGE: usize = 1_500;

/// A busy machine does not write them all in one invocation; the next one follows after three minutes.
const HUGE_COMES: Duration = Duration::from_mins(12);

/// Plays all exercises, the providers in parallel.
pub(crate) async fn all(bench: &Bench) {
    let listed: Value = serde_json::from_str(&bench.does(&["trigger", "--list", "--json"]).await).expect("JSON");
    let listed =
        listed.as_array().expect("a list").iter().map(|one| format!("{} {}", one["provider"], one["scenario"]));
    let here = [("voltus", VOLTUS), ("leap", LEAP), ("nvgrid", NVGRID), ("openvolt", OPENVOLT)];
    let named =
        here.iter().flat_map(|(provider, all)| all.iter().map(move |(name, ..)| format!("{provider:?} {name:?}")));
    let named: BTreeSet<String> = named.chain([r#""leap" "huge""#.to_owned()]).collect();
    assert_eq!(listed.collect::<BTreeSet<_>>(), named, "each has its expected signals here");
    let lanes = here.map(|(provider, exercises)| lane(bench, format!("{provider}-demo"), exercises));
    let [voltus, leap, nvgrid, openvolt] = lanes;
    tokio::join!(voltus, leap, nvgrid, openvolt, huge(bench));
    for about in ["(quarantined, openvolt-demo", "(not-compliant, nvgrid-demo", "(credentials, openvolt-demo"] {
        mail(bench, about).await;
    }
}

async fn lane(bench: &Bench, source: String, exercises: &[Expected]) {
    let mut played = Vec::new();
    for (name, speed, expected) in exercises {
        let mark = bench.mark(&source);
        bench.does(&["trigger", &source, name, "--speed", speed, "--misbehave", "duplicate"]).await;
        let signals = bench.signals(&mark, expected.len()).await;
        assert!(agree(&short(&signals), expected), "{source} {name}: {:?}", short(&signals));
        if source.starts_with("voltus") {
            as_voltus_describes_it(name, speed.parse().expect("a number"), &signals);
        }
        if *name == "communication-test" {
            assert_eq!(signals[0]["data"]["dispatch"]["test_reason"], "communication");
        }
        played.extend(signals);
    }
    // Further signals would belong to one of them, and must not arrive.
    assert_eq!(short(&bench.quiet(&source).await), short(&played), "{source}");
}

/// If the order is undefined, the expected lines have no number.
pub(crate) fn agree(came: &[String], expected: &[&str]) -> bool {
    if expected.iter().all(|line| line.contains('#')) {
        return came == expected;
    }
    let words = |line: &str| line.split(' ').filter(|word| !word.starts_with('#')).collect::<Vec<_>>().join(" ");
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    sorted(came.iter().map(|line| words(line)).collect()) == sorted(expected.iter().map(|line| words(line)).collect())
}

/// Voltus' own description of the expected result: the times, scaled by the speed.
fn as_voltus_describes_it(name: &str, speed: i128, signals: &[Value]) {
    let at = |index: usize, name: &str| -> jiff::Timestamp {
        let value = signals[index]["data"]["dispatch"][name].as_str().or_else(|| signals[index][name].as_str());
        value.and_then(|text| text.parse().ok()).expect("an instant")
    };
    let scaled_ms = |from: jiff::Timestamp, to: jiff::Timestamp| to.duration_since(from).as_millis() * speed;
    let of = |minutes: i128| minutes * 60_000;
    match name {
        // Ten minutes of curtailment, shortened by nothing else.
        "basic" => assert_eq!(scaled_ms(at(0, "start"), at(0, "end")), of(10)),
        // It started then, and ends with the update.
        "ancillary-services" => {
            assert_eq!((at(0, "start"), scaled_ms(at(1, "start"), at(1, "end"))), (at(1, "start"), of(15)));
            assert!(at(1, "end") <= at(1, "time"), "it is over when it is told");
        }
        "back-to-back" => {
            assert_eq!(at(0, "end"), at(1, "start"), "neither is dropped");
            let effective = &signals[1]["data"]["dispatch"]["targets"][0]["effective"];
            assert_eq!(effective["with"][0], signals[0]["subject"], "both are about the same sites");
        }
        "minutes-apart" => assert_eq!(scaled_ms(at(0, "end"), at(1, "start")), of(3)),
        "cancelled" => assert!(at(1, "start") > at(1, "time"), "withdrawn before it ever started"),
        "moved" => {
            assert_eq!(scaled_ms(at(0, "start"), at(1, "start")), of(15));
            assert_eq!((at(1, "start"), scaled_ms(at(1, "end"), at(2, "end"))), (at(2, "start"), of(15)));
        }
        _ => panic!("{name} has no description here"),
    }
}

async fn huge(bench: &Bench) {
    let mark = bench.mark("leap-1");
    bench.does(&["trigger", "leap-1", "huge", "--speed", "1"]).await;
    let signals = bench.signals_within(HUGE_COMES, &mark, HUGE).await;
    assert!(
        signals.iter().all(|signal| signal["type"] == "gridbell.dispatch.scheduled.v1" && signal["sequence"] == "1")
    );
    let subjects: BTreeSet<&str> = signals.iter().filter_map(|signal| signal["subject"].as_str()).collect();
    assert_eq!((subjects.len(), bench.quiet("leap-1").await.len()), (HUGE, HUGE));
}

async fn mail(bench: &Bench, about: &str) {
    for _ in 0..600 {
        let mails = bench.stack.mail().await.expect("mail");
        if mails.iter().any(|mail| mail["subject"].as_str().is_some_and(|subject| subject.contains(about))) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!(
        "no mail says {about}: {:?}",
        bench.stack.mail().await.expect("mail").iter().map(|mail| mail["subject"].clone()).collect::<Vec<_>>()
    );
}
