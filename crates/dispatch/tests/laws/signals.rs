//! States into signals: numbered, the same last one in any order, and none for what changes nothing.

use dispatch::{Absorbed, Contradiction, DispatchFact, Fact, Rank, State, Status, absorb};
use proptest::prelude::*;

use crate::{
    absorbed, kind,
    made::{self, NOW, at, fact, published_at, subject},
    merged, one_by_one, published_terms,
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_last_signal_does_not_depend_on_the_order_of_fetches((facts, shuffled) in made::fetches_twice(8)) {
        let (one, _) = one_by_one(&facts);
        let (other, _) = one_by_one(&shuffled);
        let (one, other) = (one.unwrap(), other.unwrap());
        prop_assert_eq!(published_terms(&one), published_terms(&other));
        let is_cancelled = |state: &State| state.published().unwrap().0 == Status::Cancelled;
        prop_assert_eq!(is_cancelled(&one), is_cancelled(&other));
    }

    #[test]
    fn the_last_signal_does_not_depend_on_the_batches(
        (facts, shuffled) in made::fetches_twice(8), size in 1_usize..5,
    ) {
        let batches: Vec<Vec<Fact>> = shuffled.chunks(size).map(|some| some.iter().cloned().map(fact).collect()).collect();
        let (one, _) = one_by_one(&facts);
        let (other, _) = absorbed(&batches, Contradiction::Fetch);
        prop_assert_eq!(published_terms(&one.unwrap()), published_terms(&other.unwrap()));
    }

    #[test]
    fn the_last_signal_is_the_merged_state(facts in made::fetches(8)) {
        let (state, _) = one_by_one(&facts);
        let view = merged(&facts).view().unwrap();
        let (status, terms) = state.unwrap().published().unwrap();
        prop_assert_eq!(status == Status::Cancelled, view.status == Status::Cancelled);
        prop_assert!(status == Status::Cancelled || terms.asks_the_same(&view.terms));
    }

    #[test]
    fn versions_count_from_one_without_holes(facts in made::facts(10)) {
        let (state, signals) = one_by_one(&facts);
        let sequences: Vec<u64> = signals.iter().map(|signal| signal.sequence).collect();
        prop_assert_eq!(&sequences, &(1..=u64::try_from(signals.len()).unwrap()).collect::<Vec<_>>());
        prop_assert_eq!(state.map_or(0, |state| state.version), sequences.last().copied().unwrap_or(0));
        prop_assert!(signals.first().is_none_or(|first| kind(first) != "updated"));
    }

    #[test]
    fn after_a_cancel_nothing_curtails_again_without_a_newer_authorization(facts in made::answers_of_one_kind(10)) {
        let mut state = None;
        let mut cancelled_as_of = None;
        let mut newest: Option<&DispatchFact> = None;
        for stated in &facts {
            let facts = vec![fact(stated.clone())];
            let after = absorb(state, &subject(), facts, Contradiction::Fetch, published_at(NOW)).unwrap();
            let rank = stated.rank;
            if newest.is_none_or(|newest| rank > newest.rank || (rank == newest.rank && !stated.terms.authorized)) {
                newest = Some(stated);
            }
            let newest = newest.unwrap();
            for signal in &after.signals {
                match kind(signal) {
                    "cancelled" => cancelled_as_of = Some(newest.rank),
                    "scheduled" | "updated" => {
                        prop_assert!(newest.terms.authorized);
                        prop_assert!(cancelled_as_of.is_none_or(|cancelled| newest.rank > cancelled));
                        prop_assert!(cancelled_as_of.is_none() || kind(signal) == "scheduled");
                        cancelled_as_of = None;
                    }
                    // Authorized again, and over: an extension is an update.
                    _ => cancelled_as_of = None,
                }
            }
            state = Some(after.state);
        }
    }

    #[test]
    fn a_second_absorption_of_the_same_fetches_changes_nothing((facts, shuffled) in made::fetches_twice(8)) {
        let (state, _) = one_by_one(&facts);
        let state = state.unwrap();
        for again in shuffled {
            let Absorbed { state: after, changed, signals, unsettled, .. } =
                absorb(Some(state.clone()), &subject(), vec![fact(again)], Contradiction::Fetch, published_at(NOW)).unwrap();
            prop_assert!(!changed && signals.is_empty() && unsettled.is_empty());
            prop_assert_eq!(after.published(), state.published());
        }
    }

    #[test]
    fn a_repetition_need_not_be_stored(facts in made::facts(6), which in 0_usize..6, minutes in 10_i64..100) {
        let (state, _) = one_by_one(&facts);
        let state = state.unwrap();
        let mut again = facts[which % facts.len()].clone();
        again.rank = match again.rank {
            Rank::Numbered(number, _) => Rank::Numbered(number, at(minutes)),
            _ => Rank::Fetched(at(minutes)),
        };
        let after = absorb(Some(state.clone()), &subject(), vec![fact(again)], Contradiction::Fetch, published_at(NOW)).unwrap();
        if state.holds_the_same_as(&after.state) {
            prop_assert!(after.signals.is_empty());
            prop_assert_eq!(after.state.published(), state.published());
        }
    }
}
