//! The laws of one target's view of overlapping dispatches, and each order of overlaps by example.

#![expect(clippy::expect_used, reason = "a helper of a test fails the test")]

use dispatch::{
    About, Claim, Effective, PowerEvent, PowerEventKind, Precedence, RampStart, Ramps, Request, Status, Subject,
    TargetClaims, TargetHash, Window, effective, windows,
};
use jiff::{SignedDuration, Timestamp};
use proptest::{collection::vec, option, prelude::*, sample::select};

/// This many minutes after 2023-12-01T16:40:00Z.
fn at(minutes: i64) -> Timestamp {
    Timestamp::constant(1_701_448_800, 0) + SignedDuration::from_mins(minutes)
}

fn key(name: &str) -> Subject {
    Subject::dispatch("s", name)
}

fn claim(name: &str, start: i64, end: impl Into<Option<i64>>, watts: u64) -> Claim {
    let request = Request::Reduce { watts };
    Claim {
        key: key(name),
        status: Status::Scheduled,
        test: false,
        start: at(start),
        end: end.into().map(at),
        request: Some(request),
        total: request,
        priority: None,
    }
}

/// Windows in short form: `10-20 a+b` is ten minutes governed by a, with b active; a slash separates windows.
fn short(windows: &[Window]) -> String {
    let minute = |at_: Timestamp| at_.duration_since(at(0)).as_mins();
    let window = |window: &Window| {
        let segments = window.segments.iter().map(|segment| {
            let until = segment.until.map_or_else(String::new, |until| minute(until).to_string());
            let keys = [&segment.governed_by].into_iter().chain(&segment.with).map(|key| &key.as_str()[2..]);
            format!("{}-{until} {}", minute(segment.from), keys.collect::<Vec<_>>().join("+"))
        });
        segments.collect::<Vec<_>>().join(", ")
    };
    windows.iter().map(window).collect::<Vec<_>>().join(" / ")
}

fn claims() -> impl Strategy<Value = Vec<Claim>> {
    let request = prop_oneof![
        (0_u64..3).prop_map(|watts| Request::Reduce { watts }),
        (0_u64..3).prop_map(|watts| Request::Limit { watts }),
        Just(Request::ReduceMax),
        Just(Request::Unspecified),
    ];
    let status = prop_oneof![4 => Just(Status::Scheduled), 1 => Just(Status::Ended), 1 => Just(Status::Cancelled)];
    let times = (0_i64..8, option::weighted(0.8, 0_i64..10));
    let one = (select(vec!["a", "b", "c", "d"]), status, any::<bool>(), times, option::of(request.clone()), request);
    let one = (one, option::of(1_u32..3)).prop_map(|((name, status, test, (start, end), request, total), priority)| {
        Claim { key: key(name), status, test, start: at(start), end: end.map(at), request, total, priority }
    });
    vec(one, 0..7)
}

