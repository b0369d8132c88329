//! Facts into a state: the laws of the join, and which of two facts wins.

use dispatch::{Contradiction, Dispatch, DispatchTerms, Fact, Rank, State, Status, absorb};
use jiff::Timestamp;
use proptest::prelude::*;

use crate::{
    made::{self, NOW, at, fact, published_at, subject},
    merged, one_by_one, published_terms, shown,
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn join_is_commutative_associative_and_idempotent(
        a in made::facts(4), b in made::facts(4), c in made::facts(4),
    ) {
        let (a, b, c) = (merged(&a), merged(&b), merged(&c));
        prop_assert_eq!(a.clone().join(b.clone()), b.clone().join(a.clone()));
        prop_assert_eq!(a.clone().join(b.clone()).join(c.clone()), a.clone().join(b.clone().join(c)));
        let ab = a.clone().join(b.clone());
        prop_assert_eq!(ab.clone().join(a.clone()), ab.clone());
        prop_assert_eq!(ab.clone().join(b), ab);
        prop_assert_eq!(a.clone().join(Dispatch::default()), a);
    }

    #[test]
    fn a_merge_does_not_depend_on_the_order_of_its_facts((facts, shuffled) in made::facts_twice(8)) {
        let (one, other) = (merged(&facts), merged(&shuffled));
        prop_assert_eq!(one.view(), other.view());
        prop_assert_eq!(serde_json::to_string(&one).unwrap(), serde_json::to_string(&other).unwrap());
    }

    #[test]
    fn a_dispatch_without_an_end_is_never_over(facts in made::facts(6)) {
        let view = merged(&facts).view().unwrap();
        prop_assert!(view.stated_end.is_some() || view.status != Status::Ended);
        prop_assert!(view.terms.authorized || view.status == Status::Cancelled);
    }

    #[test]
    fn a_lower_number_never_wins_whenever_it_was_fetched(
        low in made::terms(), high in made::terms(), numbers in (0_u64..5, 1_u64..5), instants in (0_i64..9, 0_i64..9),
    ) {
        let number = numbers.0;
        let (low, high) = (
            made::stated(Rank::Numbered(number, at(instants.0)), low),
            made::stated(Rank::Numbered(number + numbers.1, at(instants.1)), high),
        );
        let view = merged(&[high.clone(), low]).view().unwrap();
        prop_assert_eq!(view.terms, shown(high.terms));
    }

    #[test]
    fn without_a_number_the_later_fetch_wins(
        numbered in made::terms(), plain in made::terms(), instants in (0_i64..9, 0_i64..9),
    ) {
        let numbered = made::stated(Rank::Numbered(3, at(instants.0)), numbered);
        let plain = made::stated(Rank::Fetched(at(instants.1)), plain);
        let view = merged(&[plain.clone(), numbered.clone()]).view().unwrap();
        let wins = if instants.1 > instants.0 { plain } else { numbered };
        prop_assert_eq!(view.terms, shown(wins.terms));
    }

    #[test]
    fn a_push_never_outranks_a_fetch(
        pushed in made::terms(), fetched in made::fetch(), minutes in 0_i64..99,
    ) {
        let view = merged(&[fetched.clone(), made::stated(Rank::Pushed(at(minutes)), pushed)]).view().unwrap();
        let fetched = DispatchTerms { test_reason: view.terms.test_reason, ..shown(fetched.terms) };
        prop_assert!(view.terms.asks_the_same(&fetched));
    }

    #[test]
    fn a_state_reads_back_equal(facts in made::facts(6)) {
        let (state, _) = one_by_one(&facts);
        let state = state.unwrap();
        let text = serde_json::to_string(&state).unwrap();
        prop_assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
        for stated in facts {
            let stated = fact(stated);
            let text = serde_json::to_string(&stated).unwrap();
            prop_assert_eq!(serde_json::from_str::<Fact>(&text).unwrap(), stated);
        }
    }
}

#[test]
fn of_two_statements_at_one_rank_the_withdrawn_one_wins() {
    for rank in [Rank::Numbered(1, at(1)), Rank::Fetched(at(1)), Rank::Pushed(at(1))] {
        let on = made::stated(rank, made::reduce(5_000));
        let off = made::stated(rank, DispatchTerms { authorized: false, ..made::reduce(5_000) });
        for facts in [[on.clone(), off.clone()], [off, on.clone()]] {
            assert_eq!(merged(&facts).view().unwrap().status, Status::Cancelled);
        }
        let more = made::stated(rank, made::reduce(6_000));
        assert_eq!(merged(&[on.clone(), more.clone()]), merged(&[more, on]), "and else the same in any order");
    }
}

#[test]
fn what_is_withdrawn_and_over_is_cancelled() {
    let end: Option<Timestamp> = Some(at(15));
    for (authorized, fetched_at, expected) in [
        (true, 14, Status::Scheduled),
        (true, 15, Status::Ended),
        (true, 16, Status::Ended),
        (false, 14, Status::Cancelled),
        (false, 16, Status::Cancelled),
    ] {
        let stated =
            made::stated(Rank::Fetched(at(fetched_at)), DispatchTerms { authorized, end, ..made::reduce(5_000) });
        assert_eq!(merged(&[stated]).view().unwrap().status, expected);
    }
}

#[test]
fn a_higher_number_that_says_the_same_keeps_the_lower_ones_out() {
    let fetch = |number, watts| made::stated(Rank::Numbered(number, at(1)), made::reduce(watts));
    let (state, signals) = one_by_one(&[fetch(1, 5_000), fetch(3, 5_000), fetch(2, 9_000)]);
    assert_eq!(signals.len(), 1);
    assert!(published_terms(&state.expect("a state")).expect("on").asks_the_same(&made::reduce(5_000)));
}

#[test]
fn a_revert_to_an_older_statement_is_not_taken_for_a_repetition() {
    let fetches =
        [(0, 5_000), (1, 9_000)].map(|(at, watts)| made::stated(Rank::Fetched(made::at(at)), made::reduce(watts)));
    let (state, _) = one_by_one(&fetches);
    let repeats = |watts| {
        let stated = made::stated(Rank::Fetched(made::at(2)), made::reduce(watts));
        let after = absorb(state.clone(), &subject(), vec![fact(stated)], Contradiction::Fetch, published_at(NOW))
            .expect("a state");
        state.as_ref().is_some_and(|state| state.holds_the_same_as(&after.state))
    };
    assert_eq!((repeats(9_000), repeats(5_000)), (true, false));
}
