//! Bodies and answers that are broken, forged, unknown or partly readable: nothing is guessed or lost, and a person is
//! notified.

use pipeline::job::{Job, JobKind};
use serde_json::{Value, json};
use simulation::{Inner, Reply, Simulation, Times, Toxic};

use crate::common::{accepted, drain, last, leap, leap_found, mail_subjects, power, run_for, sim, thin, types, voltus};

const EVENT: &str = "11cfced0-16f4-4fb7-b72e-5ff939ae541e";
const LEAP: &str = "leap-prod/11cfced0-16f4-4fb7-b72e-5ff939ae541e";
const VOLTUS: &str = "voltus-prod/dkmq";

fn json(value: &Value) -> Reply {
    Reply::Json(value.to_string())
}

/// A simulation in which Voltus answers so about `dkmq`.
fn voltus_sim(answer: &Value) -> Simulation {
    let sim = sim(1);
    sim.answers("voltus-prod", "/dispatches/dkmq", [json(answer)]);
    sim
}

#[test]
fn an_answer_about_another_dispatch_publishes_nothing() {
    let sim = voltus_sim(&voltus("9jeq", 0, 5));
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 3_600);
    assert!(sim.signals().is_empty());
    assert_eq!(mail_subjects(&sim), ["[gridbell] hydration-failing: voltus-prod/dkmq"]);
}

#[test]
fn a_forged_resource_is_never_asked_for() {
    for resource in
        ["https://evil.example/2022-04-15/dispatches/dkmq", "//evil.example/x", "/2022-04-15/dispatches/../keys"]
    {
        let sim = sim(1);
        let body = json!({ "event": { "name": "dispatch.create" }, "resource": resource }).to_string();
        let delivery = accepted(&sim, "voltus-prod", &body);
        drain(&sim);
        assert!(sim.fetches().is_empty() && sim.signals().is_empty());
        assert_eq!(sim.quarantined()[&delivery].job.body().unwrap().unwrap(), body);
        assert_eq!(mail_subjects(&sim)[0], "[gridbell] quarantined: voltus-prod");
    }
}

#[test]
fn what_no_parser_reads_is_kept_and_mailed() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for source in ["voltus-prod", "leap-prod", "dc-1", "openvolt-prod"] {
        for body in ["null", "[]", "{}", "\"x\"", "1e400", r#""\ud800""#, &deep] {
            let sim = sim(1);
            let delivery = accepted(&sim, source, body);
            drain(&sim);
            assert_eq!(
                sim.quarantined().get(&delivery).map(|kept| kept.job.body().unwrap().unwrap()).as_deref(),
                Some(body)
            );
            assert_eq!(mail_subjects(&sim), [format!("[gridbell] quarantined: {source}")]);
        }
    }
}

#[test]
fn one_unreadable_slot_does_not_hide_the_others() {
    let sim = sim(1);
    let mut push = leap(EVENT, 10);
    let slots = push["meter_dispatches"][0]["timeslots"].as_array_mut().unwrap();
    slots.push(json!({ "meter_event_id": "22cfced0", "start_time": "tomorrow" }));
    let delivery = accepted(&sim, "leap-prod", &push.to_string());
    drain(&sim);
    assert_eq!(types(&sim, LEAP), ["dispatch.scheduled"]);
    assert!(sim.quarantined()[&delivery].reason.contains("timeslots[1]"), "{:?}", sim.quarantined());
    assert_eq!(mail_subjects(&sim)[0], "[gridbell] quarantined: leap-prod/22cfced0");
}

#[test]
fn a_dispatch_without_a_start_is_notified_whatever_else_is_odd() {
    let sim = sim(1);
    accepted(&sim, "leap-prod", "[]");
    run_for(&sim, 60);
    let mut push = leap(EVENT, 10);
    push["meter_dispatches"][0]["timeslots"][0]["start_time"] = json!("0001-01-01T00:00:00Z");
    for _ in 0..3 {
        accepted(&sim, "leap-prod", &push.to_string());
        run_for(&sim, 400);
    }
    assert!(sim.signals().is_empty());
    assert_eq!(
        mail_subjects(&sim),
        ["[gridbell] quarantined: leap-prod".to_owned(), format!("[gridbell] quarantined: {LEAP}")]
    );
}

