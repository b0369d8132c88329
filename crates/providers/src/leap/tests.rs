use dispatch::{Request, TestReason};
use serde_json::json;

use super::*;
use crate::testing::{self, check_fixtures, decode, decode_pages, parse, shown};

const METER: &str = include_str!("fixtures/notification_meter.json");
const GROUP: &str = include_str!("fixtures/notification_group.json");

fn facts(body: &str) -> Vec<Fact> {
    parse(&Leap, body).expect("a notification").facts
}

fn said(fact: &Fact) -> &DispatchTerms {
    let FactBody::Dispatch(said) = &fact.body else { panic!("{fact:?}") };
    &said.terms
}

/// The request that settles the first event of a notification.
fn settle(body: &str) -> FetchRequest {
    Leap.settle(&facts(body)[0], None).expect("a look")
}

#[test]
fn notifications_become_dispatches() {
    check_fixtures!("fixtures/notification_*.json", "reading", |body| shown(&Leap, &parse(&Leap, body)));
}

#[test]
fn meter_searches_become_dispatches() {
    check_fixtures!("fixtures/search_meter*.json", "reading", |page| shown(
        &Leap,
        &decode(&Leap, &settle(METER), page)
    ));
}

#[test]
fn group_searches_become_dispatches() {
    check_fixtures!("fixtures/search_group*.json", "reading", |page| shown(
        &Leap,
        &decode(&Leap, &settle(GROUP), page)
    ));
}

fn listings() -> [FetchRequest; 2] {
    Leap.listings(&testing::origin(&Leap, false), testing::NOW).try_into().expect("a list for each level")
}

#[test]
fn lists_become_dispatches() {
    let [meters, groups] = listings();
    check_fixtures!("fixtures/list_meter*.json", "reading", |page| shown(&Leap, &decode(&Leap, &meters, page)));
    check_fixtures!("fixtures/list_group*.json", "reading", |page| shown(&Leap, &decode(&Leap, &groups, page)));
}

#[test]
fn a_list_asks_for_all_that_is_hidden_from_yesterday_on_for_31_days() {
    for (fetch, path) in listings().into_iter().zip(["/dispatch/meter/search", "/dispatch/group/search"]) {
        let ApiRequest { method, path: asked, body, .. } = Leap.request(&fetch, Some("t-1")).unwrap();
        assert_eq!((method, asked.as_str()), (Method::Post, path));
        let body = body.unwrap();
        let expected = json!({
            "start_date": "2023-11-30T16:45:00Z", "end_date": "2023-12-31T16:45:00Z",
            "exclude_real_time_events": false, "exclude_voluntary_events": false, "page_token": "t-1"});
        assert_eq!(body, expected);
    }
}

#[test]
fn a_call_is_the_same_from_both_levels() {
    let [meters, groups] = listings();
    let read = |fetch: &FetchRequest, page| decode(&Leap, fetch, page).unwrap().facts;
    let meters = read(&meters, include_str!("fixtures/list_meter.json"));
    let groups = read(&groups, include_str!("fixtures/list_group.json"));
    let same: Vec<bool> = meters.iter().map(|fact| Leap.is_same_call(fact, &groups[0])).collect();
    assert_eq!(same, [true, false, false, false], "only the one with the group's times");
    assert!(!Leap.is_same_call(&meters[0], &meters[0]), "one level has one view of a call");
    let mut of_others = groups[0].clone();
    let FactBody::Dispatch(said) = &mut of_others.body else { panic!("{of_others:?}") };
    said.terms.targets.iter_mut().for_each(|target| target.id.push('x'));
    assert!(!Leap.is_same_call(&meters[0], &of_others), "at the same time, of other meters");
}

