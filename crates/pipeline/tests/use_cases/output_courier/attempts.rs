//! When an invocation attempts a delivery, and what follows.

use super::*;

#[test]
fn no_attempt_begins_with_less_than_eight_seconds_left() {
    let text = [signal(DKMQ, "dispatch.updated", 1, 0)];
    let sim = gateway(40);
    assert_eq!(signals(&sim, 7_999, &text), did(["deliver voltus-prod/dkmq in 0 s"]));
    assert_eq!(batch(&sim, 7_999, &[deliver()]), did(["deliver voltus-prod/dkmq in 0 s"]));
    assert_eq!(batch(&sim, 8_000, &[deliver()]), did(["send 1 within 5000 ms"]));
    assert_eq!(signals(&gateway(40), 8_000, &text), did(["send 1 within 5000 ms"]));
}

#[test]
fn an_output_has_no_longer_than_the_invocation() {
    let sim = gateway(40);
    let case = Case { left_ms: 9_000, step_ms: 300, ..Case::default() };
    let (done, _) = signals(&sim, case, &[signal(DKMQ, "dispatch.updated", 1, 0)]);
    assert_eq!(done, ["send 1 within 4500 ms"]);
}

#[test]
fn an_output_is_not_asked_when_there_is_no_time_left_for_it() {
    let sim = gateway(40);
    let case = Case { left_ms: 15_500, step_ms: 2_500, ..Case::default() };
    assert_eq!(signals(&sim, case, &[signal(DKMQ, "dispatch.updated", 1, 0)]), did([]));
    let lane = only_lane(&sim);
    assert_eq!((lane.claim, lane.waiting.len(), lane.failing), (None, 1, None));
    assert!(lane.next_at.is_some(), "the sweep finds it");
}

#[test]
fn what_cannot_be_stored_in_time_stays_in_its_queue() {
    let texts = [signal(DKMQ, "dispatch.cancelled", 1, 0), signal(DKMQ, "dispatch.updated", 2, 0)];
    let sim = gateway(40);
    assert_eq!(signals(&sim, 2_999, &texts), (Vec::new(), vec!["m-0".to_owned(), "m-1".to_owned()]));
    assert_eq!(sim.lanes(), []);
    assert_eq!(signals(&sim, 3_000, &texts).1, [""; 0]);
    assert_eq!(waiting(&sim), 2);
}

#[test]
fn an_invocation_goes_on_while_it_has_time() {
    for (send_ms, goes_on) in [(4_000, true), (4_001, false)] {
        let sim = gateway(40);
        let second = entered(&sim, &signal(DKMQ, "dispatch.updated", 2, 0));
        put_lane(&sim, &lane("gateway", vec![update(&sim), second]));
        let case = Case { left_ms: 12_000, send_ms, ..Case::default() };
        let (done, _) = batch(&sim, case, &[deliver()]);
        if goes_on {
            assert_eq!(done, ["send 1 within 5000 ms", "send 2 within 5000 ms"]);
        } else {
            assert_eq!(done, ["send 1 within 5000 ms", "deliver voltus-prod/dkmq in 0 s"]);
        }
        let lane = only_lane(&sim);
        assert_eq!((lane.claim, lane.waiting.len()), (None, usize::from(!goes_on)));
    }
}

#[test]
fn a_lane_that_another_invocation_has_claimed_is_left_to_it() {
    for reply in [TargetReply::Takes, TargetReply::Refuses, TargetReply::IsDown] {
        let sim = gateway(40);
        let second = entered(&sim, &signal(DKMQ, "dispatch.updated", 2, 0));
        let mine = lane("gateway", vec![update(&sim), second]);
        put_lane(&sim, &mine);
        let until = NOW + seconds(60);
        let theirs = Lane { claim: Some(Claim { by: "them".to_owned(), until }), next_at: Some(until), ..mine };
        sim.replies("gateway", [reply]);
        let case = Case { left_ms: AMPLE, lane_meanwhile: Some(theirs.clone()), ..Case::default() };
        let (done, _) = batch(&sim, case, &[deliver()]);
        let sent: Vec<&String> = done.iter().filter(|done| done.starts_with("send")).collect();
        assert_eq!(sent, ["send 1 within 5000 ms"], "{reply:?}");
        assert!(!done.contains(&"deliver voltus-prod/dkmq in 0 s".to_owned()), "{done:?}");
        let lane = only_lane(&sim);
        assert_eq!((lane.claim, lane.next_at, lane.failing), (theirs.claim, theirs.next_at, None), "{reply:?}");
        assert_eq!(lane.waiting.len(), if reply == TargetReply::Takes { 1 } else { 2 });
    }
}

