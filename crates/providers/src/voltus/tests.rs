use dispatch::{FactBody, Rank, TestReason};
use serde_json::json;

use super::*;
use crate::testing::{self, check_fixtures, decode, fetch, parse, shown};

const CREATE: &str = include_str!("fixtures/webhook_create.json");
const LISTED: &str = include_str!("fixtures/answer_list.json");

#[test]
fn webhooks_become_fetch_requests() {
    check_fixtures!("fixtures/webhook_*.json", "reading", |body| shown(&Voltus, &parse(&Voltus, body)));
}

#[test]
fn answers_become_dispatches() {
    let asked = fetch(&Voltus, CREATE);
    check_fixtures!("fixtures/answer_*.json", "reading", |page| shown(&Voltus, &decode(&Voltus, &asked, page)));
}

fn listing() -> FetchRequest {
    Voltus.listings(&testing::origin(&Voltus, false), testing::NOW).remove(0)
}

#[test]
fn lists_become_dispatches() {
    let ApiRequest { path, query, body, .. } = Voltus.request(&listing(), None).unwrap();
    assert_eq!((path.as_str(), query.len(), body), ("/2022-04-15/dispatches", 0, None));
    check_fixtures!("fixtures/list_*.json", "reading", |page| shown(&Voltus, &decode(&Voltus, &listing(), page)));
}

#[test]
fn an_empty_list_is_an_answer() {
    let empty = decode(&Voltus, &listing(), include_str!("fixtures/answer_empty_list.json"));
    assert_eq!(empty, Ok(Parsed::default()));
}

#[test]
fn all_that_a_sandbox_lists_is_a_test() {
    let origin = testing::origin(&Voltus, true);
    let fetch = Voltus.listings(&origin, testing::NOW).remove(0);
    let facts = decode(&Voltus, &fetch, include_str!("fixtures/list_day.json")).unwrap().facts;
    let reason = |fact: &Fact| match &fact.body {
        FactBody::Dispatch(said) => said.terms.test_reason,
        body => panic!("{body:?}"),
    };
    assert_eq!(facts.iter().map(reason).collect::<Vec<_>>(), [Some(TestReason::Sandbox); 4]);
}