#[test]
fn pages_are_followed_and_joined() {
    let (first, second) =
        (include_str!("fixtures/search_meter_page_1.json"), include_str!("fixtures/search_meter_page_2.json"));
    let fetch = settle(METER);
    let token = Leap.next_page(&fetch, first).expect("a token");
    assert_eq!(Leap.request(&fetch, Some(&token)).unwrap().body.unwrap()["page_token"], json!(token));
    assert_eq!(Leap.next_page(&fetch, second), None);
    assert_eq!(Leap.next_page(&fetch, "no page"), None);
    let token = |bytes: usize| Leap.next_page(&fetch, &json!({ "next_page_token": "t".repeat(bytes) }).to_string());
    assert_eq!([0, 1, 1_024, 1_025].map(|bytes| token(bytes).is_some()), [false, true, true, false]);

    let facts = decode_pages(&Leap, &fetch, &[first, second]).unwrap().facts;
    let [event] = facts.as_slice() else { panic!("{facts:?}") };
    assert_eq!(said(event).targets.len(), 2);
    assert_eq!(said(event).request, Request::Reduce { watts: 15_000 });
}

#[test]
fn a_search_asks_for_the_hidden_events_too() {
    let asked = |body: &str| {
        let ApiRequest { path, body, .. } = Leap.request(&settle(body), None).unwrap();
        json!({ "path": path.as_str(), "body": body })
    };
    let meter = json!({"path": "/dispatch/meter/search", "body": {
        "meter_event_ids": ["11cfced0-16f4-4fb7-b72e-5ff939ae541e"],
        "start_date": "2023-06-04T00:00:00Z", "end_date": "2023-06-06T01:00:00Z",
        "exclude_real_time_events": false, "exclude_voluntary_events": false}});
    assert_eq!(asked(METER), meter);
    let group = json!({"path": "/dispatch/group/search", "body": {
        "market_group_event_ids": ["114751e8-c0df-4d69-8a4f-9e7cebef1f84"],
        "start_date": "2023-06-03T23:00:00Z", "end_date": "2023-06-06T00:00:00Z",
        "exclude_real_time_events": false, "exclude_voluntary_events": false}});
    assert_eq!(asked(GROUP), group);
}

#[test]
fn a_search_spans_push_and_known_but_never_more_than_31_days() {
    let push = said(&facts(METER)[0]).clone();
    let moved = |days: i64, end: Option<i64>| {
        let start = shift(push.start, SignedDuration::from_hours(24 * days));
        DispatchTerms { start, end: end.map(|hours| shift(start, SignedDuration::from_hours(hours))), ..push.clone() }
    };
    let check = |known: DispatchTerms, from: &str, to: &str| {
        let (start, end) = window(&push, Some(&known));
        assert_eq!((start.to_string(), end.to_string()), (from.to_owned(), to.to_owned()));
        assert!(start <= push.start && push.start < end && end.duration_since(start) <= MAX_SEARCH);
    };
    check(moved(3, Some(1)), "2023-06-04T00:00:00Z", "2023-06-09T01:00:00Z");
    check(moved(-3, None), "2023-06-01T00:00:00Z", "2023-06-06T01:00:00Z");
    check(moved(-60, Some(1)), "2023-06-04T00:00:00Z", "2023-06-06T01:00:00Z");
    check(moved(60, Some(1)), "2023-06-04T00:00:00Z", "2023-07-05T00:00:00Z");
    check(moved(0, Some(-1_000)), "2023-06-04T00:00:00Z", "2023-06-06T01:00:00Z");
}

#[test]
fn tests_are_told_apart_and_the_sandbox_goes_first() {
    let reason = |sandbox: bool, integration: bool, communication: bool| {
        let mut body: Value = serde_json::from_str(METER).unwrap();
        body["integration_test_notification"] = integration.into();
        body["communication_test"] = communication.into();
        let parsed = testing::parse_from(&Leap, &testing::origin(&Leap, sandbox), &body.to_string()).unwrap();
        assert_eq!(parsed.facts.len(), 3);
        said(&parsed.facts[0]).test_reason
    };
    assert_eq!(reason(true, true, true), Some(TestReason::Sandbox));
    assert_eq!(reason(false, true, true), Some(TestReason::Integration));
    assert_eq!(reason(false, false, true), Some(TestReason::Communication));
    assert_eq!(reason(false, false, false), None);
}