#[test]
fn a_first_signal_costs_no_read_and_a_repeated_one_no_write() {
    let sim = gateway(40);
    let text = |sequence| [signal(DKMQ, "dispatch.updated", sequence, 0)];
    signals(&sim, AMPLE, &text(1));
    assert_eq!(calls(&sim, "outputs.lane"), 0);
    let writes = calls(&sim, "outputs.write_lane");
    signals(&sim, AMPLE, &text(1));
    assert_eq!(calls(&sim, "outputs.write_lane") - writes, 1, "a refused one");
    signals(&sim, AMPLE, &text(2));
    let (reads, writes) = (calls(&sim, "outputs.lane"), calls(&sim, "outputs.write_lane"));
    assert_eq!(reads, 1);
    let stored = sim.lanes();
    assert_eq!(signals(&sim, AMPLE, &text(2)), did([]));
    assert_eq!((calls(&sim, "outputs.write_lane"), sim.lanes()), (writes, stored));
}

#[test]
fn an_output_that_rests_gets_no_attempt() {
    let sim = gateway(40);
    let next_at = NOW + seconds(300);
    put_state(&sim, &down(1, next_at));
    assert_eq!(signals(&sim, AMPLE, &[signal(DKMQ, "dispatch.updated", 1, 0)]), did([]));
    assert_eq!(only_lane(&sim).next_at, Some(next_at));
    assert_eq!(batch(&sim, AMPLE, &[deliver(), release()]), did([]));
    assert_eq!(waiting(&sim), 1);
}

#[test]
fn a_signal_behind_a_claim_comes_back_when_that_ends() {
    let sim = gateway(40);
    let until = NOW + seconds(25);
    let claim = Some(Claim { by: "them".to_owned(), until });
    put_lane(&sim, &Lane { claim, ..lane("gateway", vec![update(&sim)]) });
    let (done, _) = signals(&sim, AMPLE, &[signal(DKMQ, "dispatch.updated", 2, 0)]);
    assert_eq!(done, ["deliver voltus-prod/dkmq in 25 s"]);
    assert_eq!(only_lane(&sim).next_at, Some(until));
    assert_eq!(batch(&sim, AMPLE, &[deliver()]), did([]));
}

#[test]
fn a_signal_behind_one_that_is_tried_later_waits_with_it() {
    let sim = gateway(40);
    let next_at = NOW + seconds(100);
    let cancelled = vec![entered(&sim, &signal(DKMQ, "dispatch.cancelled", 1, 0))];
    put_lane(&sim, &Lane { waiting: cancelled, next_at: None, ..failing(&sim, 1, next_at, false) });
    assert_eq!(signals(&sim, AMPLE, &[signal(DKMQ, "dispatch.updated", 2, 0)]), did([]));
    let lane = only_lane(&sim);
    assert_eq!((lane.next_at, lane.waiting.len()), (Some(next_at), 2));
}

#[test]
fn what_comes_too_early_comes_back_if_only_the_clocks_differ() {
    let in_ten = [did(["deliver voltus-prod/dkmq in 10 s"]), did(["probe in 10 s"])];
    for (early_ms, [of_lane, of_output]) in [(9_999, in_ten), (10_000, [did([]), did([])])] {
        let sim = gateway(40);
        put_lane(&sim, &failing(&sim, 1, NOW + millis(early_ms), false));
        assert_eq!(batch(&sim, AMPLE, &[deliver()]), of_lane);
        put_state(&sim, &down(1, NOW + millis(early_ms)));
        assert_eq!(batch(&sim, AMPLE, &[probe()]), of_output);
    }
}

#[test]
fn a_long_text_is_stored_by_itself() {
    for (bytes, stored) in [(16 * 1_024, 0), (16 * 1_024 + 1, 1)] {
        let sim = gateway(40);
        signals(&sim, 7_000, &[signal(DKMQ, "dispatch.updated", 1, bytes)]);
        assert_eq!((sim.stored_texts(), waiting(&sim)), (stored, 1));
        assert_eq!(batch(&sim, AMPLE, &[deliver()]), did(["send 1 within 5000 ms"]));
        assert_eq!(sim.arrived("gateway")[0].body.len(), bytes);
        assert_eq!((sim.stored_texts(), waiting(&sim)), (0, 0));
    }
}

#[test]
fn a_lane_holds_six_long_texts_and_stores_the_others_by_themselves() {
    let sim = gateway(40);
    for sequence in 1..=8 {
        signals(&sim, 7_000, &[signal(DKMQ, "dispatch.cancelled", sequence, 16 * 1_024)]);
    }
    assert_eq!((sim.stored_texts(), waiting(&sim)), (2, 8));
    let mut lane = only_lane(&sim);
    lane.keep_event(lane.waiting[0].head.version);
    put_lane(&sim, &lane);
    signals(&sim, 7_000, &[signal(DKMQ, "dispatch.cancelled", 9, 100)]);
    assert_eq!(sim.stored_texts(), 3, "what is kept takes room as well");
}