#[test]
fn only_the_handshake_is_a_ping() {
    let check = |body: &str, ping: bool| assert_eq!(Voltus.is_ping(body), ping, "{body}");
    check(include_str!("fixtures/webhook_ping.json"), true);
    check(r#"{"resource":"","event":{"name":"","at":1e400},"more":[{}]}"#, true);
    check(CREATE, false);
    check(r#"{"event":{"name":""},"resource":"/2022-04-15/dispatches/dkmq"}"#, false);
    check(r#"{"event":{"name":"dispatch.create"},"resource":""}"#, false);
    check(r#"{"event":{"name":null},"resource":""}"#, false);
    check(r#"{"event":{},"resource":""}"#, false);
    check(r#"{"event":{"name":""}}"#, false);
    check("{}", false);
    check("null", false);
    check("", false);
    // With a duplicate field it is not a handshake: another parser may use the other value.
    check(r#"{"event":{"name":""},"resource":"","resource":"/2022-04-15/dispatches/dkmq"}"#, false);
}

#[test]
fn a_resource_leads_nowhere_but_to_a_dispatch() {
    let check = |resource: &str, taken: bool| {
        let body = json!({"event": {"name": "dispatch.update"}, "resource": resource}).to_string();
        assert_eq!(parse(&Voltus, &body).is_ok(), taken, "{resource:?}");
    };
    check("/2022-04-15/dispatches/dkmq", true);
    check("/2026-05-01/dispatches/A-z_9", true);
    check("https://evil.example/2022-04-15/dispatches/dkmq", false);
    check("//evil.example/2022-04-15/dispatches/dkmq", false);
    check("///dispatches/dkmq", false);
    check("\\\\evil.example/2022-04-15/dispatches/dkmq", false);
    check("/2022-04-15/dispatches/dkmq ", false);
    check("/2022-04-15/dispatches/dkmq/", false);
    check("/2022-04-15/dispatches/dkmq/more", false);
    check("/2022-04-15/dispatches/dkmq?x=1", false);
    check("/2022-04-15/dispatches/dkmq#x", false);
    check("/2022-04-15/dispatches/..", false);
    check("/2022-04-15/dispatches/%2e%2e", false);
    check("/2022-04-15/dispatches/", false);
    check("/2022-04-15/dispatches", false);
    check("/2022-04-15/sites/dkmq", false);
    check("/2022-4-15/dispatches/dkmq", false);
    check("/2022-02-30/dispatches/dkmq", false);
    check("/20220415/dispatches/dkmq", false);
    check("/20220415x/dispatches/dkmq", false);
    check("/-002022-04-15/dispatches/dkmq", false);
    check("/2022-04-15T00/dispatches/dkmq", false);
    check("/dispatches/dkmq", false);
    check("2022-04-15/dispatches/dkmq", false);
    check(" /2022-04-15/dispatches/dkmq", false);
    check("/2022-04-15/dispatches/dkmq\r\nhost: evil", false);
    check(&format!("/2022-04-15/dispatches/{}", "a".repeat(513)), false);
}

#[test]
fn a_refused_resource_is_not_echoed() {
    let body = json!({"event": {"name": "dispatch.update"}, "resource": "https://evil.example/?secret"}).to_string();
    let reason = parse(&Voltus, &body).unwrap_err();
    assert_eq!(reason, "`resource` is no path below the API's own host");
}

#[test]
fn identical_webhooks_are_one_look() {
    let update = include_str!("fixtures/webhook_update.json");
    assert_eq!(fetch(&Voltus, CREATE).key, fetch(&Voltus, update).key);
}

#[test]
fn a_sandbox_dispatch_is_a_test_though_it_says_otherwise() {
    let origin = testing::origin(&Voltus, true);
    let fetches = testing::parse_from(&Voltus, &origin, CREATE).unwrap().fetches;
    let facts = decode(&Voltus, &fetches[0], LISTED).unwrap().facts;
    let FactBody::Dispatch(said) = &facts[0].body else { panic!("{facts:?}") };
    assert_eq!(said.terms.test_reason, Some(TestReason::Sandbox));
}

#[test]
fn the_providers_number_ranks_where_it_has_one() {
    let rank = |number: serde_json::Value| {
        let page = json!({"id": "dkmq", "start_time": "2023-12-01T16:50:00Z", "modification_number": number});
        let parsed = decode(&Voltus, &fetch(&Voltus, CREATE), &page.to_string()).unwrap();
        let FactBody::Dispatch(said) = &parsed.facts[0].body else { panic!("{parsed:?}") };
        (said.rank, parsed.facts[0].field_errors.len())
    };
    assert_eq!(rank(json!(3)), (Rank::Numbered(3, testing::NOW), 0));
    assert_eq!(rank(json!("3")), (Rank::Numbered(3, testing::NOW), 0));
    assert_eq!(rank(json!(null)), (Rank::Fetched(testing::NOW), 0));
    for unreadable in [json!(-1), json!(2.5), json!("two"), json!([1]), json!(true)] {
        assert_eq!(rank(unreadable), (Rank::Fetched(testing::NOW), 1));
    }
    let huge = serde_json::from_str("1180591620717411303424").unwrap();
    assert_eq!(rank(huge), (Rank::Fetched(testing::NOW), 1));
    assert_eq!(rank(serde_json::from_str("3.0").unwrap()), (Rank::Numbered(3, testing::NOW), 0));
}

#[test]
fn a_look_of_another_provider_is_refused() {
    let mut foreign = fetch(&Voltus, CREATE);
    foreign.context = json!({"meter_id": "m"});
    assert!(matches!(Voltus.request(&foreign, None), Err(UnreadableResponse::Foreign(_))));
    foreign.context = json!({"date": "2022-04-15", "id": "../sites"});
    assert!(matches!(Voltus.request(&foreign, None), Err(UnreadableResponse::Foreign(_))));
}

#[test]
fn no_two_of_its_dispatches_are_one_call() {
    let page = json!({"id": "dkmq", "start_time": "2023-12-01T16:50:00Z"});
    let facts = decode(&Voltus, &fetch(&Voltus, CREATE), &page.to_string()).unwrap().facts;
    assert!(!Voltus.is_same_call(&facts[0], &facts[0]));
}
