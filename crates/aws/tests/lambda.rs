//! Events as Lambda delivers them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use aws::{
    lambda::{GatewayRequest, GatewayResponse, records},
    retrier::Call,
};
use serde_json::value::RawValue;

fn event(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

const BASE64: &str = include_str!("events/api-base64.json");
const PREFIX: &str = include_str!("events/api-prefix.json");
const SQS: &str = include_str!("events/sqs.json");
const SCHEDULE: &str = include_str!("events/schedule.json");

#[test]
fn a_request_is_read_with_its_raw_body_and_its_path_decoded() {
    let request = GatewayRequest::parse(&event(BASE64)).unwrap();
    assert_eq!(request.method, "POST");
    assert_eq!(request.below("hooks").unwrap(), ["voltus-prod", "t/k"]);
    assert_eq!(request.body, r#"{"a":"€"}"#.as_bytes());
    assert_eq!(request.header("x-api-key"), Some("from the header"));
    assert_eq!(request.header("content-type"), Some("application/octet-stream"));
}

#[test]
fn a_header_that_none_can_be_makes_no_request() {
    // No HTTP API sends this; the receiver answers 400, since a retry would not help.
    assert!(GatewayRequest::parse(&event(&BASE64.replace("from the header", "a\\u0007bell"))).is_none());
}

#[test]
fn a_prefix_before_the_path_and_a_slash_after_it_do_not_matter() {
    let request = GatewayRequest::parse(&event(PREFIX)).unwrap();
    assert_eq!(request.method, "GET");
    assert_eq!(request.below("hooks").unwrap(), ["voltus-prod"]);
    assert_eq!(request.header("x-api-key"), Some("token"));
    assert_eq!(request.below("acks"), None);
    assert!(request.body.is_empty());
}

#[test]
fn one_slash_at_a_paths_end_is_nothing_and_two_are_a_segment() {
    let check = |path: &str, root: &str, expected: &[&str]| {
        let event = event(&PREFIX.replace("/_aws/execute-api/abc/$default/hooks/voltus-prod/", path));
        assert_eq!(GatewayRequest::parse(&event).unwrap().below(root).unwrap(), expected, "{path}");
    };
    check("/hooks/voltus-prod/token", "hooks", &["voltus-prod", "token"]);
    check("/hooks/voltus-prod/token/", "hooks", &["voltus-prod", "token"]);
    check("/v1/hooks/voltus-prod/", "hooks", &["voltus-prod"]);
    check("/hooks/voltus-prod/token//", "hooks", &["voltus-prod", "token", ""]);
    check("/hooks/voltus-prod//", "hooks", &["voltus-prod", ""]);
    check("/hooks/voltus-prod//token", "hooks", &["voltus-prod", "", "token"]);
    check("/hooks/voltus-prod/t%2Fk%2F", "hooks", &["voltus-prod", "t/k/"]);
    check("/hooks/", "hooks", &[]);
    check("/hooks//", "hooks", &[""]);
    check("/acks/token/", "acks", &["token"]);
    check("/alerts/secret/", "alerts", &["secret"]);
}

#[test]
fn an_answer_has_the_shape_of_payload_format_2() {
    let answer = serde_json::to_value(GatewayResponse::json(404, "{}".to_owned())).unwrap();
    let expected = serde_json::json!({
        "statusCode": 404, "headers": {"content-type": "application/json"}, "body": "{}", "isBase64Encoded": false,
    });
    assert_eq!(answer, expected);
}

#[test]
fn one_bad_record_does_not_take_the_others_with_it() {
    let batch = records(&event(SQS)).unwrap();
    let read: Vec<(&str, &str, u32)> =
        batch.messages.iter().map(|m| (m.id.as_str(), m.body.as_str(), m.receives)).collect();
    assert_eq!(read, [("1", r#"{"a":1}"#, 3), ("4", "not JSON", 1)]);
    assert_eq!(batch.unreadable, ["2", "3"]);
    // A record without an id could not be reported as failed, so SQS would delete it.
    assert!(records(&event(r#"{"Records":[{"body":"x"}]}"#)).is_err());
    assert!(records(&event("[]")).is_err());
}

#[test]
fn the_retrier_recognises_each_kind_of_call() {
    let parse = |json: &str| Call::parse(&event(json));
    assert_eq!(parse(SQS), Some(Call::Batch));
    assert_eq!(parse(SCHEDULE), Some(Call::Sweep));
    assert_eq!(parse(r#"{"sweep":true}"#), Some(Call::Sweep));
    assert!(matches!(parse(PREFIX), Some(Call::Request(_))));
    for other in ["{}", "[]", "null", r#"{"sweep":false}"#, r#"{"source":"aws.s3"}"#] {
        assert_eq!(parse(other), None, "{other}");
    }
}
