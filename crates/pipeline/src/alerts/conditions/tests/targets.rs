//! Load targets: missed, replaced before they were reached, or without a report of their ramp's end.

use super::*;
use crate::dispatches::ramping::Replaced;

const DOWN: PowerEventKind = PowerEventKind::StartRampDown;
const REACHED: PowerEventKind = PowerEventKind::EndRampDown;
const UP: PowerEventKind = PowerEventKind::StartRampUp;

fn condition() -> Condition {
    Condition::NotCompliant { subject: Subject::power("dc-1", None, "c-1") }
}

/// A target from 600 to 3600 whose ramp's end was reported at 900.
fn reached(compliant: Option<bool>) -> Vec<(i64, PowerEvent)> {
    let times = (600, Some(3_600));
    vec![(590, power(DOWN, times, Some(false))), (900, power(REACHED, times, compliant))]
}

/// The target from 600 to 1200, replaced by another from that second on.
fn replaced(at_second: i64, compliant: Option<bool>) -> SubjectRecord {
    let mut record = heard(vec![(590, power(DOWN, (600, Some(1_200)), compliant))]);
    let by = Subject::power("dc-1", None, "c-2");
    record.ramping.replaced = Some(Replaced { start: at(600), by, at: at(at_second), noted_at: at(1_000) });
    record
}

#[test]
fn a_target_missed_at_its_ramps_end_fires_until_its_own_end() {
    let missed = || of_record(heard(reached(Some(false))));
    check(&condition(), &missed(), 900, "firing since 900: target missed", "the load is 9200 kW, the limit 6500 kW");
    check(&condition(), &missed(), 3_599, "firing since 900: target missed", "compliant: no");
    check(&condition(), &missed(), 3_600, "resolved at 3600", "its end was reported at 2023-12-01T16:55:00Z");
    for compliant in [Some(true), None] {
        check(&condition(), &of_record(heard(reached(compliant))), 900, "resolved at 900", "its end was reported");
    }
    let lifted = [reached(Some(false)), vec![(1_000, power(UP, (1_000, None), None))]].concat();
    check(&condition(), &of_record(heard(lifted)), 1_000, "resolved at 1000", "");
    // A report dated in the future, by another clock, does not count yet.
    check(&condition(), &missed(), 899, "resolved at 899", "");
    check(&condition(), &of_record(None), 900, "resolved at 900", "not known");
    check(&condition(), &of_record(dispatch(|_| {})), 900, "resolved at 900", "not known");
}

#[test]
fn a_target_without_an_end_is_missed_for_a_day() {
    let times = (600, None);
    let events = vec![(590, power(DOWN, times, Some(false))), (900, power(REACHED, times, Some(false)))];
    let missed = of_record(heard(events));
    let lasts = 900 + hours(24);
    check(&condition(), &missed, lasts - 1, "firing since 900: target missed", "");
    check(&condition(), &missed, lasts, &format!("resolved at {lasts}"), "its end was reported");
}

#[test]
fn a_ramp_whose_end_is_not_reported_in_time_fires_for_a_day() {
    let running = |end| of_record(heard(vec![(590, power(DOWN, (600, end), Some(true)))]));
    check(&condition(), &running(Some(1_200)), 1_499, "resolved at 1499", "");
    check(
        &condition(),
        &running(Some(1_200)),
        1_500,
        "firing since 1500: first",
        "start_ramp_down of 2023-12-01T16:50:00Z",
    );
    let lasts = 1_500 + hours(24);
    check(&condition(), &running(Some(1_200)), lasts - 1, "firing since 1500: first", "did not report its end by");
    let over = format!("resolved at {lasts}");
    check(&condition(), &running(Some(1_200)), lasts, &over, "nothing more was heard of it for a day");
    check(&condition(), &running(None), hours(20), &format!("resolved at {}", hours(20)), "");
    // A start that is received late has five minutes from then on.
    let late = of_record(heard(vec![(1_300, power(DOWN, (600, Some(1_200)), Some(true)))]));
    check(&condition(), &late, 1_599, "resolved at 1599", "");
    check(&condition(), &late, 1_600, "firing since 1600: first", "");
}

#[test]
fn a_target_missed_for_five_minutes_when_replaced_fires() {
    let check = |record: SubjectRecord, now: i64, expected: &str, said: &str| {
        super::check(&condition(), &of_record(record), now, expected, said);
    };
    check(
        replaced(900, Some(false)),
        1_000,
        "firing since 1000: replaced",
        "replaced by dc-1/-/c-2 at 2023-12-01T16:55",
    );
    check(replaced(899, Some(false)), 1_000, "resolved at 1000", "it was replaced by dc-1/-/c-2");
    check(replaced(900, Some(true)), 1_000, "resolved at 1000", "it was replaced by dc-1/-/c-2");
    check(replaced(900, None), 1_000, "resolved at 1000", "it was replaced by dc-1/-/c-2");
    // Its end is no longer awaited.
    check(replaced(899, Some(false)), 1_500, "resolved at 1500", "it was replaced by dc-1/-/c-2");
    // Another target that begins later has not replaced it yet.
    check(replaced(1_100, Some(false)), 1_050, "firing since 1000: replaced", "");
    let day = 1_000 + hours(24);
    check(replaced(900, Some(false)), day, &format!("resolved at {day}"), "");
}

#[test]
fn each_reason_is_a_stage_of_its_own() {
    let mut events = reached(Some(false));
    // The ramp back is overdue before the first target ends, and begins after the target was lifted.
    events.push((950, power(UP, (500, Some(1_000)), Some(true))));
    let record = heard(events);
    let expected = "firing since 900: target missed, first";
    check(&condition(), &of_record(record), 1_300, expected, "start_ramp_up of 2023-12-01T16:48:20Z");
}
