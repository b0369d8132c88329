use super::*;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn after(seconds: i64) -> Timestamp {
    NOW + SignedDuration::from_secs(seconds)
}

fn lane() -> Lane {
    let subject = Subject::from_stored("s/a".to_owned());
    Lane::new(LaneKey { output: "gateway".to_owned(), subject }, NOW)
}

/// An event of that type, such as `dispatch.updated`.
fn event(kind: &str, sequence: u64) -> WaitingEvent {
    let head = EventHead {
        id: format!("s/a#7.{sequence}"),
        subject: Subject::from_stored("s/a".to_owned()),
        version: version(sequence, 0),
        parts: None,
        kind: format!("gridbell.{kind}.v1"),
        source: "/gridbell/s".to_owned(),
        test: false,
        time: NOW,
        traceparent: None,
    };
    WaitingEvent { head, stored_at: NOW, body: EventBody::Inline("{}".to_owned()), split: false }
}

fn update(sequence: u64) -> WaitingEvent {
    event("dispatch.updated", sequence)
}

/// A part of a version with two parts.
fn part(sequence: u64, part: u32) -> WaitingEvent {
    let whole = update(sequence);
    let head = EventHead { version: version(sequence, part), parts: Some(2), ..whole.head };
    WaitingEvent { head, ..whole }
}

fn version(sequence: u64, part: u32) -> EventVersion {
    EventVersion { epoch: 7, sequence, part }
}

fn failure(attempts: u32, is_whole_output: bool) -> LaneFailure {
    LaneFailure { since: NOW, attempts, next_at: after(60), is_whole_output, detail: "refused".to_owned() }
}

/// The sequences, and parts, of events.
fn versions(events: &[WaitingEvent]) -> Vec<(u64, u32)> {
    events.iter().map(|event| (event.head.version.sequence, event.head.version.part)).collect()
}

fn replaced(entered: Entered) -> Vec<(u64, u32)> {
    match entered {
        Entered::Waits { replaced } => versions(&replaced),
        Entered::Known => panic!("it is new"),
    }
}

#[test]
fn what_has_entered_does_not_enter_again() {
    let mut lane = lane();
    assert_eq!(replaced(lane.enter(update(2))), []);
    assert_eq!(lane.enter(update(2)), Entered::Known);
    assert_eq!(lane.enter(update(1)), Entered::Known);
    assert_eq!(versions(&lane.waiting), [(2, 0)]);
}

#[test]
fn a_newer_version_replaces_what_waits_and_what_is_kept() {
    let mut lane = lane();
    lane.kept = vec![update(1), event("dispatch.cancelled", 2)];
    lane.waiting = vec![update(3), event("dispatch.ended", 4), event("account.changed", 5)];
    assert_eq!(replaced(lane.enter(update(6))), [(3, 0), (1, 0)]);
    assert_eq!((versions(&lane.kept), versions(&lane.waiting)), (vec![(2, 0)], vec![(4, 0), (5, 0), (6, 0)]));
    assert_eq!(replaced(lane.enter(event("account.changed", 7))), [], "it is no version of the dispatch");
}

#[test]
fn the_parts_of_a_version_do_not_replace_each_other() {
    let mut lane = lane();
    lane.enter(part(1, 1));
    assert_eq!(replaced(lane.enter(part(1, 2))), []);
    assert!(lane.has_all_parts(&part(1, 1).head) && !lane.has_all_parts(&part(2, 1).head));
    assert_eq!(replaced(lane.enter(part(2, 1))), [(1, 1), (1, 2)]);
    assert!(!lane.has_all_parts(&part(2, 1).head));
}

#[test]
fn failures_are_counted_for_the_event_at_the_front() {
    let mut lane = lane();
    lane.waiting = vec![event("dispatch.cancelled", 1)];
    lane.failing = Some(failure(4, false));
    lane.enter(update(2));
    assert!(lane.failing.is_some());
    lane.confirm(&update(2).head, NOW);
    assert!(lane.failing.is_some(), "another event has arrived");
    lane.confirm(&update(1).head, NOW);
    assert_eq!(lane.failing, None);
    lane.waiting = vec![update(2)];
    lane.failing = Some(failure(4, false));
    lane.enter(update(3));
    assert_eq!(lane.failing, None);
}

