//! The queries that other crates make on states, facts and events.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "the laws need more of it")]
mod made;

use dispatch::{
    Absorbed, ActiveDispatch, Contradiction, DispatchTerms, Fact, FactBody, Origin, PowerEvent,
    PowerEventKind::{self, EndRampUp, StartRampDown, StartRampUp},
    RampStart, Rank, Request, State, Subject, Target, TargetGroup, TargetHash, TargetHashes, absorb, feed_id,
};

use made::{NOW, at, fact, published_at, reduce, stated, subject};

fn state(rank: Rank) -> State {
    let facts = vec![fact(stated(rank, reduce(5_000)))];
    absorb(None, &subject(), facts, Contradiction::Fetch, published_at(NOW)).expect("a state").state
}

#[test]
fn an_active_dispatch_has_the_hashes_of_its_targets_only() {
    let active = state(Rank::Fetched(at(0))).active(false).expect("an active dispatch");
    assert_eq!(active.hashes().collect::<Vec<_>>(), [TargetHash::of("m-1")]);
    assert!(active.claim(&subject(), TargetHash::of("m-1")).is_some());
    assert!(active.claim(&subject(), TargetHash::of("m-2")).is_none());
}

#[test]
fn what_was_only_pushed_was_not_fetched() {
    let fetched = |rank| state(rank).was_fetched();
    assert!(!fetched(Rank::Pushed(at(0))));
    assert!(fetched(Rank::Fetched(at(0))) && fetched(Rank::Numbered(3, at(0))));
}

#[test]
fn only_a_counted_fact_has_a_number() {
    let numbers = [Rank::Numbered(3, at(0)), Rank::Fetched(at(0)), Rank::Pushed(at(0))].map(Rank::number);
    assert_eq!(numbers, [Some(3), None, None]);
}

fn power(event: PowerEventKind, start: i64, end: Option<i64>, watts: u64) -> PowerEvent {
    PowerEvent {
        feed: Some("main".to_owned()),
        correlation_id: "c-1".to_owned(),
        event,
        start: at(start),
        end: end.map(at),
        strategy: None,
        target: Request::Limit { watts },
        previous: None,
        measured_w: Some(9_200_500),
        compliant: Some(false),
    }
}

/// Absorbs one more event, received when its ramp starts.
fn absorbed(state: Option<State>, event: &PowerEvent) -> Absorbed {
    let subject = Subject::power("dc-1", Some("main"), "c-1");
    let origin = Origin { source: "dc-1".to_owned(), provider: "nvgrid".to_owned(), sandbox: false };
    let fact = Fact::new(origin, subject.clone(), FactBody::Power(event.clone()));
    absorb(state, &subject, vec![fact], Contradiction::Fetch, published_at(event.start)).expect("a state")
}

/// The state after these events of a load target.
fn load_target(events: &[PowerEvent]) -> State {
    events.iter().fold(None, |state, event| Some(absorbed(state, event).state)).expect("a state")
}

#[test]
fn a_load_target_is_active_until_the_limit_is_lifted() {
    let down = power(StartRampDown, 10, Some(60), 7);
    let active = |events: &[PowerEvent]| load_target(events).active(true);
    let on = active(std::slice::from_ref(&down)).expect("an active dispatch");
    let request = Request::Limit { watts: 7 };
    let group = TargetGroup { hashes: TargetHashes::from_iter([TargetHash::of("main")]), request: Some(request) };
    let ramp = RampStart { start: at(10), end: Some(at(60)), heard_at: at(10), running: true };
    let groups = vec![group];
    let (start, end, ramp) = (at(10), Some(at(60)), Some(ramp));
    assert_eq!(on, ActiveDispatch { start, end, request, priority: None, test: true, groups, ramp });

    let lifted = active(&[down.clone(), power(StartRampUp, 40, Some(50), 9)]).expect("an active dispatch");
    assert_eq!((lifted.end, lifted.ramp.map(|ramp| ramp.start)), (Some(at(40)), Some(at(40))));
    let up = |end: Option<i64>| power(StartRampUp, 40, end, 9);
    let awaited = active(&[up(Some(50))]).expect("an active dispatch");
    assert_eq!(
        (awaited.end, awaited.groups),
        (Some(at(50)), vec![]),
        "a ramp up requests nothing, but its end is expected"
    );
    assert_eq!(active(&[up(None)]), None, "without a stated end nothing is expected");
    assert_eq!(active(&[up(Some(50)), power(EndRampUp, 40, Some(50), 9)]), None);
}

