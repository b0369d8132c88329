//! A dispatch over thousands of meters is one message; one over tens of thousands has parts.

use std::{collections::BTreeSet, sync::Arc};

use dispatch::{DispatchTerms, Effective, EffectiveTargets, Part, Rank, Signal, State, Subject, Target, sendable};
use serde_json::Value;

use crate::made::{LIMIT_BYTES, at, data, details, kilowatts, origin, play, stated, terms};

/// The limit of SQS: 1 MiB, attributes included.
const MESSAGE_BYTES: usize = 1_048_576;

fn meter(index: usize) -> String {
    format!("dd21c76c-7126-4ef7-b0a6-{index:012x}")
}

fn signals(terms: DispatchTerms) -> (State, Vec<Signal>) {
    let fact = stated("leap-prod", "leap", "11cfced0-16f4-4fb7-b72e-5ff939ae541e", Rank::Pushed(at("16:40:00")), terms);
    play([("16:40:00", fact)])
}

fn signal(terms: DispatchTerms) -> Signal {
    let (_, mut signals) = signals(terms);
    assert_eq!(signals.len(), 1);
    signals.remove(0)
}

fn over(meters: usize, target: impl Fn(usize) -> Target) -> DispatchTerms {
    DispatchTerms { targets: (0..meters).map(target).collect(), details: details("{}"), ..terms() }
}

fn ids(signal: &Signal) -> BTreeSet<String> {
    let data = data(signal);
    let text = |id: &Value| id.as_str().unwrap().to_owned();
    let targets = data["dispatch"]["targets"].as_array().unwrap();
    targets
        .iter()
        .flat_map(|target| match target.get("ids") {
            Some(ids) => ids.as_array().unwrap().iter().map(text).collect(),
            None => vec![text(&target["id"])],
        })
        .collect()
}

/// Makes one message and checks that it has every meter.
fn check(meters: usize, target: impl Fn(usize) -> Target) -> Signal {
    let signal = signal(over(meters, target));
    let bytes = signal.body.len();
    assert!(bytes <= LIMIT_BYTES, "{bytes} bytes over {meters} meters");
    assert_eq!(ids(&signal), (0..meters).map(meter).collect());
    signal
}

fn plain(index: usize) -> Target {
    Target { id: meter(index), name: None, external_id: None, request: Some(kilowatts(10)) }
}

#[test]
fn five_thousand_meters_stand_one_by_one() {
    let signal = check(5_000, plain);
    assert_eq!(data(&signal)["dispatch"]["targets"].as_array().unwrap().len(), 5_000);
}

#[test]
fn twenty_thousand_meters_of_a_group_share_one_entry() {
    let signal = check(20_000, |index| Target { request: None, ..plain(index) });
    let targets = data(&signal)["dispatch"]["targets"].as_array().unwrap().clone();
    assert_eq!(targets.len(), 1);
    assert_eq!(targets[0]["request"], Value::Null);
}

#[test]
fn meters_of_different_shares_keep_them() {
    let signal =
        check(15_000, |index| Target { request: Some(kilowatts(u64::try_from(index).unwrap() % 3)), ..plain(index) });
    let targets = data(&signal)["dispatch"]["targets"].as_array().unwrap().clone();
    let groups: Vec<u64> = targets.iter().map(|entry| entry["request"]["watts"].as_u64().unwrap()).collect();
    assert_eq!(groups, [0, 1_000, 2_000]);
}

#[test]
fn thousands_of_different_shares_keep_theirs() {
    check(10_000, |index| Target { request: Some(kilowatts(u64::try_from(index).unwrap())), ..plain(index) });
}

/// Checks that the parts of one version have each target once, in order, and all other fields each, and that joining
/// them gives `targets`.
fn check_parts(signals: &[Signal], targets: &[Target]) {
    let of = u32::try_from(signals.len()).unwrap();
    assert!(of > 1, "one message");
    let mut found = Vec::new();
    for (number, signal) in (1..).zip(signals) {
        assert!(signal.body.len() <= LIMIT_BYTES, "{} bytes", signal.body.len());
        assert_eq!(signal.part, Some(Part { number, of }));
        assert_eq!(signal.sequence, 1);
        let event: Value = serde_json::from_str(&signal.body).unwrap();
        assert_eq!(event["id"], format!("{}#1701388800000.1.{number}", signal.subject));
        let dispatch = &event["data"]["dispatch"];
        assert_eq!((&dispatch["part"], &dispatch["parts"]), (&number.into(), &of.into()));
        assert_eq!(dispatch["request"], serde_json::json!(kilowatts(5)));
        for entry in dispatch["targets"].as_array().unwrap() {
            let ids = entry.get("ids").and_then(Value::as_array).cloned().unwrap_or_else(|| vec![entry["id"].clone()]);
            found.extend(ids.into_iter().map(|id| (id, entry["external_id"].clone(), entry["request"].clone())));
        }
    }
    found.sort_by_key(|(id, ..)| id.to_string());
    let mut expected: Vec<(Value, Value, Value)> = targets
        .iter()
        .map(|target| {
            (target.id.clone().into(), serde_json::json!(target.external_id), serde_json::json!(target.request))
        })
        .collect();
    expected.sort_by_key(|(id, ..)| id.to_string());
    assert!(found == expected, "targets are lost, doubled or changed");
}

