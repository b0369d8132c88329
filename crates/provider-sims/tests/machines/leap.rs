use provider_sims::{Simulated, leap_integration_test};
use serde_json::{Value, json};

use crate::bench::{Bench, begin, hook};

const WEBHOOK: &str = "/dispatch/meter/webhook";

#[test]
fn a_webhook_is_put_over_another_and_its_headers_come_in_lower_case() {
    let mut bench = Bench::new(Simulated::Leap);
    assert_eq!(bench.get(WEBHOOK).0, 404);
    for url in ["https://one.example/", "https://two.example/"] {
        let body = json!({"url": url, "headers": [{"name": "X-API-Key", "value": "secret"}]});
        assert_eq!(bench.ask("PUT", WEBHOOK, &body).0, 200);
    }
    let (_, set) = bench.get(WEBHOOK);
    let expected = json!({"url": "https://two.example/", "headers": [{"name": "x-api-key", "value": "secret"}]});
    assert_eq!(set, expected);
    assert_eq!(bench.get("/dispatch/group/webhook").0, 404);
    let test = leap_integration_test(false, "e", begin());
    let ((status, report), post) = bench.ask_and_answer(&format!("{WEBHOOK}/integration_test"), &test, 204);
    assert!(post.headers.contains(&("x-api-key".to_owned(), "secret".to_owned())));
    assert!(post.body.contains(r#""integration_test_notification":true"#), "{}", post.body);
    assert_eq!((status, &report["http_status"], &report["error_message"]), (200, &json!(204), &Value::Null));
    assert_eq!(
        (&report["sent_time"], &report["headers"]["content-type"]),
        (&json!(begin().to_string()), &json!("application/json"))
    );
    assert_eq!(bench.ask("DELETE", WEBHOOK, &Value::Null).0, 204);
    assert_eq!(bench.ask("DELETE", WEBHOOK, &Value::Null).0, 404);
}

#[test]
fn an_unanswered_webhook_is_repeated_fifty_times() {
    let mut bench = Bench::new(Simulated::Leap);
    bench.simulator.play("basic", Some(&hook()), None, begin()).expect("played");
    let got = bench.run(|number| if number == 4 { 299 } else { 500 });
    assert_eq!(got.iter().map(|got| got.after_s).collect::<Vec<_>>(), [0, 60, 120, 180]);
    bench.simulator.play("basic", Some(&hook()), None, bench.now).expect("played");
    assert_eq!(bench.run(|_| 500).len(), 51);
}

#[test]
fn the_search_filters_by_event_and_hides_five_minute_events_unless_asked() {
    let mut bench = Bench::new(Simulated::Leap);
    bench.simulator.play("five-minute", Some(&hook()), None, begin()).expect("played");
    let got = bench.run(|_| 200);
    let event = &got[0].body["meter_dispatches"][0]["timeslots"][0]["meter_event_id"];
    let mut search =
        json!({"meter_event_ids": [event], "start_date": "2026-03-01T00:00:00Z", "end_date": "2026-03-02T00:00:00Z"});
    let ask = |bench: &mut Bench, search: &Value| bench.ask("POST", "/dispatch/meter/search", search);
    assert_eq!(ask(&mut bench, &search).1, json!({"results": [], "next_page_token": null}));
    search["exclude_real_time_events"] = json!(false);
    let (_, found) = ask(&mut bench, &search);
    assert_eq!(found["results"][0]["timeslots"][0]["energy_kw"], json!(15));
    search["meter_event_ids"] = json!(["other"]);
    assert_eq!(ask(&mut bench, &search).1["results"], json!([]));
    search["end_date"] = json!("2026-05-01T00:00:00Z");
    assert_eq!(ask(&mut bench, &search).0, 400);
    search["page_token"] = json!("x");
    assert_eq!(ask(&mut bench, &search).0, 400);
}

#[test]
fn the_search_comes_in_pages_of_500() {
    let mut bench = Bench::new(Simulated::Leap);
    bench.simulator.play("huge", Some(&hook()), None, begin()).expect("played");
    assert_eq!(bench.run(|_| 200).len(), 1);
    let mut search = json!({"start_date": "2026-03-01T00:00:00Z", "end_date": "2026-03-02T00:00:00Z"});
    let mut pages = Vec::new();
    loop {
        let (_, page) = bench.ask("POST", "/dispatch/meter/search", &search);
        pages.push(page["results"].as_array().map_or(0, Vec::len));
        if page["next_page_token"].is_null() {
            break;
        }
        search["page_token"] = page["next_page_token"].clone();
    }
    assert_eq!(pages, [500, 500, 500]);
}

#[test]
fn a_communication_test_goes_to_the_registered_webhook() {
    let mut bench = Bench::new(Simulated::Leap);
    bench.ask("PUT", WEBHOOK, &json!({"url": "https://one.example/", "headers": []}));
    let test = json!({
        "start_time": "2026-03-01T13:00:00Z", "end_time": "2026-03-01T14:00:00Z", "program": "DRAM",
        "meter_uuids": ["dd21c76c-7126-4ef7-b0a6-f190fad300b2"], "dispatch_quantity_kw": 3,
    });
    assert_eq!(bench.ask("POST", "/dispatch/meter/communication_test", &test).0, 200);
    let got = bench.run(|_| 200);
    assert_eq!(got[0].body["communication_test"], json!(true));
    assert_eq!(got[0].body["meter_dispatches"][0]["timeslots"][0]["energy_kw"], json!(3));
    assert_eq!(bench.ask("POST", "/dispatch/meter/communication_test", &json!({"meter_uuids": []})).0, 400);
}
