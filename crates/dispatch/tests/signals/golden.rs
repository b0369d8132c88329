//! Complete signals, as published.

use dispatch::{
    AccountEvent, ActiveVersion, DispatchTerms, Fact, FactBody, HeartbeatSignal, Interval, MeterData, PowerEvent,
    PowerEventKind, Rank, Request, Signal, State, Subject, Target, TestReason,
};
use serde_json::{Value, json};

use crate::made::{at, details, fetched, kilowatts, origin, play, published_at, stated, terms};

/// Every golden history, by name.
pub(crate) fn all() -> Vec<(&'static str, Vec<Signal>)> {
    vec![
        ("the_contracts_example", play(example()).1),
        ("a_dispatch_is_cancelled", play(cancelled()).1),
        ("an_open_ended_dispatch_ends", play(ended()).1),
        ("a_group_event_of_leap", play(group_event()).1),
        ("a_sandbox_dispatch_without_amounts", play(sandbox()).1),
        ("power_ramps_down", play(power()).1),
        ("meter_data", play(meter()).1),
        ("an_event_of_the_account", play(account()).1),
        ("heartbeats", heartbeats()),
    ]
}

type History = Vec<(&'static str, Fact)>;

fn example() -> History {
    let first = DispatchTerms { details: details(r#"{"modification_number":0}"#), ..terms() };
    vec![
        ("16:40:01.5", fetched(0, "16:40:01", first)),
        ("16:40:03.120", fetched(1, "16:40:02", DispatchTerms { end: None, ..terms() })),
    ]
}

fn cancelled() -> History {
    let withdrawn = DispatchTerms { authorized: false, ..terms() };
    vec![("16:40:01", fetched(0, "16:40:00", terms())), ("16:45:01", fetched(1, "16:45:00", withdrawn))]
}

fn ended() -> History {
    let open = DispatchTerms { end: None, ..terms() };
    vec![("16:50:01", fetched(0, "16:50:00", open)), ("17:00:03.000001", fetched(1, "17:00:03", terms()))]
}

fn group_event() -> History {
    let meter = |id: &str, reference: Option<&str>| Target {
        id: id.to_owned(),
        name: None,
        external_id: reference.map(str::to_owned),
        request: None,
    };
    let terms = DispatchTerms {
        request: Request::ReduceMax,
        targets: vec![meter("dd21c76c", Some("plant 7")), meter("ee21c76c", None)].into(),
        test_reason: Some(TestReason::Communication),
        voluntary: true,
        priority: Some(1),
        programs: vec![dispatch::Program { name: Some("DRAM".to_owned()), market: None, kind: None, timezone: None }],
        details: details(r#"{"market_group_id":"g-1","dispatch_event_types":["day-ahead"],"nomination_kw":[10.000]}"#),
        ..terms()
    };
    vec![("16:40:00", stated("leap-prod", "leap", "11cfced0-16f4", Rank::Pushed(at("16:40:00")), terms))]
}

fn sandbox() -> History {
    let mut terms = DispatchTerms { test_reason: Some(TestReason::Sandbox), request: Request::Unspecified, ..terms() };
    terms.targets[0].request = Some(Request::Unspecified);
    vec![("16:40:00", stated("voltus-sandbox", "voltus", "a/b ü", Rank::Fetched(at("16:40:00")), terms))]
}

fn power() -> History {
    let event = |event, compliant| PowerEvent {
        feed: Some("main_power_feed".to_owned()),
        correlation_id: "c-1".to_owned(),
        event,
        start: at("16:50:00"),
        end: None,
        strategy: Some("best_effort".to_owned()),
        target: Request::Limit { watts: 6_500_000 },
        previous: Some(Request::Limit { watts: 10_000_000 }),
        measured_w: Some(9_200_000),
        compliant,
    };
    let fact = |event| {
        Fact::new(
            origin("dc-1", "nvgrid"),
            Subject::power("dc-1", Some("main_power_feed"), "c-1"),
            FactBody::Power(event),
        )
    };
    vec![
        ("16:50:01", fact(event(PowerEventKind::StartRampDown, Some(false)))),
        ("16:50:02", fact(event(PowerEventKind::StartRampDown, None))), // the same: compliance is no identity
        ("16:55:01", fact(event(PowerEventKind::EndRampDown, Some(true)))),
    ]
}

fn meter() -> History {
    let interval = |time, watt_hours| Interval { start: at(time), watt_hours };
    let data = MeterData {
        identity: "dlv-1/1".to_owned(),
        id: "6514167223e3d1424bf82742".to_owned(),
        delivery: "dlv-1".to_owned(),
        start: at("00:00:00"),
        end: at("01:00:00"),
        granularity: "hh".to_owned(),
        part: 1,
        parts: 1,
        intervals: vec![interval("00:00:00", Some(123)), interval("00:30:00", None), interval("01:00:00", Some(-7))],
    };
    let fact = Fact::new(
        origin("openvolt-prod", "openvolt"),
        Subject::meter("openvolt-prod", &data.id),
        FactBody::Meter(data),
    );
    vec![("02:00:00", fact.clone()), ("02:00:01", fact)]
}

/// Two heartbeats: the first names nothing, the second a dispatch and a load target.
fn heartbeats() -> Vec<Signal> {
    let named = |subject: Subject, sequence, end| ActiveVersion { subject, sequence, start: at("16:50:00"), end };
    let active = vec![
        named(Subject::dispatch("voltus-prod", "dkmq"), 12, Some(at("17:00:00"))),
        named(Subject::power("dc-1", None, "c-1"), 1, None),
    ];
    let of = |state, time: &str, active, more| {
        let heartbeat = HeartbeatSignal { at: at(time), next_by: at("16:52:00.1234567"), active, more };
        State::with_heartbeat(state, heartbeat, published_at(at(time)))
    };
    let (state, first) = of(None, "16:40:00", Vec::new(), 0);
    let (_, second) = of(Some(state), "16:45:00.1234567", active, 1);
    vec![first, second]
}

fn account() -> History {
    let event = AccountEvent {
        identity: "dlv-2".to_owned(),
        event: "customer.created".to_owned(),
        delivery: "dlv-2".to_owned(),
        payload: serde_json::from_str(r#"{"id":"c-9","share":0.10,"tags":[]}"#).expect("JSON"),
    };
    let fact =
        Fact::new(origin("openvolt-prod", "openvolt"), Subject::account("openvolt-prod"), FactBody::Account(event));
    vec![("02:00:00", fact)]
}

#[test]
fn facts_and_states_of_every_sort_read_back_equal() {
    let histories =
        [example(), cancelled(), ended(), group_event(), sandbox(), power(), meter(), account(), unusual_numbers()];
    for history in histories {
        for (_, fact) in &history {
            let text = serde_json::to_string(fact).unwrap();
            assert_eq!(&serde_json::from_str::<Fact>(&text).unwrap(), fact);
        }
        let (state, signals) = play(history);
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
        let text = serde_json::to_string(&signals).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Signal>>(&text).unwrap(), signals);
    }
}

/// Every kind of request, and numbers that a float or a buffer would change.
fn unusual_numbers() -> History {
    let requests = [
        Some(Request::Reduce { watts: u64::MAX }),
        Some(Request::Limit { watts: 0 }),
        Some(Request::ReduceMax),
        Some(Request::Unspecified),
        None,
    ];
    let target = |(index, request): (usize, Option<Request>)| Target {
        id: format!("m-{index}"),
        request,
        ..terms().targets.remove(0)
    };
    let terms = DispatchTerms {
        request: Request::Limit { watts: 1 },
        targets: requests.into_iter().enumerate().map(target).collect(),
        details: details(r#"{"a":1e400,"b":[0.10,-0,123456789012345678901234567890],"c":{"d":1E-7}}"#),
        ..terms()
    };
    let rank = Rank::Numbered(u64::MAX, at("16:40:00.123456789"));
    vec![("16:40:00", stated("voltus-prod", "voltus", "x", rank, terms))]
}

#[test]
fn complete_signals() {
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false, snapshot_path => "../snapshots" }, {
        for (name, signals) in all() {
            let bodies: Vec<String> = signals
                .iter()
                .map(|signal| {
                    let body: Value = serde_json::from_str(&signal.body).unwrap();
                    assert_eq!(body["id"], signal.id());
                    assert_eq!((&body["type"], &body["source"]), (&json!(signal.kind), &json!(signal.source)));
                    serde_json::to_string_pretty(&body).unwrap()
                })
                .collect();
            insta::assert_snapshot!(name, bodies.join("\n"));
        }
    });
}

#[test]
fn a_consumer_reads_each_signal_and_writes_the_same() {
    for (name, signals) in all() {
        for signal in signals {
            let envelope = signals::Envelope::parse(&signal.body).expect(name);
            assert_eq!(serde_json::to_string(&envelope).expect(name), signal.body, "{name}");
            assert!(!matches!(envelope.data, signals::Data::Other(_)), "{name}");
            assert_eq!((envelope.kind.to_string(), &envelope.subject), (signal.kind, &signal.subject));
        }
    }
}

#[test]
fn the_contracts_example_field_for_field() {
    let expected = r#"{"specversion":"1.0","id":"voltus-prod/dkmq#1701388800000.2","source":"/gridbell/voltus-prod",
        "type":"gridbell.dispatch.updated.v1","subject":"voltus-prod/dkmq","time":"2023-12-01T16:40:03.12Z","epoch":"1701388800000","sequence":"2",
        "datacontenttype":"application/json","data":{"dispatch":{
        "key":"voltus-prod/dkmq","provider":"voltus","source":"voltus-prod","id":"dkmq","version":2,
        "status":"scheduled","test":false,"test_reason":null,"voluntary":false,"priority":null,
        "start":"2023-12-01T16:50:00Z","end":null,
        "request":{"kind":"reduce","watts":5000},
        "targets":[{"id":"d4z9","name":"My Site","external_id":"democustomerlocationid","request":{"kind":"reduce","watts":5000}}],
        "programs":[{"name":"A Program","market":"CAISO","type":"ancillary_services","timezone":"PST"}],
        "details":{"modification_number":1}}}}"#;
    let expected: Value = serde_json::from_str(expected).unwrap();
    let (_, signals) = play(example());
    // Compared as text: the contract fixes the order of the fields.
    assert_eq!(signals[1].body, expected.to_string());
    assert_eq!(signals[1].id(), "voltus-prod/dkmq#1701388800000.2");
    assert_eq!((signals[1].sequence, signals[1].test), (2, false));
}

#[test]
fn amounts_are_what_was_stated_in_watts() {
    let (_, signals) = play(group_event());
    assert!(signals[0].test, "a communication test curtails nothing");
    assert_eq!(kilowatts(5), Request::Reduce { watts: 5_000 });
}
