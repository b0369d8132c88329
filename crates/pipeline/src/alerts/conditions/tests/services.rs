//! Waiting jobs, keys, polls, the hydrator's heartbeat, dead letters.

use super::*;

#[expect(clippy::unnecessary_wraps, reason = "the field of the evidence is an Option")]
fn job(change: impl FnOnce(&mut RetryState)) -> Option<RetryState> {
    let mut state = RetryState {
        source: SOURCE.to_owned(),
        about: subject().to_string(),
        delivery: "d-1".to_owned(),
        attempt: 3,
        failed_at: at(20),
        next_at: at(90),
        notify_at: at(60),
        detail: "the provider answered 500".to_owned(),
    };
    change(&mut state);
    Some(state)
}

#[test]
fn a_waiting_job_fires_once_a_person_must_know() {
    let condition = Condition::Failing { source: SOURCE.to_owned(), key: subject().to_string() };
    let check = |retry, record, now, expected: &str, said: &str| {
        super::check(&condition, &Evidence { retry, ..of_record(record) }, now, expected, said);
    };
    let detail = "voltus-prod/dkmq: the provider answered 500 (attempt 3; the next at 2023-12-01T16:41:30Z)";
    check(job(|_| {}), None, 59, "undecided", "");
    check(job(|_| {}), None, 60, "firing since 60: first", detail);
    check(None, None, 60, "resolved at 60", "nothing of it is left");
    check(None, Some(dispatch(|_| {})), 60, "resolved at 60", "it worked: version 1 is published");
    // Only an answer requested after the failure resolves it.
    let fetched_at = |seconds| Some(settled(vec![(seconds, terms(|_| {}))]));
    check(job(|_| {}), fetched_at(20), 60, "firing since 60: first", detail);
    check(job(|_| {}), fetched_at(21), 60, "resolved at 60", "the answer to a later request");
    let day = 90 + hours(24);
    check(job(|_| {}), None, day, "firing since 60: first", detail);
    check(job(|_| {}), None, day + 1, &format!("resolved at {}", day + 1), "nothing was heard of it for a day");
    // A version of an earlier epoch does not count in this one.
    let unpublished = dispatch(|record| record.state.version = 0);
    check(None, Some(unpublished), 60, "resolved at 60", "nothing of it is left");
}

#[test]
fn a_key_is_refused_until_half_an_hour_after_the_latest_refusal() {
    let condition = Condition::KeyRefused { source: SOURCE.to_owned() };
    let refusal = Some(Refusal {
        source: SOURCE.to_owned(),
        since: at(10),
        at: at(100),
        detail: "the provider refused the API key (401)".to_owned(),
    });
    let check = |refusal: &Option<Refusal>, poll, now, expected: &str, said: &str| {
        let evidence = Evidence { refusal: refusal.clone(), poll, ..Evidence::default() };
        super::check(&condition, &evidence, now, expected, said);
    };
    check(&None, None, 200, "resolved at 200", "accepts the key again");
    check(&refusal, None, 1_899, "firing since 10: first", "refused the API key (401)");
    check(&refusal, None, 1_900, "resolved at 1900", "accepts the key again");
    let polled = |kind| Some(polls(Some((kind, 300, 2)), |_| {}));
    check(&refusal, polled(FailureKind::Credentials), 200, "firing since 10: first", "401");
    check(&None, polled(FailureKind::Credentials), 400, "firing since 300: first", "list of dispatches cannot be read");
    check(&None, polled(FailureKind::Provider), 400, "resolved at 400", "accepts the key again");
    check(&None, Some(polls(None, |_| {})), 400, "resolved at 400", "accepts the key again");
}

#[test]
fn a_source_is_down_after_five_minutes_or_three_failures() {
    let condition = Condition::SourceDown { source: SOURCE.to_owned() };
    let check = |poll, now, expected: &str, said: &str| {
        super::check(&condition, &Evidence { poll, ..Evidence::default() }, now, expected, said);
    };
    let failing = |count, change: fn(&mut PollState)| Some(polls(Some((FailureKind::Provider, 300, count)), change));
    check(None, 400, "resolved at 400", "can be read again");
    check(Some(polls(None, |_| {})), 400, "resolved at 400", "can be read again");
    check(failing(4, |_| {}), 599, "undecided", "");
    check(failing(4, |_| {}), 600, "firing since 300: first", "the provider answered 500");
    check(failing(2, |poll| poll.near_from = Some(at(0))), 400, "undecided", "");
    check(failing(3, |poll| poll.near_from = Some(at(0))), 400, "firing since 300: first", "3 time(s) in a row");
    check(failing(3, |poll| poll.near_from = Some(at(401))), 400, "undecided", "");
    // The source stays down at least until the provider allows the next request.
    check(failing(1, |poll| poll.not_before = Some(at(600))), 400, "firing since 300: first", "");
    let refused = Some(polls(Some((FailureKind::Credentials, 300, 9)), |_| {}));
    check(refused, hours(1), &format!("resolved at {}", hours(1)), "can be read again");
}

#[test]
fn a_hydrator_that_answered_no_heartbeat_since_the_hint_fires() {
    let check = |answered: Option<i64>, backlog: Option<(u64, u64)>, expected: &str, said: &str| {
        let backlog = backlog.map(|(waiting, in_hand)| Backlog { waiting, in_hand });
        let evidence = Evidence { answered: answered.map(at), backlog, ..Evidence::default() };
        check_asked(&Condition::DeliveriesUnread, &evidence, (100, 130), expected, said);
    };
    check(Some(100), None, "resolved at 130", "reads from the queue again");
    check(Some(120), None, "resolved at 130", "reads from the queue again");
    check(
        Some(99),
        Some((5, 1)),
        "firing since 100: first",
        "since 2023-12-01T16:41:39Z: about 5 messages wait and 1 are",
    );
    check(None, Some((5, 1)), "firing since 100: first", "read nothing from the queue so far");
    check(None, None, "firing since 100: first", "how much waits is not known");
}

#[test]
fn a_dead_letter_queue_fires_while_it_holds_anything() {
    let condition = Condition::DeadLetters { queue: Watched::RetriesDead };
    let check = |backlog: Option<(u64, u64)>, expected: &str, said: &str| {
        let backlog = backlog.map(|(waiting, in_hand)| Backlog { waiting, in_hand });
        check_asked(&condition, &Evidence { backlog, ..Evidence::default() }, (100, 130), expected, said);
    };
    check(Some((0, 0)), "resolved at 130", "the queue is empty again");
    check(Some((2, 0)), "firing since 100: first", "2 message(s) in the queue retries_dead");
    check(Some((0, 1)), "firing since 100: first", "1 message(s)");
    check(None, "undecided", "");
}