#[test]
fn a_refused_event_is_tried_again_ever_more_rarely() {
    for (before, delay_s, is_noticed) in
        [(0, 2, false), (3, 16, false), (4, 32, true), (5, 64, false), (20, 900, false)]
    {
        let sim = gateway(40);
        sim.replies("gateway", [TargetReply::Refuses]);
        put_lane(&sim, &failing(&sim, before, NOW, false));
        let (done, _) = batch(&sim, AMPLE, &[deliver()]);
        let mut expected = vec!["send 1 within 5000 ms".to_owned(), format!("deliver {DKMQ} in {delay_s} s")];
        expected.extend(is_noticed.then(|| "hint in 0 s, as of 0 s".to_owned()));
        assert_eq!(done, expected, "{before}");
        let lane = only_lane(&sim);
        let failing = lane.failing.expect("it fails");
        assert_eq!((failing.attempts, failing.next_at), (before + 1, NOW + seconds(delay_s)));
        assert_eq!((lane.claim, lane.next_at), (None, Some(failing.next_at)));
    }
}

#[test]
fn a_failing_output_is_tried_once_for_all_and_a_person_hears_of_it() {
    let hint = "hint in 0 s, as of 0 s";
    let expected = [
        vec!["send 1 within 5000 ms", "probe in 2 s", "hint in 60 s, as of 60 s"],
        vec!["send 1 within 5000 ms", "probe in 4 s"],
        vec!["send 1 within 5000 ms", "probe in 8 s", hint],
        vec!["send 1 within 5000 ms", "probe in 16 s"],
    ];
    for (before, expected) in (0..).zip(expected) {
        let sim = gateway(40);
        sim.replies("gateway", [TargetReply::IsDown]);
        put_lane(&sim, &lane("gateway", vec![update(&sim)]));
        if before > 0 {
            put_state(&sim, &down(before, NOW));
        }
        let writes = calls(&sim, "outputs.write_state");
        assert_eq!(batch(&sim, AMPLE, &[deliver()]).0, expected, "{before}");
        assert_eq!(calls(&sim, "outputs.write_state") - writes, 1);
        let failing = state(&sim).failing.expect("it fails");
        assert_eq!((failing.attempts, failing.next_at), (before + 1, NOW + seconds(2 << before)));
    }
}

#[test]
fn a_failure_that_another_invocation_has_stored_is_not_counted_again() {
    for before in [1, 3] {
        let sim = gateway(40);
        sim.replies("gateway", [TargetReply::IsDown]);
        put_lane(&sim, &lane("gateway", vec![update(&sim)]));
        let theirs = down(before, NOW + seconds(30));
        let case = Case { left_ms: AMPLE, state_meanwhile: Some(theirs.clone()), ..Case::default() };
        assert_eq!(batch(&sim, case, &[deliver()]), did(["send 1 within 5000 ms"]));
        assert_eq!(state(&sim).failing, theirs.failing);
        assert_eq!(only_lane(&sim).next_at, Some(NOW + seconds(30)));
    }
}

#[test]
fn a_lane_that_fails_more_often_than_its_output_waits_longer() {
    let sim = gateway(40);
    sim.replies("gateway", [TargetReply::IsDown]);
    put_lane(&sim, &failing(&sim, 3, NOW, true));
    assert_eq!(batch(&sim, AMPLE, &[deliver()]).0[1], "probe in 2 s");
    assert_eq!(only_lane(&sim).next_at, Some(NOW + seconds(16)));
    // Never longer than a minute: the output may be the cause.
    put_lane(&sim, &failing(&sim, 12, NOW, true));
    put_state(&sim, &down(1, NOW));
    batch(&sim, AMPLE, &[deliver()]);
    assert_eq!(only_lane(&sim).next_at, Some(NOW + seconds(60)));
}

#[test]
fn a_person_hears_of_what_is_kept_at_once() {
    let sim = gateway(40);
    sim.replies("gateway", [TargetReply::Refuses]);
    let old = WaitingEvent { stored_at: NOW - KEPT_AFTER, ..update(&sim) };
    put_lane(&sim, &lane("gateway", vec![old]));
    let (done, _) = batch(&sim, AMPLE, &[deliver()]);
    assert_eq!(done.last().map(String::as_str), Some("hint in 0 s, as of 0 s"));
    assert_eq!(counts(&only_lane(&sim)), (0, 1));
}
