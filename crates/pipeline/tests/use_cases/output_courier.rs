//! What the courier does in one invocation, at the bounds of its time, of sizes and of counts.

use dispatch::Subject;
use jiff::{SignedDuration, Timestamp};
use pipeline::{
    alerts::{condition::Condition, review::OpenIncidents},
    config::OutputTarget,
    messages::ToCourier,
    outputs::{
        event::{EventHead, EventVersion, OutputEvent},
        lane::{Claim, EventBody, KEPT_AFTER, Lane, LaneFailure, LaneKey, StoredEvent, WaitingEvent},
        state::{OutputFailure, OutputState},
    },
    record::AckState,
};
use serde_json::{Value, json};
use simulation::{Simulation, TargetReply};

use crate::{
    outputs::{gateway, http, output, waiting, with},
    still::{Case, Did, NOW, batch, put_lane, put_state, signal, signals, sweep},
};

const DKMQ: &str = "voltus-prod/dkmq";

/// An invocation with all its time.
const AMPLE: i64 = 20_000;

/// What every target takes, in bytes.
const SMALL_BYTES: usize = 252 * 1_024;

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

fn millis(millis: i64) -> SignedDuration {
    SignedDuration::from_millis(millis)
}

fn did<const N: usize>(what: [&str; N]) -> Did {
    (what.map(str::to_owned).to_vec(), Vec::new())
}

fn key(output: &str, subject: &str) -> LaneKey {
    LaneKey { output: output.to_owned(), subject: Subject::from_stored(subject.to_owned()) }
}

fn deliver() -> ToCourier {
    ToCourier::Deliver(key("gateway", DKMQ))
}

fn probe() -> ToCourier {
    ToCourier::Probe { output: "gateway".to_owned() }
}

fn release() -> ToCourier {
    ToCourier::Release { output: "gateway".to_owned() }
}

/// A signal that has entered.
fn entered(sim: &Simulation, text: &str) -> WaitingEvent {
    let OutputEvent { head, body } = OutputEvent::parse(text.to_owned(), &sim.config).expect("a signal");
    WaitingEvent { head, stored_at: NOW, body: EventBody::Inline(body), split: false }
}

fn update(sim: &Simulation) -> WaitingEvent {
    entered(sim, &signal(DKMQ, "dispatch.updated", 1, 0))
}

/// The lane of an output in which these events wait.
fn lane(output: &str, waiting: Vec<WaitingEvent>) -> Lane {
    let newest = waiting.last().map(|last| last.head.version).unwrap_or_default();
    let subject = waiting.first().map_or(DKMQ, |first| first.head.subject.as_str());
    let key = key(output, subject);
    Lane { newest, waiting, ..Lane::new(key, NOW) }
}

/// The lane of `gateway` in which one update waits that failed so often.
fn failing(sim: &Simulation, attempts: u32, next_at: Timestamp, is_whole_output: bool) -> Lane {
    let failing = LaneFailure { since: NOW, attempts, next_at, is_whole_output, detail: "refused".to_owned() };
    Lane { failing: Some(failing), next_at: Some(next_at), ..lane("gateway", vec![update(sim)]) }
}

/// The state of an output that failed so often.
fn down(attempts: u32, next_at: Timestamp) -> OutputState {
    let failing = OutputFailure { since: NOW, attempts, at: NOW, next_at, detail: "no connection".to_owned() };
    OutputState { failing: Some(failing), ..OutputState::new("gateway") }
}

fn state(sim: &Simulation) -> OutputState {
    sim.output_state("gateway").expect("a state")
}

fn only_lane(sim: &Simulation) -> Lane {
    let lanes = sim.lanes();
    assert_eq!(lanes.len(), 1);
    lanes.into_iter().next().expect("a lane")
}

/// How many events wait, and how many are kept.
fn counts(lane: &Lane) -> (usize, usize) {
    (lane.waiting.len(), lane.kept.len())
}

fn calls(sim: &Simulation, port: &str) -> usize {
    sim.calls().iter().filter(|call| call.port == port).count()
}

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

