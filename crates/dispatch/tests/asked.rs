//! What the rest of gridbell asks of a state, a fact and an event.

#![expect(clippy::expect_used, reason = "a helper of a test fails the test")]

#[expect(dead_code, reason = "the laws need more of it")]
mod made;

use dispatch::{Contradiction, Mark, PowerEvent, PowerEventKind, Rank, Request, State, absorb};

use made::{NOW, at, fact, reduce, said, subject};

fn state(rank: Rank) -> State {
    let facts = vec![fact(said(rank, reduce(5_000)))];
    absorb(None, &subject(), facts, Contradiction::Ask, NOW).expect("a state").state
}

#[test]
fn what_is_on_has_a_plan_that_marks_its_targets_and_no_others() {
    let plan = state(Rank::Fetched(at(0))).plan(false).expect("a plan");
    assert_eq!(plan.marks().collect::<Vec<_>>(), [Mark::of("m-1")]);
    assert!(plan.claim(&subject(), Mark::of("m-1")).is_some());
    assert!(plan.claim(&subject(), Mark::of("m-2")).is_none());
}

#[test]
fn what_was_only_pushed_was_not_fetched() {
    let fetched = |rank| state(rank).was_fetched();
    assert!(!fetched(Rank::Pushed(at(0))));
    assert!(fetched(Rank::Fetched(at(0))) && fetched(Rank::Numbered(3, at(0))));
}

#[test]
fn only_a_counted_fact_has_a_number() {
    let numbers = [Rank::Numbered(3, at(0)), Rank::Fetched(at(0)), Rank::Pushed(at(0))].map(Rank::number);
    assert_eq!(numbers, [Some(3), None, None]);
}

#[test]
fn a_load_and_its_limit_are_said_in_kilowatts() {
    let event = |measured_w, target| PowerEvent {
        feed: None,
        correlation_id: "c-1".to_owned(),
        event: PowerEventKind::StartRampDown,
        start: at(0),
        end: None,
        strategy: None,
        target,
        previous: None,
        measured_w,
        compliant: None,
    };
    let limit = Request::Limit { watts: 6_500_000 };
    assert_eq!(event(Some(9_200_500), limit).loads(), "the load is 9200.5 kW, the limit 6500 kW");
    assert_eq!(event(None, limit).loads(), "the load was not measured, the limit 6500 kW");
    assert_eq!(event(Some(1_000), Request::ReduceMax).loads(), "the load is 1 kW");
}
