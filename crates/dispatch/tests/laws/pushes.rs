//! Pushes: what they add to the answers, and what contradicts them.

use dispatch::{Contradiction, DispatchFact, DispatchTerms, FactBody, Rank, State, TestReason, absorb};
use proptest::prelude::*;

use crate::{
    made::{self, NOW, at, fact, published_at, subject},
    one_by_one,
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_test_that_only_the_push_calls_one_stays_a_test(facts in made::tests_and_fetches(6), by in 0_usize..6) {
        // The order does not matter: all pushes say test, the provider's own answers omit it.
        let mut facts = facts;
        let len = facts.len();
        facts.rotate_left(by % len);
        let (state, _) = one_by_one(&facts);
        let pushed = facts.iter().any(|stated| matches!(stated.rank, Rank::Pushed(_)));
        let (_, terms) = state.unwrap().published().unwrap();
        prop_assert!(!pushed || !terms.authorized || terms.test_reason.is_some());
    }

    #[test]
    fn a_real_push_is_not_hidden_behind_a_test_one((facts, shuffled) in made::real_and_test_pushes_twice(6)) {
        for facts in [facts, shuffled] {
            let (state, _) = one_by_one(&facts);
            let view = state.unwrap().published().unwrap().1;
            prop_assert_eq!(view.test_reason, None);
        }
    }
}

#[test]
fn a_contradicting_push_is_left_unsettled_until_the_provider_is_asked() {
    let push = |watts, minute| made::stated(Rank::Pushed(at(minute)), made::reduce(watts));
    let (state, _) = one_by_one(&[push(5_000, 1)]);
    let absorb_all = |state: Option<State>, facts: Vec<DispatchFact>| {
        let facts = facts.into_iter().map(fact).collect();
        absorb(state, &subject(), facts, Contradiction::Fetch, published_at(NOW)).unwrap()
    };
    let contradicted = absorb_all(state.clone(), vec![push(7_000, 2)]);
    assert!(!contradicted.changed && contradicted.signals.is_empty());
    let [unsettled] = contradicted.unsettled.as_slice() else { panic!("{contradicted:?}") };
    let FactBody::Dispatch(stated) = unsettled.body.clone() else { panic!("{unsettled:?}") };
    // The fetched answer decides, whichever of the two pushes it confirms.
    for (watts, signals) in [(7_000, 1), (5_000, 0)] {
        let answer = made::stated(Rank::Fetched(at(3)), made::reduce(watts));
        let settled = absorb_all(state.clone(), vec![stated.clone(), answer]);
        assert!(settled.unsettled.is_empty() && settled.changed);
        assert_eq!(settled.signals.len(), signals);
        let (_, terms) = settled.state.published().unwrap();
        assert!(terms.asks_the_same(&made::reduce(watts)));
    }
}

#[test]
fn a_push_that_names_what_the_answer_leaves_out_does_not_contradict_it() {
    let named = made::reduce(5_000);
    let mut unnamed = named.clone();
    unnamed.targets[0].external_id = None;
    for (known, pushed) in [(&named, &unnamed), (&unnamed, &named)] {
        let (state, _) = one_by_one(&[made::stated(Rank::Fetched(at(1)), known.clone())]);
        let push = fact(made::stated(Rank::Pushed(at(2)), pushed.clone()));
        let after = absorb(state, &subject(), vec![push], Contradiction::Fetch, published_at(NOW)).expect("a state");
        assert!(after.unsettled.is_empty() && after.signals.is_empty(), "{after:?}");
    }
}

#[test]
fn a_push_that_calls_it_a_test_is_remembered_whether_it_comes_before_or_after_the_answer() {
    let test = DispatchTerms { test_reason: Some(TestReason::Integration), ..made::reduce(5_000) };
    let push = made::stated(Rank::Pushed(at(2)), test.clone());
    let answer = made::stated(Rank::Fetched(at(2)), test);
    for facts in [[push.clone(), answer.clone()], [answer, push]] {
        let later = made::stated(Rank::Fetched(at(3)), made::reduce(6_000));
        let (state, _) = one_by_one(&[facts.as_slice(), &[later]].concat());
        let (_, terms) = state.expect("a state").published().expect("published");
        assert_eq!(terms.test_reason, Some(TestReason::Integration));
    }
}

#[test]
fn a_push_that_only_repeats_the_answer_is_remembered_to_call_it_real() {
    let answer = made::stated(Rank::Fetched(at(1)), made::reduce(5_000));
    let repeats = made::stated(Rank::Pushed(at(2)), made::reduce(5_000));
    let test = DispatchTerms { test_reason: Some(TestReason::Integration), ..made::reduce(5_000) };
    let (state, _) = one_by_one(&[answer, repeats, made::stated(Rank::Pushed(at(3)), test)]);
    let (_, terms) = state.expect("a state").published().expect("published");
    assert_eq!(terms.test_reason, None);
}
