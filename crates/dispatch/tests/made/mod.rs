//! Generated facts from a small space, so that they collide.

use dispatch::{
    DispatchFact, DispatchTerms, Epoch, Fact, FactBody, Origin, Program, Publication, Rank, Request, Subject, Target,
    TestReason,
};
use jiff::{SignedDuration, Timestamp};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};

/// The time of all absorptions: 2023-12-01T16:40:00Z.
pub(crate) const NOW: Timestamp = Timestamp::constant(1_701_448_800, 0);

/// This many minutes later.
pub(crate) fn at(minutes: i64) -> Timestamp {
    NOW + SignedDuration::from_mins(minutes)
}

/// A publication at that instant, in one epoch, with the size limit of SQS.
pub(crate) fn published_at(now: Timestamp) -> Publication {
    Publication { epoch: Epoch::at(NOW), now, limit_bytes: 1_048_576 - 4_096, traceparent: None }
}

pub(crate) fn subject() -> Subject {
    Subject::dispatch("leap-prod", "e-1")
}

pub(crate) fn fact(stated: DispatchFact) -> Fact {
    let origin = Origin { source: "leap-prod".to_owned(), provider: "leap".to_owned(), sandbox: false };
    Fact::new(origin, subject(), FactBody::Dispatch(stated))
}

pub(crate) fn stated(rank: Rank, terms: DispatchTerms) -> DispatchFact {
    DispatchFact { id: "e-1".to_owned(), rank, terms }
}

/// A simple statement: one site, from minute 10 on, no end.
pub(crate) fn reduce(watts: u64) -> DispatchTerms {
    let request = Request::Reduce { watts };
    DispatchTerms {
        authorized: true,
        start: at(10),
        end: None,
        request,
        targets: vec![target("m-1", Some(request))].into(),
        test_reason: None,
        voluntary: false,
        priority: None,
        programs: Vec::new(),
        details: Map::new(),
    }
}

fn target(id: &str, request: Option<Request>) -> Target {
    let external_id = Some(format!("plant-{id}"));
    Target { id: id.to_owned(), name: None, external_id, request }
}

fn request() -> impl Strategy<Value = Request> {
    let watts = prop_oneof![Just(0), Just(5_000), Just(u64::MAX)];
    prop_oneof![
        watts.clone().prop_map(|watts| Request::Reduce { watts }),
        watts.prop_map(|watts| Request::Limit { watts }),
        Just(Request::ReduceMax),
        Just(Request::Unspecified),
    ]
}

fn test_reason() -> impl Strategy<Value = Option<TestReason>> {
    option::of(select(vec![
        TestReason::Sandbox,
        TestReason::SelfTest,
        TestReason::Integration,
        TestReason::Communication,
    ]))
}

fn programs() -> impl Strategy<Value = Vec<Program>> {
    let name = option::of(select(vec!["DRAM".to_owned(), "ELRP".to_owned()]));
    vec(name.prop_map(|name| Program { name, market: None, kind: None, timezone: Some("PST".to_owned()) }), 0..2)
}