fn rule() -> impl Strategy<Value = Precedence> {
    let first_come = Precedence::by(|claim| claim.start.as_nanosecond());
    select(vec![Precedence::LARGER_REQUEST, Precedence::LOWER_PRIORITY, Precedence::LATER_START, first_come])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_the_claims_does_not_matter(
        rule in rule(), test in any::<bool>(),
        (some, other) in claims().prop_flat_map(|claims| (Just(claims.clone()), Just(claims).prop_shuffle())),
    ) {
        prop_assert_eq!(windows(rule, test, &some), windows(rule, test, &other));
    }

    #[test]
    fn windows_are_in_order_and_apart_and_their_segments_without_gaps(
        rule in rule(), test in any::<bool>(), claims in claims(),
    ) {
        let windows = windows(rule, test, &claims);
        for pair in windows.windows(2) {
            prop_assert!(pair[0].until.expect("an open one is the last") < pair[1].from);
        }
        for window in &windows {
            let (first, last) = (window.segments.first().expect("one"), window.segments.last().expect("one"));
            prop_assert_eq!((first.from, last.until), (window.from, window.until));
            prop_assert!(window.segments.windows(2).all(|pair| pair[0].until == Some(pair[1].from)));
            for segment in &window.segments {
                prop_assert!(segment.until.is_none_or(|until| segment.from < until));
                prop_assert!(segment.with.is_sorted() && !segment.with.contains(&segment.governed_by));
            }
        }
    }

    #[test]
    fn a_target_is_curtailed_if_and_only_if_a_dispatch_covers_the_instant(
        rule in rule(), test in any::<bool>(), claims in claims(),
    ) {
        let windows = windows(rule, test, &claims);
        for minute in 0..12 {
            let now = at(minute);
            let active: Vec<&Claim> = claims.iter().filter(|claim| claim.test == test && claim.covers(now)).collect();
            let segment = windows.iter().flat_map(|window| &window.segments)
                .find(|segment| segment.from <= now && segment.until.is_none_or(|until| now < until));
            prop_assert_eq!(segment.is_some(), !active.is_empty());
            let Some(segment) = segment else { continue };
            prop_assert!(active.iter().any(|claim| claim.key == segment.governed_by && claim.request == segment.request));
            prop_assert!(active.iter().all(|claim| claim.key == segment.governed_by || segment.with.contains(&claim.key)));
            prop_assert!(segment.with.iter().all(|key| active.iter().any(|claim| claim.key == *key)));
        }
    }

    #[test]
    fn adding_and_removing_claims_gives_the_same_as_all_at_once(
        rule in rule(), came in vec(claims(), 1..4), asked in select(vec!["a", "b", "c", "d"]), test in any::<bool>(),
    ) {
        let mut indexed = TargetClaims::new(rule);
        let mut all: Vec<Claim> = Vec::new();
        for claims in came {
            for claim in claims {
                indexed.remove(&claim.key);
                all.retain(|other| other.key != claim.key);
                indexed.insert(claim.clone());
                all.push(claim);
            }
            if let Some(gone) = all.pop() {
                indexed.remove(&gone.key);
            }
            for minute in 0..12 {
                let asked = key(asked);
            let about = About { subject: &asked, is_test: test };
                prop_assert_eq!(indexed.effective(about, at(minute)), effective(rule, about, &all, at(minute)), "{}", minute);
            }
        }
    }

    #[test]
    fn what_is_over_or_withdrawn_changes_nothing(rule in rule(), claims in claims(), mut more in claims()) {
        for claim in &mut more {
            claim.status = if claim.test { Status::Ended } else { Status::Cancelled };
        }
        let all: Vec<Claim> = claims.iter().cloned().chain(more).collect();
        prop_assert_eq!(windows(rule, false, &claims), windows(rule, false, &all));
    }

    #[test]
    fn a_test_never_governs_a_real_dispatch_nor_the_other_way_round(rule in rule(), claims in claims(), test in any::<bool>()) {
        let alone: Vec<Claim> = claims.iter().filter(|claim| claim.test == test).cloned().collect();
        prop_assert_eq!(windows(rule, test, &claims), windows(rule, test, &alone));
        for claim in &alone {
            prop_assert_eq!(
                effective(rule, About { subject: &claim.key, is_test: test }, &claims, at(0)), effective(rule, About { subject: &claim.key, is_test: test }, &alone, at(0)),
            );
        }
    }

    #[test]
    fn a_dispatch_without_overlaps_adds_nothing(rule in rule(), claims in claims(), minute in 0_i64..12) {
        let own: Vec<Claim> = claims.into_iter().filter(|claim| claim.key == key("a")).collect();
        prop_assert_eq!(effective(rule, About { subject: &key("a"), is_test: false }, &own, at(minute)), None);
    }

    #[test]
    fn power_events_add_up_to_the_same_in_any_order(
        (some, other) in vec((0_usize..4, 0_i64..3, option::of(3_i64..6), 0_u64..3, option::of(any::<bool>())), 0..7)
            .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
    ) {
        let added = |events: &[Stated]| {
            events.iter().fold(Ramps::default(), |ramps, (kind, start, end, watts, compliant)| {
                ramps.join(ramps_of(*kind, *start, *end, *watts, *compliant))
            })
        };
        prop_assert_eq!(added(&some), added(&other));
    }
}

/// Which of the four events, its start and end, the limit, whether it is met.
type Stated = (usize, i64, Option<i64>, u64, Option<bool>);

