//! The lines against the rules of the specification.

use std::collections::BTreeSet;

use pipeline::job::FailureKind;

use super::*;

fn at() -> Timestamp {
    "2023-12-01T16:40:03.120Z".parse().unwrap()
}

fn recorder() -> Recorder {
    Recorder { stack: "gridbell-prod".to_owned(), values: Mutex::default() }
}

fn provider(source: &str, took_ms: i64, has_failed: bool) -> Measurement<'_> {
    Measurement::Provider { source, took_ms, has_failed }
}

/// The schema in the specification, for what gridbell uses of it.
fn schema() -> Value {
    let name = |most: u32| json!({ "type": "string", "minLength": 1, "maxLength": most });
    let metric = json!({
        "type": "object", "required": ["Name"],
        "properties": { "Name": name(1024), "Unit": { "enum": ["Milliseconds", "Seconds", "Count"] } },
    });
    let dimensions = json!({ "type": "array", "minItems": 1, "maxItems": 30, "items": name(250) });
    let directive = json!({
        "type": "object", "required": ["Namespace", "Dimensions", "Metrics"],
        "properties": {
            "Namespace": name(1024),
            "Dimensions": { "type": "array", "minItems": 1, "items": dimensions },
            "Metrics": { "type": "array", "minItems": 1, "maxItems": 100, "items": metric },
        },
    });
    let about = json!({
        "type": "object", "required": ["Timestamp", "CloudWatchMetrics"],
        "properties": {
            "Timestamp": { "type": "integer" },
            "CloudWatchMetrics": { "type": "array", "minItems": 1, "items": directive },
        },
    });
    json!({ "type": "object", "required": ["_aws"], "properties": { "_aws": about } })
}

/// Checks a line; returns the names of its metrics.
fn check(line: &Value) -> BTreeSet<String> {
    assert!(!line.to_string().contains('\n') && line.to_string().len() < 256 * 1_024);
    assert!(jsonschema::draft202012::new(&schema()).unwrap().is_valid(line), "{line}");
    let mut names = BTreeSet::new();
    let mut targets = BTreeSet::from(["_aws"]);
    for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
        for dimension in directive["Dimensions"].as_array().unwrap().iter().flat_map(|set| set.as_array().unwrap()) {
            let dimension = dimension.as_str().unwrap();
            targets.insert(dimension);
            let value = line[dimension].as_str().expect("a dimension's value is text at the root");
            assert!((1..=1024).contains(&value.len()));
        }
        for metric in directive["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} twice");
            targets.insert(name);
            match &line[name] {
                Value::Array(values) => {
                    assert!((1..=MAX_VALUES).contains(&values.len()) && values.iter().all(Value::is_number));
                }
                value => assert!(value.is_number(), "{name}: {value}"),
            }
        }
    }
    assert_eq!(line.as_object().unwrap().keys().map(String::as_str).collect::<BTreeSet<_>>(), targets);
    names
}

#[test]
fn one_line_holds_all_that_an_invocation_measured() {
    let metrics = recorder();
    for measurement in [
        Measurement::Accepted,
        Measurement::WebhookToSignal { took_ms: 812 },
        Measurement::DeadlineMargin { left_s: -3 },
        Measurement::Retry { reason: FailureKind::UnreadableResponse },
        provider("voltus-prod", 140, false),
        provider("voltus-prod", 5_000, true),
        Measurement::Notification,
        Measurement::Notification,
        Measurement::HeartbeatAge { age_s: 22 },
    ] {
        metrics.measure(measurement);
    }
    let [line] = &metrics.lines(at())[..] else { panic!("one line") };
    assert_eq!(check(line).len(), 8);
    let found = ["Stack", "Source", "Reason", "ProviderLatency", "ProviderErrors", "Notifications", "DeadlineMargin"];
    let expected = json!(["gridbell-prod", "voltus-prod", "unreadable_response", [140, 5_000], 1, 2, -3]);
    assert_eq!(json!(found.map(|name| &line[name])), expected);
    assert_eq!(line["_aws"]["Timestamp"], 1_701_448_803_120_i64);
    assert!(metrics.lines(at()).is_empty(), "the next invocation begins anew");
}

#[test]
fn a_further_source_or_reason_gets_a_line_of_its_own() {
    let metrics = recorder();
    for source in ["leap-prod", "voltus-prod", "openvolt-prod"] {
        metrics.measure(provider(source, 1, false));
    }
    for reason in [FailureKind::Crash, FailureKind::Provider] {
        metrics.measure(Measurement::Retry { reason });
    }
    let lines = metrics.lines(at());
    lines.iter().for_each(|line| drop(check(line)));
    let of = |name: &str| lines.iter().filter_map(|line| line[name].as_str()).collect::<Vec<_>>();
    assert_eq!(of("Source"), ["leap-prod", "openvolt-prod", "voltus-prod"]);
    assert_eq!((of("Reason"), lines.len()), (vec!["crash", "provider"], 3));
}

#[test]
fn a_metric_has_a_hundred_values_at_most_and_its_true_maximum() {
    let metrics = recorder();
    for took_ms in (0..500).rev() {
        metrics.measure(Measurement::WebhookToSignal { took_ms });
    }
    metrics.measure(Measurement::WebhookToSignal { took_ms: 9_000 });
    (0..500).for_each(|_| metrics.measure(Measurement::Accepted));
    let [line] = &metrics.lines(at())[..] else { panic!("one line") };
    check(line);
    let values = line["WebhookToSignal"].as_array().unwrap();
    assert_eq!((values.len(), values.iter().filter_map(Value::as_i64).max()), (MAX_VALUES, Some(9_000)));
    assert_eq!(line["Accepted"], 500);
}
