//! The record of a dispatch: not acknowledged, failed, without an end, not all parts sent, missed.

use super::*;
use crate::dispatches::record::MissedChange;

fn not_acknowledged() -> Condition {
    Condition::NotAcknowledged { dispatch: subject() }
}

/// Evidence when a controller acknowledges.
fn awaited(record: impl Into<Option<SubjectRecord>>) -> Evidence {
    Evidence { has_acknowledgements: true, ..of_record(record) }
}

/// Evidence when reading the signals queue counts.
fn read(record: SubjectRecord, backlog: Option<(u64, u64)>) -> Evidence {
    let backlog = backlog.map(|(waiting, in_hand)| Backlog { waiting, in_hand });
    Evidence { backlog, ..of_record(record) }
}

/// `dkmq` with a signal that is not sent yet.
fn unsent() -> SubjectRecord {
    let sent = dispatch(|_| {});
    let subject = sent.subject.clone();
    let signal = dispatch::Signal {
        subject,
        epoch: Epoch::at(at(0)),
        sequence: 1,
        part: None,
        kind: "gridbell.dispatch.scheduled.v1".to_owned(),
        source: "/gridbell/voltus-prod".to_owned(),
        test: false,
        time: at(0),
        traceparent: None,
        body: "{}".to_owned(),
    };
    SubjectRecord { outbox: vec![signal], ..sent }
}

#[test]
fn a_controller_that_does_not_acknowledge_by_the_deadline_fires() {
    let condition = not_acknowledged();
    let silent = || dispatch(|_| {});
    check(&condition, &awaited(silent()), -16, "resolved at -16", "version 1 has more time");
    check(&condition, &awaited(silent()), -15, "undecided", "");
    check(&condition, &awaited(silent()), 59, "undecided", "");
    check(&condition, &awaited(silent()), 60, "firing since 60: first", "no controller has acknowledged it");
    check(
        &condition,
        &awaited(silent()),
        1_199,
        "firing since 60: first",
        "version 1, to start at 2023-12-01T16:50:00Z",
    );
    let lapsed = "resolved at 1200, lapsed since 60: first";
    check(&condition, &awaited(silent()), 1_200, lapsed, "its time has passed, and no controller acknowledged it");
    // The deadline monitor has closed it.
    let closed = dispatch(|record| (record.due, record.lapsed) = (None, record.due));
    check(&condition, &awaited(closed), 1_300, "resolved at 1300, lapsed since 60: first", "its time has passed");
}

#[test]
fn an_acknowledgement_of_the_current_version_resolves_it() {
    let condition = not_acknowledged();
    for (state, said) in
        [(AckState::Accepted, "accepted to version 1"), (AckState::Completed, "completed to version 1")]
    {
        let answered = dispatch(|record| record.ack = ack(1, state, 90));
        check(&condition, &awaited(answered), 100, "resolved at 90", said);
    }
    let failed = dispatch(|record| record.ack = ack(1, AckState::Failed, 90));
    check(&condition, &awaited(failed), 100, "resolved at 100", "an incident of its own");
    let superseded = settled(vec![(0, terms(|_| {})), (80, terms(|two| two.start = at(660)))]);
    let superseded = changed(superseded, |record| record.ack = ack(1, AckState::Accepted, 70));
    check(&condition, &awaited(superseded.clone()), 139, "undecided", "");
    check(&condition, &awaited(superseded), 140, "firing since 140: first", "version 2");
    check(&condition, &awaited(None), 100, "resolved at 100", "not known");
    check(&condition, &awaited(withdrawn()), 100, "resolved at 100", "no longer active");
}

#[test]
fn without_an_end_it_is_at_risk_for_a_day() {
    let condition = not_acknowledged();
    let lasts = 600 + hours(24);
    check(&condition, &awaited(open_end()), lasts - 1, "firing since 60: first", "no controller has acknowledged it");
    let lapsed = format!("resolved at {lasts}, lapsed since 60: first");
    check(&condition, &awaited(open_end()), lasts, &lapsed, "within a day");
}

#[test]
fn where_no_controller_acknowledges_reading_the_queue_counts() {
    let condition = not_acknowledged();
    let silent = || dispatch(|_| {});
    check(&condition, &read(silent(), Some((3, 0))), 60, "firing since 60: first", "is not read: 3 wait there");
    check(&condition, &read(silent(), Some((3, 1))), 60, "undecided", "");
    check(&condition, &read(silent(), Some((0, 1))), 60, "resolved at 60", "read from the queue");
    check(&condition, &read(silent(), Some((0, 0))), 60, "resolved at 60", "read from the queue");
    check(&condition, &read(silent(), None), 60, "undecided", "");
    let read_before = dispatch(|record| record.due = None);
    check(&condition, &read(read_before, Some((3, 0))), 70, "resolved at 70", "read from the queue");
    // The depth of the queue does not count when a controller must acknowledge.
    let evidence = Evidence { backlog: Some(Backlog::default()), ..awaited(silent()) };
    check(&condition, &evidence, 60, "firing since 60: first", "no controller has acknowledged it");
}

#[test]
fn a_signal_that_cannot_be_sent_fires_once_it_is_not_being_sent() {
    let condition = not_acknowledged();
    for evidence in [awaited(unsent()), read(unsent(), Some((0, 0)))] {
        let late = |changed_at| {
            let record = evidence.record.clone().map(|record| SubjectRecord { changed_at: at(changed_at), ..record });
            Evidence { record, ..evidence.clone() }
        };
        check(&condition, &late(56), 60, "undecided", "");
        check(&condition, &late(55), 60, "firing since 60: first", "could not be sent to the queue yet");
    }
}

