use provider_sims::{NVGRID, PlayError};
use serde_json::{Value, json};

use crate::bench::{Bench, begin, hook};

const SITE: &str = "/nvidia.dcpower.v1.NvGrid";

fn logged_in() -> Bench {
    let mut bench = Bench::new(&NVGRID);
    anew(&mut bench);
    bench
}

/// Opens another session.
fn anew(bench: &mut Bench) {
    let (status, answer) = log_in(bench, "key");
    assert_eq!(status, 200);
    bench.session = answer["access_token"].as_str().map(str::to_owned);
}

fn log_in(bench: &mut Bench, password: &str) -> (u16, Value) {
    let credential = json!({"password_credential": {"username": "anybody", "password": password}});
    bench.ask("POST", "/nvidia.dcpower.v1.AuthService/Token", &credential)
}

fn ask(bench: &mut Bench, call: &str, body: &Value) -> (u16, Value) {
    bench.ask("POST", &format!("{SITE}/{call}"), body)
}

#[test]
fn a_session_opens_everything_until_it_expires() {
    let mut bench = logged_in();
    assert_eq!(ask(&mut bench, "GetStatus", &json!({})).0, 200);
    bench.later(599);
    assert_eq!(ask(&mut bench, "GetStatus", &json!({})).0, 200);
    bench.later(2);
    assert_eq!(ask(&mut bench, "GetStatus", &json!({})).0, 401);
    assert_eq!(log_in(&mut bench, "wrong").0, 401);
    anew(&mut bench);
    assert_eq!(ask(&mut bench, "GetStatus", &json!({})).0, 200);
    assert_eq!(ask(&mut bench, "SetLoadTarget", &json!({})).0, 501);
}

#[test]
fn an_address_is_registered_once_for_the_events_it_wants() {
    let mut bench = logged_in();
    let url = "http://127.0.0.1:9/hook";
    let code = |answer: (u16, Value)| answer.1["code"].as_str().unwrap_or_default().to_owned();
    for events in [json!([]), json!(["POWER_EVENT_END_RAMP_DOWN"])] {
        assert_eq!(
            code(ask(&mut bench, "RegisterWebhook", &json!({"url": url, "for_events": events}))),
            "STATUS_CODE_SUCCESS"
        );
    }
    bench.simulator.play("ramp-compliant", None, None, begin()).expect("played");
    let got = bench.run(|_| 200);
    assert_eq!(got.iter().map(|got| got.body["event"].clone()).collect::<Vec<_>>(), ["end_ramp_down"]);
    anew(&mut bench);
    assert_eq!(code(ask(&mut bench, "UnregisterWebhook", &json!({"url": url}))), "STATUS_CODE_SUCCESS".to_owned());
    assert_eq!(bench.simulator.play("ramp-compliant", None, None, begin()), Err(PlayError::NoHook));
    assert_eq!(code(ask(&mut bench, "UnregisterWebhook", &json!({"url": url}))), "STATUS_CODE_ERROR");
}

#[test]
fn an_address_that_the_operator_has_not_listed_is_refused() {
    let mut bench = logged_in();
    let registration = json!({"url": "https://gridbell.example/hooks/n"});
    let (status, answer) = ask(&mut bench, "RegisterWebhook", &registration);
    assert_eq!((status, answer["diag_msg"].as_str()), (200, Some("webhook URL not whitelisted")));
    bench.simulator.hold(&json!({"whitelist": ["https://gridbell.example/"]}));
    assert_eq!(ask(&mut bench, "RegisterWebhook", &registration).1["code"], "STATUS_CODE_SUCCESS");
}

#[test]
fn status_tells_the_last_target_of_a_feed_and_the_schedule_those_of_an_interval() {
    let mut bench = logged_in();
    bench.simulator.play("new-target", Some(&hook()), None, begin()).expect("played");
    bench.run(|_| 200);
    anew(&mut bench);
    let (_, status) = ask(&mut bench, "GetStatus", &json!({}));
    let feed = &status["statuses"]["main_power_feed"];
    assert_eq!((&feed["load_target"]["target_load"]["value"], &feed["compliant"]), (&json!(5.0), &json!(true)));
    let mut count = |from: &str, until: &str| {
        let body = json!({"interval": {"start_time": from, "end_time": until}});
        ask(&mut bench, "GetLoadSchedule", &body).1["load_targets"].as_array().map(Vec::len)
    };
    assert_eq!(count("2026-03-01T12:15:00Z", "2026-03-01T12:20:00Z"), Some(2));
    assert_eq!(count("2026-03-01T12:45:00Z", "2026-03-01T12:50:00Z"), Some(1));
    assert_eq!(count("2026-03-01T13:00:00Z", "2026-03-01T14:00:00Z"), Some(0));
}
