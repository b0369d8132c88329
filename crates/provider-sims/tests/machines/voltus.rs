use provider_sims::{PlayError, VOLTUS, voltus_scenario};
use serde_json::{Value, json};

use crate::bench::{Bench, begin, hook};

const WEBHOOKS: &str = "/2022-04-15/webhooks";

fn registration() -> Value {
    json!({"url": "https://receiver.example/hook", "events": [{"name": "dispatch.create"}, {"name": "dispatch.update"}]})
}

#[test]
fn a_registration_waits_for_the_handshake_and_wants_exactly_200() {
    let mut bench = Bench::new(&VOLTUS);
    for refused in [201, 204, 404] {
        let ((status, body), _) = bench.ask_and_answer(WEBHOOKS, &registration(), refused);
        assert_eq!((status, &body["type"]), (400, &json!("bad_request")), "{refused}");
    }
    assert_eq!(bench.get(WEBHOOKS).1["webhooks"], json!([]));
    let ((status, made), handshake) = bench.ask_and_answer(WEBHOOKS, &registration(), 200);
    assert_eq!((status, &made["url"], &made["events"]), (200, &registration()["url"], &registration()["events"]));
    assert_eq!(handshake.body, r#"{"event":{"name":""},"resource":""}"#);
    let (_, list) = bench.get(WEBHOOKS);
    assert_eq!((&list["webhooks"], &list["page"]), (&json!([made]), &json!(0)));
    let path = format!("{WEBHOOKS}/{}", made["id"].as_str().expect("an id"));
    assert_eq!(bench.ask("DELETE", &path, &Value::Null).0, 204);
    assert_eq!(bench.ask("DELETE", &path, &Value::Null).0, 404);
}

#[test]
fn the_tutorials_scenario_is_published_at_its_time_to_whoever_is_registered() {
    let mut bench = Bench::new(&VOLTUS);
    bench.ask_and_answer(WEBHOOKS, &registration(), 200);
    let mut scenario = voltus_scenario("basic", begin()).expect("there");
    scenario["notification_time"] = json!("2026-03-01T12:05:00Z");
    assert_eq!(bench.ask("POST", "/2022-04-15/scenarios", &scenario).0, 200);
    let got = bench.run(|_| 200);
    let resource = got[0].body["resource"].as_str().expect("a resource").to_owned();
    assert_eq!((got.len(), got[0].after_s, &got[0].body["event"]["name"]), (1, 300, &json!("dispatch.create")));
    let (_, answer) = bench.get(&resource);
    let dispatch = &answer["dispatches"][0];
    assert_eq!((&dispatch["start_time"], &dispatch["authorized"]), (&scenario["start_time"], &json!(true)));
    assert_eq!((&dispatch["test"], &dispatch["modification_number"]), (&json!(false), &json!(0)));
    assert_eq!((&dispatch["sites"][1]["drop_by"], &answer["perPage"]), (&json!(50), &json!(0)));
    bench.later(23 * 3_600);
    let listed = |bench: &mut Bench| bench.get("/2022-04-15/dispatches").1["dispatches"].as_array().map(Vec::len);
    assert_eq!(listed(&mut bench), Some(1));
    bench.later(2 * 3_600);
    assert_eq!(listed(&mut bench), Some(0));
}

#[test]
fn a_scenario_overwrites_what_the_last_one_had_still_planned() {
    let mut bench = Bench::new(&VOLTUS);
    bench.ask_and_answer(WEBHOOKS, &registration(), 200);
    for name in ["back-to-back", "cancelled"] {
        let scenario = voltus_scenario(name, begin()).expect("there");
        assert_eq!(bench.ask("POST", "/2022-04-15/scenarios", &scenario).0, 200);
        bench.simulator.due(bench.now);
    }
    assert_eq!(bench.run(|_| 200).iter().map(|got| got.after_s).collect::<Vec<_>>(), [600]);
    assert_eq!(bench.ask("POST", "/2022-04-15/scenarios", &json!({"scenario_type": "other"})).0, 400);
}

/// What each exercise publishes: seconds, event, and the state of the dispatch then.
fn published(name: &str) -> Vec<String> {
    let mut bench = Bench::new(&VOLTUS);
    bench.simulator.play(name, Some(&hook()), None, begin()).expect("played");
    let mut ids: Vec<String> = Vec::new();
    let mut lines = Vec::new();
    while let Some(at) = bench.simulator.next() {
        bench.now = at;
        for post in bench.simulator.due(at) {
            let body: Value = serde_json::from_str(&post.body).expect("JSON");
            let resource = body["resource"].as_str().expect("a resource").to_owned();
            let place = ids.iter().position(|id| *id == resource).unwrap_or(ids.len());
            ids.push(resource.clone());
            let dispatch = bench.get(&resource).1["dispatches"][0].clone();
            let minute = |name: &str| {
                let text = dispatch[name].as_str()?;
                Some(text.parse::<jiff::Timestamp>().ok()?.duration_since(begin()).as_mins())
            };
            lines.push(format!(
                "{} min: {} of {place}, {:?} to {:?}, authorized {}, number {}",
                at.duration_since(begin()).as_mins(),
                body["event"]["name"],
                minute("start_time"),
                minute("end_time"),
                dispatch["authorized"],
                dispatch["modification_number"]
            ));
            let outcome = provider_sims::WebhookOutcome { status: Some(202), ..Default::default() };
            bench.simulator.answered(post.id, &outcome, at);
        }
    }
    lines
}

#[test]
fn the_exercises_say_what_is_documented() {
    let names = VOLTUS.exercises.iter().map(|exercise| exercise.name);
    let all: Vec<(&str, Vec<String>)> = names.map(|name| (name, published(name))).collect();
    insta::assert_json_snapshot!(all.into_iter().collect::<std::collections::BTreeMap<_, _>>());
}

#[test]
fn five_resends_with_backoff_then_a_mail_to_the_contacts() {
    let mut bench = Bench::new(&VOLTUS);
    bench.simulator.play("basic", Some(&hook()), None, begin()).expect("played");
    let got = bench.run(|_| 503);
    assert_eq!(got.iter().map(|got| got.after_s).collect::<Vec<_>>(), [0, 1, 3, 7, 15, 31]);
    let log = bench.log_lines();
    assert!(log[log.len() - 2].starts_with("31 gave up: e-mails the dispatch contacts"), "{log:?}");
    assert_eq!(log.last().map(String::as_str), Some("31 over"));
}

#[test]
fn only_four_statuses_count_as_delivered() {
    for (status, sent) in [(200, 1), (201, 1), (202, 1), (204, 1), (203, 6), (206, 6), (302, 6)] {
        let mut bench = Bench::new(&VOLTUS);
        bench.simulator.play("basic", Some(&hook()), None, begin()).expect("played");
        assert_eq!(bench.run(|_| status).len(), sent, "{status}");
    }
}

#[test]
fn a_faster_clock_shortens_pauses_and_what_is_told_alike() {
    let mut bench = Bench::new(&VOLTUS);
    bench.simulator.play("ancillary-services", Some(&hook()), Some(60), begin()).expect("played");
    let got = bench.run(|_| 200);
    assert_eq!(got.iter().map(|got| got.after_s).collect::<Vec<_>>(), [0, 15]);
    let (_, answer) = bench.get(got[1].body["resource"].as_str().expect("a resource"));
    assert_eq!(answer["dispatches"][0]["end_time"], "2026-03-01T12:00:15Z");
}

#[test]
fn a_self_test_lies_in_the_next_72_hours_and_is_a_test() {
    let mut bench = Bench::new(&VOLTUS);
    bench.ask_and_answer(WEBHOOKS, &registration(), 200);
    let window = |from: &str, to: &str| json!({"start_time": from, "end_time": to});
    for wrong in [
        json!({}),
        window("2026-03-01T11:59:59Z", "2026-03-01T13:00:00Z"),
        window("2026-03-01T14:00:00Z", "2026-03-01T13:00:00Z"),
        window("2026-03-04T11:00:00Z", "2026-03-04T12:00:01Z"),
    ] {
        assert_eq!(bench.ask("POST", "/2022-04-15/dispatches", &wrong).0, 400, "{wrong}");
    }
    let good = window("2026-03-01T13:00:00Z", "2026-03-04T12:00:00Z");
    let (status, dispatch) = bench.ask("POST", "/2022-04-15/dispatches", &good);
    assert_eq!((status, &dispatch["test"]), (200, &json!(true)));
    let resource = format!("/2022-04-15/dispatches/{}", dispatch["id"].as_str().expect("an id"));
    assert_eq!(bench.run(|_| 200)[0].body["resource"], json!(resource));
}

#[test]
fn keys_paths_and_the_limit() {
    let mut bench = Bench::new(&VOLTUS);
    for missing in ["/2022-04-15/dispatches/dkmq", "/2022-04-15/dispatches/", "/2022-04-15/dispatchesx", "/"] {
        assert_eq!(bench.get(missing).0, 404, "{missing}");
    }
    let statuses: Vec<u16> = (4..102).map(|_| bench.get("/2022-04-15/dispatches").0).collect();
    assert_eq!((statuses[0], statuses[96], statuses[97]), (200, 200, 429));
    bench.later(61);
    assert_eq!(bench.get("/2022-04-15/dispatches").0, 200);
    let mut without = provider_sims::Request { method: "GET".to_owned(), ..Default::default() };
    let status = |bench: &mut Bench, request: &provider_sims::Request| match bench.simulator.handle(request, begin()) {
        provider_sims::Reply::Now(response) => response.status,
        provider_sims::Reply::After(_) => 0,
    };
    assert_eq!(status(&mut bench, &without), 400);
    without.headers.insert("x-voltus-api-key".to_owned(), "other".to_owned());
    assert_eq!(status(&mut bench, &without), 401);
}

#[test]
fn an_exercise_is_not_played_to_nobody() {
    let mut bench = Bench::new(&VOLTUS);
    assert_eq!(bench.simulator.play("basic", None, None, begin()), Err(PlayError::NoHook));
    assert_eq!(bench.simulator.play("basik", Some(&hook()), None, begin()), Err(PlayError::Unknown));
}