#[test]
fn a_load_target_without_a_start_is_notified_by_its_name() {
    let sim = sim(1);
    accepted(&sim, "dc-1", "{}");
    run_for(&sim, 60);
    for start in [json!(null), json!(1_701_449_400), json!("9999-01-01T00:00:00Z")] {
        let mut load = power("start_ramp_down", false);
        load["start_time"] = start;
        accepted(&sim, "dc-1", &load.to_string());
        run_for(&sim, 400);
    }
    assert!(sim.signals().is_empty());
    let mails = ["dc-1", "dc-1/main_power_feed/c-1"].map(|about| format!("[gridbell] quarantined: {about}"));
    assert_eq!(mail_subjects(&sim), mails);
}

#[test]
fn an_unreadable_search_is_notified_as_the_dispatch_it_is_about() {
    let sim = sim(1);
    accepted(&sim, "leap-prod", &leap(EVENT, 10).to_string());
    run_for(&sim, 60);
    sim.answers("leap-prod", "/dispatch/meter/search", [Reply::Json("{\"message\":\"no\"}".to_owned())]);
    accepted(&sim, "leap-prod", &leap(EVENT, 20).to_string());
    drain(&sim);
    let mails = mail_subjects(&sim);
    assert!(mails.iter().any(|subject| *subject == format!("[gridbell] quarantined: {LEAP}")), "{mails:?}");
    assert!(sim.bookings().is_empty());
}

#[test]
fn an_unknown_event_is_looked_up_kept_and_mailed_by_its_name() {
    let sim = voltus_sim(&voltus("dkmq", 0, 5));
    let delivery = accepted(&sim, "voltus-prod", &thin("dispatch.paused", "dkmq"));
    drain(&sim);
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
    assert!(matches!(sim.quarantined()[&delivery].job.kind, JobKind::Body(_)));
    assert_eq!(mail_subjects(&sim)[0], "[gridbell] unknown-event: voltus-prod: dispatch.paused");
}

#[test]
fn an_impossible_amount_is_mailed_with_its_sites() {
    let sim = sim(1);
    let mut push = leap(EVENT, 10);
    push["meter_dispatches"][0]["timeslots"][0]["energy_kw"] = json!(-10);
    accepted(&sim, "leap-prod", &push.to_string());
    sim.hydrate(sim.take(Inner::Deliveries));
    assert!(sim.take(Inner::Alerts).is_empty(), "the mail might not know the sites yet");
    run_for(&sim, 10);
    assert_eq!(last(&sim, LEAP)["dispatch"]["request"], json!({ "kind": "unspecified" }));
    let (_, mail) = sim.mails().remove(0);
    assert_eq!(crate::common::digest(&mail.subject), format!("[gridbell] quarantined: {LEAP}"));
    assert!(mail.text.contains("dd21c76c-7126-4ef7-b0a6-f190fad300b2"), "{}", mail.text);
}

#[test]
fn a_data_centre_that_does_not_reach_its_target_is_mailed() {
    let sim = sim(1);
    accepted(&sim, "dc-1", &power("start_ramp_down", false).to_string());
    run_for(&sim, 600);
    assert!(mail_subjects(&sim).is_empty(), "not to comply is normal while ramping");
    accepted(&sim, "dc-1", &power("end_ramp_down", false).to_string());
    drain(&sim);
    assert_eq!(mail_subjects(&sim)[0], "[gridbell] not-compliant: dc-1/main_power_feed/c-1");
}

#[test]
fn rotated_keys_are_mailed() {
    let sim = sim(1);
    let event = json!({
        "subscription_id": "s-1", "event_id": "api_keys.rotated", "event_timestamp": "2023-12-01T11:05:00Z",
        "delivery_id": "dlv-9", "payload": "",
    });
    accepted(&sim, "openvolt-prod", &event.to_string());
    drain(&sim);
    assert_eq!(types(&sim, "openvolt-prod/account"), ["account.api_keys.rotated"]);
    assert_eq!(mail_subjects(&sim)[0], "[gridbell] credentials: openvolt-prod");
}

#[test]
fn what_a_failing_queue_did_not_let_us_report_is_mailed_later() {
    // The diagnostic belongs to the body; the fetch request of the same delivery must not replace it.
    for port in ["jobs.retry", "jobs.alert"] {
        for toxic in [Toxic::Refuse, Toxic::LoseAnswer] {
            let sim = voltus_sim(&voltus("dkmq", 0, 5));
            sim.fault(port, toxic, Times::First(1));
            let delivery = accepted(&sim, "voltus-prod", &thin("dispatch.paused", "dkmq"));
            drain(&sim);
            assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
            assert!(sim.quarantined().contains_key(&delivery), "{port} {toxic:?}");
            assert_eq!(mail_subjects(&sim)[0], "[gridbell] unknown-event: voltus-prod: dispatch.paused");
        }
    }
}

