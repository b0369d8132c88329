//! Incidents that stayed open for ever, or whose end was not mailed, found by the swarm of `simulation`: each by its
//! symptom.

use jiff::SignedDuration;
use pipeline::{config::TokenHash, incident::IncidentStatus};
use serde_json::json;
use simulation::{Inner, Reply, Simulation, Times, Toxic};

use crate::{
    common::{self, accepted, config, mail_subjects, power, thin, voltus, worth_a_fault},
    incidents::{ABOUT, fails, hours, incident, is_quarantined, works},
};

fn run_for(sim: &Simulation, minutes: i64) {
    common::pass(sim, SignedDuration::from_mins(minutes));
}

/// Every incident that was mailed is resolved, and that was mailed, too.
fn all_is_resolved(sim: &Simulation) {
    for incident in sim.incidents().all() {
        assert_eq!(incident.status, IncidentStatus::Resolved, "{incident:?}");
        let mailed = |stage: &str| incident.mails.contains_key(stage);
        assert!(incident.mails.is_empty() || mailed("resolved"), "{incident:?}");
        assert!(incident.waiting.is_none(), "{incident:?}");
    }
}

#[test]
fn an_incident_stays_open_where_the_alerter_dies_over_it() {
    for after_s in [30, 60, 90] {
        let sim = Simulation::new(1, config());
        is_quarantined(&sim, "voltus-prod", "one");
        sim.fault("alerts.write", Toxic::CrashAfter, Times::First(1));
        common::pass(&sim, SignedDuration::from_secs(after_s));
        is_quarantined(&sim, "voltus-prod", "two");
        common::pass(&sim, hours(25));
        assert_eq!(sim.incidents().all().len(), 1);
        all_is_resolved(&sim);
    }
}

#[test]
fn its_end_is_not_mailed_where_the_alerter_dies_over_a_refusal() {
    let sim = Simulation::new(1, config());
    fails(&sim, ABOUT);
    run_for(&sim, 10);
    sim.fault("mailer.send", Toxic::Refuse, Times::First(1));
    sim.fault("jobs.alert", Toxic::CrashBefore, Times::First(1));
    works(&sim, ABOUT);
    run_for(&sim, 120);
    let subjects = mail_subjects(&sim);
    assert_eq!(subjects, ["", "Resolved: "].map(|what| format!("[gridbell] {what}hydration-failing: {ABOUT}")));
    all_is_resolved(&sim);
}

#[test]
fn its_end_is_not_mailed_where_nothing_can_be_read_then() {
    let sim = Simulation::new(1, config());
    fails(&sim, ABOUT);
    run_for(&sim, 10);
    sim.fault("mailer.send", Toxic::Refuse, Times::First(1));
    works(&sim, ABOUT);
    while incident(&sim, "hydration-failing/voltus-prod/dkmq").status == IncidentStatus::Open {
        common::pass(&sim, SignedDuration::from_secs(1));
    }
    sim.fault("dispatches.read", Toxic::Refuse, Times::First(1));
    run_for(&sim, 120);
    all_is_resolved(&sim);
}

#[test]
fn what_works_stays_failing_where_a_hints_answer_was_lost() {
    let sim = Simulation::new(1, config());
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    sim.fault("api.fetch", Toxic::CrashBefore, Times::First(1));
    sim.fault("jobs.alert", Toxic::LoseAnswer, Times::First(1));
    run_for(&sim, 60);
    assert_eq!(sim.incidents().all().len(), 1);
    all_is_resolved(&sim);
}

#[test]
fn a_source_stays_down_where_the_poll_died_right_after_its_hint() {
    let mut config = config();
    config.sources.get_mut("voltus-prod").expect("a source").poll_s = 60;
    let sim = Simulation::new(1, config);
    let list = json!({ "dispatches": [], "page": 0, "perPage": 0 }).to_string();
    sim.answers("voltus-prod", "/2022-04-15/dispatches", [Reply::Refused, Reply::Json(list)]);
    sim.fault("jobs.alert", Toxic::CrashAfter, Times::First(1));
    run_for(&sim, 30);
    assert_eq!(mail_subjects(&sim).len(), 2, "{:?}", mail_subjects(&sim));
    all_is_resolved(&sim);
}

