//! A dispatch over thousands of meters is one message.

use std::collections::BTreeSet;

use dispatch::{Rank, SIGNAL_LIMIT_BYTES, Signal, Statement, Target};
use serde_json::Value;

use crate::made::{at, data, details, kilowatts, play, said, statement};

/// What SQS carries: 1 MiB, attributes included.
const MESSAGE_BYTES: usize = 1_048_576;

const _: () = assert!(SIGNAL_LIMIT_BYTES < MESSAGE_BYTES);

fn meter(index: usize) -> String {
    format!("dd21c76c-7126-4ef7-b0a6-{index:012x}")
}

fn signal(statement: Statement) -> Signal {
    let fact =
        said("leap-prod", "leap", "11cfced0-16f4-4fb7-b72e-5ff939ae541e", Rank::Pushed(at("16:40:00")), statement);
    let (_, mut signals) = play([("16:40:00", fact)]);
    assert_eq!(signals.len(), 1);
    signals.remove(0)
}

fn over(meters: usize, target: impl Fn(usize) -> Target) -> Statement {
    Statement { targets: (0..meters).map(target).collect(), details: details("{}"), ..statement() }
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

/// One message that keeps every meter.
fn check(meters: usize, target: impl Fn(usize) -> Target) -> Signal {
    let signal = signal(over(meters, target));
    let bytes = signal.body.len();
    assert!(bytes <= SIGNAL_LIMIT_BYTES, "{bytes} bytes over {meters} meters");
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
    let shares: Vec<u64> = targets.iter().map(|entry| entry["request"]["watts"].as_u64().unwrap()).collect();
    assert_eq!(shares, [0, 1_000, 2_000]);
}

#[test]
fn thousands_of_different_shares_keep_theirs() {
    check(10_000, |index| Target { request: Some(kilowatts(u64::try_from(index).unwrap())), ..plain(index) });
}

#[test]
fn long_references_do_not_keep_a_dispatch_from_being_published() {
    check(5_000, |index| Target { external_id: Some(format!("plant {index} {}", "x".repeat(200))), ..plain(index) });
    check(20_000, |index| Target { external_id: Some(meter(index)), request: None, ..plain(index) });
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
    let signal = signal(Statement { details, ..statement() });
    assert!(signal.body.len() <= SIGNAL_LIMIT_BYTES);
    assert_eq!(data(&signal)["dispatch"]["targets"][0]["external_id"], "democustomerlocationid");
}
