//! The review of each minute: its cost, what it waits for, and that it continues whatever dies or is refused.

use futures_util::future::join;
use pipeline::{
    alerts::{AcknowledgeIncident, IncidentAckOutcome},
    conditions::{Condition, FIRST_STAGE, NotedEvent, StageReport},
    config::Escalation,
    incident::IncidentStatus,
    messages::{self, ToAlert},
    ports::Deliveries,
};
use serde_json::json;
use simulation::{Function, Inner, Invocation, Reply, Simulation, Times, Toxic};

use crate::{
    clock::{LEAD, acknowledge, check, pass},
    common::{accepted, config, drain, mail_subjects, thin, voltus},
    incidents::{ABOUT, INCIDENT, fails, hint, incident, is_refused, notified_by, step},
};

/// Reminders every 15 minutes, without escalation.
fn reminded(seed: u64) -> Simulation {
    Simulation::new(seed, notified_by(900, Vec::new()))
}

/// The waiting reviews.
fn reviews(sim: &Simulation) -> Vec<Vec<String>> {
    let read = |body: &str| match messages::read(body) {
        Ok(ToAlert::Review { incidents }) => Some(incidents),
        _ => None,
    };
    sim.queued(Inner::Reviews).iter().filter_map(|message| read(&message.body)).collect()
}

#[test]
fn a_mail_that_is_to_come_costs_a_few_messages_and_none_hops() {
    let rows: [(&str, u32, Vec<Escalation>, usize); 5] = [
        ("nothing is to come", 0, Vec::new(), 1),
        ("two reminders, and a third ahead", 900, Vec::new(), 3),
        ("one step at once, one later", 0, vec![step(0, LEAD), step(600, "head@example.com")], 2),
        ("after half a minute", 0, vec![step(30, LEAD)], 2),
        ("sooner than the invocation that mails must end", 0, vec![step(10, LEAD)], 2),
    ];
    for (name, remind_s, escalate, mails) in rows {
        let sim = Simulation::new(1, notified_by(remind_s, escalate));
        fails(&sim, ABOUT);
        pass(&sim, 40);
        assert_eq!(sim.mails().len(), mails, "{name}");
        // Besides the review of each minute: timers and flushes.
        let by_alerter = |call: &&simulation::Call| call.port == "jobs.alert" && call.function == Function::Alerter;
        let sent = sim.calls().iter().filter(by_alerter).count();
        assert!(sent <= 3 * (mails - 1), "{name}: {sent}");
        let reviews =
            sim.calls().iter().filter(|call| call.port == "jobs.alert" && call.function == Function::Sweeper).count();
        assert!((38..=40).contains(&reviews), "{name}: {reviews}");
    }
}

#[test]
fn a_page_of_open_incidents_is_one_review() {
    let sim = Simulation::new(1, config());
    for n in 0..250 {
        fails(&sim, &format!("voltus-prod/d{n:03}"));
    }
    drain(&sim);
    sim.stop(Function::Alerter);
    sim.sweep();
    let pages: Vec<usize> = reviews(&sim).iter().map(Vec::len).collect();
    assert_eq!(pages, [100, 100, 50]);
    let all: std::collections::BTreeSet<String> = reviews(&sim).concat().into_iter().collect();
    assert_eq!(all.len(), 250);
}

#[test]
fn no_review_is_sent_while_earlier_ones_wait() {
    let sim = Simulation::new(1, config());
    fails(&sim, ABOUT);
    drain(&sim);
    sim.stop(Function::Alerter);
    pass(&sim, 60);
    assert_eq!(reviews(&sim).len(), 10);
    assert_eq!(sim.queued(Inner::Alerts).len(), 0, "an open incident needs no hints");
    sim.start(Function::Alerter);
    pass(&sim, 3);
    assert!(reviews(&sim).len() <= 1);
}

#[test]
fn an_escalation_after_ten_seconds_comes_after_ten_seconds() {
    let sim = Simulation::new(1, notified_by(0, vec![step(10, LEAD)]));
    let began = sim.now();
    fails(&sim, ABOUT);
    pass(&sim, 2);
    let after = sim.mails()[1].0.duration_since(began);
    assert!((10..12).contains(&after.as_secs()), "{after:?}");
}