#[test]
fn dead_letters_stay_an_incident_where_the_sweep_died_over_them() {
    for (toxic, mails) in [(Toxic::CrashBefore, 0), (Toxic::CrashAfter, 2)] {
        let sim = Simulation::new(1, config());
        sim.send_heartbeats();
        sim.put(Inner::RetriesDead, "dead");
        sim.fault("jobs.alert", toxic, Times::First(1));
        sim.sweep();
        if mails > 0 {
            run_for(&sim, 10);
        }
        sim.take(Inner::RetriesDead);
        run_for(&sim, 10);
        assert_eq!(mail_subjects(&sim).len(), mails, "{toxic:?}: {:?}", mail_subjects(&sim));
        all_is_resolved(&sim);
    }
}

#[test]
fn a_controllers_failure_stays_open_without_a_hint_at_its_end() {
    let mut config = config();
    config.deadlines.acknowledge = true;
    config.acks.tokens = vec![TokenHash::of("a-token-for-controllers")];
    let sim = Simulation::new(1, config);
    let mut withdrawn = voltus("dkmq", 1, 5);
    withdrawn["authorized"] = json!(false);
    let answers = [voltus("dkmq", 0, 5), withdrawn].map(|answer| Reply::Json(answer.to_string()));
    sim.answers("voltus-prod", "/dispatches/dkmq", answers);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    sim.settle(SignedDuration::from_secs(10));
    let says = |state: &str| {
        let body = json!({ "dispatch": "voltus-prod/dkmq", "version": 1, "state": state }).to_string();
        sim.acknowledge("a-token-for-controllers", &body).answer().map(|answer| answer.status)
    };
    assert_eq!(says("failed"), Some(200));
    sim.settle(SignedDuration::from_secs(10));
    sim.fault("jobs.alert", Toxic::Refuse, Times::First(1));
    assert_eq!(says("accepted"), Some(503));
    accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
    run_for(&sim, 60);
    assert!(sim.incidents().get("dispatch-at-risk/voltus-prod/dkmq/failed").is_some());
    all_is_resolved(&sim);
}

#[test]
fn a_ramp_whose_end_never_comes_is_an_incident_for_ever() {
    let sim = Simulation::new(1, config());
    accepted(&sim, "dc-1", &power("start_ramp_down", true).to_string());
    run_for(&sim, 27 * 60);
    let incident = incident(&sim, "not-compliant/dc-1/main_power_feed/c-1");
    assert!(incident.detail.contains("nothing more was heard of it for a day"), "{incident:?}");
    all_is_resolved(&sim);
}

/// The end of that day, with each call failing once.
#[test]
fn what_is_not_heard_of_for_a_day_is_resolved_once() {
    let history = |fault: Option<(usize, Toxic)>| {
        let sim = Simulation::new(1, config());
        let mut ramp = power("start_ramp_down", true);
        ramp["end_time"] = json!("2023-12-01T16:51:00Z");
        accepted(&sim, "dc-1", &ramp.to_string());
        run_for(&sim, 20);
        assert_eq!(mail_subjects(&sim).len(), 1);
        sim.advance(hours(24) - SignedDuration::from_mins(7));
        let before = sim.calls().len();
        if let Some((call, toxic)) = fault {
            sim.fault_at(call, toxic);
        }
        run_for(&sim, 30);
        (sim, before)
    };
    let (calm, before) = history(None);
    for (call, _) in worth_a_fault(&calm.calls(), before) {
        for toxic in Toxic::ALL {
            let (sim, _) = history(Some((call, toxic)));
            all_is_resolved(&sim);
            let mut subjects = mail_subjects(&sim);
            subjects.dedup();
            assert_eq!(subjects.len(), 2, "{call} {toxic:?}: {subjects:?}");
        }
    }
}