/// Details that include numbers which a float would change.
fn details() -> impl Strategy<Value = Map<String, Value>> {
    let number = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    let value = select(vec![
        json!("up-to-site-load"),
        json!(null),
        number("1e400"),
        number("0.10"),
        number("-123456789012345678901234567890"),
        number(r#"{"nested":[1.0,{"deep":1E-7}]}"#),
    ]);
    let key = select(vec!["cap".to_owned(), "nomination_kw".to_owned(), "metadata".to_owned()]);
    vec((key, value), 0..3).prop_map(|entries| entries.into_iter().collect())
}

pub(crate) fn terms() -> impl Strategy<Value = DispatchTerms> {
    let targets = vec((select(vec!["m-1", "m-2"]), option::of(request())), 0..3)
        .prop_map(|targets| targets.into_iter().map(|(id, request)| target(id, request)).collect());
    let times = (0_i64..3, option::of(0_i64..9));
    let flags = (prop::bool::weighted(0.7), any::<bool>(), option::of(1_u32..3));
    (times, flags, request(), targets, test_reason(), programs(), details()).prop_map(
        |((start, end), (authorized, voluntary, priority), request, targets, test_reason, programs, details)| {
            let (start, end) = (at(start), end.map(at));
            DispatchTerms {
                authorized,
                start,
                end,
                request,
                targets,
                test_reason,
                voluntary,
                priority,
                programs,
                details,
            }
        },
    )
}

fn rank() -> impl Strategy<Value = Rank> {
    let instant = || (0_i64..9).prop_map(at);
    prop_oneof![
        instant().prop_map(Rank::Pushed),
        instant().prop_map(Rank::Fetched),
        (0_u64..4, instant()).prop_map(|(number, at)| Rank::Numbered(number, at)),
    ]
}

/// One to `most` facts of every rank.
pub(crate) fn facts(most: usize) -> impl Strategy<Value = Vec<DispatchFact>> {
    vec((rank(), terms()).prop_map(|(rank, terms)| stated(rank, terms)), 1..=most)
}

fn twice(
    facts: impl Strategy<Value = Vec<DispatchFact>>,
) -> impl Strategy<Value = (Vec<DispatchFact>, Vec<DispatchFact>)> {
    facts.prop_flat_map(|facts| (Just(facts.clone()), Just(facts).prop_shuffle()))
}

/// The same facts in two orders.
pub(crate) fn facts_twice(most: usize) -> impl Strategy<Value = (Vec<DispatchFact>, Vec<DispatchFact>)> {
    twice(facts(most))
}

/// Answers of a provider that either numbers all its modifications or none. It does not change the content under one
/// number, and no two fetches begin at the same instant.
pub(crate) fn answers_of_one_kind(most: usize) -> impl Strategy<Value = Vec<DispatchFact>> {
    let modifications = vec(terms(), 4);
    let fetches = vec((0_usize..4, 0_u64..4), 1..=most);
    (any::<bool>(), modifications, fetches).prop_flat_map(|(counts, modifications, fetches)| {
        let fetch = move |(index, (which, number)): (usize, (usize, u64))| {
            let at = at(i64::try_from(index).unwrap_or_default());
            let number_as_index = usize::try_from(number).unwrap_or_default();
            if counts {
                stated(Rank::Numbered(number, at), modifications[number_as_index].clone())
            } else {
                stated(Rank::Fetched(at), modifications[which].clone())
            }
        };
        Just(fetches.into_iter().enumerate().map(fetch).collect::<Vec<_>>()).prop_shuffle()
    })
}

pub(crate) fn fetches(most: usize) -> impl Strategy<Value = Vec<DispatchFact>> {
    answers_of_one_kind(most)
}

pub(crate) fn fetches_twice(most: usize) -> impl Strategy<Value = (Vec<DispatchFact>, Vec<DispatchFact>)> {
    twice(fetches(most))
}

pub(crate) fn fetch() -> impl Strategy<Value = DispatchFact> {
    fetches(1).prop_map(|mut fetches| fetches.remove(0))
}

/// One event as the provider's search returns it (never a test) and as pushes state it.
fn pushes_and_fetches(
    most: usize,
    reason: impl Fn(usize) -> Option<TestReason>,
) -> impl Strategy<Value = Vec<DispatchFact>> {
    vec((any::<bool>(), prop_oneof![Just(5_000_u64), Just(7_000)]), 1..=most).prop_map(move |parts| {
        let part = |(index, (pushed, watts)): (usize, (bool, u64))| {
            let at = at(i64::try_from(index).unwrap_or_default());
            if pushed {
                stated(Rank::Pushed(at), DispatchTerms { test_reason: reason(index), ..reduce(watts) })
            } else {
                stated(Rank::Fetched(at), reduce(watts))
            }
        };
        parts.into_iter().enumerate().map(part).collect()
    })
}

pub(crate) fn tests_and_fetches(most: usize) -> impl Strategy<Value = Vec<DispatchFact>> {
    pushes_and_fetches(most, |_| Some(TestReason::Integration))
}

/// Pushes that include tests, with at least one real push and one fetch.
pub(crate) fn real_and_test_pushes_twice(most: usize) -> impl Strategy<Value = (Vec<DispatchFact>, Vec<DispatchFact>)> {
    let mixed = pushes_and_fetches(most, |index| (index % 2 == 1).then_some(TestReason::Communication));
    twice(mixed.prop_map(|mut facts| {
        facts.push(stated(Rank::Fetched(at(50)), reduce(5_000)));
        facts.push(stated(Rank::Pushed(at(51)), reduce(5_000)));
        facts
    }))
}
