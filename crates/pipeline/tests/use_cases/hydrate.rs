//! From a delivery to signals, per provider, and the result of every failure on the way.

use serde_json::{Value, json};
use simulation::{Ended, Function, Inner, Reply, Simulation, Times, Toxic};

use crate::common::{
    accepted, announced, drain, last, leap, leap_found, mail_subjects, power, published, readings, run_for, sim, thin,
    types, voltus,
};

const EVENT: &str = "11cfced0-16f4-4fb7-b72e-5ff939ae541e";
const LEAP: &str = "leap-prod/11cfced0-16f4-4fb7-b72e-5ff939ae541e";
const VOLTUS: &str = "voltus-prod/dkmq";

fn json(value: &Value) -> Reply {
    Reply::Json(value.to_string())
}

/// A simulation in which Voltus answers so about `dkmq`.
fn voltus_sim(seed: u64, answers: &[Value]) -> Simulation {
    let sim = sim(seed);
    sim.answers("voltus-prod", "/dispatches/dkmq", answers.iter().map(json).collect::<Vec<_>>());
    sim
}

fn calls_of(sim: &Simulation, port: &str) -> usize {
    sim.calls().iter().filter(|call| call.port == port).count()
}

#[test]
fn voltus_is_fetched_and_published() {
    let sim = voltus_sim(1, &[voltus("dkmq", 0, 5), voltus("dkmq", 1, 7)]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    drain(&sim);
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
    accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
    accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
    drain(&sim);
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled", "dispatch.updated"]);
    let dispatch = last(&sim, VOLTUS)["dispatch"].take();
    assert_eq!(dispatch["request"], json!({ "kind": "reduce", "watts": 7_000 }));
    assert_eq!(sim.fetches()[0].request, "GET /2022-04-15/dispatches/dkmq");
    assert!(mail_subjects(&sim).is_empty());
}

#[test]
fn leap_is_published_as_it_was_pushed_and_redelivered_in_vain() {
    let sim = sim(1);
    for _ in 0..3 {
        accepted(&sim, "leap-prod", &leap(EVENT, 10).to_string());
        drain(&sim);
    }
    assert_eq!(types(&sim, LEAP), ["dispatch.scheduled"]);
    assert!(sim.fetches().is_empty());
}

#[test]
fn nvgrids_four_events_are_one_stream() {
    let sim = sim(1);
    for (event, compliant) in
        [("start_ramp_down", false), ("end_ramp_down", true), ("start_ramp_up", true), ("end_ramp_up", true)]
    {
        for _ in 0..2 {
            accepted(&sim, "dc-1", &power(event, compliant).to_string());
            run_for(&sim, 60);
        }
    }
    let expected = ["power.start_ramp_down", "power.end_ramp_down", "power.start_ramp_up", "power.end_ramp_up"];
    assert_eq!(types(&sim, "dc-1/main_power_feed/c-1"), expected);
    assert!(mail_subjects(&sim).is_empty());
}

#[test]
fn openvolts_periods_fan_out_and_each_meter_is_published() {
    let sim = sim(1);
    for meter in ["m1", "m2"] {
        sim.answers("openvolt-prod", &format!("meter_id={meter}&"), [json(&readings(meter))]);
    }
    for _ in 0..2 {
        accepted(&sim, "openvolt-prod", &announced("dlv-1", &["m1", "m2"]).to_string());
        drain(&sim);
    }
    for meter in ["m1", "m2"] {
        let subject = format!("openvolt-prod/{meter}");
        assert_eq!(types(&sim, &subject), ["meter.data"]);
        let data = last(&sim, &subject)["meter"].take();
        assert_eq!(data["intervals"].as_array().unwrap().len(), 3);
        assert_eq!((data["delivery"].as_str(), data["part"].as_u64()), (Some("dlv-1"), Some(1)));
    }
}

#[test]
fn an_event_of_the_account_is_passed_on_once() {
    let sim = sim(1);
    let event = json!({
        "subscription_id": "s-1", "event_id": "customer.created", "event_timestamp": "2023-12-01T11:05:00Z",
        "delivery_id": "dlv-9", "payload": serde_json::from_str::<Value>(r#"{"id":"c-1","share":0.10}"#).unwrap(),
    });
    for _ in 0..2 {
        accepted(&sim, "openvolt-prod", &event.to_string());
        drain(&sim);
    }
    assert_eq!(types(&sim, "openvolt-prod/account"), ["account.customer.created"]);
    assert_eq!(last(&sim, "openvolt-prod/account")["account"]["payload"].to_string(), r#"{"id":"c-1","share":0.10}"#);
}

#[test]
fn duplicates_in_one_batch_are_one_fetch_and_one_write() {
    let sim = voltus_sim(1, &[voltus("dkmq", 0, 5)]);
    for event in ["dispatch.create", "dispatch.update", "dispatch.update"] {
        accepted(&sim, "voltus-prod", &thin(event, "dkmq"));
    }
    let batch = sim.take(Inner::Deliveries);
    assert_eq!(sim.hydrate([batch.clone(), batch].concat()), Ended::Answered(Vec::new()));
    assert_eq!((sim.fetches().len(), calls_of(&sim, "dispatches.write")), (1, 1));
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
}

/// `dkmq`, late enough for the sweep to find its deadline in time.
fn far() -> Value {
    let mut dispatch = voltus("dkmq", 0, 5);
    dispatch["start_time"] = json!("2023-12-01T20:50:00Z");
    dispatch["end_time"] = json!("2023-12-01T21:50:00Z");
    dispatch
}

#[test]
fn a_new_thin_dispatch_costs_five_calls_and_its_fetch() {
    let check = |answer: Value, expected: &[&str]| {
        let sim = voltus_sim(1, &[answer]);
        accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
        sim.hydrate(sim.take(Inner::Deliveries));
        let ports: Vec<&str> = sim.calls().iter().map(|call| call.port).collect();
        assert_eq!(ports, expected);
    };
    let (before, after) = (["deliveries.take", "api.fetch", "dispatches.write"], ["signals.send", "dispatches.sent"]);
    check(far(), &[&before[..], &["dispatches.active"], &after[..]].concat());
    check(voltus("dkmq", 0, 5), &[&before[..], &["jobs.retry", "dispatches.active"], &after[..]].concat());
}

#[test]
fn an_update_of_what_is_known_is_written_once_after_a_read() {
    let mut update = far();
    update["modification_number"] = json!(1);
    let sim = voltus_sim(1, &[far(), update]);
    for event in ["dispatch.create", "dispatch.update"] {
        accepted(&sim, "voltus-prod", &thin(event, "dkmq"));
        sim.hydrate(sim.take(Inner::Deliveries));
    }
    assert_eq!((calls_of(&sim, "dispatches.read"), calls_of(&sim, "dispatches.write")), (1, 2));
}

#[test]
fn a_lost_answer_to_its_own_write_is_recognised() {
    let sim = voltus_sim(1, &[far()]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    let batch = sim.take(Inner::Deliveries);
    // The SDK sends the same write again, and the stored record then refuses it.
    sim.fault("dispatches.write", Toxic::Repeat, Times::First(1));
    assert_eq!(sim.hydrate(batch), Ended::Answered(Vec::new()));
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
    assert!(sim.queued(Inner::Retries).is_empty());
    assert_eq!(sim.dispatches().get(VOLTUS).unwrap().outbox.len(), 0);
}

#[test]
fn a_crash_between_write_and_send_is_mended_by_the_redelivery() {
    for (port, toxic) in [
        ("dispatches.write", Toxic::CrashAfter),
        ("signals.send", Toxic::CrashBefore),
        ("signals.send", Toxic::CrashAfter),
        ("dispatches.sent", Toxic::CrashBefore),
        ("dispatches.sent", Toxic::CrashAfter),
    ] {
        let sim = voltus_sim(1, &[voltus("dkmq", 0, 5)]);
        accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
        sim.fault(port, toxic, Times::First(1));
        let batch = sim.take(Inner::Deliveries);
        assert_eq!(sim.hydrate(batch.clone()), Ended::Crashed);
        assert_eq!(sim.hydrate(batch), Ended::Answered(Vec::new()));
        assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"], "{port} {toxic:?}");
        assert!(sim.dispatches().get(VOLTUS).unwrap().outbox.is_empty());
    }
}

#[test]
fn a_crash_between_write_and_send_is_mended_by_the_sweep() {
    let sim = voltus_sim(1, &[voltus("dkmq", 0, 5)]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    sim.fault("dispatches.write", Toxic::CrashAfter, Times::First(1));
    assert_eq!(sim.hydrate(sim.take(Inner::Deliveries)), Ended::Crashed);
    assert!(sim.signals().is_empty());
    // Too young: its writer may be about to send it.
    assert_eq!(sim.sweep().answer().unwrap().owing, 0);
    sim.advance(jiff::SignedDuration::from_secs(21));
    let swept = sim.sweep().answer().unwrap();
    assert_eq!((swept.owing, swept.sent, swept.failed), (1, 1, 0));
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
    assert_eq!(sim.sweep().answer().unwrap().owing, 0);
}

#[test]
fn a_sweep_that_cannot_send_one_subject_sends_the_others() {
    let sim = sim(3);
    for id in ["aaaa", "bbbb"] {
        sim.answers("voltus-prod", id, [json(&voltus(id, 0, 5))]);
        accepted(&sim, "voltus-prod", &thin("dispatch.create", id));
    }
    sim.fault("signals.send", Toxic::Refuse, Times::First(2));
    sim.hydrate(sim.take(Inner::Deliveries));
    sim.advance(jiff::SignedDuration::from_secs(30));
    sim.fault("signals.send", Toxic::Refuse, Times::First(1));
    let swept = sim.sweep().answer().unwrap();
    assert_eq!((swept.owing, swept.sent, swept.failed), (2, 1, 1));
    sim.sweep();
    assert_eq!(published(&sim).len(), 2);
}

#[test]
fn a_send_that_fails_is_made_up_for() {
    for toxic in [Toxic::Refuse, Toxic::LoseAnswer] {
        let sim = voltus_sim(1, &[voltus("dkmq", 0, 5)]);
        sim.fault("signals.send", toxic, Times::First(1));
        accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
        drain(&sim);
        assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
        assert!(mail_subjects(&sim).is_empty());
    }
}

#[test]
fn runs_at_the_same_time_merge_into_one_stream() {
    for seed in 0..40 {
        let numbers: Vec<Value> = (0..4).map(|number| voltus("dkmq", number, 5 + number)).collect();
        let sim = voltus_sim(seed, &numbers);
        for _ in 0..4 {
            accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
        }
        let batches = sim.take(Inner::Deliveries).into_iter().map(|one| (Function::Hydrator, vec![one])).collect();
        for ended in sim.at_once(batches) {
            assert_eq!(ended, Ended::Answered(Vec::new()));
        }
        let dispatch = last(&sim, VOLTUS)["dispatch"].take();
        assert_eq!(dispatch["request"]["watts"], 8_000, "seed {seed}");
    }
}

#[test]
fn a_contradicting_push_of_leap_is_settled_by_the_search() {
    // A late push, a genuine update, a genuine revert: the push alone cannot show which.
    for (known_kw, pushed_kw, found_kw, expected) in [
        (10, 20, 20, vec!["dispatch.scheduled", "dispatch.updated"]),
        (10, 20, 10, vec!["dispatch.scheduled"]),
        (10, 20, 30, vec!["dispatch.scheduled", "dispatch.updated"]),
    ] {
        let sim = sim(1);
        sim.answers("leap-prod", "/dispatch/meter/search", [json(&leap_found(EVENT, found_kw))]);
        accepted(&sim, "leap-prod", &leap(EVENT, known_kw).to_string());
        drain(&sim);
        accepted(&sim, "leap-prod", &leap(EVENT, pushed_kw).to_string());
        drain(&sim);
        assert_eq!(types(&sim, LEAP), expected);
        let watts = last(&sim, LEAP)["dispatch"]["request"]["watts"].as_u64();
        assert_eq!(watts, Some(found_kw * 1_000));
        // Once before the write, and after a change once more after it.
        assert_eq!(sim.fetches().len(), expected.len());
        assert!(sim.fetches()[0].request.contains(r#""exclude_real_time_events":false"#));
    }
}

#[test]
fn a_search_of_two_pages_is_read_to_its_end() {
    let sim = sim(1);
    let mut pages = [leap_found(EVENT, 20), leap_found(EVENT, 20)];
    pages[0]["next_page_token"] = json!("the-second-page");
    pages[1]["meter_dispatches"][0]["meter_id"] = json!("00000000-7126-4ef7-b0a6-f190fad300b2");
    sim.answers("leap-prod", "/dispatch/meter/search", [json(&pages[0])]);
    sim.answers("leap-prod", r#""page_token":"the-second-page""#, [json(&pages[1])]);
    for energy_kw in [10, 20] {
        accepted(&sim, "leap-prod", &leap(EVENT, energy_kw).to_string());
        drain(&sim);
    }
    assert_eq!(last(&sim, LEAP)["dispatch"]["targets"].as_array().map(Vec::len), Some(2), "{:?}", sim.fetches());
}

#[test]
fn a_search_that_is_down_is_asked_again_before_any_publication() {
    let sim = sim(1);
    let found =
        [Reply::Status(500, None), Reply::Nothing, Reply::Json("<html>".to_owned()), json(&leap_found(EVENT, 20))];
    sim.answers("leap-prod", "/dispatch/meter/search", found);
    accepted(&sim, "leap-prod", &leap(EVENT, 10).to_string());
    drain(&sim);
    accepted(&sim, "leap-prod", &leap(EVENT, 20).to_string());
    run_for(&sim, 0);
    assert_eq!(types(&sim, LEAP), ["dispatch.scheduled"]);
    drain(&sim);
    assert_eq!(types(&sim, LEAP), ["dispatch.scheduled", "dispatch.updated"]);
    assert_eq!(sim.fetches().len(), 5);
}

#[test]
fn two_contradicting_pushes_of_one_batch_are_settled_too() {
    let sim = sim(1);
    sim.answers("leap-prod", "/dispatch/meter/search", [json(&leap_found(EVENT, 20))]);
    for energy_kw in [20, 10] {
        accepted(&sim, "leap-prod", &leap(EVENT, energy_kw).to_string());
    }
    assert_eq!(sim.hydrate(sim.take(Inner::Deliveries)), Ended::Answered(Vec::new()));
    assert_eq!(types(&sim, LEAP), ["dispatch.scheduled"]);
    assert_eq!(last(&sim, LEAP)["dispatch"]["request"]["watts"], 20_000);
}

/// A test notification of Leap's webhook API: the search does not know its event.
fn test_push(energy_kw: u64) -> String {
    let mut push = leap(EVENT, energy_kw);
    push["integration_test_notification"] = json!(true);
    push.to_string()
}

#[test]
fn of_two_test_pushes_unknown_to_the_search_the_later_holds() {
    let sim = sim(1);
    sim.answers(
        "leap-prod",
        "/dispatch/meter/search",
        [json(&json!({ "meter_dispatches": [], "next_page_token": null }))],
    );
    for energy_kw in [10, 20] {
        accepted(&sim, "leap-prod", &test_push(energy_kw));
        drain(&sim);
    }
    assert_eq!(types(&sim, LEAP), ["dispatch.scheduled", "dispatch.updated"]);
    let dispatch = last(&sim, LEAP)["dispatch"].take();
    assert_eq!(dispatch["request"]["watts"], 20_000);
    assert_eq!((dispatch["test"].as_bool(), dispatch["test_reason"].as_str()), (Some(true), Some("integration")));
}

#[test]
fn a_test_push_does_not_turn_a_real_dispatch_into_a_test() {
    let sim = sim(1);
    sim.answers("leap-prod", "/dispatch/meter/search", [json(&leap_found(EVENT, 10))]);
    accepted(&sim, "leap-prod", &leap(EVENT, 10).to_string());
    drain(&sim);
    accepted(&sim, "leap-prod", &test_push(10));
    drain(&sim);
    assert_eq!(types(&sim, LEAP), ["dispatch.scheduled"]);
    assert_eq!(last(&sim, LEAP)["dispatch"]["test"], false);
}