#[test]
fn a_search_that_calls_one_page_a_test_is_a_test_and_what_of_it_cannot_be_read_is_told() {
    let page = include_str!("fixtures/search_meter_page_2.json");
    for (flag, reason) in
        [("integration_test_notification", TestReason::Integration), ("communication_test", TestReason::Communication)]
    {
        let mut first: Value = serde_json::from_str(include_str!("fixtures/search_meter_page_1.json")).unwrap();
        first[flag] = true.into();
        let slots = first["results"][0]["timeslots"].as_array_mut().unwrap();
        slots.push(json!({ "meter_event_id": slots[0]["meter_event_id"], "start_time": 7 }));
        let parsed = decode_pages(&Leap, &settle(METER), &[&first.to_string(), page]).unwrap();
        assert_eq!(said(&parsed.facts[0]).test_reason, Some(reason));
        assert_eq!(parsed.diagnostics.len(), 1, "{parsed:?}");
    }
}

#[test]
fn the_order_of_slots_decides_nothing() {
    let forward = include_str!("fixtures/notification_meter_twice_differs.json");
    let mut body: Value = serde_json::from_str(forward).unwrap();
    let Some(Value::Array(items)) = body.get_mut("meter_dispatches") else { panic!("no items") };
    items.reverse();
    for item in items.iter_mut() {
        item["timeslots"].as_array_mut().expect("slots").reverse();
    }
    let (forward, backward) = (facts(forward), facts(&body.to_string()));
    assert!(said(&forward[0]).asks_the_same(said(&backward[0])));
}

#[test]
fn a_meter_said_twice_is_tested_if_either_says_so_and_free_to_choose_if_both_do() {
    let said = |[first, second]: [bool; 2]| {
        let mut items = [slot_of("m", "e"), slot_of("m", "e")];
        for (item, flag) in items.iter_mut().zip([first, second]) {
            item["timeslots"][0]["is_communication_test"] = flag.into();
            item["timeslots"][0]["is_voluntary"] = flag.into();
        }
        let facts = facts(&json!({ "meter_dispatches": items }).to_string());
        (said(&facts[0]).test_reason.is_some(), said(&facts[0]).voluntary)
    };
    let orders = [[false, false], [false, true], [true, false], [true, true]];
    assert_eq!(orders.map(said), [(false, false), (true, false), (true, false), (true, true)]);
}

#[test]
fn ten_thousand_slots_are_one_dispatch() {
    let items: Vec<Value> = (0..10_000).map(|meter| slot_of(&format!("m{meter}"), "e")).collect();
    let facts = facts(&json!({ "meter_dispatches": items }).to_string());
    assert_eq!(facts.len(), 1);
    assert_eq!(said(&facts[0]).targets.len(), 10_000);
    assert_eq!(said(&facts[0]).request, Request::Reduce { watts: 10_000_000 });
}

#[test]
fn groups_that_repeat_their_meters_without_end_are_cut_off() {
    let read_of = |groups: usize, meters: Vec<String>, slots: usize, references: &str| {
        let slots: Vec<Value> = (0..slots).map(|event| group_slot(&format!("e{event}"))).collect();
        let group = |group: usize| json!({"market_group_id": group.to_string(), "meter_ids": meters, "timeslots": slots, "partner_references": references});
        let groups: Vec<Value> = (0..groups).map(group).collect();
        let parsed = parse(&Leap, &json!({ "group_dispatches": groups }).to_string()).unwrap();
        (parsed.facts.len(), !parsed.diagnostics.is_empty())
    };
    let read = |meters, slots, references| read_of(1, meters, slots, references);
    let meters = |count: usize| (0..count).map(|meter| format!("dd21c76c-7126-4ef7-b0a6-{meter:012}")).collect();
    assert_eq!(read(meters(5_000), 80, ""), (80, false));
    assert_eq!(read(meters(50_000), 100, ""), (100, false), "events of one group share its meters");
    assert_eq!(read_of(2, meters(25_000), 100, ""), (100, true), "those of several groups cannot");
    assert_eq!(read(meters(1), 100, &"r".repeat(1024 * 1024)), (63, true), "what it calls them counts too");
}

fn slot_of(meter: &str, event: &str) -> Value {
    json!({"meter_id": meter, "timeslots": [
        {"meter_event_id": event, "start_time": "2023-06-05T00:00:00Z", "end_time": "2023-06-05T01:00:00Z", "energy_kw": 1}]})
}

fn group_slot(event: &str) -> Value {
    json!({"market_group_event_id": event, "start_time": "2023-06-05T00:00:00Z", "end_time": "2023-06-05T01:00:00Z"})
}