#[test]
fn no_step_follows_while_it_may_be_a_test_and_cannot_be_read() {
    let sim = Simulation::new(1, notified_by(300, vec![step(120, LEAD)]));
    let mut dispatch = voltus("dkmq", 0, 5);
    dispatch["test"] = json!(true);
    sim.answers("voltus-prod", "dkmq", [Reply::Json(dispatch.to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    pass(&sim, 1);
    sim.fault("dispatches.read", Toxic::Refuse, Times::Always);
    let began = sim.now();
    fails(&sim, ABOUT);
    pass(&sim, 30);
    sim.heal();
    drain(&sim);
    check(&sim, began, &[(1, "", "grid-duty")]);
}

#[test]
fn a_reminder_that_waits_is_dropped_once_a_person_acknowledges() {
    let sim = reminded(1);
    let began = sim.now();
    fails(&sim, ABOUT);
    pass(&sim, 14);
    sim.fault("mailer.send", Toxic::CrashBefore, Times::First(2));
    pass(&sim, 2);
    assert!(incident(&sim, INCIDENT).waiting.is_some());
    assert_eq!(acknowledge(&sim, INCIDENT), IncidentAckOutcome::Noted);
    pass(&sim, 30);
    check(&sim, began, &[(0, "", "grid-duty")]);
}

#[test]
fn of_two_who_acknowledge_at_once_one_learns_of_the_other() {
    for seed in 0..20 {
        let sim = reminded(seed);
        fails(&sim, ABOUT);
        pass(&sim, 1);
        let both = sim.run(Function::Alerter, async |ports| {
            let incidents = AcknowledgeIncident::<Invocation<'_>> { incidents: ports, host: ports };
            join(incidents.acknowledge(INCIDENT, "one"), incidents.acknowledge(INCIDENT, "the other")).await
        });
        let (one, other) = both.answer().expect("two answers");
        let by = incident(&sim, INCIDENT).acknowledged.expect("a person");
        let outcomes = [one.expect("an answer"), other.expect("an answer")];
        assert!(outcomes.contains(&IncidentAckOutcome::Noted), "seed {seed}: {outcomes:?}");
        assert!(outcomes.contains(&IncidentAckOutcome::Already(by)), "seed {seed}: {outcomes:?}");
    }
}

#[test]
fn a_job_that_fails_for_longer_than_a_day_goes_on() {
    let sim = Simulation::new(1, notified_by(0, vec![step(30 * 3_600, LEAD)]));
    let began = sim.now();
    fails(&sim, ABOUT);
    pass(&sim, 40 * 60);
    check(&sim, began, &[(0, "", "grid-duty"), (30 * 60, "escalated", "grid-duty lead")]);
    assert_eq!(incident(&sim, INCIDENT).status, IncidentStatus::Open);
}

#[test]
fn a_key_refused_after_it_was_rotated_is_its_own_incident() {
    let sim = Simulation::new(1, config());
    let condition = Condition::KeysRotated { source: "voltus-prod".to_owned(), event: "e-1".to_owned() };
    let news =
        StageReport { stage: FIRST_STAGE.to_owned(), about: "voltus-prod".to_owned(), detail: "rotated".to_owned() };
    let event = NotedEvent { condition: condition.clone(), at: sim.now(), news };
    sim.run(Function::Receiver, async |ports| ports.note(&event).await).answer().unwrap().unwrap();
    hint(&sim, condition);
    pass(&sim, 10);
    is_refused(&sim);
    pass(&sim, 20);
    assert_eq!(mail_subjects(&sim), ["[gridbell] credentials: voltus-prod"; 2]);
    assert!(sim.incidents().all().iter().all(|incident| incident.status == IncidentStatus::Open));
    // No job waits for the key any more; its rotation counts for a day.
    pass(&sim, 20);
    let open = |key: &str| incident(&sim, key).status == IncidentStatus::Open;
    assert!(!open("credentials/voltus-prod") && open("credentials/voltus-prod/rotated/e-1"));
}

#[test]
fn an_incident_opens_although_its_hints_are_dead_letters() {
    let sim = reminded(1);
    sim.fault("alerts.read", Toxic::CrashBefore, Times::Always);
    fails(&sim, ABOUT);
    pass(&sim, 90);
    assert!(!sim.queued(Inner::AlertsDead).is_empty());
    sim.heal();
    let again = sim.now();
    pass(&sim, 20);
    let mails = sim.mails();
    assert!(mails[0].0 <= again + std::time::Duration::from_secs(125), "{:?}", mails[0].0);
    assert!(mails.iter().any(|(_, mail)| mail.subject.contains("reminder")), "{:?}", mail_subjects(&sim));
    assert!(mails.iter().all(|(at, _)| *at >= again));
}
