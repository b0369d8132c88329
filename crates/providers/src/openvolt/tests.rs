use dispatch::{Interval, MeterData};

use super::*;
use crate::testing::{check_fixtures, decode, fetch, parse, shown};

const METER_DATA: &str = include_str!("fixtures/webhook_meter_data.json");
const WITHOUT_ID: &str = include_str!("fixtures/webhook_without_delivery_id.json");
const WIDER: &str = include_str!("fixtures/answer_wider.json");

fn readings(fetch: &FetchRequest, page: &str) -> MeterData {
    let reading = decode(&Openvolt, fetch, page).expect("an answer");
    match reading.facts.as_slice() {
        [Fact { body: FactBody::Meter(data), .. }] => data.clone(),
        other => panic!("{other:?}"),
    }
}

fn announced(periods: &[(&str, &str)]) -> Parsed {
    let payload: Vec<Value> = periods
        .iter()
        .map(|(start, end)| json!({"meter_id": "m1", "start_interval": start, "end_interval": end}))
        .collect();
    let body = json!({"event_id": "meter_data.received", "delivery_id": "d1", "payload": payload});
    parse(&Openvolt, &body.to_string()).expect("a webhook")
}

#[test]
fn webhooks_become_fetch_requests_or_account_events() {
    check_fixtures!("fixtures/webhook_*.json", "reading", |body| shown(&Openvolt, &parse(&Openvolt, body)));
}

#[test]
fn answers_become_readings() {
    let asked = fetch(&Openvolt, METER_DATA);
    check_fixtures!("fixtures/answer_*.json", "reading", |page| shown(&Openvolt, &decode(&Openvolt, &asked, page)));
}

#[test]
fn parts_cover_a_period_without_a_hole_or_an_overlap() {
    let check = |start: &str, end: &str, expected: usize| {
        let parts: Vec<Part> =
            announced(&[(start, end)]).fetches.iter().map(|fetch| Part::of(fetch).expect("a part")).collect();
        assert_eq!(parts.len(), expected, "{start} to {end}");
        let (first, last) = (&parts[0], &parts[parts.len() - 1]);
        assert_eq!((first.start, last.end), (start.parse().unwrap(), end.parse().unwrap()));
        assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start && !pair[0].last));
        assert!(last.last);
    };
    check("2024-05-01T00:00:00Z", "2024-05-01T00:00:00Z", 1);
    check("2024-05-01T00:00:00Z", "2024-05-01T00:00:00.000001Z", 1);
    check("2024-05-01T00:00:00Z", "2024-06-01T00:00:00Z", 1);
    check("2024-05-01T00:00:00Z", "2024-06-01T00:00:00.000001Z", 2);
    check("2023-04-01T00:00:00Z", "2024-05-01T00:00:00Z", 13);
    check("2019-05-01T00:00:00Z", "2024-05-03T00:00:00Z", 59);
    check("2019-05-01T00:00:00Z", "2024-05-04T00:00:00Z", 60);
    let longer = announced(&[("2019-05-01T00:00:00Z", "2024-05-04T00:00:00.000001Z")]);
    assert_eq!((longer.fetches.len(), longer.diagnostics.len()), (0, 1), "a slip of the year");
}

#[test]
fn a_row_at_the_end_belongs_to_the_last_part_only() {
    let fetches = announced(&[("2024-05-01T00:00:00Z", "2024-06-02T00:00:00Z")]).fetches;
    let row = |start: &str| json!({"start_interval": start, "consumption": 1});
    let page = json!({"data": [row("2024-05-01T00:00:00Z"), row("2024-06-01T00:00:00Z"), row("2024-06-02T00:00:00Z")]});
    let starts = |fetch: &FetchRequest| -> Vec<String> {
        readings(fetch, &page.to_string()).intervals.iter().map(|row| row.start.to_string()).collect()
    };
    assert_eq!(starts(&fetches[0]), ["2024-05-01T00:00:00Z"]);
    assert_eq!(starts(&fetches[1]), ["2024-06-01T00:00:00Z", "2024-06-02T00:00:00Z"]);
}

#[test]
fn an_announced_instant_is_one_row() {
    let fetches = announced(&[("2024-05-01T00:30:00Z", "2024-05-01T00:30:00Z")]).fetches;
    let start: Timestamp = "2024-05-01T00:30:00Z".parse().unwrap();
    assert_eq!(readings(&fetches[0], WIDER_OF_ANY_METER).intervals, [Interval { start, watt_hours: Some(251) }]);
}

