//! Checks hostile bodies and responses against the [`laws`](crate::laws), and that test traffic is never treated as
//! real.

mod make;

use dispatch::{Fact, FactBody};
use proptest::{prelude::*, sample::select};
use serde_json::Value;

use crate::{
    Parsed, Provider, Providers,
    example::Example,
    fixtures,
    laws::{asked, check},
    leap::Leap,
    nvgrid::NvGrid,
    openvolt::Openvolt,
    testing::{decode, parse},
    voltus::Voltus,
};

/// Whether a flag is true, as Leap and Voltus write it.
fn is_true(body: &Value, flag: &str) -> bool {
    match body.get(flag) {
        Some(Value::Bool(set)) => *set,
        Some(Value::String(word)) => word.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

fn all_tests(reading: Result<Parsed, String>) -> bool {
    let is_test = |fact: &Fact| matches!(&fact.body, FactBody::Dispatch(said) if said.terms.test_reason.is_some());
    reading.map_or(true, |reading| reading.facts.iter().all(is_test))
}

fn providers() -> Providers {
    Providers::default().and(&Example)
}

fn any_provider() -> impl Strategy<Value = &'static dyn Provider> {
    select(providers().iter().collect::<Vec<_>>())
}

/// A provider, and one of its fixtures with changes.
fn changed_fixture() -> impl Strategy<Value = (&'static dyn Provider, Value)> {
    any_provider().prop_flat_map(|provider| (Just(provider), make::mutated(provider.name())))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_560, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_json(provider in any_provider(), body in make::value()) {
        check(provider, &body.to_string());
    }

    #[test]
    fn any_text(provider in any_provider(), body in any::<String>()) {
        check(provider, &body);
    }

    #[test]
    fn fixtures_with_changes((provider, body) in changed_fixture()) {
        check(provider, &body.to_string());
    }

    #[test]
    fn fixtures_cut_short((provider, body) in changed_fixture(), at in any::<prop::sample::Index>()) {
        let text = body.to_string();
        let cut: String = text.chars().take(at.index(text.len().max(1))).collect();
        check(provider, &cut);
    }
}

#[test]
fn fixtures_of_all_providers_as_they_are() {
    for provider in providers().iter() {
        for (_, body) in fixtures::all() {
            check(provider, body);
        }
    }
}

#[test]
fn depth_is_refused_and_not_followed() {
    for provider in providers().iter() {
        for (open, close) in [("[", "]"), ("{\"event\":", "}"), ("{\"payload\":[", "]}")] {
            check(provider, &format!("{}{}", open.repeat(100_000), close.repeat(100_000)));
        }
        for body in ["", " ", "null", "[]", "{}", "\"x\"", "1e400", "\u{feff}{}", "\"\\ud800\"", "nul"] {
            check(provider, body);
        }
    }
}

/// Checks that no value of a field loses the fact that contains it, or another fact.
fn keeps_its_facts(read: impl Fn(&str) -> Result<Parsed, String>, fixture: &str, needed: &[&str]) {
    let body: Value = serde_json::from_str(fixture).expect("JSON");
    let facts = read(fixture).expect("a fixture").facts.len();
    let deep = format!("{}{}", "{\"a\":[".repeat(300), "]}".repeat(300));
    let odd = [
        "null",
        "7",
        "-1",
        "2.5",
        "1e400",
        "1180591620717411303424",
        "true",
        "\"\"",
        "\"soon\"",
        "[]",
        "[null]",
        "{}",
        "NaN",
        "\"\\ud83d\"",
        "\"0001-01-01T00:00:00Z\"",
        "\"9999-12-31T23:59:59Z\"",
        &deep,
    ];
    let is_needed = |pointer: &str| {
        let up = |needed: &&str| {
            *needed == pointer || needed.strip_prefix(pointer).is_some_and(|rest| rest.starts_with('/'))
        };
        pointer.is_empty() || needed.iter().any(up)
    };
    for pointer in make::pointers(&body).iter().filter(|pointer| !is_needed(pointer)) {
        let mut changed = body.clone();
        *changed.pointer_mut(pointer).expect("a place") = Value::from("<here>");
        for value in odd {
            let text = changed.to_string().replace("\"<here>\"", value);
            let reading = read(&text).unwrap_or_else(|reason| panic!("{pointer} {value:.40}: {reason}"));
            assert_eq!(reading.facts.len(), facts, "{pointer} {value:.40}: {reading:?}");
            assert!(reading.diagnostics.is_empty(), "{pointer} {value:.40}: {reading:?}");
        }
    }
}

fn fixture(name: &str) -> &'static str {
    fixtures::named(name).expect("a fixture")
}

#[test]
fn no_field_but_id_and_start_can_lose_a_dispatch() {
    let fetch = asked(&Voltus, false).expect("a look");
    let answer = |text: &str| decode(&Voltus, &fetch, text);
    keeps_its_facts(answer, fixture("voltus/answer_created.json"), &["/id", "/start_time"]);
    let of_meter = fixture("leap/notification_meter_cancelled.json");
    let slot = "/meter_dispatches/0/timeslots/0";
    let needed = [format!("{slot}/meter_event_id"), format!("{slot}/start_time")];
    keeps_its_facts(|text| parse(&Leap, text), of_meter, &needed.each_ref().map(String::as_str));
    let needed = ["/event", "/correlation_id", "/start_time"];
    keeps_its_facts(|text| parse(&NvGrid, text), fixture("nvgrid/start_ramp_down.json"), &needed);
    keeps_its_facts(|text| parse(&Openvolt, text), fixture("openvolt/webhook_customer_created.json"), &["/event_id"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_notification_that_is_called_a_test_states_only_tests(mut body in make::mutated("leap"), flag in 0..2_usize) {
        let flag = ["integration_test_notification", "communication_test"][flag];
        if let Some(fields) = body.as_object_mut() {
            fields.insert(flag.to_owned(), Value::from(true));
        }
        prop_assert!(!is_true(&body, flag) || all_tests(parse(&Leap, &body.to_string())));
    }

    #[test]
    fn a_dispatch_that_is_called_a_test_is_one(mut body in make::mutated("voltus")) {
        let fetch = asked(&Voltus, false).expect("a look");
        if let Some(fields) = body.as_object_mut() {
            fields.insert("test".to_owned(), Value::from(true));
            fields.shift_remove("dispatches");
        }
        prop_assert!(!is_true(&body, "test") || all_tests(decode(&Voltus, &fetch, &body.to_string())));
    }
}
