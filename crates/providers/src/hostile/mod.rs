//! What holds whatever a body or an answer says: no parser panics, all that comes out can be stored and read again, stays
//! within its source and its bounds, and test traffic never passes for real.

mod make;

use dispatch::{Fact, Origin, Says, TestReason};
use proptest::prelude::*;
use serde_json::Value;

use crate::{
    Finding, Look, Provider, Reading, fixtures,
    leap::Leap,
    nvgrid::NvGrid,
    openvolt::Openvolt,
    testing::{decode, origin, parse, parse_from},
    voltus::Voltus,
};

/// No text for people is longer than this.
const MAX_TEXT: usize = 400;

fn check_webhook(provider: &dyn Provider, body: &str) {
    let _ = provider.is_ping(body);
    for sandbox in [false, true] {
        let origin = origin(provider, sandbox);
        match parse_from(provider, &origin, body) {
            Ok(reading) => check_reading(provider, &origin, &reading),
            Err(reason) => assert!(reason.len() <= MAX_TEXT, "{reason}"),
        }
    }
}

fn check_answer(provider: &dyn Provider, look: &Look, page: &str) {
    let _ = provider.next_page(look, page);
    match decode(provider, look, page) {
        Ok(reading) => {
            let sandbox = look.subject.source().ends_with("-sandbox");
            check_reading(provider, &origin(provider, sandbox), &reading);
            assert!(reading.facts.iter().all(|fact| fact.subject == look.subject), "{reading:?}");
        }
        Err(reason) => assert!(reason.len() <= MAX_TEXT, "{reason}"),
    }
}

fn check_reading(provider: &dyn Provider, origin: &Origin, reading: &Reading) {
    assert!(!serde_json::to_string(reading).unwrap().is_empty());
    let within = |subject: &dispatch::Subject| subject.as_str().starts_with(&format!("{}/", origin.source));
    for fact in &reading.facts {
        assert!(within(&fact.subject) && fact.origin == *origin, "{fact:?}");
        let stored = serde_json::to_string(fact).unwrap();
        assert_eq!(serde_json::from_str::<Fact>(&stored).unwrap(), *fact);
        check_fact(fact);
        if let Some(look) = provider.settle(fact, None) {
            check_look(provider, &look);
        }
    }
    for look in &reading.looks {
        assert!(within(&look.subject), "{look:?}");
        check_look(provider, look);
    }
    assert!(reading.findings.len() <= 40, "{} findings", reading.findings.len());
    for finding in &reading.findings {
        let texts = match finding {
            Finding::Unreadable { part, reason } => [part, reason],
            Finding::Impossible { subject: _, what } | Finding::NotCompliant { subject: _, what } => [what, what],
            Finding::UnknownEvent { name } => [name, name],
            Finding::KeysRotated => continue,
        };
        assert!(texts.iter().all(|text| text.len() <= MAX_TEXT && !text.contains(char::is_control)), "{finding:?}");
    }
}

fn check_fact(fact: &Fact) {
    let Says::Dispatch(said) = &fact.says else { return };
    let statement = &said.statement;
    assert!(!fact.origin.sandbox || statement.test_reason == Some(TestReason::Sandbox), "{fact:?}");
    let mut ids: Vec<&str> = statement.targets.iter().map(|target| target.id.as_str()).collect();
    ids.sort_unstable();
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "one share a target: {ids:?}");
}

fn check_look(provider: &dyn Provider, look: &Look) {
    let stored = serde_json::to_string(look).unwrap();
    assert_eq!(serde_json::from_str::<Look>(&stored).unwrap(), *look);
    let ask = provider.ask(look, None).expect("a request");
    assert!(ask.path.as_str().starts_with('/') && !ask.path.as_str().starts_with("//"), "{ask:?}");
    assert!(ask.path.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_".contains(&byte)), "{ask:?}");
}

/// A look that its answers in the fixtures are about.
fn asked(provider: &dyn Provider, sandbox: bool) -> Option<Look> {
    let origin = origin(provider, sandbox);
    let read = |body| parse_from(provider, &origin, body).expect("a webhook");
    match provider.name() {
        "voltus" => read(fixtures::voltus::WEBHOOK_CREATE).looks.pop(),
        "openvolt" => read(fixtures::openvolt::WEBHOOK_METER_DATA).looks.pop(),
        "leap" => provider.settle(&read(fixtures::leap::NOTIFICATION_METER).facts[0], None),
        _ => None,
    }
}

fn check(provider: &dyn Provider, body: &str) {
    check_webhook(provider, body);
    for look in [false, true].into_iter().filter_map(|sandbox| asked(provider, sandbox)) {
        check_answer(provider, &look, body);
    }
}

/// Of a flag as Leap and Voltus write it.
fn is_true(body: &Value, flag: &str) -> bool {
    match body.get(flag) {
        Some(Value::Bool(set)) => *set,
        Some(Value::String(word)) => word.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

fn all_tests(reading: Result<Reading, String>) -> bool {
    let is_test = |fact: &Fact| matches!(&fact.says, Says::Dispatch(said) if said.statement.test_reason.is_some());
    reading.map_or(true, |reading| reading.facts.iter().all(is_test))
}

macro_rules! hostile {
    ($name:ident, $provider:expr) => {
        mod $name {
            use super::*;

            proptest! {
                #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

                #[test]
                fn any_json(body in make::value()) {
                    check($provider, &body.to_string());
                }

                #[test]
                fn any_text(body in any::<String>()) {
                    check($provider, &body);
                }

                #[test]
                fn fixtures_with_changes(body in make::mutated($provider.name())) {
                    check($provider, &body.to_string());
                }

                #[test]
                fn fixtures_cut_short(body in make::mutated($provider.name()), at in any::<prop::sample::Index>()) {
                    let text = body.to_string();
                    let cut: String = text.chars().take(at.index(text.len().max(1))).collect();
                    check($provider, &cut);
                }
            }

            #[test]
            fn depth_is_refused_and_not_followed() {
                for (open, close) in [("[", "]"), ("{\"event\":", "}"), ("{\"payload\":[", "]}")] {
                    check($provider, &format!("{}{}", open.repeat(100_000), close.repeat(100_000)));
                }
                for body in ["", " ", "null", "[]", "{}", "\"x\"", "1e400", "\u{feff}{}", "\"\\ud800\"", "nul"] {
                    check($provider, body);
                }
            }
        }
    };
}

hostile!(voltus, &Voltus);
hostile!(leap, &Leap);
hostile!(nvgrid, &NvGrid);
hostile!(openvolt, &Openvolt);

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
        let look = asked(&Voltus, false).expect("a look");
        if let Some(fields) = body.as_object_mut() {
            fields.insert("test".to_owned(), Value::from(true));
            fields.shift_remove("dispatches");
        }
        prop_assert!(!is_true(&body, "test") || all_tests(decode(&Voltus, &look, &body.to_string())));
    }
}
