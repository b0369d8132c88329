//! Ends: known ones that pass, and those that are not after the start.

use dispatch::{Contradiction, DispatchTerms, Rank, absorb};
use jiff::Timestamp;
use proptest::prelude::*;

use crate::{
    kind,
    made::{self, NOW, at, fact, published_at, subject},
    merged, one_by_one,
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_known_end_that_passes_publishes_nothing(stated in made::fetch(), minutes in 0_i64..100) {
        let mut later = stated.clone();
        later.rank = match stated.rank {
            Rank::Numbered(number, _) => Rank::Numbered(number, at(100 + minutes)),
            _ => Rank::Fetched(at(100 + minutes)),
        };
        let (_, signals) = one_by_one(&[stated, later]);
        prop_assert_eq!(signals.len(), 1);
    }

    #[test]
    fn no_signal_and_no_view_has_an_end_that_is_not_after_its_start(facts in made::facts(8)) {
        let (state, signals) = one_by_one(&facts);
        for signal in &signals {
            let body: serde_json::Value = serde_json::from_str(&signal.body).unwrap();
            let instant = |name: &str| body["data"]["dispatch"][name].as_str().map(|text| text.parse::<Timestamp>().unwrap());
            prop_assert!(instant("end").is_none_or(|end| end > instant("start").unwrap()), "{}", signal.body);
        }
        let terms = [state.unwrap().published().unwrap().1, merged(&facts).view().unwrap().terms];
        prop_assert!(terms.iter().all(|stated| stated.end.is_none_or(|end| end > stated.start)));
    }

    #[test]
    fn what_was_first_stated_with_an_impossible_end_stays_open_however_often_it_is_repeated(
        stated in made::fetch(), length in 0_i64..9, minutes in proptest::collection::vec(0_i64..100, 1..5),
    ) {
        let mut stated = stated;
        stated.terms.authorized = true;
        stated.terms.end = Some(stated.terms.start - jiff::SignedDuration::from_mins(length));
        let again = |minutes: i64| {
            let rank = match stated.rank {
                Rank::Numbered(number, _) => Rank::Numbered(number, at(minutes)),
                _ => Rank::Fetched(at(minutes)),
            };
            made::stated(rank, stated.terms.clone())
        };
        let (state, signals) = one_by_one(&minutes.into_iter().map(again).collect::<Vec<_>>());
        prop_assert_eq!(signals.iter().map(kind).collect::<Vec<_>>(), ["scheduled"]);
        prop_assert_eq!(state.unwrap().published().unwrap().1.end, None);
    }
}

/// The published types after fetches, each given as its minute and the stated end; `start` is minute 10.
fn kinds(fetches: &[(i64, Option<i64>)]) -> Vec<String> {
    let fetch = |(number, (minute, end)): (u64, &(i64, Option<i64>))| {
        made::stated(Rank::Numbered(number, at(*minute)), DispatchTerms { end: end.map(at), ..made::reduce(5_000) })
    };
    let (_, signals) = one_by_one(&(0..).zip(fetches).map(fetch).collect::<Vec<_>>());
    signals.iter().map(|signal| kind(signal).to_owned()).collect()
}

#[test]
fn an_end_that_is_not_after_the_start_closes_what_was_published_before_and_opens_what_was_not() {
    // Called off before it begins.
    assert_eq!(kinds(&[(0, None), (5, Some(5))]), ["scheduled", "ended"]);
    assert_eq!(kinds(&[(0, Some(40)), (5, Some(3))]), ["scheduled", "ended"]);
    // Not over yet: as if without an end.
    assert_eq!(kinds(&[(0, Some(40)), (5, Some(10))]), ["scheduled", "updated"]);
    assert_eq!(kinds(&[(0, None), (5, Some(10))]), ["scheduled"]);
    // First seen so: open; the provider's next statement ends it.
    assert_eq!(kinds(&[(0, Some(5))]), ["scheduled"]);
    assert_eq!(kinds(&[(20, Some(5))]), ["scheduled"]);
    assert_eq!(kinds(&[(0, Some(5)), (5, Some(4))]), ["scheduled", "ended"]);
    // Called off, then scheduled again.
    assert_eq!(kinds(&[(0, None), (5, Some(5)), (6, None)]), ["scheduled", "ended", "updated"]);
    // First seen when over, with a possible end.
    assert_eq!(kinds(&[(20, Some(15))]), ["ended"]);
}

#[test]
fn a_repeated_push_with_an_impossible_end_contradicts_nothing_and_one_that_calls_it_off_does() {
    let push = |minute, end: Option<i64>| {
        fact(made::stated(Rank::Pushed(at(minute)), DispatchTerms { end: end.map(at), ..made::reduce(5_000) }))
    };
    let absorb_push =
        |state, push| absorb(state, &subject(), vec![push], Contradiction::Fetch, published_at(NOW)).expect("a state");
    let first = absorb_push(None, push(0, Some(5)));
    let again = absorb_push(Some(first.state), push(7, Some(5)));
    assert!(!again.changed && again.unsettled.is_empty() && again.signals.is_empty());
    let known = absorb_push(None, push(0, None));
    assert_eq!(absorb_push(Some(known.state), push(7, Some(5))).unsettled.len(), 1);
}