#[test]
fn a_failed_answer_fires_until_the_controller_answers_otherwise() {
    let condition = Condition::ControllerFailed { dispatch: subject() };
    let answered = |version, state| of_record(dispatch(|record| record.ack = ack(version, state, 90)));
    check(&condition, &answered(1, AckState::Failed), 100, "firing since 90: first", "version 1: it gave no reason");
    let said = dispatch(|record| {
        record.ack = ack(1, AckState::Failed, 90).map(|ack| Ack { detail: Some("no power".to_owned()), ..ack });
    });
    check(&condition, &of_record(said), 100, "firing since 90: first", "version 1: no power");
    check(&condition, &answered(1, AckState::Accepted), 100, "resolved at 90", "accepted to version 1");
    check(&condition, &answered(1, AckState::Completed), 100, "resolved at 90", "completed to version 1");
    check(&condition, &answered(0, AckState::Failed), 100, "resolved at 100", "version 1 was published since");
    check(&condition, &of_record(dispatch(|_| {})), 100, "resolved at 100", "has not answered");
    check(&condition, &of_record(None), 100, "resolved at 100", "not known");
    check(&condition, &answered(1, AckState::Failed), 1_199, "firing since 90: first", "version 1");
    check(&condition, &answered(1, AckState::Failed), 1_200, "resolved at 1200", "has passed");
    // It answered only after the end: that is reported, too.
    let late = dispatch(|record| record.ack = ack(1, AckState::Failed, 1_300));
    check(&condition, &of_record(late), 1_400, "firing since 1300: first", "version 1");
}

#[test]
fn without_an_end_a_person_is_asked_each_day_after_the_first() {
    let condition = Condition::NoEnd { dispatch: subject() };
    let (first, open) = (600 + hours(24), || of_record(open_end()));
    check(&condition, &open(), first - 1, &format!("resolved at {}", first - 1), "the next question is due at");
    let since = format!("firing since {first}:");
    check(
        &condition,
        &open(),
        first,
        &format!("{since} day 1"),
        "for 24 hours, and the provider has never stated an end",
    );
    check(&condition, &open(), first + hours(24) - 1, &format!("{since} day 1"), "is it still on?");
    check(&condition, &open(), first + hours(24), &format!("{since} day 2"), "for 48 hours");
    check(&condition, &open(), first + hours(24 * 30), &format!("{since} day 31"), "");
    let later = first + hours(1);
    let resolved = format!("resolved at {later}");
    check(&condition, &of_record(dispatch(|_| {})), later, &resolved, "states its end now");
    check(&condition, &of_record(withdrawn()), later, &resolved, "no longer active");
    check(&condition, &of_record(None), later, &resolved, "not known");
    let test = |one: &mut DispatchTerms| (one.end, one.test_reason) = (None, Some(dispatch::TestReason::SelfTest));
    check(&condition, &of_record(settled(vec![(0, terms(test))])), later, &resolved, "");
}

#[test]
fn parts_that_are_not_all_sent_after_a_minute_fire() {
    let condition = Condition::PartsUnsent { dispatch: subject() };
    let part = |mut record: SubjectRecord| {
        record.outbox[0].part = Some(dispatch::Part { number: 2, of: 3 });
        record
    };
    check(&condition, &of_record(part(unsent())), 59, "undecided", "");
    check(&condition, &of_record(part(unsent())), 60, "firing since 60: first", "no consumer can act on it");
    check(&condition, &of_record(unsent()), 60, "resolved at 60", "all parts");
    check(&condition, &of_record(dispatch(|_| {})), 60, "resolved at 60", "all parts");
    check(&condition, &of_record(None), 60, "resolved at 60", "all parts");
}

#[test]
fn a_change_that_no_webhook_announces_within_two_minutes_fires() {
    let condition = Condition::MissedDelivery { dispatch: subject() };
    let missed = |changes: &[(i64, &str)]| {
        let change = |(seconds, what): &(i64, &str)| MissedChange { found_at: at(*seconds), what: (*what).to_owned() };
        of_record(dispatch(|record| record.missed = Some(changes.iter().map(change).collect())))
    };
    check(&condition, &missed(&[(30, "#1")]), 149, "undecided", "");
    check(&condition, &missed(&[(30, "#1")]), 150, "firing since 150: #1", "no webhook has announced since: #1");
    // A webhook may still announce the later change.
    check(&condition, &missed(&[(30, "#1"), (90, "#2")]), 150, "firing since 150: #1", "");
    check(&condition, &missed(&[(30, "#1"), (90, "#2")]), 210, "firing since 150: #1, #2", "");
    let day = 30 + hours(24);
    check(&condition, &missed(&[(30, "#1")]), day, "firing since 150: #1", "");
    check(&condition, &missed(&[(30, "#1")]), day + 1, &format!("resolved at {}", day + 1), "missed for a day");
    check(&condition, &of_record(dispatch(|_| {})), 150, "resolved at 150", "came after all");
    check(&condition, &missed(&[]), 150, "resolved at 150", "came after all");
    check(&condition, &of_record(None), 150, "resolved at 150", "came after all");
}