#[test]
fn fifty_thousand_meters_come_in_parts_that_name_each_once() {
    let check = |target: &dyn Fn(usize) -> Target| {
        let terms = over(50_000, target);
        check_parts(&signals(terms.clone()).1, &terms.targets);
    };
    check(&|index| Target { request: None, ..plain(index) });
    check(&plain);
    check(&|index| Target { request: Some(kilowatts(u64::try_from(index).unwrap())), ..plain(index) });
    check(&|index| Target { external_id: Some(meter(index)), request: None, ..plain(index) });
}

#[test]
fn a_quarter_of_a_million_short_ids_come_in_parts() {
    let terms = over(260_000, |index| Target { id: format!("{index:x}"), request: None, ..plain(index) });
    check_parts(&signals(terms.clone()).1, &terms.targets);
}

/// SQS accepts neither character, and their escapes are twice as long.
#[test]
fn noncharacters_count_as_what_is_sent() {
    let noise = "\u{ffff}\u{fffe}".repeat(40);
    let terms = over(7_000, |index| Target { id: format!("{noise}{index}"), request: None, ..plain(index) });
    let (_, signals) = signals(terms.clone());
    check_parts(&signals, &terms.targets);
    assert!(signals.iter().all(|signal| sendable(&signal.body) == signal.body));
}

#[test]
fn long_references_are_kept_in_parts() {
    let terms =
        over(5_000, |index| Target { external_id: Some(format!("plant {index} {}", "x".repeat(300))), ..plain(index) });
    check_parts(&signals(terms.clone()).1, &terms.targets);
}

#[test]
fn a_name_that_is_larger_than_a_message_is_left_out_and_its_site_stays() {
    let terms = over(3, |index| Target { name: Some("x".repeat(MESSAGE_BYTES / 2 * index)), ..plain(index) });
    let (_, signals) = signals(terms);
    let all: BTreeSet<String> = signals.iter().flat_map(ids).collect();
    assert_eq!(all, (0..3).map(meter).collect());
    assert!(signals.iter().all(|signal| signal.body.len() <= LIMIT_BYTES));
}

#[test]
fn overlaps_change_nothing_about_which_part_holds_which_target() {
    let (state, plain_signals) = signals(over(50_000, |index| Target { request: None, ..plain(index) }));
    let other = Subject::dispatch("leap-prod", "other");
    let overlap = Arc::new(Effective::new(None, other.clone(), vec![other]));
    let effective: EffectiveTargets = (0..50_000).step_by(7).map(|index| (meter(index), overlap.clone())).collect();
    let origin = origin("leap-prod", "leap");
    let sent = state.with_effective(&origin, &plain_signals[0], &effective, LIMIT_BYTES).unwrap();
    let all = |signals: &[Signal]| signals.iter().map(ids).collect::<Vec<_>>();
    assert!(all(&sent) == all(&plain_signals));
    assert!(sent.iter().zip(&plain_signals).all(|(sent, plain)| sent.id() == plain.id()));
    assert!(sent.iter().any(|signal| signal.body.contains("governed_by")));
}

#[test]
fn a_long_reference_survives_where_there_is_room_for_it() {
    let signal =
        check(15_000, |index| Target { external_id: (index == 7).then(|| "plant 7".to_owned()), ..plain(index) });
    let targets = data(&signal)["dispatch"]["targets"].as_array().unwrap().clone();
    assert!(targets.iter().any(|entry| entry["external_id"] == "plant 7"));
}

#[test]
fn a_providers_further_fields_do_not_keep_a_dispatch_from_being_published() {
    let details = details(&format!(r#"{{"metadata":{{"text":"{}"}}}}"#, "x".repeat(MESSAGE_BYTES)));
    let signal = signal(DispatchTerms { details, ..terms() });
    assert!(signal.body.len() <= LIMIT_BYTES);
    assert_eq!(data(&signal)["dispatch"]["targets"][0]["external_id"], "democustomerlocationid");
}
