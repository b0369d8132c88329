//! What a signal adds for targets that other active dispatches name too.

use std::sync::Arc;

use dispatch::{DispatchTerms, Effective, EffectiveTargets, Rank, Signal, State, Subject, Target};
use serde_json::{Value, json};
use signals::schemas;

use crate::made::{LIMIT_BYTES, at, data, details, fetched, kilowatts, origin, play, stated, terms};

fn effective(other: &str) -> Arc<Effective> {
    let other = Subject::dispatch("voltus-prod", other);
    Arc::new(Effective::new(Some(at("18:00:00")), other.clone(), vec![other]))
}

fn with_effective(state: &State, signals: &[Signal], effective: &EffectiveTargets) -> Signal {
    let last = signals.last().unwrap();
    let mut signals = state.with_effective(&origin("voltus-prod", "voltus"), last, effective, LIMIT_BYTES).unwrap();
    assert_eq!(signals.len(), 1);
    signals.remove(0)
}

#[test]
fn a_target_without_overlaps_is_unchanged() {
    let (state, signals) = play([("16:40:00", fetched(0, "16:40:00", terms()))]);
    assert_eq!(with_effective(&state, &signals, &EffectiveTargets::new()), signals[0], "byte for byte");
}

#[test]
fn an_overlap_is_published_and_matches_the_schema() {
    let (state, signals) = play([("16:40:00", fetched(0, "16:40:00", terms()))]);
    let signal = with_effective(&state, &signals, &EffectiveTargets::from([("d4z9".to_owned(), effective("asdf"))]));
    assert_eq!(Signal { body: signals[0].body.clone(), ..signal.clone() }, signals[0], "only the body differs");
    let expected = json!({
        "id": "d4z9", "name": "My Site", "external_id": "democustomerlocationid",
        "request": { "kind": "reduce", "watts": 5000 },
        "effective": { "until": "2023-12-01T18:00:00Z", "governed_by": "voltus-prod/asdf", "with": ["voltus-prod/asdf"], "others": 1 },
    });
    let data = data(&signal);
    assert_eq!(data["dispatch"]["targets"], json!([expected]));
    let (_, schema) = schemas().into_iter().find(|(name, _)| *name == "dispatch").unwrap();
    assert!(jsonschema::draft202012::new(schema.as_value()).unwrap().is_valid(&data));
}

#[test]
fn only_the_current_version_can_be_sent_again() {
    let later = DispatchTerms { request: kilowatts(9), ..terms() };
    let (state, signals) =
        play([("16:40:00", fetched(0, "16:40:00", terms())), ("16:41:00", fetched(1, "16:41:00", later))]);
    let origin = origin("voltus-prod", "voltus");
    assert_eq!(state.with_effective(&origin, &signals[0], &EffectiveTargets::new(), LIMIT_BYTES), None);
    assert!(state.with_effective(&origin, &signals[1], &EffectiveTargets::new(), LIMIT_BYTES).is_some());
}

/// The targets of a signal over this many meters; `which` names the overlapping dispatch of each.
fn huge(meters: usize, which: impl Fn(usize) -> String) -> Value {
    let meter = |index: usize| format!("dd21c76c-7126-4ef7-b0a6-{index:012x}");
    let target = |index| Target { id: meter(index), name: None, external_id: None, request: Some(kilowatts(5)) };
    let terms = DispatchTerms { targets: (0..meters).map(target).collect(), details: details("{}"), ..terms() };
    let fact = stated("voltus-prod", "voltus", "dkmq", Rank::Pushed(at("16:40:00")), terms);
    let (state, signals) = play([("16:40:00", fact)]);
    let all = (0..meters).map(|index| (meter(index), effective(&which(index)))).collect();
    let signal = with_effective(&state, &signals, &all);
    assert!(signal.body.len() <= LIMIT_BYTES, "{} bytes", signal.body.len());
    data(&signal)["dispatch"]["targets"].take()
}

#[test]
fn thousands_of_meters_with_one_overlap_share_one_entry() {
    let targets = huge(5_000, |_| "asdf".to_owned());
    assert_eq!(targets.as_array().unwrap().len(), 1);
    assert_eq!(targets[0]["ids"].as_array().unwrap().len(), 5_000);
    assert_eq!(targets[0]["effective"]["with"], json!(["voltus-prod/asdf"]));
}

#[test]
fn overlaps_that_do_not_fit_are_left_out_and_every_meter_is_still_there() {
    let targets = huge(10_000, |index| format!("other-{index}"));
    assert_eq!(targets[0]["ids"].as_array().unwrap().len(), 10_000);
    assert_eq!(targets[0].get("effective"), None);
}