#[test]
fn an_output_that_works_again_releases_what_waits() {
    let sim = gateway(40);
    put_state(&sim, &down(4, NOW));
    let (done, _) = signals(&sim, AMPLE, &[signal(DKMQ, "dispatch.updated", 1, 0)]);
    assert_eq!(done, ["send 1 within 5000 ms", "release in 0 s", "hint in 0 s, as of 0 s"]);
    let recovered = state(&sim);
    let times = |state: &OutputState| (state.failing.clone(), state.recovered_at, state.delivered_at);
    assert_eq!(times(&recovered), (None, Some(NOW), Some(NOW)));
    // The next delivery that is noted leaves that as it is.
    let earlier = NOW - seconds(61);
    put_state(&sim, &OutputState { recovered_at: Some(earlier), delivered_at: Some(earlier), ..recovered });
    signals(&sim, AMPLE, &[signal(DKMQ, "dispatch.updated", 2, 0)]);
    assert_eq!(times(&state(&sim)), (None, Some(earlier), Some(NOW)));
}

#[test]
fn a_first_delivery_is_noted_in_one_write() {
    let sim = gateway(40);
    signals(&sim, AMPLE, &[signal(DKMQ, "dispatch.updated", 1, 0)]);
    assert_eq!(calls(&sim, "outputs.write_state"), 1);
    assert_eq!(state(&sim).delivered_at, Some(NOW));
}

#[test]
fn a_probe_tries_three_lanes_of_an_output_that_fails() {
    let sim = gateway(40);
    for number in 0..5 {
        let text = signal(&format!("voltus-prod/{number}"), "dispatch.updated", 1, 0);
        let waiting = vec![entered(&sim, &text)];
        let later = failing(&sim, 3, NOW + seconds(100), true);
        let key = key("gateway", &format!("voltus-prod/{number}"));
        put_lane(&sim, &Lane { key, waiting, ..later });
    }
    assert_eq!(batch(&sim, AMPLE, &[probe()]), did([]), "it works");
    put_state(&sim, &down(1, NOW));
    let (done, _) = batch(&sim, AMPLE, &[probe()]);
    assert_eq!(done.iter().filter(|done| done.starts_with("send")).count(), 3);
    assert_eq!((state(&sim).failing, waiting(&sim)), (None, 2));
}

#[test]
fn an_output_for_which_only_kept_events_are_left_does_not_stay_failing() {
    let sim = gateway(40);
    put_state(&sim, &down(1, NOW));
    put_lane(&sim, &Lane { kept: vec![update(&sim)], ..lane("gateway", Vec::new()) });
    assert_eq!(batch(&sim, AMPLE, &[probe()]), did(["release in 0 s", "hint in 0 s, as of 0 s"]));
    let state = state(&sim);
    assert_eq!((state.failing, state.recovered_at, state.delivered_at), (None, Some(NOW), None));
}

#[test]
fn an_output_that_was_removed_is_left_alone() {
    let mut sim = gateway(40);
    put_state(&sim, &down(1, NOW));
    put_lane(&sim, &lane("gateway", vec![update(&sim)]));
    sim.config.outputs = [("other".to_owned(), output(http()))].into_iter().collect();
    let test = ToCourier::Test { output: "gateway".to_owned(), id: "t-1".to_owned() };
    assert_eq!(batch(&sim, AMPLE, &[deliver(), probe(), release(), test]), did([]));
    put_state(&sim, &OutputState::new("gateway"));
    assert_eq!(batch(&sim, AMPLE, &[release()]), did([]));
}

#[test]
fn a_release_sends_fifty_lanes_a_second() {
    let sim = gateway(40);
    put_lane(&sim, &Lane { kept: vec![update(&sim)], ..lane("gateway", Vec::new()) });
    for number in 0..101 {
        let text = signal(&format!("voltus-prod/{number:03}"), "dispatch.updated", 1, 0);
        put_lane(&sim, &Lane { next_at: Some(NOW), ..lane("gateway", vec![entered(&sim, &text)]) });
    }
    let (done, _) = batch(&sim, AMPLE, &[release()]);
    let in_s = |delay: &str| done.iter().filter(|done| done.ends_with(delay)).count();
    assert_eq!([in_s("in 0 s"), in_s("in 1 s"), in_s("in 2 s"), done.len()], [50, 50, 1, 101]);
    put_state(&sim, &down(1, NOW));
    assert_eq!(batch(&sim, AMPLE, &[release()]), did([]), "it fails again");
}

