//! Failures that the swarm of `simulation` found, each by its symptom and without random faults.

use std::iter;

use jiff::SignedDuration;
use pipeline::{
    config::TokenHash,
    incident::IncidentStatus,
    job::{FailureKind, Message},
};
use serde_json::json;
use simulation::{Inner, Reply, Simulation, Times, Toxic};

use crate::{
    common::{self, accepted, config, leap, leap_found, mail_subjects, thin, types, voltus},
    retry::{failed_once, failure, tired},
};

/// A simulation in which a controller must acknowledge.
fn acknowledging() -> Simulation {
    let mut config = config();
    config.deadlines.acknowledge = true;
    config.acks.tokens = vec![TokenHash::of("a-token-for-controllers")];
    Simulation::new(1, config)
}

fn run_for(sim: &Simulation, minutes: i64) {
    common::pass(sim, SignedDuration::from_mins(minutes));
}

#[test]
fn a_dispatch_that_is_never_acknowledged_stays_at_risk_for_ever() {
    for test in [false, true] {
        let sim = acknowledging();
        let mut dispatch = voltus("dkmq", 0, 5);
        dispatch["test"] = json!(test);
        sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(dispatch.to_string())]);
        accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
        run_for(&sim, 60);
        let status: Vec<IncidentStatus> = sim.incidents().all().iter().map(|incident| incident.status).collect();
        assert_eq!(status, [IncidentStatus::Resolved], "test: {test}");
        assert!(mail_subjects(&sim).last().is_some_and(|subject| subject.contains("Resolved: ")), "test: {test}");
    }
}

#[test]
fn an_acknowledgement_hours_late_does_not_end_the_incident() {
    let sim = acknowledging();
    let mut dispatch = voltus("dkmq", 0, 5);
    dispatch["end_time"] = json!(null);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(dispatch.to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 180);
    let body = json!({ "dispatch": "voltus-prod/dkmq", "version": 1, "state": "accepted" }).to_string();
    sim.acknowledge("a-token-for-controllers", &body);
    run_for(&sim, 5);
    assert_eq!(
        mail_subjects(&sim).last().map(String::as_str),
        Some("[gridbell] Resolved: dispatch-at-risk: voltus-prod/dkmq")
    );
}

#[test]
fn a_delivery_is_lost_where_a_retrier_dies_after_its_booking() {
    let sim = Simulation::new(1, config());
    sim.answers(
        "voltus-prod",
        "/dispatches/dkmq",
        [Reply::Status(429, Some(600)), Reply::Json(voltus("dkmq", 0, 5).to_string())],
    );
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    sim.fault("deliveries.book", Toxic::CrashAfter, Times::First(1));
    run_for(&sim, 70);
    assert_eq!(types(&sim, "voltus-prod/dkmq"), ["dispatch.scheduled"]);
}

/// Leap states 10, 20, and 10 again. The webhook of the last arrived while the search about the 20 was being settled:
/// it repeated the stored terms, and was taken for a repetition.
fn taken_back(again: impl IntoIterator<Item = Reply>, hurt: impl FnOnce(&Simulation)) {
    let sim = Simulation::new(1, config());
    let found = |energy_kw| Reply::Json(leap_found("e-1", energy_kw).to_string());
    sim.answers("leap-prod", "/search", iter::once(found(20)).chain(again).chain([found(10)]));
    accepted(&sim, "leap-prod", &leap("e-1", 10).to_string());
    run_for(&sim, 1);
    hurt(&sim);
    accepted(&sim, "leap-prod", &leap("e-1", 20).to_string());
    run_for(&sim, 10);
    let types = types(&sim, "leap-prod/e-1");
    assert_eq!(types, ["dispatch.scheduled", "dispatch.updated", "dispatch.updated"]);
}

#[test]
fn what_leap_took_back_within_a_second_stood() {
    taken_back([], |_| {});
}

#[test]
fn what_leap_took_back_at_once_stood_where_its_search_failed() {
    taken_back([Reply::Status(500, None), Reply::Json("null".to_owned())], |_| {});
}

#[test]
fn what_leap_took_back_at_once_stood_where_the_hydrator_died() {
    for port in ["dispatches.write", "signals.send"] {
        taken_back([], |sim| sim.fault(port, Toxic::CrashAfter, Times::First(1)));
    }
}

#[test]
fn a_tests_cancel_is_dropped_where_the_search_omits_it_once() {
    let sim = Simulation::new(1, config());
    let test = |watts: u64, cancelled: bool| {
        let mut body = leap("e-1", watts);
        body["communication_test"] = json!(true);
        body["meter_dispatches"][0]["timeslots"][0]["cancelled"] = json!(cancelled);
        body.to_string()
    };
    let found = |cancelled: bool| {
        let mut found = leap_found("e-1", 20);
        found["meter_dispatches"][0]["timeslots"][0]["cancelled"] = json!(cancelled);
        Reply::Json(found.to_string())
    };
    let nothing = Reply::Json(json!({ "meter_dispatches": [], "next_page_token": null }).to_string());
    sim.answers("leap-prod", "/search", [found(false), nothing, found(true)]);
    for body in [test(10, false), test(20, false), test(20, true)] {
        accepted(&sim, "leap-prod", &body);
        run_for(&sim, 5);
    }
    let types = types(&sim, "leap-prod/e-1");
    assert_eq!(types.last().map(String::as_str), Some("dispatch.cancelled"), "{types:?}");
}

#[test]
fn an_old_message_that_comes_again_starts_no_second_chain() {
    let sim = failed_once(1);
    let first = failure(tired(&sim, "d-1", 0), FailureKind::Provider, sim.now());
    let second = failure(tired(&sim, "d-1", 1), FailureKind::Provider, sim.now());
    sim.take(Inner::Retries);
    let sent = |message: &Message, receives: u32| {
        sim.retry(vec![Message { receives, ..message.clone() }]);
        sim.queued(Inner::Deliveries).len()
    };
    assert_eq!(sent(&first, 1), 1);
    // The attempt is booked, and perhaps not sent.
    assert_eq!(sent(&first, 2), 2);
    assert_eq!(sent(&second, 1), 3);
    // That attempt was made.
    assert_eq!(sent(&first, 3), 3);
}