#[test]
fn a_lane_waits_for_its_claim_and_for_its_next_attempt() {
    let mut lane = lane();
    assert_eq!(lane.next(NOW), Next::Nothing);
    lane.waiting = vec![update(1)];
    assert_eq!(lane.next(NOW), Next::Due);
    for (attempts, is_whole_output, is_patient) in [(1, false, true), (2, true, false), (3, true, true)] {
        lane.failing = Some(failure(attempts, is_whole_output));
        let next = if is_patient { Next::Later(after(60)) } else { Next::Due };
        assert_eq!(lane.next(after(59)), next, "{attempts} {is_whole_output}");
        assert_eq!(lane.next(after(60)), Next::Due);
    }
    lane.claim("me", NOW, after(20), false);
    assert_eq!(lane.next(after(24)), Next::Claimed(after(25)));
    assert_eq!(lane.next(after(25)), Next::Later(after(60)));
}

#[test]
fn a_claim_ends_with_its_invocation() {
    let mut lane = lane();
    lane.claim("me", NOW, after(900), true);
    assert_eq!(lane.claim.as_ref().map(|claim| claim.until), Some(after(35)), "as the end is not known");
    assert_eq!(lane.next_at, None, "a message of signals covers it");
    lane.claim("me", NOW, after(10), false);
    assert_eq!(lane.next_at, Some(after(15)));
    lane.claim("me", NOW, after(12), true);
    assert_eq!(lane.next_at, Some(after(17)), "it was in the index");
    lane.release("other", after(60));
    assert_eq!((lane.is_claimed_by("me"), lane.next_at), (true, Some(after(17))));
    lane.release("me", after(60));
    assert_eq!((lane.claim, lane.next_at), (None, Some(after(60))));
}

#[test]
fn a_version_is_delivered_with_its_last_part() {
    let mut lane = lane();
    let mut confirmed = |head: &EventHead| {
        lane.confirm(head, NOW);
        let delivered = lane.delivered.clone().expect("delivered");
        (delivered.version.sequence, delivered.version.part, delivered.is_complete)
    };
    assert_eq!(confirmed(&part(1, 1).head), (1, 1, false));
    assert_eq!(confirmed(&part(1, 2).head), (1, 2, true));
    assert_eq!(confirmed(&update(2).head), (2, 0, true));
    assert_eq!(confirmed(&update(1).head), (2, 0, true), "an older one");
    let whole = EventHead { parts: Some(2), ..update(3).head };
    assert_eq!(confirmed(&whole), (3, 0, true));
    lane.confirm(&whole, after(9));
    assert_eq!(lane.delivered.map(|delivered| delivered.at), Some(NOW), "it had taken it before");
}

#[test]
fn a_late_acknowledgement_does_not_replace_a_better_one() {
    use AckState::{Accepted, Completed, Failed};
    let check = |known: (u64, AckState), new: (u64, AckState), replaces: bool| {
        let ack = |(sequence, state)| LaneAck { version: version(sequence, 0), state, detail: None, at: NOW };
        let mut lane = Lane { ack: Some(ack(known)), ..lane() };
        lane.acknowledge(ack(new));
        assert_eq!(lane.ack, Some(ack(if replaces { new } else { known })), "{known:?} {new:?}");
    };
    check((2, Accepted), (1, Completed), false);
    check((2, Completed), (2, Accepted), false);
    check((2, Accepted), (2, Accepted), true);
    check((2, Completed), (2, Failed), true);
    check((2, Failed), (2, Accepted), true);
    check((2, Completed), (3, Accepted), true);
}

