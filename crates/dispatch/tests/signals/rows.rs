//! Section 4 of the contract, row by row: the last signal, the fetched fact, and the resulting signal.

use dispatch::{DispatchTerms, Fact, Request, Target, Targets, TestReason};

use crate::made::{at, data, details, fetched, kilowatts, play, terms};

fn open_ended() -> DispatchTerms {
    DispatchTerms { end: None, ..terms() }
}

fn ending(time: &str) -> DispatchTerms {
    DispatchTerms { end: Some(at(time)), ..terms() }
}

fn withdrawn(terms: DispatchTerms) -> DispatchTerms {
    DispatchTerms { authorized: false, ..terms }
}

fn targets(change: impl FnOnce(&mut Target)) -> DispatchTerms {
    let mut terms = terms();
    change(&mut terms.targets[0]);
    terms
}

/// Absorbs fetched facts in that order; `expected` lists the published signals, as `type sequence status`.
fn check(fetches: impl IntoIterator<Item = Fact>, expected: &[&str]) {
    let (state, signals) = play(fetches.into_iter().map(|fact| ("16:40:00", fact)));
    let published: Vec<String> = signals
        .iter()
        .map(|signal| {
            let kind = signal.kind.strip_prefix("gridbell.dispatch.").unwrap().strip_suffix(".v1").unwrap();
            let data = data(signal);
            assert_eq!(data["dispatch"]["version"], signal.sequence);
            format!("{kind} #{} {}", signal.sequence, data["dispatch"]["status"].as_str().unwrap())
        })
        .collect();
    assert_eq!(published, expected);
    assert_eq!(state.version, u64::try_from(expected.len()).unwrap());
}

#[test]
fn first_sight() {
    check([fetched(0, "16:40:00", terms())], &["scheduled #1 scheduled"]);
    check([fetched(0, "16:40:00", open_ended())], &["scheduled #1 scheduled"]);
    check([fetched(0, "16:55:00", open_ended())], &["scheduled #1 scheduled"]); // it began already
    check([fetched(0, "16:40:00", withdrawn(terms()))], &["cancelled #1 cancelled"]);
    check([fetched(0, "17:00:00", terms())], &["ended #1 ended"]); // its end is now
    check([fetched(0, "18:00:00", terms())], &["ended #1 ended"]);
    check([fetched(0, "18:00:00", withdrawn(terms()))], &["cancelled #1 cancelled"]);
}

#[test]
fn what_a_controller_acts_on_changed() {
    let changes = [
        DispatchTerms { start: at("16:51:00"), ..terms() },
        ending("17:01:00"),
        open_ended(),
        DispatchTerms { request: kilowatts(6), ..terms() },
        DispatchTerms { request: Request::Unspecified, ..terms() },
        DispatchTerms { test_reason: Some(TestReason::SelfTest), ..terms() },
        DispatchTerms { priority: Some(1), ..terms() },
        DispatchTerms { voluntary: true, ..terms() },
        DispatchTerms { targets: Targets::default(), ..terms() },
        targets(|site| site.id = "9jeq".to_owned()),
        targets(|site| site.name = Some("Another Site".to_owned())),
        targets(|site| site.external_id = Some("democustomerlocationid2".to_owned())),
        targets(|site| site.request = Some(Request::Unspecified)),
        targets(|site| site.request = None),
    ];
    for changed in changes {
        check(
            [fetched(0, "16:40:00", terms()), fetched(1, "16:41:00", changed)],
            &["scheduled #1 scheduled", "updated #2 scheduled"],
        );
    }
}