const WIDER_OF_ANY_METER: &str = r#"{"data": [
    {"start_interval": "2024-05-01T00:00:00Z", "consumption": 0.25},
    {"start_interval": "2024-05-01T00:30:00Z", "consumption": 0.251},
    {"start_interval": "2024-05-01T01:00:00Z", "consumption": 0.252}]}"#;

#[test]
fn periods_that_begin_together_are_told_apart_and_repetitions_are_not() {
    let (start, noon, night) = ("2024-05-01T00:00:00Z", "2024-05-01T12:00:00Z", "2024-05-02T00:00:00Z");
    let fetches = announced(&[(start, noon), (start, night), (start, noon)]).fetches;
    assert_eq!(fetches.len(), 2);
    let identities: BTreeSet<String> =
        fetches.iter().map(|fetch| readings(fetch, WIDER_OF_ANY_METER).identity).collect();
    assert_eq!(identities.len(), 2);
}

#[test]
fn the_providers_delivery_or_else_the_content_is_the_identity() {
    let with_id = fetch(&Openvolt, METER_DATA);
    let corrected = WIDER.replace("0.103", "0.999");
    assert_eq!(readings(&with_id, WIDER).identity, readings(&with_id, &corrected).identity);

    let without_id = fetch(&Openvolt, WITHOUT_ID);
    let data = readings(&without_id, WIDER);
    assert_eq!(data.delivery, "01JDELIVERY");
    assert_eq!(data.identity, readings(&without_id, WIDER).identity);
    assert_ne!(data.identity, readings(&without_id, &corrected).identity);
}

#[test]
fn an_account_event_without_a_delivery_id_is_known_by_its_content() {
    let identity = |payload: Value| {
        let body =
            json!({"event_id": "user.created", "event_timestamp": "2024-05-02T12:31:26.257Z", "payload": payload});
        let reading = parse(&Openvolt, &body.to_string()).unwrap();
        let [Fact { body: FactBody::Account(said), .. }] = reading.facts.as_slice() else { panic!("{reading:?}") };
        said.identity.clone()
    };
    assert_eq!(identity(json!({"id": 1})), identity(json!({"id": 1})));
    assert_ne!(identity(json!({"id": 1})), identity(json!({"id": 2})));
    assert_eq!(identity(json!("")).len(), 64);
}

#[test]
fn more_rows_than_half_hours_are_refused() {
    let fetches = announced(&[("2024-05-01T00:00:00Z", "2024-06-01T00:00:00Z")]).fetches;
    let start: Timestamp = "2024-05-01T00:00:00Z".parse().unwrap();
    let page = |rows: i64| {
        let row = |minute: i64| {
            let start = start + jiff::SignedDuration::from_mins(minute);
            json!({"start_interval": start, "consumption": 1})
        };
        json!({ "data": (0..rows).map(row).collect::<Vec<_>>() }).to_string()
    };
    assert_eq!(readings(&fetches[0], &page(1_496)).intervals.len(), 1_496);
    let refused = decode(&Openvolt, &fetches[0], &page(1_497)).unwrap_err();
    assert_eq!(refused, "the answer cannot be read: more rows than half-hours");
}

#[test]
fn a_webhook_asks_for_no_more_than_its_bound() {
    let asked = |meters: usize, end: &str| {
        let meter = |meter| json!({"meter_id": format!("m{meter}"), "start_interval": "2019-05-01T00:00:00Z", "end_interval": end});
        let payload: Vec<Value> = (0..meters).map(meter).collect();
        let body = json!({"event_id": "meter_data.received", "payload": payload}).to_string();
        let Parsed { fetches, diagnostics, .. } = parse(&Openvolt, &body).unwrap();
        (fetches.len(), diagnostics.len())
    };
    assert_eq!(asked(MAX_LOOKS, "2019-05-02T00:00:00Z"), (20_000, 0));
    assert_eq!(asked(MAX_LOOKS + 1, "2019-05-02T00:00:00Z"), (20_000, 1));
    // A period of 59 parts is fetched as a whole, or not at all.
    assert_eq!(asked(339, "2024-05-01T00:00:00Z"), (338 * 59, 1));
}

#[test]
fn a_look_of_another_provider_is_refused() {
    let mut foreign = fetch(&Openvolt, METER_DATA);
    foreign.context["meter_id"] = json!("../keys");
    assert!(matches!(Openvolt.request(&foreign, None), Err(UnreadableResponse::Foreign(_))));
    foreign.context = json!({"id": "dkmq"});
    assert!(matches!(Openvolt.request(&foreign, None), Err(UnreadableResponse::Foreign(_))));
}
