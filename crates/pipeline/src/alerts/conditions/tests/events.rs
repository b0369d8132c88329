//! Single events: quarantined bodies and fields, unknown events, rotated keys, jobs that were given up.

use dispatch::{AccountEvent, FieldError};

use super::*;
use crate::polling::state::Doubts;

fn events(of: &Condition, events: &[(i64, &str)]) -> Vec<NotedEvent> {
    let event = |(seconds, stage): &(i64, &str)| NotedEvent {
        condition: of.clone(),
        at: at(*seconds),
        news: StageReport { stage: (*stage).to_owned(), about: SOURCE.to_owned(), detail: format!("{stage} is kept") },
    };
    events.iter().map(event).collect()
}

fn quarantined(about: Option<Subject>) -> Condition {
    Condition::Quarantined { source: SOURCE.to_owned(), about }
}

#[test]
fn an_event_fires_for_a_day_and_each_is_a_stage() {
    let source = || SOURCE.to_owned();
    for condition in [
        Condition::UnknownEvent { source: source() },
        Condition::KeysRotated { source: source(), event: "e-1".to_owned() },
        Condition::GivenUp { source: source(), about: subject().to_string() },
        quarantined(None),
        quarantined(Some(subject())),
    ] {
        let check = |noted: &[(i64, &str)], now: i64, expected: &str, said: &str| {
            let evidence = Evidence { events: events(&condition, noted), ..Evidence::default() };
            super::check(&condition, &evidence, now, expected, said);
        };
        check(&[], 100, "resolved at 100", "for a day, or all of it was replayed");
        check(&[(10, "x")], 100, "firing since 10: x", "voltus-prod: x is kept");
        check(&[(10, "x"), (20, "y")], 100, "firing since 10: x, y", "x is kept; voltus-prod: y is kept");
        let day = 10 + hours(24);
        check(&[(10, "x")], day - 1, "firing since 10: x", "");
        check(&[(10, "x")], day, &format!("resolved at {day}"), "for a day");
        check(&[(10, "x"), (20, "y")], day, "firing since 20: y", "y is kept");
    }
}

#[test]
fn what_of_the_latest_list_cannot_be_read_fires_while_it_cannot() {
    let doubts = Doubts { since: at(30), digest: "abc".to_owned(), detail: "1 part(s) could not be read".to_owned() };
    let poll = Some(polls(None, |poll| poll.doubts = Some(doubts)));
    let noted = events(&quarantined(None), &[(50, "x"), (20, "y")]);
    let listed = Evidence { poll, ..Evidence::default() };
    let check = |about: Option<Subject>, evidence: &Evidence, expected: &str, said: &str| {
        super::check(&quarantined(about), evidence, hours(60), expected, said);
    };
    check(None, &listed, "firing since 30: abc", "1 part(s) could not be read");
    let good = Evidence { poll: Some(polls(None, |_| {})), ..Evidence::default() };
    check(None, &good, &format!("resolved at {}", hours(60)), "");
    // Unreadable parts of a list do not concern a single dispatch.
    check(Some(subject()), &listed, &format!("resolved at {}", hours(60)), "");
    let both = Evidence { events: noted, ..listed };
    super::check(&quarantined(None), &both, 100, "firing since 20: y, abc, x", "");
}

#[test]
fn a_field_of_a_dispatch_that_cannot_be_read_fires_for_a_day() {
    let origin = Origin { source: SOURCE.to_owned(), provider: "voltus".to_owned(), sandbox: false };
    let said = AccountEvent {
        identity: "i".to_owned(),
        event: "e".to_owned(),
        delivery: "d".to_owned(),
        payload: serde_json::Value::Null,
    };
    let odd = FieldError { field: "market".to_owned(), reason: "no text".to_owned(), digest: "abc".to_owned() };
    let fact = Fact { field_errors: vec![odd], ..Fact::new(origin, subject(), FactBody::Account(said)) };
    let record =
        dispatch(|record| record.unreadable = record.unreadable.clone().with(record.unreadable.fresh(&[fact]), at(40)));
    let check = |about: Option<Subject>, now: i64, expected: &str, said: &str| {
        super::check(&quarantined(about), &of_record(record.clone()), now, expected, said);
    };
    check(Some(subject()), 100, "firing since 40: abc", "voltus-prod/dkmq: market: no text");
    let day = 40 + hours(24);
    check(Some(subject()), day - 1, "firing since 40: abc", "it is published without that");
    check(Some(subject()), day, &format!("resolved at {day}"), "for a day");
    check(None, 100, "resolved at 100", "");
}