#[test]
fn what_no_controller_acts_on_changed() {
    let mut reordered = terms();
    let other = Target { id: "9jeq".to_owned(), ..reordered.targets[0].clone() };
    reordered.targets.insert(0, other);
    let mut in_order = reordered.clone();
    in_order.targets.reverse();
    let changes = [
        (terms(), DispatchTerms { details: details(r#"{"metadata":{"note":"new"}}"#), ..terms() }),
        (terms(), DispatchTerms { programs: Vec::new(), ..terms() }),
        (reordered, in_order),
    ];
    for (before, after) in changes {
        check([fetched(0, "16:40:00", before), fetched(1, "16:41:00", after)], &["scheduled #1 scheduled"]);
    }
}

#[test]
fn the_end_becomes_known_passes_and_closes() {
    let begin = fetched(0, "16:40:00", open_ended());
    check(
        [begin.clone(), fetched(1, "16:55:00", ending("17:00:00")), fetched(1, "17:30:00", ending("17:00:00"))],
        &["scheduled #1 scheduled", "updated #2 scheduled"], // ahead; then it passes
    );
    check(
        [begin.clone(), fetched(1, "17:00:00", ending("17:00:00"))],
        &["scheduled #1 scheduled", "ended #2 ended"], // now
    );
    check(
        [begin, fetched(1, "17:20:00", ending("17:00:00"))],
        &["scheduled #1 scheduled", "ended #2 ended"], // past
    );
}

#[test]
fn over_and_yet_not() {
    let over = [fetched(0, "16:40:00", open_ended()), fetched(1, "17:20:00", ending("17:00:00"))];
    let check_after = |fact: Fact, expected: &str| {
        let facts = over.iter().cloned().chain([fact]);
        check(facts, &["scheduled #1 scheduled", "ended #2 ended", expected]);
    };
    check_after(fetched(2, "17:25:00", ending("18:00:00")), "updated #3 scheduled"); // extended
    check_after(fetched(2, "17:25:00", open_ended()), "updated #3 scheduled");
    check_after(fetched(2, "17:25:00", ending("17:10:00")), "ended #3 ended"); // corrected, still over
    check_after(fetched(2, "17:25:00", withdrawn(ending("17:00:00"))), "cancelled #3 cancelled");
}

#[test]
fn withdrawn_and_back() {
    let cancelled = [fetched(0, "16:40:00", terms()), fetched(2, "16:45:00", withdrawn(terms()))];
    let check_after = |fact: Fact, expected: &[&str]| {
        let expected = [&["scheduled #1 scheduled", "cancelled #2 cancelled"], expected].concat();
        check(cancelled.iter().cloned().chain([fact]), &expected);
    };
    check_after(fetched(3, "16:46:00", terms()), &["scheduled #3 scheduled"]);
    check_after(fetched(3, "17:30:00", terms()), &["ended #3 ended"]);
    check_after(fetched(1, "16:47:00", terms()), &[]); // an older authorization, fetched later
    check_after(fetched(3, "16:46:00", withdrawn(ending("18:00:00"))), &[]); // withdrawn in any case
    check_after(fetched(2, "16:45:00", terms()), &[]); // the provider contradicts itself: released
}

#[test]
fn a_late_create_does_not_undo_a_cancel() {
    check([fetched(1, "16:45:00", withdrawn(terms())), fetched(0, "16:46:00", terms())], &["cancelled #1 cancelled"]);
}

#[test]
fn a_withdrawal_after_the_known_end_is_published() {
    check(
        [fetched(0, "16:40:00", terms()), fetched(0, "17:30:00", terms()), fetched(1, "17:31:00", withdrawn(terms()))],
        &["scheduled #1 scheduled", "cancelled #2 cancelled"],
    );
}

#[test]
fn a_redelivery_publishes_nothing() {
    let fetch = fetched(0, "16:40:00", terms());
    check([fetch.clone(), fetch.clone(), fetched(0, "16:41:00", terms()), fetch], &["scheduled #1 scheduled"]);
}

#[test]
fn a_new_external_id_is_published_and_a_missing_one_is_kept() {
    let unnamed = || targets(|site| site.external_id = None);
    check(
        [fetched(0, "16:40:00", unnamed()), fetched(1, "16:41:00", terms())],
        &["scheduled #1 scheduled", "updated #2 scheduled"],
    );
    let (named, forgotten) = (fetched(0, "16:40:00", terms()), fetched(1, "16:41:00", unnamed()));
    check([named.clone(), forgotten.clone()], &["scheduled #1 scheduled"]);
    check([named, forgotten, fetched(2, "16:42:00", terms())], &["scheduled #1 scheduled"]); // stated before
    let nameless = |name: Option<&str>| targets(|site| (site.name, site.external_id) = (name.map(str::to_owned), None));
    check(
        [fetched(0, "16:40:00", nameless(None)), fetched(1, "16:41:00", nameless(Some("My Site")))],
        &["scheduled #1 scheduled", "updated #2 scheduled"],
    );
}

#[test]
fn a_meter_that_stands_twice_in_another_order_is_the_same() {
    let meter = |kilo| Target { request: Some(kilowatts(kilo)), ..terms().targets.remove(0) };
    let one = DispatchTerms { targets: vec![meter(5), meter(6)].into(), ..terms() };
    let other = DispatchTerms { targets: vec![meter(6), meter(5)].into(), ..terms() };
    check([fetched(0, "16:40:00", one), fetched(1, "16:41:00", other)], &["scheduled #1 scheduled"]);
}