#[test]
fn an_event_that_is_too_large_is_kept_if_it_cannot_be_split() {
    let check = |reply: TargetReply, event: &dyn Fn(&Simulation) -> WaitingEvent, expected: (usize, usize)| {
        let sim = gateway(40);
        sim.replies("gateway", [reply]);
        put_lane(&sim, &lane("gateway", vec![event(&sim)]));
        let (done, _) = batch(&sim, AMPLE, &[deliver()]);
        let then = if expected.1 > 0 { "hint in 0 s, as of 0 s" } else { "deliver voltus-prod/dkmq in 2 s" };
        assert_eq!(done, ["send 1 within 5000 ms", then]);
        assert_eq!(counts(&only_lane(&sim)), expected);
    };
    let of_bytes = |sim: &Simulation, bytes: usize| entered(sim, &signal(DKMQ, "dispatch.updated", 1, bytes));
    let large = |sim: &Simulation| of_bytes(sim, SMALL_BYTES + 1);
    check(TargetReply::IsTooSmall, &large, (0, 1));
    // Smaller parts would not help, or there are none: it is tried again.
    check(TargetReply::IsTooSmall, &|sim| of_bytes(sim, SMALL_BYTES), (1, 0));
    check(TargetReply::Refuses, &large, (1, 0));
    check(TargetReply::IsTooSmall, &|sim| WaitingEvent { split: true, ..large(sim) }, (1, 0));
    let is_part = |sim: &Simulation| {
        let event = large(sim);
        WaitingEvent { head: EventHead { parts: Some(2), ..event.head }, ..event }
    };
    check(TargetReply::IsTooSmall, &is_part, (1, 0));
    check(TargetReply::IsTooSmall, &|sim| entered(sim, &signal(DKMQ, "account.changed", 1, SMALL_BYTES + 1)), (1, 0));
}

/// One required event bus.
fn bus(limit_bytes: usize) -> Simulation {
    let sim = with(40, false, &[("gateway", output(OutputTarget::Eventbridge { bus: "b".to_owned() }))]);
    sim.limit_buses(limit_bytes);
    sim
}

#[test]
fn what_is_larger_than_a_bus_takes_is_not_sent_to_it() {
    let text = [signal(DKMQ, "dispatch.updated", 1, 2_000)];
    for (limit_bytes, expected, kept) in
        [(2_000, did(["send 1 within 5000 ms"]), 0), (1_999, did(["hint in 0 s, as of 0 s"]), 1)]
    {
        let sim = bus(limit_bytes);
        assert_eq!(signals(&sim, AMPLE, &text), expected);
        assert_eq!(counts(&only_lane(&sim)), (0, kept));
    }
    // Only dispatches have parts.
    let sim = bus(1_999);
    let texts = [signal(DKMQ, "account.changed", 1, 2_000), signal(DKMQ, "account.changed", 2, 0)];
    assert_eq!(signals(&sim, AMPLE, &texts), did(["hint in 0 s, as of 0 s", "send 2 within 5000 ms"]));
    assert_eq!(counts(&only_lane(&sim)), (0, 1));
}

/// A part of a dispatch with as many targets.
fn part(sequence: u64, part: u32, targets: usize) -> String {
    let mut part_of: Value = serde_json::from_str(&signal(DKMQ, "dispatch.updated", sequence, 0)).expect("JSON");
    let targets: Vec<Value> = (0..targets).map(|id| json!({ "id": format!("meter-{part}-{id:03}") })).collect();
    part_of["id"] = json!(format!("{DKMQ}#7.{sequence}.{part}"));
    part_of["data"] = json!({ "dispatch": { "part": part, "parts": 2, "test": false, "targets": targets } });
    part_of.to_string()
}

