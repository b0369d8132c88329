use dispatch::Request;
use serde_json::json;

use super::*;
use crate::testing::{NOW, check_fixtures, origin, parse, shown};

const END: &str = include_str!("fixtures/end_ramp_down_not_compliant.json");

fn with(field: &str, value: Value) -> Result<Parsed, String> {
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
fn what_it_is_about_and_when_it_starts_have_to_be_readable() {
    let check = |field: &str, value: Value, reason: &str| assert_eq!(with(field, value).unwrap_err(), reason);
    check("event", json!(3), "`event` is no text");
    check("correlation_id", json!(""), "`correlation_id` is no identifier of 1 to 512 bytes");
    check("correlation_id", json!(null), "`correlation_id` is missing");
    // The subject is known, so the diagnostic names it.
    let check = |field: &str, value: Value, expected: &str| {
        let parsed = with(field, value).unwrap();
        let [Diagnostic::Unreadable { reason, about: Some(subject), .. }] = parsed.diagnostics.as_slice() else {
            panic!("{parsed:?}")
        };
        assert_eq!(subject.as_str(), "nvgrid-prod/main_power_feed/curtailment-20251024-170000");
        assert_eq!((reason.as_str(), parsed.facts.len()), (expected, 0));
    };
    check("start_time", json!(null), "`start_time` is missing");
    check("start_time", json!("0001-01-01T00:00:00Z"), "`start_time` is before the year 2000");
    check("start_time", json!("9999-01-01T00:00:00Z"), "`start_time` is in the year 9999 or later");
}

#[test]
fn all_else_fails_alone() {
    let check = |field: &str, value: Value, reason: &str| {
        let parsed = with(field, value).unwrap();
        let [Fact { body: FactBody::Power(said), field_errors, .. }] = parsed.facts.as_slice() else {
            panic!("{parsed:?}")
        };
        let told: Vec<(&str, &str)> =
            field_errors.iter().map(|one| (one.field.as_str(), one.reason.as_str())).collect();
        assert_eq!(told, [(field, reason)]);
        said.clone()
    };
    check("feed_tag", json!(["a"]), "`feed_tag` is no identifier of 1 to 512 bytes");
    check("strategy", json!(["best_effort"]), "`strategy` is not a text");
    check("calculated_load", json!({"value": 9, "unit": "hp"}), "`calculated_load` has an unknown unit \"hp\"");
    check("prev_target_load", json!("10 mw"), "`prev_target_load` is not an object");
    check("compliant", json!("nearly"), "`compliant` is neither true nor false");
    for (value, reason) in [
        (json!(null), "`target_load` is missing"),
        (json!(6.5), "`target_load` is not an object"),
        (json!({"value": 6.5}), "`target_load` has no unit"),
        (json!({"value": 6.5, "unit": "hp"}), "`target_load` has an unknown unit \"hp\""),
        (json!({"value": -1, "unit": "mw"}), "`target_load` is negative or over 10 GW"),
    ] {
        assert_eq!(check("target_load", value, reason).target, Request::Unspecified);
    }
    for (value, reason) in [
        (json!("never"), "`end_time` is not an RFC 3339 time"),
        (json!(false), "`end_time` is not an RFC 3339 time"),
        (json!(1_764_500_000), "`end_time` is not an RFC 3339 time"),
        (json!("0001-01-01T00:00:00Z"), "`end_time` is before the year 2000"),
        (json!("2025-10-24T17:00:00Z"), "`end_time` is not after the start"),
    ] {
        assert_eq!(check("end_time", value, reason).end, None);
    }
}

#[test]
fn an_end_in_the_year_9999_is_for_ever() {
    let parsed = with("end_time", json!("9999-12-31T23:59:59Z")).unwrap();
    let [Fact { body: FactBody::Power(said), field_errors, .. }] = parsed.facts.as_slice() else {
        panic!("{parsed:?}")
    };
    assert_eq!((said.end, field_errors.len()), (None, 0));
}

#[test]
fn not_to_comply_is_a_finding_at_the_end_of_a_ramp_down_only() {
    let found = |event: &str, compliant: Value| {
        let mut body: Value = serde_json::from_str(END).unwrap();
        body["event"] = event.into();
        body["compliant"] = compliant;
        parse(&NvGrid, &body.to_string()).unwrap().diagnostics
    };
    let what = "the load is 7100 kW, the limit 6500 kW".to_owned();
    let subject = Subject::power("nvgrid-prod", Some("main_power_feed"), "curtailment-20251024-170000");
    assert_eq!(found("end_ramp_down", json!(false)), [Diagnostic::NotCompliant { subject, what }]);
    assert_eq!(found("end_ramp_down", json!(true)), []);
    assert_eq!(found("end_ramp_down", json!(null)), []);
    assert_eq!(found("start_ramp_down", json!(false)), []);
    assert_eq!(found("end_ramp_up", json!(false)), []);
}

#[test]
fn nothing_is_asked_of_it() {
    let fetch = FetchRequest { subject: Subject::account("nvgrid-prod"), key: String::new(), context: Value::Null };
    let origin = origin(&NvGrid, false);
    let answer = ApiResponse { origin: &origin, fetch: &fetch, began_at: NOW, pages: &[] };
    assert!(matches!(NvGrid.request(&fetch, None), Err(UnreadableResponse::Foreign(_))));
    assert!(matches!(NvGrid.decode(&answer), Err(UnreadableResponse::Foreign(_))));
    assert_eq!((NvGrid.api_url(true), NvGrid.key_header()), (None, None));
}