#[test]
fn a_load_target_is_active_until_its_last_ramp_ends() {
    let until = |events: &[PowerEvent]| load_target(events).active(false).expect("an active dispatch").until();
    let down = power(StartRampDown, 10, Some(60), 7);
    assert_eq!(until(std::slice::from_ref(&down)), Some(at(60)));
    let up = |event, end: Option<i64>| [down.clone(), power(event, 40, end, 9)];
    assert_eq!(until(&up(StartRampUp, Some(90))), Some(at(90)));
    assert_eq!(until(&up(StartRampUp, None)), None, "until a later event ends it");
    let [down, started] = up(StartRampUp, Some(90));
    assert_eq!(until(&[down, started, power(EndRampUp, 40, Some(90), 9)]), Some(at(40)), "the limit is lifted");
}

#[test]
fn a_missing_feed_differs_from_a_feed_called_dash() {
    assert_eq!([None, Some("-"), Some("main")].map(feed_id), ["-", "%2D", "main"]);
}

#[test]
fn targets_with_one_request_form_a_group_and_read_back_equal() {
    let group = |id: &str, watts| Target {
        id: id.to_owned(),
        name: None,
        external_id: None,
        request: Some(Request::Reduce { watts }),
    };
    let targets = vec![group("m-1", 1), group("m-2", 2), group("m-3", 1)];
    let facts = vec![fact(stated(Rank::Fetched(at(0)), DispatchTerms { targets: targets.into(), ..reduce(4) }))];
    let state = absorb(None, &subject(), facts, Contradiction::Fetch, published_at(NOW)).expect("a state").state;
    let active = state.active(false).expect("an active dispatch");
    let groups = active.groups.iter().map(|group| (group.hashes.iter().collect::<Vec<_>>(), group.request));
    let mut of_one_watt = ["m-1", "m-3"].map(TargetHash::of);
    of_one_watt.sort_unstable();
    let expected = [
        (of_one_watt.to_vec(), Request::Reduce { watts: 1 }),
        (vec![TargetHash::of("m-2")], Request::Reduce { watts: 2 }),
    ];
    assert_eq!(groups.collect::<Vec<_>>(), expected.map(|(hashes, request)| (hashes, Some(request))));

    let text = serde_json::to_string(&active).expect("JSON");
    assert_eq!(serde_json::from_str::<ActiveDispatch>(&text).expect("an active dispatch"), active);
}

#[test]
fn dispatches_have_a_rank_and_load_targets_have_ramps() {
    let dispatch = state(Rank::Fetched(at(3)));
    assert_eq!((dispatch.rank(), dispatch.ramps()), (Some(Rank::Fetched(at(3))), None));
    let target = load_target(&[power(StartRampDown, 10, None, 7)]);
    let ramps = target.ramps().expect("ramps");
    assert_eq!((target.rank(), ramps.feed.as_deref(), ramps.running().count()), (None, Some("main"), 1));
}

#[test]
fn an_event_that_was_heard_before_changes_nothing() {
    let event = power(StartRampDown, 10, None, 7);
    let once = absorbed(None, &event);
    let twice = absorbed(Some(once.state.clone()), &event);
    assert!(once.changed && !twice.changed && twice.signals.is_empty());
    assert_eq!(twice.state, once.state);
}

#[test]
fn the_last_512_events_are_remembered() {
    let event = |start| power(StartRampDown, start, None, 7);
    let known = |state: &State, start| absorbed(Some(state.clone()), &event(start)).signals.is_empty();
    let events: Vec<PowerEvent> = (0..513).map(event).collect();
    let state = load_target(&events);
    assert_eq!([0, 1, 512].map(|start| known(&state, start)), [false, true, true]);
}

#[test]
fn a_load_and_its_limit_are_in_kilowatts() {
    let event = |measured_w, target| PowerEvent { measured_w, target, ..power(StartRampDown, 10, None, 0) };
    let limit = Request::Limit { watts: 6_500_000 };
    assert_eq!(event(Some(9_200_500), limit).loads(), "the load is 9200.5 kW, the limit 6500 kW");
    assert_eq!(event(None, limit).loads(), "the load was not measured, the limit 6500 kW");
    assert_eq!(event(Some(1_000), Request::ReduceMax).loads(), "the load is 1 kW");

    let stated = |compliant| {
        let Absorbed { state, remarks, .. } =
            absorbed(None, &PowerEvent { compliant, ..event(Some(9_200_500), limit) });
        let (_, _, measured) = state.ramps().expect("ramps").running().next().expect("one");
        assert_eq!(remarks.get(&state.version), Some(&measured.in_words()));
        measured.in_words()
    };
    assert_eq!(stated(Some(true)), "the load is 9200.5 kW, the limit 6500 kW; compliant: yes");
    assert_eq!(stated(Some(false)), "the load is 9200.5 kW, the limit 6500 kW; compliant: no");
    assert_eq!(stated(None), "the load is 9200.5 kW, the limit 6500 kW; compliant: not known");
}
