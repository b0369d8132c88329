//! What the rest of gridbell asks of a state, a fact and an event.

#![expect(clippy::expect_used, reason = "a helper of a test fails the test")]

#[expect(dead_code, reason = "the laws need more of it")]
mod made;

use dispatch::{
    Absorbed, ActiveDispatch, Contradiction, DispatchTerms, Fact, FactBody, Origin, PowerEvent,
    PowerEventKind::{self, EndRampUp, StartRampDown, StartRampUp},
    RampStart, Rank, Request, State, Subject, Target, TargetGroup, TargetHash, TargetHashes, absorb, feed_id,
};

use made::{NOW, at, fact, published_at, reduce, said, subject};

fn state(rank: Rank) -> State {
    let facts = vec![fact(said(rank, reduce(5_000)))];
    absorb(None, &subject(), facts, Contradiction::Ask, published_at(NOW)).expect("a state").state
}

#[test]
fn what_is_on_has_a_plan_that_marks_its_targets_and_no_others() {
    let active = state(Rank::Fetched(at(0))).active(false).expect("a plan");
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

/// One more event, heard when its ramp starts.
fn heard(state: Option<State>, event: &PowerEvent) -> Absorbed {
    let subject = Subject::power("dc-1", Some("main"), "c-1");
    let origin = Origin { source: "dc-1".to_owned(), provider: "nvgrid".to_owned(), sandbox: false };
    let fact = Fact::new(origin, subject.clone(), FactBody::Power(event.clone()));
    absorb(state, &subject, vec![fact], Contradiction::Ask, published_at(event.start)).expect("a state")
}

/// What a load target's events add up to.
fn load_target(events: &[PowerEvent]) -> State {
    events.iter().fold(None, |state, event| Some(heard(state, event).state)).expect("a state")
}

#[test]
fn a_load_target_that_is_on_asks_its_feed_until_the_limit_is_lifted() {
    let down = power(StartRampDown, 10, Some(60), 7);
    let active = |events: &[PowerEvent]| load_target(events).active(true);
    let on = active(std::slice::from_ref(&down)).expect("a plan");
    let request = Request::Limit { watts: 7 };
    let group = TargetGroup { hashes: TargetHashes::from_iter([TargetHash::of("main")]), request: Some(request) };
    let ramp = RampStart { start: at(10), end: Some(at(60)), heard_at: at(10), running: true };
    let groups = vec![group];
    let (start, end, ramp) = (at(10), Some(at(60)), Some(ramp));
    assert_eq!(on, ActiveDispatch { start, end, request, priority: None, test: true, groups, ramp });

    let lifted = active(&[down.clone(), power(StartRampUp, 40, Some(50), 9)]).expect("a plan");
    assert_eq!((lifted.end, lifted.ramp.map(|ramp| ramp.start)), (Some(at(40)), Some(at(40))));
    let up = |end: Option<i64>| power(StartRampUp, 40, end, 9);
    let awaited = active(&[up(Some(50))]).expect("a plan");
    assert_eq!((awaited.end, awaited.groups), (Some(at(50)), vec![]), "what ramps up asks nothing, and is awaited");
    assert_eq!(active(&[up(None)]), None, "whose end nobody stated is not awaited");
    assert_eq!(active(&[up(Some(50)), power(EndRampUp, 40, Some(50), 9)]), None);
}

#[test]
fn what_is_on_is_looked_for_until_its_last_ramp_is_over_too() {
    let until = |events: &[PowerEvent]| load_target(events).active(false).expect("a plan").until();
    let down = power(StartRampDown, 10, Some(60), 7);
    assert_eq!(until(std::slice::from_ref(&down)), Some(at(60)));
    let up = |event, end: Option<i64>| [down.clone(), power(event, 40, end, 9)];
    assert_eq!(until(&up(StartRampUp, Some(90))), Some(at(90)));
    assert_eq!(until(&up(StartRampUp, None)), None, "until told otherwise");
    let [down, started] = up(StartRampUp, Some(90));
    assert_eq!(until(&[down, started, power(EndRampUp, 40, Some(90), 9)]), Some(at(40)), "the limit is lifted");
}

#[test]
fn a_feed_without_a_name_is_told_from_one_that_is_called_like_it() {
    assert_eq!([None, Some("-"), Some("main")].map(feed_id), ["-", "%2D", "main"]);
}

#[test]
fn a_plan_groups_the_targets_of_which_the_same_is_asked_and_reads_back_equal() {
    let group = |id: &str, watts| Target {
        id: id.to_owned(),
        name: None,
        external_id: None,
        request: Some(Request::Reduce { watts }),
    };
    let targets = vec![group("m-1", 1), group("m-2", 2), group("m-3", 1)];
    let facts = vec![fact(said(Rank::Fetched(at(0)), DispatchTerms { targets: targets.into(), ..reduce(4) }))];
    let state = absorb(None, &subject(), facts, Contradiction::Ask, published_at(NOW)).expect("a state").state;
    let active = state.active(false).expect("a plan");
    let groups = active.groups.iter().map(|group| (group.hashes.iter().collect::<Vec<_>>(), group.request));
    let mut of_one_watt = ["m-1", "m-3"].map(TargetHash::of);
    of_one_watt.sort_unstable();
    let expected = [
        (of_one_watt.to_vec(), Request::Reduce { watts: 1 }),
        (vec![TargetHash::of("m-2")], Request::Reduce { watts: 2 }),
    ];
    assert_eq!(groups.collect::<Vec<_>>(), expected.map(|(hashes, request)| (hashes, Some(request))));

    let text = serde_json::to_string(&active).expect("JSON");
    assert_eq!(serde_json::from_str::<ActiveDispatch>(&text).expect("a plan"), active);
}

#[test]
fn where_a_statement_stands_is_known_of_dispatches_and_how_ramps_stand_of_load_targets() {
    let dispatch = state(Rank::Fetched(at(3)));
    assert_eq!((dispatch.rank(), dispatch.ramps()), (Some(Rank::Fetched(at(3))), None));
    let target = load_target(&[power(StartRampDown, 10, None, 7)]);
    let ramps = target.ramps().expect("ramps");
    assert_eq!((target.rank(), ramps.feed.as_deref(), ramps.running().count()), (None, Some("main"), 1));
}

#[test]
fn an_event_that_was_heard_before_changes_nothing() {
    let event = power(StartRampDown, 10, None, 7);
    let once = heard(None, &event);
    let twice = heard(Some(once.state.clone()), &event);
    assert!(once.changed && !twice.changed && twice.signals.is_empty());
    assert_eq!(twice.state, once.state);
}

#[test]
fn the_last_512_events_are_remembered() {
    let event = |start| power(StartRampDown, start, None, 7);
    let known = |state: &State, start| heard(Some(state.clone()), &event(start)).signals.is_empty();
    let events: Vec<PowerEvent> = (0..513).map(event).collect();
    let state = load_target(&events);
    assert_eq!([0, 1, 512].map(|start| known(&state, start)), [false, true, true]);
}

#[test]
fn a_load_and_its_limit_are_said_in_kilowatts() {
    let event = |measured_w, target| PowerEvent { measured_w, target, ..power(StartRampDown, 10, None, 0) };
    let limit = Request::Limit { watts: 6_500_000 };
    assert_eq!(event(Some(9_200_500), limit).loads(), "the load is 9200.5 kW, the limit 6500 kW");
    assert_eq!(event(None, limit).loads(), "the load was not measured, the limit 6500 kW");
    assert_eq!(event(Some(1_000), Request::ReduceMax).loads(), "the load is 1 kW");

    let said = |compliant| {
        let Absorbed { state, remarks, .. } = heard(None, &PowerEvent { compliant, ..event(Some(9_200_500), limit) });
        let (_, _, measured) = state.ramps().expect("ramps").running().next().expect("one");
        assert_eq!(remarks.get(&state.version), Some(&measured.in_words()));
        measured.in_words()
    };
    assert_eq!(said(Some(true)), "the load is 9200.5 kW, the limit 6500 kW; compliant: yes");
    assert_eq!(said(Some(false)), "the load is 9200.5 kW, the limit 6500 kW; compliant: no");
    assert_eq!(said(None), "the load is 9200.5 kW, the limit 6500 kW; compliant: not known");
}