#[test]
fn parts_that_are_too_large_wait_for_each_other_and_are_split_together() {
    let sim = bus(1_500);
    assert_eq!(signals(&sim, AMPLE, &[part(1, 1, 60)]), did([]));
    let lane = only_lane(&sim);
    assert_eq!((lane.claim, lane.next_at, lane.waiting.len()), (None, Some(NOW + seconds(5)), 1));
    let (done, _) = signals(&sim, AMPLE, &[part(1, 2, 60)]);
    assert_eq!(done[0], "send 1.1 within 5000 ms");
    let of: Vec<u32> = sim.arrived("gateway").iter().filter_map(|part| part.head.parts).collect();
    assert!(of.len() > 2 && of.iter().all(|of| *of as usize == done.len()), "{of:?}");
    assert_eq!((sim.stored_texts(), waiting(&sim)), (0, 0));
    let delivered = only_lane(&sim).delivered.expect("delivered");
    assert!(delivered.is_complete);
}

#[test]
fn the_parts_of_a_test_are_tests() {
    let sim = bus(1_500);
    let event = entered(&sim, &part(1, 0, 60));
    // It was a test when it entered: its source has changed since.
    let head = EventHead { test: true, parts: None, ..event.head };
    put_lane(&sim, &lane("gateway", vec![WaitingEvent { head, ..event }]));
    batch(&sim, AMPLE, &[deliver()]);
    let arrived = sim.arrived("gateway");
    assert!(arrived.len() > 1 && arrived.iter().all(|part| part.head.test), "{}", arrived.len());
}

#[test]
fn an_event_whose_text_is_gone_is_kept() {
    for limit_bytes in [1_500, 1_000_000] {
        let sim = bus(limit_bytes);
        let gone = EventBody::Stored(StoredEvent { name: "gone".to_owned(), chunks: 1, bytes: 2_000 });
        put_lane(&sim, &lane("gateway", vec![WaitingEvent { body: gone, ..update(&sim) }]));
        assert_eq!(batch(&sim, AMPLE, &[deliver()]), did(["hint in 0 s, as of 0 s"]));
        assert_eq!(counts(&only_lane(&sim)), (0, 1));
    }
}

#[test]
fn only_a_dispatch_is_acknowledged_in_a_response() {
    let sim = gateway(40);
    sim.replies("gateway", [TargetReply::Acknowledges(AckState::Accepted)]);
    let (done, _) = signals(&sim, AMPLE, &[signal(DKMQ, "dispatch.updated", 1, 0)]);
    assert_eq!(done, ["send 1 within 5000 ms", "Accepted by gateway to version 1"]);
    assert_eq!(only_lane(&sim).ack.map(|ack| ack.version.sequence), Some(1));
    let (done, _) = signals(&sim, AMPLE, &[signal(DKMQ, "account.changed", 2, 0)]);
    assert_eq!(done, ["send 2 within 5000 ms"]);
    assert_eq!(only_lane(&sim).ack.map(|ack| ack.version.sequence), Some(1));
}

#[test]
fn a_replay_takes_two_hundred_lanes_at_a_time() {
    let sim = gateway(40);
    let kept = |number: usize| {
        let text = signal(&format!("voltus-prod/{number:03}"), "dispatch.cancelled", 1, 0);
        let event = entered(&sim, &text);
        put_lane(&sim, &Lane { waiting: Vec::new(), kept: vec![event.clone()], ..lane("gateway", vec![event]) });
    };
    (0..199).for_each(kept);
    put_lane(&sim, &lane("gateway", vec![update(&sim)]));
    let all = [ToCourier::Replay { output: "gateway".to_owned(), subject: None }];
    let (done, _) = batch(&sim, AMPLE, &all);
    let delivers = |done: &[String]| done.iter().filter(|done| done.starts_with("deliver")).count();
    assert_eq!((delivers(&done), done.len()), (199, 200));
    (200..401).for_each(kept);
    let (done, _) = batch(&sim, AMPLE, &all);
    assert_eq!((delivers(&done), done[0].as_str()), (200, "replay in 10 s"));
    let one = [ToCourier::Replay { output: "gateway".to_owned(), subject: Some(key("", "voltus-prod/400").subject) }];
    assert_eq!(batch(&sim, AMPLE, &one), did(["deliver voltus-prod/400 in 0 s", "hint in 0 s, as of 0 s"]));
    assert_eq!(batch(&sim, AMPLE, &one), did(["hint in 0 s, as of 0 s"]), "nothing is kept any more");
}

