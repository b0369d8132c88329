use super::*;
use crate::testing::{NOW, check_fixtures, origin, parse, parse_from, shown};

const WEBHOOK: &str = include_str!("fixtures/webhook_scheduled.json");

#[test]
fn webhooks_become_dispatches() {
    check_fixtures!("fixtures/webhook*.json", "reading", |body| shown(&Verify, &parse(&Verify, body)));
}

#[test]
fn no_configuration_can_name_it() {
    assert!(crate::Providers::default().named(Verify.name()).is_err());
}

#[test]
fn its_dispatches_are_tests_whatever_the_source() {
    for sandbox in [false, true] {
        let parsed = parse_from(&Verify, &origin(&Verify, sandbox), WEBHOOK).expect("a dispatch");
        let [Fact { body: FactBody::Dispatch(said), .. }] = parsed.facts.as_slice() else { panic!("{parsed:?}") };
        assert_eq!(said.terms.test_reason, Some(TestReason::Sandbox));
        assert_eq!(said.rank, Rank::Numbered(1, NOW));
    }
}

#[test]
fn id_number_and_start_are_required() {
    for name in ["dispatch", "number", "start"] {
        let mut body: serde_json::Value = serde_json::from_str(WEBHOOK).expect("JSON");
        body[name] = serde_json::Value::Null;
        let refused = parse(&Verify, &body.to_string()).expect_err("refused");
        assert!(refused.contains(&format!("`{name}` is missing")), "{refused}");
    }
}

#[test]
fn its_reading_keeps_the_laws() {
    crate::laws::check(&Verify, WEBHOOK);
}
