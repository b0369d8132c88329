//! A newer epoch: sequences restart, active dispatches are published again, unsent signals get new numbers.

use dispatch::{
    AccountEvent, Contradiction, DispatchTerms, Epoch, Fact, FactBody, HeartbeatSignal, Origin, Publication, Signal,
    State, Subject, absorb,
};
use serde_json::{Value, json};

use crate::made::{at, epoch, fetched, kilowatts, origin, play, published_at, terms};

fn newer(time: &str) -> Publication {
    Publication { epoch: epoch().after(at("12:00:00")), ..published_at(at(time)) }
}

fn anew(state: &State, subject: &str, unsent: &[Signal], time: &str) -> (State, Vec<Signal>) {
    let source = subject.split('/').next().unwrap();
    let provider = source.split('-').next().unwrap();
    state.in_epoch(&origin(source, provider), &Subject::from_stored(subject), unsent, newer(time)).unwrap()
}

fn stated(signal: &Signal) -> (String, Value) {
    let event: Value = serde_json::from_str(&signal.body).unwrap();
    assert_eq!(event["id"], signal.id());
    assert_eq!(event["epoch"], signal.epoch.to_string());
    assert_eq!(event["sequence"], signal.sequence.to_string());
    (signal.id(), event["type"].clone())
}

#[test]
fn a_dispatch_that_is_on_is_published_once_as_the_first_version() {
    let later = DispatchTerms { request: kilowatts(9), ..terms() };
    let (state, _) =
        play([("16:40:00", fetched(0, "16:40:00", terms())), ("16:41:00", fetched(1, "16:41:00", later.clone()))]);
    let (state, signals) = anew(&state, "voltus-prod/dkmq", &[], "16:45:00");
    let [signal] = &signals[..] else { panic!("{signals:?}") };
    assert_eq!(
        stated(signal),
        ("voltus-prod/dkmq#1701432000000.1".to_owned(), json!("gridbell.dispatch.scheduled.v1"))
    );
    assert_eq!((state.version, state.published().unwrap().1), (1, later));
    // The next change gets the next number, and a repetition changes nothing.
    let cancelled = DispatchTerms { authorized: false, ..terms() };
    let after = absorb(
        Some(state.clone()),
        &Subject::from_stored("voltus-prod/dkmq"),
        vec![fetched(2, "16:46:00", cancelled)],
        Contradiction::Fetch,
        newer("16:46:00"),
    );
    assert_eq!(stated(&after.unwrap().signals[0]).0, "voltus-prod/dkmq#1701432000000.2");
    let subject = Subject::from_stored("voltus-prod/dkmq");
    assert_eq!(state.in_epoch(&origin("voltus-prod", "voltus"), &subject, &[], newer("16:47:00")), None);
}

#[test]
fn what_is_over_or_withdrawn_is_not_published_again_unless_it_was_never_sent() {
    let withdrawn = DispatchTerms { authorized: false, ..terms() };
    for (time, last) in [("16:45:00", withdrawn), ("17:00:00", terms())] {
        let open = DispatchTerms { end: None, ..terms() };
        let (state, signals) = play([("16:40:00", fetched(0, "16:40:00", open)), (time, fetched(1, time, last))]);
        let (after, none) = anew(&state, "voltus-prod/dkmq", &[], "17:30:00");
        assert_eq!((after.version, none.len()), (0, 0));
        assert_eq!(after.published(), state.published());
        let (after, again) = anew(&state, "voltus-prod/dkmq", &signals[1..], "17:30:00");
        assert_eq!((after.version, stated(&again[0]).0), (1, "voltus-prod/dkmq#1701432000000.1".to_owned()));
        assert_eq!(stated(&again[0]).1, stated(&signals[1]).1);
        // A consumer of the newer epoch has no signal of it yet: the provider's next statement is published, even if
        // unchanged.
        let (_, published) = state.published().unwrap();
        let subject = Subject::from_stored("voltus-prod/dkmq");
        let repeated = vec![fetched(1, "17:31:00", published)];
        let next = absorb(
            Some(anew(&state, "voltus-prod/dkmq", &[], "17:30:00").0),
            &subject,
            repeated,
            Contradiction::Fetch,
            newer("17:31:00"),
        );
        let next = next.unwrap();
        assert_eq!(
            next.signals.iter().map(stated).collect::<Vec<_>>(),
            [("voltus-prod/dkmq#1701432000000.1".to_owned(), stated(&signals[1]).1)]
        );
    }
}

#[test]
fn a_known_end_that_has_passed_is_not_on_any_more() {
    let (state, _) = play([("16:40:00", fetched(0, "16:40:00", terms()))]);
    assert_eq!(anew(&state, "voltus-prod/dkmq", &[], "16:59:59").1.len(), 1);
    assert_eq!(anew(&state, "voltus-prod/dkmq", &[], "17:00:00").1.len(), 0);
}

#[test]
fn events_that_were_never_sent_keep_their_order_and_their_text() {
    let event = |number: u32| {
        let event = AccountEvent {
            identity: number.to_string(),
            event: "customer.created".to_owned(),
            delivery: "d-1".to_owned(),
            payload: serde_json::from_str(&format!(r#"{{"n":{number}.500,"text":"ü\uffff"}}"#)).unwrap(),
        };
        let subject = Subject::account("openvolt-prod");
        Fact::new(origin("openvolt-prod", "openvolt"), subject, FactBody::Account(event))
    };
    let (state, signals) = play([("16:40:00", event(1)), ("16:41:00", event(2)), ("16:42:00", event(3))]);
    let (after, again) = anew(&state, "openvolt-prod/account", &signals[1..], "16:45:00");
    let ids: Vec<String> = again.iter().map(|signal| stated(signal).0).collect();
    assert_eq!(ids, ["openvolt-prod/account#1701432000000.1", "openvolt-prod/account#1701432000000.2"]);
    for (before, after) in signals[1..].iter().zip(&again) {
        let data = |signal: &Signal| signal.body[signal.body.find("\"data\"").unwrap()..].to_owned();
        assert_eq!(data(before), data(after), "byte for byte");
    }
    assert_eq!((after.version, after.epoch), (2, Epoch::from(1_701_432_000_000)));
    // Events seen before are still known.
    let again = absorb(
        Some(after),
        &Subject::account("openvolt-prod"),
        vec![event(1)],
        Contradiction::Fetch,
        newer("16:46:00"),
    );
    assert_eq!(again.unwrap().signals, []);
}

#[test]
fn heartbeats_begin_at_one_and_an_unsent_one_is_dropped() {
    let named = HeartbeatSignal { at: at("16:45:00"), next_by: at("16:52:00"), active: Vec::new(), more: 0 };
    let (state, unsent) = State::with_heartbeat(None, named.clone(), published_at(at("16:45:00")));
    assert_eq!(stated(&unsent).0, format!("heartbeat#{}.1", epoch()));
    let moved = state.in_epoch(&Origin::gridbell(), &Subject::heartbeat(), &[unsent], newer("16:50:00"));
    let (moved, signals) = moved.unwrap();
    assert_eq!((moved.version, signals), (0, Vec::new()));
    // Whether the epoch was begun by the command or not, the next one is the first.
    for state in [state, moved] {
        let (state, signal) = State::with_heartbeat(Some(state), named.clone(), newer("16:51:00"));
        assert_eq!((state.version, stated(&signal).0.as_str()), (1, "heartbeat#1701432000000.1"));
    }
}