fn ramps_of(kind: usize, start: i64, end: Option<i64>, watts: u64, compliant: Option<bool>) -> Ramps {
    let kinds = [
        PowerEventKind::StartRampDown,
        PowerEventKind::EndRampDown,
        PowerEventKind::StartRampUp,
        PowerEventKind::EndRampUp,
    ];
    let event = PowerEvent {
        feed: None,
        correlation_id: "c-1".to_owned(),
        event: kinds[kind],
        start: at(start),
        end: end.map(at),
        strategy: None,
        target: Request::Limit { watts },
        previous: None,
        measured_w: None,
        compliant,
    };
    Ramps::of(&event, at(i64::try_from(watts).expect("small")))
}

#[test]
fn voltus_curtails_until_all_are_over_and_the_larger_request_governs() {
    let check = |claims: &[Claim], expected: &str| {
        assert_eq!(short(&windows(Precedence::LARGER_REQUEST, false, claims)), expected);
    };
    check(&[claim("a", 10, 20, 5), claim("b", 15, 30, 9)], "10-15 a, 15-20 b+a, 20-30 b");
    check(&[claim("a", 10, 20, 9), claim("b", 15, 30, 5)], "10-15 a, 15-20 a+b, 20-30 b");
    check(&[claim("a", 10, None, 5), claim("b", 15, 30, 9)], "10-15 a, 15-30 b+a, 30- a");
    check(&[claim("b", 10, 20, 5), claim("a", 10, 20, 5)], "10-20 a+b");
    check(&[claim("a", 10, 20, 5), claim("b", 30, 40, 5)], "10-20 a / 30-40 b");
}

#[test]
fn a_provider_can_order_overlaps_by_a_number_of_its_own() {
    let first_come = Precedence::by(|claim| claim.start.as_nanosecond());
    let view = windows(first_come, false, &[claim("a", 10, 20, 5), claim("b", 15, 30, 9)]);
    assert_eq!(short(&view), "10-15 a, 15-20 a+b, 20-30 b");
}

#[test]
fn back_to_back_does_not_release_in_between() {
    let view = windows(Precedence::LARGER_REQUEST, false, &[claim("a", 10, 20, 5), claim("b", 20, 30, 5)]);
    assert_eq!(short(&view), "10-20 a, 20-30 b");
    assert_eq!((view.len(), view[0].until), (1, Some(at(30))));
}

#[test]
fn the_lower_priority_number_of_leap_goes_first() {
    let of = |priority: Option<u32>, claim: Claim| Claim { priority, ..claim };
    let check = |claims: &[Claim], expected: &str| {
        assert_eq!(short(&windows(Precedence::LOWER_PRIORITY, false, claims)), expected);
    };
    check(&[of(Some(2), claim("a", 10, 30, 9)), of(Some(1), claim("b", 15, 20, 1))], "10-15 a, 15-20 b+a, 20-30 a");
    check(&[of(None, claim("a", 10, 30, 9)), of(Some(10), claim("b", 10, 30, 1))], "10-30 b+a");
    check(&[of(Some(1), claim("a", 10, 30, 1)), of(Some(1), claim("b", 10, 30, 9))], "10-30 b+a");
    check(&[of(Some(1), claim("b", 10, 30, 9)), of(Some(1), claim("a", 10, 30, 9))], "10-30 a+b");
}

#[test]
fn the_target_that_nvgrid_sets_last_wins_and_the_earlier_one_applies_again_after_it() {
    let limit = |claim: Claim, watts| Claim { request: Some(Request::Limit { watts }), ..claim };
    let view =
        windows(Precedence::LATER_START, false, &[limit(claim("a", 10, 40, 0), 5), limit(claim("b", 20, 30, 0), 9)]);
    assert_eq!(short(&view), "10-20 a, 20-30 b+a, 30-40 a");
    let tie =
        windows(Precedence::LATER_START, false, &[limit(claim("a", 10, 40, 0), 9), limit(claim("b", 10, 40, 0), 0)]);
    assert_eq!(short(&tie), "10-40 b+a", "the lower limit asks for more, and none is lower than nothing at all");
}

