//! Outputs that work again, events that no attempt delivers, replays, tests and the sweep.

use super::*;

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
