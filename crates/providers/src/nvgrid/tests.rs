use serde_json::json;

use super::*;
use crate::testing::{NOW, check_fixtures, origin, parse, shown};

const END: &str = include_str!("fixtures/end_ramp_down_not_compliant.json");

fn with(field: &str, value: Value) -> Result<Reading, String> {
    let mut body: Value = serde_json::from_str(END).expect("JSON");
    body[field] = value;
    parse(&NvGrid, &body.to_string())
}

#[test]
fn payloads_become_power_events() {
    check_fixtures!("fixtures/*.json", "reading", |body| shown(&NvGrid, &parse(&NvGrid, body)));
}

#[test]
fn the_same_load_in_another_unit_is_the_same_fact() {
    let facts = |value: Value, unit: &str| with("target_load", json!({"value": value, "unit": unit})).unwrap().facts;
    assert_eq!(facts(json!(6500), "kw"), parse(&NvGrid, END).unwrap().facts);
    assert_eq!(facts(json!("6500000"), "UNIT_WATT"), parse(&NvGrid, END).unwrap().facts);
}

#[test]
fn an_empty_tag_names_no_feed() {
    let subject = |tag: Value| with("feed_tag", tag).unwrap().facts[0].subject.clone();
    let unnamed = Subject::power("nvgrid-prod", None, "curtailment-20251024-170000");
    assert_eq!([subject(json!("")), subject(json!(null))], [unnamed.clone(), unnamed]);
}

#[test]
fn what_decides_has_to_be_readable() {
    let check = |field: &str, value: Value, reason: &str| assert_eq!(with(field, value).unwrap_err(), reason);
    check("event", json!(3), "`event` is no text");
    check("correlation_id", json!(""), "`correlation_id` is no identifier of 1 to 128 characters");
    check("correlation_id", json!(null), "`correlation_id` is missing");
    check("feed_tag", json!(["a"]), "`feed_tag` is no identifier of 1 to 128 characters");
    check("start_time", json!(null), "`start_time` is missing");
    check("end_time", json!("never"), "`end_time` is not an RFC 3339 time");
    check("target_load", json!(null), "`target_load` is missing");
    check("target_load", json!(6.5), "`target_load` is not an object");
    check("target_load", json!({"value": 6.5}), "`target_load` has no unit");
    check("target_load", json!({"value": 6.5, "unit": "hp"}), "`target_load` has an unknown unit \"hp\"");
    check("target_load", json!({"value": -1, "unit": "mw"}), "`target_load` is negative or over 10 GW");
}

#[test]
fn what_was_measured_may_be_unreadable() {
    let check = |field: &str, value: Value| {
        let reading = with(field, value).unwrap();
        let unreadable = reading.findings.iter().filter(|finding| matches!(finding, Finding::Unreadable { .. }));
        assert_eq!((reading.facts.len(), unreadable.count()), (1, 1), "{field}: {reading:?}");
    };
    check("calculated_load", json!({"value": 9, "unit": "hp"}));
    check("prev_target_load", json!("10 mw"));
    check("compliant", json!("nearly"));
}

#[test]
fn not_to_comply_is_a_finding_at_the_end_of_a_ramp_down_only() {
    let found = |event: &str, compliant: Value| {
        let mut body: Value = serde_json::from_str(END).unwrap();
        body["event"] = event.into();
        body["compliant"] = compliant;
        parse(&NvGrid, &body.to_string()).unwrap().findings
    };
    let what = "the load is 7100 kW, the limit 6500 kW".to_owned();
    let subject = Subject::power("nvgrid-prod", Some("main_power_feed"), "curtailment-20251024-170000");
    assert_eq!(found("end_ramp_down", json!(false)), [Finding::NotCompliant { subject, what }]);
    assert_eq!(found("end_ramp_down", json!(true)), []);
    assert_eq!(found("end_ramp_down", json!(null)), []);
    assert_eq!(found("start_ramp_down", json!(false)), []);
    assert_eq!(found("end_ramp_up", json!(false)), []);
}

#[test]
fn nothing_is_asked_of_it() {
    let look = Look { subject: Subject::account("nvgrid-prod"), key: String::new(), context: Value::Null };
    let origin = origin(&NvGrid, false);
    let answer = Answer { origin: &origin, look: &look, began_at: NOW, pages: &[] };
    assert!(matches!(NvGrid.ask(&look, None), Err(UnreadableAnswer::Look(_))));
    assert!(matches!(NvGrid.decode(&answer), Err(UnreadableAnswer::Look(_))));
    assert_eq!((NvGrid.api_url(true), NvGrid.key_header()), (None, None));
}
