use provider_sims::{Fault, LEAP, Reply, Response, Simulated, VOLTUS};
use serde_json::{Value, json};

use crate::bench::{Bench, begin, hook};

fn misbehaving(whom: &'static Simulated, faults: &[&str]) -> Bench {
    let mut bench = Bench::new(whom);
    for fault in faults {
        bench.simulator.misbehave(fault.parse::<Fault>().expect("a fault"));
    }
    bench
}

fn response(bench: &mut Bench, path: &str) -> Response {
    match bench.handle("GET", path, &Value::Null) {
        Reply::Now(response) => response,
        Reply::After(_) => panic!("it waits"),
    }
}

/// An answer of Voltus with a fault, and the next answer.
fn voltus(fault: &str) -> (Response, Response) {
    let mut bench = misbehaving(&VOLTUS, &[fault]);
    for number in 0..2 {
        bench.simulator.hold(&json!({"id": "d", "modification_number": number}));
    }
    let path = "/2022-04-15/dispatches/d";
    (response(&mut bench, path), response(&mut bench, path))
}

#[test]
fn answers_fail_as_requested_and_then_recover() {
    let header = |response: &Response, name: &str| {
        response.headers.iter().find(|(one, _)| *one == name).map(|(_, value)| value.clone())
    };
    let (limited, fine) = voltus("429-retry-after*1");
    assert_eq!((limited.status, header(&limited, "retry-after").as_deref()), (429, Some("2")));
    assert_eq!(header(&limited, "x-ratelimit-limit").as_deref(), Some("101"));
    assert_eq!((fine.status, header(&voltus("429*1").0, "retry-after")), (200, None));
    assert_eq!((voltus("500*1").0.status, voltus("404*1").0.status, voltus("404*1").1.status), (500, 404, 200));
    assert_eq!((voltus("slow*1").0.delay.as_secs(), voltus("slow*1").1.delay.as_secs()), (7, 0));
    let json = |response: &Response| serde_json::from_slice::<Value>(&response.body);
    assert!(json(&voltus("garbage*1").0).is_err() && json(&voltus("truncated*1").0).is_err());
    assert!(voltus("huge*1").0.body.len() > 4 * 1_048_576);
    let (redirect, _) = voltus("redirect*1");
    assert_eq!((redirect.status, header(&redirect, "location").is_some()), (302, true));
    let (other, usual) = voltus("other-shape*1");
    assert_eq!(json(&other).expect("JSON")["id"], json!("d"));
    assert_eq!(json(&usual).expect("JSON")["dispatches"][0]["id"], json!("d"));
    assert_eq!(json(&voltus("stale*1").0).expect("JSON")["dispatches"][0]["modification_number"], json!(0));
}

#[test]
fn webhooks_come_twice_out_of_order_and_again() {
    let kw = |fault: &str| {
        let mut bench = misbehaving(&LEAP, &[fault]);
        bench.simulator.play("update", Some(&hook()), None, begin()).expect("played");
        let got = bench.run(|_| 200);
        got.iter()
            .map(|got| got.body["meter_dispatches"][0]["timeslots"][0]["energy_kw"].as_u64().expect("kW"))
            .collect::<Vec<_>>()
    };
    assert_eq!(kw("500"), [10, 20]);
    assert_eq!(kw("duplicate*1"), [10, 10, 20]);
    assert_eq!(kw("reorder*1"), [20, 10]);
    assert_eq!(kw("lost-acknowledgement*1"), [10, 10, 20]);
}

#[test]
fn the_last_webhook_is_not_held_back_by_nobody() {
    let mut bench = misbehaving(&LEAP, &["reorder"]);
    bench.simulator.play("replay-of-old", Some(&hook()), None, begin()).expect("played");
    assert_eq!(bench.run(|_| 200).len(), 3);
    assert_eq!(bench.log_lines().last().map(|line| line.ends_with("over")), Some(true));
}

#[test]
fn an_answer_that_waited_for_a_webhook_goes_wrong_as_well() {
    let mut bench = misbehaving(&VOLTUS, &["garbage*1"]);
    let events = json!([{"name": "dispatch.create"}]);
    let registration = json!({"url": "https://receiver.example/hook", "events": events});
    let ((status, body), _) = bench.ask_and_answer("/2022-04-15/webhooks", &registration, 200);
    assert_eq!((status, body), (200, Value::Null));
    assert_eq!(bench.get("/2022-04-15/webhooks").1["webhooks"].as_array().map(Vec::len), Some(1));
}