#[test]
fn a_signal_says_until_when_the_site_stays_curtailed() {
    let stated = |until: Option<i64>, by: &str, with: &[&str]| {
        Some(Effective::new(until.map(at), key(by), with.iter().copied().map(key).collect()))
    };
    let (a, b) = (claim("a", 10, 20, 5), claim("b", 15, 30, 9));
    let both = [a.clone(), b.clone()];
    let check = |name: &str, claims: &[Claim], minute: i64, expected: Option<Effective>| {
        assert_eq!(
            effective(Precedence::LARGER_REQUEST, About { subject: &key(name), is_test: false }, claims, at(minute)),
            expected,
            "{name} at {minute}"
        );
    };
    check("b", &both, 0, stated(Some(30), "a", &["a"]));
    check("b", &both, 16, stated(Some(30), "b", &["a"]));
    check("a", &both, 16, stated(Some(30), "b", &["b"]));
    // a has ended or is withdrawn.
    let rest = std::slice::from_ref(&b);
    check("a", rest, 20, stated(Some(30), "b", &["b"]));
    check("a", rest, 5, None); // b has not started: nothing curtails the site now
    check("a", rest, 31, None);
    check("a", &[Claim { end: None, ..b.clone() }], 20, stated(None, "b", &["b"]));
    // Adjacent, and with a gap.
    check("a", &[a.clone(), claim("c", 20, 25, 1)], 12, stated(Some(25), "a", &["c"]));
    check("a", &[a.clone(), claim("c", 21, 25, 1)], 12, None);
    check("a", &[a, Claim { test: true, ..b }], 12, None);
}

#[test]
fn a_signal_names_twenty_others_and_counts_them_all() {
    for others in [1, 19, 20, 21, 1_000] {
        let mut claims: Vec<Claim> = (0..others).map(|n| claim(&format!("o{n:04}"), 10, 20, 5)).collect();
        claims.push(claim("a", 10, 20, 9));
        let about = About { subject: &key("a"), is_test: false };
        let said = effective(Precedence::LARGER_REQUEST, about, &claims, at(12)).expect("others");
        assert_eq!((said.others, said.with.len()), (others, others.min(20)));
        assert!(said.with.is_sorted() && said.with.first() == Some(&key("o0000")));
    }
}

#[test]
fn a_new_target_replaces_the_one_under_way_and_not_the_one_that_is_over() {
    let ramp = |start: i64, end: Option<i64>, heard: i64| RampStart {
        start: at(start),
        end: end.map(at),
        heard_at: at(heard),
        running: true,
    };
    assert!(ramp(20, None, 20).replaces(&ramp(10, Some(30), 10)));
    assert!(ramp(20, None, 20).replaces(&ramp(10, None, 25)), "received in the wrong order");
    assert!(!ramp(30, None, 30).replaces(&ramp(10, Some(30), 10)), "back to back");
    assert!(!ramp(10, None, 10).replaces(&ramp(20, None, 20)));
    assert!(ramp(10, None, 12).replaces(&ramp(10, None, 10)));
    assert!(!ramp(10, None, 10).replaces(&ramp(10, None, 10)));
    assert!(
        !ramp(20, None, 20).replaces(&RampStart { running: false, ..ramp(10, Some(30), 10) }),
        "its end is reported"
    );
}

#[test]
fn the_limit_holds_from_the_ramp_down_to_its_stated_end_or_the_ramp_up() {
    let down = || ramps_of(0, 10, Some(60), 7, None);
    assert_eq!(down().limit(), Some((at(10), Some(at(60)), Request::Limit { watts: 7 })));
    assert_eq!(down().running().count(), 1);
    let reached = down().join(ramps_of(1, 10, Some(60), 7, Some(true)));
    assert_eq!((reached.running().count(), reached.limit()), (0, down().limit()));
    let lifted = reached.join(ramps_of(2, 40, None, 9, None));
    assert_eq!(lifted.limit(), Some((at(10), Some(at(40)), Request::Limit { watts: 7 })));
    assert_eq!(ramps_of(2, 40, None, 9, None).limit(), None);
    let done = lifted.clone().join(ramps_of(3, 40, None, 9, None));
    assert_eq!((lifted.running().count(), done.running().count()), (1, 0));
}

#[test]
fn hashes_differ_between_targets() {
    assert_eq!(TargetHash::of("d4z9"), TargetHash::of("d4z9"));
    assert_ne!(TargetHash::of("d4z9"), TargetHash::of("d4z8"));
}