#[test]
fn what_is_replayed_is_found_by_the_sweep_if_its_message_is_lost() {
    let sim = gateway(40);
    let one = [ToCourier::Replay { output: "gateway".to_owned(), subject: Some(key("", DKMQ).subject) }];
    let event = update(&sim);
    let kept = Lane { waiting: Vec::new(), kept: vec![event.clone()], ..lane("gateway", vec![event]) };
    put_lane(&sim, &kept);
    batch(&sim, AMPLE, &one);
    assert_eq!(only_lane(&sim).next_at, Some(NOW));
    let until = NOW + seconds(9);
    put_lane(&sim, &Lane { next_at: Some(until), ..kept });
    batch(&sim, AMPLE, &one);
    assert_eq!(only_lane(&sim).next_at, Some(until));
}

#[test]
fn a_test_of_an_output_that_fails_releases_nothing() {
    let test = [ToCourier::Test { output: "gateway".to_owned(), id: "t-1".to_owned() }];
    for (reply, failed) in [(TargetReply::Takes, None), (TargetReply::IsDown, Some("no connection"))] {
        let sim = gateway(40);
        put_state(&sim, &down(4, NOW + seconds(60)));
        sim.replies("gateway", [reply]);
        let case = Case { left_ms: AMPLE, send_ms: 1_234, ..Case::default() };
        let (done, _) = batch(&sim, case, &test);
        assert_eq!(done.contains(&"release in 0 s".to_owned()), failed.is_none(), "{done:?}");
        let state = state(&sim);
        assert_eq!(state.failing.is_some(), failed.is_some());
        let result = state.test.expect("a result");
        assert_eq!((result.took_ms, result.failed.as_deref()), (1_234, failed));
        let version = EventVersion { epoch: 1_701_448_800_000, sequence: 1, part: 0 };
        let arrived: Vec<EventVersion> = sim.arrived("gateway").iter().map(|event| event.head.version).collect();
        assert_eq!(arrived, if failed.is_none() { vec![version] } else { Vec::new() });
    }
}

#[test]
fn the_sweep_finds_what_is_overdue_for_half_a_minute() {
    let open = OpenIncidents::default();
    for (overdue_ms, of_lane, of_output) in
        [(30_000, vec![], vec![]), (30_001, vec!["deliver voltus-prod/dkmq in 0 s"], vec!["probe in 0 s"])]
    {
        let sim = gateway(40);
        put_lane(&sim, &failing(&sim, 1, NOW - millis(overdue_ms), false));
        assert_eq!(sweep(&sim, &open), of_lane);
        put_state(&sim, &down(1, NOW - millis(overdue_ms)));
        assert_eq!(sweep(&sim, &open), of_output, "few lanes of a failing output are tried");
    }
}

#[test]
fn the_sweep_sends_a_hint_for_what_no_incident_covers() {
    let condition = Condition::OutputFailing { output: "gateway".to_owned() };
    let open: OpenIncidents = [condition.incident()].into_iter().collect();
    let hint = vec!["hint in 0 s, as of 0 s"];
    let later = NOW + seconds(60);
    let check = |put: &dyn Fn(&Simulation), expected: &[&str]| {
        let sim = gateway(40);
        put(&sim);
        assert_eq!(sweep(&sim, &OpenIncidents::default()), expected);
        assert_eq!(sweep(&sim, &open), [""; 0]);
    };
    check(&|sim| put_lane(sim, &failing(sim, 4, later, false)), &[]);
    check(&|sim| put_lane(sim, &failing(sim, 5, later, false)), &hint);
    check(&|sim| put_lane(sim, &Lane { kept: vec![update(sim)], ..lane("gateway", Vec::new()) }), &hint);
    check(&|sim| put_state(sim, &down(2, later)), &[]);
    check(&|sim| put_state(sim, &down(3, later)), &hint);
}
