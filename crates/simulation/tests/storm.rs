//! Storms, small enough for every run.

use jiff::SignedDuration;
use simulation::storm::{Storm, StormReport, run};

fn small() -> Storm {
    Storm { dispatches: 400, window: SignedDuration::from_secs(20), allowance: 60, ..Storm::default() }
}

#[expect(clippy::print_stdout, reason = "the ignored tests print the report for BENCHMARKS.md")]
fn goals_are_met(storm: &Storm) -> StormReport {
    let outcome = run(storm);
    println!("{outcome:#?}");
    assert!(outcome.missed.is_empty(), "{outcome:#?}");
    outcome
}

#[test]
fn a_storm_is_published_in_time_and_within_the_allowance() {
    for seed in 0..3 {
        let outcome = goals_are_met(&Storm { seed, ..small() });
        assert!(outcome.requests[1] > 1, "{outcome:?}");
        assert!(outcome.deadlines.0 > 300, "deadlines were checked: {outcome:?}");
    }
}

#[test]
fn a_storm_is_the_same_twice() {
    assert_eq!(run(&small()), run(&small()));
}

#[test]
fn an_outage_is_mailed_in_time_and_published_soon_after() {
    let outage = Some(SignedDuration::from_mins(4));
    let outcome = goals_are_met(&Storm { outage, notice: SignedDuration::from_mins(30), ..small() });
    assert!(outcome.mailed.0 > 100, "{outcome:?}");
}

#[test]
fn a_source_with_many_active_dispatches_takes_a_storm_as_well() {
    let outcome = goals_are_met(&Storm { dispatches: 60, active: 500, sites: 5, ..small() });
    assert!(outcome.list_bytes > 300_000, "{outcome:?}");
}

#[test]
#[ignore = "minutes: cargo test -p simulation --test storm -- --ignored"]
fn ten_thousand_dispatches_through_an_outage() {
    goals_are_met(&Storm {
        outage: Some(SignedDuration::from_mins(10)),
        notice: SignedDuration::from_mins(40),
        ..Storm::default()
    });
}

#[test]
#[ignore = "minutes: cargo test -p simulation --test storm -- --ignored"]
fn ten_thousand_dispatches_that_start_at_one_instant() {
    goals_are_met(&Storm { same_start: true, ..Storm::default() });
}

#[test]
#[ignore = "minutes: cargo test -p simulation --test storm -- --ignored"]
fn a_thousand_dispatches_beside_ten_thousand_active_ones() {
    goals_are_met(&Storm { dispatches: 1_000, active: 10_000, sites: 5, ..Storm::default() });
}