#[test]
fn what_has_waited_for_a_day_is_kept_in_order() {
    let mut lane = lane();
    lane.kept = vec![update(2)];
    lane.waiting = vec![update(1), WaitingEvent { stored_at: after(1), ..update(3) }];
    assert_eq!(lane.keep_expired(NOW + KEPT_AFTER - SignedDuration::from_secs(1)), 0);
    assert_eq!(lane.keep_expired(NOW + KEPT_AFTER), 1);
    assert_eq!((versions(&lane.kept), versions(&lane.waiting)), (vec![(1, 0), (2, 0)], vec![(3, 0)]));
    lane.waiting.push(update(4));
    lane.keep_event(version(3, 0));
    assert_eq!((versions(&lane.kept), versions(&lane.waiting)), (vec![(1, 0), (2, 0), (3, 0)], vec![(4, 0)]));
}

#[test]
fn a_replay_drops_versions_older_than_the_delivered_one() {
    let mut lane = lane();
    lane.kept = vec![event("account.changed", 1), update(2), event("dispatch.cancelled", 3), update(4)];
    lane.waiting = vec![update(5)];
    lane.failing = Some(failure(4, false));
    lane.delivered = Some(Delivered { version: version(3, 0), is_complete: true, at: NOW });
    assert_eq!(versions(&lane.replay(after(9))), [(2, 0)]);
    assert_eq!(versions(&lane.waiting), [(1, 0), (3, 0), (4, 0), (5, 0)]);
    let stored: Vec<Timestamp> = lane.waiting.iter().map(|waiting| waiting.stored_at).collect();
    assert_eq!(stored, [after(9), after(9), after(9), NOW], "what was kept has a day again");
    assert_eq!((lane.kept.len(), lane.failing), (0, None));
}

#[test]
fn smaller_parts_take_the_place_of_a_version() {
    let mut lane = lane();
    lane.enter(event("dispatch.cancelled", 1));
    lane.enter(update(2));
    lane.waiting.push(event("account.changed", 3));
    assert_eq!(versions(&lane.replace(version(2, 0), vec![part(2, 1), part(2, 2)])), [(2, 0)]);
    assert_eq!(versions(&lane.waiting), [(1, 0), (2, 1), (2, 2), (3, 0)]);
    assert_eq!(lane.enter(part(2, 2)), Entered::Known);
    assert_eq!(lane.replace(version(9, 0), vec![part(9, 1)]), []);
    assert_eq!(lane.waiting.len(), 4);
}

#[test]
fn an_empty_lane_leaves_the_index_unless_something_is_kept() {
    let mut lane = lane();
    (lane.next_at, lane.failing, lane.waiting) = (Some(after(60)), Some(failure(1, true)), vec![update(1)]);
    let lane = lane.following("w-1".to_owned(), after(5));
    assert_eq!((lane.revision, lane.write.as_str(), lane.changed_at), (1, "w-1", after(5)));
    assert_eq!((lane.indexed_at(), lane.failing.is_some()), (Some(after(60)), true));
    let empty = Lane { waiting: Vec::new(), ..lane }.following("w-2".to_owned(), after(6));
    assert_eq!((empty.revision, empty.indexed_at(), empty.failing.clone()), (2, None, None));
    let kept = Lane { kept: vec![update(1)], ..empty };
    assert_eq!(kept.indexed_at(), Some(Timestamp::MAX));
}

#[test]
fn a_lane_in_short() {
    let test = update(2);
    let test = WaitingEvent { head: EventHead { test: true, ..test.head }, ..test };
    let mut lane = lane();
    (lane.next_at, lane.failing) = (Some(after(60)), Some(failure(5, false)));
    (lane.waiting, lane.kept) = (vec![WaitingEvent { stored_at: after(9), ..test.clone() }], vec![test.clone()]);
    let short = lane.summary();
    assert_eq!((short.waiting, short.kept, short.since, short.next_at), (1, 1, NOW, after(60)));
    assert!(short.test);
    assert_eq!((short.attempts, short.is_whole_output, short.detail.as_deref()), (5, false, Some("refused")));
    lane.kept.push(update(3));
    lane.failing = Some(failure(4, true));
    let short = lane.summary();
    assert!(!short.test && short.is_whole_output);
    let is_stuck = |kept: usize, attempts: u32| LaneSummary { kept, attempts, ..short.clone() }.is_stuck();
    assert_eq!([is_stuck(0, 4), is_stuck(0, 5), is_stuck(1, 0)], [false, true, true]);
}