#[test]
fn a_message_that_is_none_of_ours_is_quarantined() {
    let sim = sim(1);
    sim.put(Inner::Deliveries, "{\"hello\":1}");
    drain(&sim);
    assert_eq!(sim.quarantined().len(), 1);
    assert_eq!(mail_subjects(&sim)[0], "[gridbell] quarantined: unknown");
}

#[test]
fn a_source_that_is_configured_no_more_is_retried() {
    let mut config = crate::common::config();
    config.sources.remove("dc-1");
    let sim = Simulation::new(1, config);
    let job = Job::messages("d-7", "dc-1", sim.now(), &power("start_ramp_down", false).to_string(), None).remove(0);
    sim.put(Inner::Deliveries, &job);
    run_for(&sim, 3_600);
    assert_eq!(mail_subjects(&sim), ["[gridbell] hydration-failing: dc-1, delivery d-7"]);
    assert_eq!(sim.bookings().len(), 1);
}

#[test]
fn a_sandbox_is_a_test_whatever_the_body_says() {
    let sim = sim(1);
    sim.answers("voltus-sandbox", "dkmq", [json(&voltus("dkmq", 0, 5))]);
    accepted(&sim, "voltus-sandbox", &thin("dispatch.create", "dkmq"));
    drain(&sim);
    let dispatch = last(&sim, "voltus-sandbox/dkmq")["dispatch"].take();
    assert_eq!((dispatch["test"].as_bool(), dispatch["test_reason"].as_str()), (Some(true), Some("sandbox")));
    assert_eq!(sim.signals()[0].attributes["test"], "true");
}

#[test]
fn what_a_search_answer_gives_cause_to_report_is_mailed() {
    let sim = sim(1);
    let mut found = leap_found(EVENT, 20);
    let mut unreadable = found["meter_dispatches"][0].clone();
    unreadable["meter_id"] = json!("another-meter");
    unreadable["timeslots"][0]["start_time"] = json!("yesterday");
    found["meter_dispatches"].as_array_mut().unwrap().push(unreadable);
    sim.answers("leap-prod", "/dispatch/meter/search", [json(&found)]);
    accepted(&sim, "leap-prod", &leap(EVENT, 10).to_string());
    drain(&sim);
    accepted(&sim, "leap-prod", &leap(EVENT, 15).to_string());
    drain(&sim);
    assert_eq!(types(&sim, LEAP), ["dispatch.scheduled", "dispatch.updated"]);
    assert!(mail_subjects(&sim).iter().any(|subject| subject.contains("quarantined")), "{:?}", mail_subjects(&sim));
}

/// The size limit of a signal's body: SQS's limit, less room for the attributes.
const LIMIT_BYTES: usize = 1_048_576 - 4_096;

#[test]
fn what_a_message_just_carries_is_published_and_no_byte_more() {
    let play = |bytes: usize| {
        let sim = sim(1);
        let event = json!({
            "subscription_id": "s-1", "event_id": "customer.created", "event_timestamp": "2023-12-01T11:05:00Z",
            "delivery_id": "dlv-1", "payload": "x".repeat(bytes),
        });
        accepted(&sim, "openvolt-prod", &event.to_string());
        run_for(&sim, 5);
        let published: Vec<usize> = sim.signals().iter().map(|signal| signal.body.len()).collect();
        (published, sim.quarantined().len())
    };
    let room = LIMIT_BYTES - play(0).0[0];
    assert_eq!(play(room), (vec![LIMIT_BYTES], 0));
    assert_eq!(play(room + 1), (Vec::new(), 1));
}

#[test]
fn what_no_message_can_carry_is_quarantined_and_blocks_nothing() {
    let sim = sim(1);
    let event = |delivery: &str, payload: &str| {
        json!({
            "subscription_id": "s-1", "event_id": "customer.created", "event_timestamp": "2023-12-01T11:05:00Z",
            "delivery_id": delivery, "payload": payload,
        })
    };
    let large = accepted(&sim, "openvolt-prod", &event("dlv-1", &"x".repeat(1_200_000)).to_string());
    drain(&sim);
    assert!(sim.signals().is_empty() && sim.quarantined().contains_key(&large));
    assert_eq!(mail_subjects(&sim)[0], "[gridbell] quarantined: openvolt-prod/account");
    accepted(&sim, "openvolt-prod", &event("dlv-2", "x").to_string());
    drain(&sim);
    assert_eq!(types(&sim, "openvolt-prod/account"), ["account.customer.created"]);
}
