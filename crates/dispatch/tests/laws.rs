//! Properties of the merge over arbitrary facts: the result does not depend on the order in which facts arrive.

#![expect(clippy::expect_used, reason = "a helper of a test fails the test")]

mod made;

use dispatch::{
    Absorbed, Contradiction, Dispatch, DispatchFact, DispatchTerms, Fact, FactBody, Rank, Signal, State, Status,
    TestReason, absorb,
};
use jiff::Timestamp;
use proptest::prelude::*;

use crate::made::{NOW, at, fact, published_at, subject};

fn merged(facts: &[DispatchFact]) -> Dispatch {
    facts.iter().fold(Dispatch::default(), Dispatch::with)
}

/// Absorbs one batch after the other as the pipeline does: an unchanged state is not stored.
fn absorbed(batches: &[Vec<Fact>], contradiction: Contradiction) -> (Option<State>, Vec<Signal>) {
    let mut state = None;
    let mut signals = Vec::new();
    for facts in batches {
        let Some(after) = absorb(state.clone(), &subject(), facts.clone(), contradiction, published_at(NOW)) else {
            continue;
        };
        assert!(after.changed || after.signals.is_empty(), "signals of a state that is not stored");
        if after.changed {
            state = Some(after.state);
        }
        signals.extend(after.signals);
    }
    (state, signals)
}

fn one_by_one(facts: &[DispatchFact]) -> (Option<State>, Vec<Signal>) {
    let batches: Vec<Vec<Fact>> = facts.iter().map(|stated| vec![fact(stated.clone())]).collect();
    absorbed(&batches, Contradiction::TakeLatest)
}

/// The terms of the last signal that a controller acts on; none if the dispatch is withdrawn.
fn published_terms(state: &State) -> Option<DispatchTerms> {
    let (_, terms) = state.published().expect("published");
    terms.authorized.then(|| DispatchTerms { programs: Vec::new(), details: serde_json::Map::new(), ..terms })
}

/// A statement as a view returns it.
fn shown(stated: DispatchTerms) -> DispatchTerms {
    DispatchTerms { end: stated.possible_end(), ..stated }
}

fn kind(signal: &Signal) -> &str {
    signal.kind.strip_prefix("gridbell.dispatch.").and_then(|kind| kind.strip_suffix(".v1")).expect("a dispatch")
}

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
        let (other, _) = absorbed(&batches, Contradiction::Ask);
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
            let after = absorb(state, &subject(), facts, Contradiction::Ask, published_at(NOW)).unwrap();
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
                absorb(Some(state.clone()), &subject(), vec![fact(again)], Contradiction::Ask, published_at(NOW)).unwrap();
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
        let after = absorb(Some(state.clone()), &subject(), vec![fact(again)], Contradiction::Ask, published_at(NOW)).unwrap();
        if state.holds_the_same_as(&after.state) {
            prop_assert!(after.signals.is_empty());
            prop_assert_eq!(after.state.published(), state.published());
        }
    }

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
    fn a_dispatch_without_an_end_is_never_over(facts in made::facts(6)) {
        let view = merged(&facts).view().unwrap();
        prop_assert!(view.stated_end.is_some() || view.status != Status::Ended);
        prop_assert!(view.terms.authorized || view.status == Status::Cancelled);
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
        |state, push| absorb(state, &subject(), vec![push], Contradiction::Ask, published_at(NOW)).expect("a state");
    let first = absorb_push(None, push(0, Some(5)));
    let again = absorb_push(Some(first.state), push(7, Some(5)));
    assert!(!again.changed && again.unsettled.is_empty() && again.signals.is_empty());
    let known = absorb_push(None, push(0, None));
    assert_eq!(absorb_push(Some(known.state), push(7, Some(5))).unsettled.len(), 1);
}

#[test]
fn a_contradicting_push_is_left_unsettled_until_the_provider_is_asked() {
    let push = |watts, minute| made::stated(Rank::Pushed(at(minute)), made::reduce(watts));
    let (state, _) = one_by_one(&[push(5_000, 1)]);
    let absorb_all = |state: Option<State>, facts: Vec<DispatchFact>| {
        let facts = facts.into_iter().map(fact).collect();
        absorb(state, &subject(), facts, Contradiction::Ask, published_at(NOW)).unwrap()
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
        let after = absorb(state, &subject(), vec![push], Contradiction::Ask, published_at(NOW)).expect("a state");
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
        let after = absorb(state.clone(), &subject(), vec![fact(stated)], Contradiction::Ask, published_at(NOW))
            .expect("a state");
        state.as_ref().is_some_and(|state| state.holds_the_same_as(&after.state))
    };
    assert_eq!((repeats(9_000), repeats(5_000)), (true, false));
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
