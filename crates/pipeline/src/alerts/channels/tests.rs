use jiff::{SignedDuration, Timestamp};

use super::{
    health::ChannelHealth,
    log::{ACKNOWLEDGED, Attempt, Calls, ChannelLog, Opened, Wanted, carried, pause, ring},
};
use crate::{
    alerts::occasion::RESOLVED,
    config::{Channel, Channels, Reference},
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

fn channel() -> Channel {
    Channel::PagerDuty { key: Reference::Ssm("/k".to_owned()), url: "https://a.example.com".to_owned() }
}

fn rung(logs: &mut Vec<ChannelLog>, stages: &[&str], seconds: i64) {
    let channels = Channels { to: vec![channel()], ring_tests: false };
    let stages: Vec<String> = stages.iter().map(|stage| (*stage).to_owned()).collect();
    let wanted = Wanted { channels: &channels, without: None, test: false };
    ring(logs, &stages, wanted, Opened { at: at(0), now: at(seconds) });
}

/// A log with the first stage pending.
fn pending() -> ChannelLog {
    let mut logs = Vec::new();
    rung(&mut logs, &["first"], 0);
    logs.remove(0)
}

fn stages(log: &ChannelLog) -> Vec<String> {
    log.waiting.iter().flat_map(|ring| ring.stages.clone()).collect()
}

fn attempted(mut log: ChannelLog, attempt: &Attempt, calls: Calls, seconds: i64) -> ChannelLog {
    log.claim("me", calls, at(seconds));
    let sent = log.stages("me").to_vec();
    log.note(&sent, attempt, calls, at(seconds));
    log
}

#[test]
fn reminders_and_ends_do_not_ring_and_no_stage_rings_twice() {
    let mut logs = Vec::new();
    rung(&mut logs, &["reminder 1"], 0);
    rung(&mut logs, &[RESOLVED], 0);
    assert!(logs.is_empty());
    rung(&mut logs, &["first", "start"], 0);
    rung(&mut logs, &["first", "escalation 1"], 1);
    assert_eq!(stages(&logs[0]), ["first", "start", "escalation 1"]);
    let sent = attempted(logs.remove(0), &Attempt::Accepted, Calls::Ring, 2);
    assert_eq!((sent.sent.len(), sent.waiting.is_none(), sent.notified), (3, true, true));
    let mut logs = vec![sent];
    rung(&mut logs, &["first"], 3);
    assert_eq!(logs[0].waiting, None);
}

#[test]
fn a_claim_lasts_and_what_a_dead_invocation_claimed_may_have_been_sent() {
    let mut log = pending();
    assert!(log.is_due(at(0)));
    log.claim("dead", Calls::Ring, at(0));
    assert!(!log.is_due(at(29)) && log.is_due(at(30)) && !log.notified);
    log.claim("next", Calls::Ring, at(30));
    assert!(log.notified && log.is_claimed_by("next") && !log.is_claimed_by("dead"));
    assert_eq!((log.stages("next").len(), log.stages("dead").len()), (1, 0));
}

#[test]
fn a_refused_message_waits_longer_each_time() {
    let mut log = pending();
    for (failures, wait_s) in [(1, 2), (2, 4), (3, 8), (8, 256), (9, 300), (40, 300)] {
        assert_eq!(pause(failures).as_secs(), wait_s);
    }
    log = attempted(log, &Attempt::Refused("no".to_owned()), Calls::Ring, 10);
    assert!(!log.notified && !log.is_due(at(9)) && log.is_due(at(12)), "{log:?}");
    let log = attempted(log, &Attempt::Refused("no".to_owned()), Calls::Ring, 10 + 25 * 3_600);
    assert_eq!(log.waiting, None, "given up after a day");
}

#[test]
fn the_end_goes_to_those_who_were_or_may_have_been_notified() {
    let check = |attempt: Attempt, expected: &[&str]| {
        let mut log = attempted(pending(), &attempt, Calls::Ring, 1);
        log.settle(Calls::Resolved, at(2));
        assert_eq!(stages(&log), expected, "{attempt:?}");
        let ended = attempted(log, &Attempt::Accepted, Calls::Resolved, 3);
        assert_eq!(ended.waiting, None);
    };
    check(Attempt::Accepted, &[RESOLVED]);
    check(Attempt::Unanswered("late".to_owned()), &[RESOLVED]);
    check(Attempt::Refused("no".to_owned()), &[]);
    // While it is being sent, that is unknown.
    let mut log = pending();
    log.claim("me", Calls::Ring, at(0));
    log.settle(Calls::Resolved, at(1));
    assert_eq!(stages(&log), ["first"]);
    let sent = log.stages("me").to_vec();
    log.note(&sent, &Attempt::Accepted, Calls::Resolved, at(2));
    assert_eq!(stages(&log), [RESOLVED]);
}

#[test]
fn an_acknowledgement_and_a_snooze_silence_what_is_pending() {
    let mut log = pending();
    log.settle(Calls::Snoozed, at(1));
    assert_eq!(log.waiting, None);
    let mut log = attempted(pending(), &Attempt::Accepted, Calls::Ring, 1);
    log.settle(Calls::Acknowledged, at(2));
    assert_eq!(stages(&log), [ACKNOWLEDGED]);
    let mut log = pending();
    log.settle(Calls::Acknowledged, at(2));
    assert_eq!(log.waiting, None, "PagerDuty has not heard of it");
}

#[test]
fn a_message_about_what_became_a_test_is_dropped() {
    let mut log = pending();
    log.claim("me", Calls::Test, at(1));
    assert_eq!(log.waiting, None);
    let mut log = attempted(pending(), &Attempt::Accepted, Calls::Ring, 1);
    log.settle(Calls::Resolved, at(2));
    log.claim("me", Calls::Resolved, at(2));
    assert_eq!(stages(&log), [RESOLVED], "who was notified hears of the end");
}

#[test]
fn a_later_occurrence_continues_what_the_channel_still_shows() {
    let log = attempted(pending(), &Attempt::Accepted, Calls::Ring, 1);
    let next = carried(std::slice::from_ref(&log));
    assert_eq!((next.len(), next[0].known_as, next[0].notified, next[0].sent.len()), (1, at(0), true, 0));
    let mut ended = log;
    ended.settle(Calls::Resolved, at(2));
    let ended = attempted(ended, &Attempt::Accepted, Calls::Resolved, 3);
    assert!(carried(&[ended, pending()]).is_empty());
}

#[test]
fn nothing_overtakes_the_end_of_the_occurrence_before() {
    let mut ended = attempted(pending(), &Attempt::Accepted, Calls::Ring, 0);
    ended.settle(Calls::Resolved, at(1));
    ended.claim("me", Calls::Resolved, at(1));
    let mut logs = carried(&[ended]);
    rung(&mut logs, &["first"], 10);
    let next = logs.remove(0);
    assert!(!next.is_due(at(29)) && next.is_due(at(31)), "the invocation that sends the end may have died");
    let opened = Opened { at: at(10), now: at(11) };
    assert!(!next.clone().note_end("other", &Attempt::Accepted, opened, Calls::Ring));
    let noted = |attempt: Attempt| {
        let mut log = next.clone();
        assert!(log.note_end("me", &attempt, opened, Calls::Ring) && log.is_due(at(11)));
        (log.known_as, log.notified)
    };
    assert_eq!(noted(Attempt::Accepted), (at(10), false), "the channel knows only this occurrence");
    assert_eq!(noted(Attempt::Unanswered("x".to_owned())), (at(10), true), "a late end must not end this one");
    assert_eq!(noted(Attempt::Refused("x".to_owned())), (at(0), true), "the channel still shows the earlier one");
    let mut over = next;
    over.note_end("me", &Attempt::Accepted, opened, Calls::Resolved);
    assert_eq!(over.waiting, None, "people there have not heard of this occurrence");
}

#[test]
fn a_person_hears_of_a_channel_after_three_failures_in_a_row() {
    let mut health = ChannelHealth::fresh("mail", "mail", at(0));
    for seconds in 1..=2 {
        health = health.failed("no", at(seconds));
        assert!(!health.is_failing(at(seconds)));
    }
    health = health.failed("no", at(3));
    assert!(health.is_failing(at(4)) && !health.is_failing(at(1_804)) && health.is_quiet(at(1_804)));
    assert_eq!((health.failing_since, health.retry_at()), (Some(at(1)), at(11)));
    let health = health.worked(at(5));
    assert!(!health.is_failing(at(5)) && health.retry_at() < at(0));
}
