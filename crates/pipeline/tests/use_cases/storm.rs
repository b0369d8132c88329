//! More webhooks than the provider allows requests: its list answers them; nothing is lost or missed, and the limit is
//! respected.

use jiff::{SignedDuration, Timestamp};
use pipeline::messages::{self, ToHydrate};
use serde_json::{Value, json};
use simulation::{Inner, Reply, Simulation};

use crate::{
    common::{accepted, last, mail_subjects, published, thin, types, voltus},
    poll::{LIST, list, lists, polled, polling, run_for},
};

/// Voltus allows so few requests a minute, and is polled.
fn allowing(seed: u64, a_minute: u32) -> Simulation {
    let mut config = polled(&["voltus-prod"]);
    config.sources.get_mut("voltus-prod").expect("a source").requests_a_minute = Some(a_minute);
    let sim = Simulation::new(seed, config);
    lists(&sim, &[]);
    run_for(&sim, 90);
    sim
}

/// A dispatch that starts in an hour or later.
fn later(n: usize, number: u64, kw: u64) -> Value {
    let mut dispatch = voltus(&format!("d{n:03}"), number, kw);
    dispatch["start_time"] = json!("2023-12-01T19:00:00Z");
    dispatch["end_time"] = json!("2023-12-01T20:00:00Z");
    dispatch
}

fn all(count: usize, number: u64, kw: u64) -> Vec<Value> {
    (0..count).map(|n| later(n, number, kw)).collect()
}

/// The provider lists these dispatches and answers about each of them.
fn knows(sim: &Simulation, dispatches: &[Value]) {
    lists(sim, dispatches);
    for dispatch in dispatches {
        let id = dispatch["id"].as_str().expect("an id");
        sim.answers("voltus-prod", &format!("/dispatches/{id}"), [Reply::Json(dispatch.to_string())]);
    }
}

fn announced(sim: &Simulation, event: &str, count: usize) {
    for n in 0..count {
        accepted(sim, "voltus-prod", &thin(event, &format!("d{n:03}")));
    }
}

fn asked(sim: &Simulation) -> Vec<Timestamp> {
    sim.fetches().iter().map(|fetch| fetch.at).collect()
}

/// The most requests in any minute.
fn most_in_a_minute(asked: &[Timestamp]) -> usize {
    let within = |from: &Timestamp| {
        asked
            .iter()
            .filter(|at| (SignedDuration::ZERO..SignedDuration::from_mins(1)).contains(&at.duration_since(*from)))
            .count()
    };
    asked.iter().map(within).max().unwrap_or(0)
}

#[test]
fn a_burst_of_webhooks_is_answered_by_a_few_lists() {
    for seed in 0..2 {
        let sim = polling(seed);
        run_for(&sim, 90);
        let before = sim.fetches().len();
        knows(&sim, &all(150, 0, 5));
        announced(&sim, "dispatch.create", 150);
        run_for(&sim, 240);
        assert_eq!(published(&sim).len(), 150, "seed {seed}");
        assert_eq!(mail_subjects(&sim), [""; 0], "seed {seed}: what webhooks announced was not missed");
        let asked = asked(&sim).split_off(before);
        assert!(asked.len() < 120 && most_in_a_minute(&asked) <= 300, "seed {seed}: {} requests", asked.len());
        // Updates are no repetitions: each appears in a list that began after its arrival.
        knows(&sim, &all(150, 1, 9));
        announced(&sim, "dispatch.update", 150);
        run_for(&sim, 240);
        assert!((0..150).all(|n| last(&sim, &format!("voltus-prod/d{n:03}"))["dispatch"]["request"]["watts"] == 9_000));
        run_for(&sim, 600);
        assert_eq!(mail_subjects(&sim), [""; 0], "seed {seed}");
        assert!(sim.bookings().is_empty() && sim.queued(Inner::Deliveries).is_empty());
    }
}

#[test]
fn a_dispatch_that_the_list_does_not_show_is_fetched_by_itself() {
    let sim = allowing(5, 150);
    knows(&sim, &all(100, 0, 5));
    lists(&sim, &all(92, 0, 5));
    announced(&sim, "dispatch.create", 100);
    run_for(&sim, 240);
    assert_eq!(published(&sim).len(), 100);
    assert_eq!(mail_subjects(&sim), [""; 0]);
}

#[test]
fn a_provider_without_a_list_is_asked_as_often_as_it_allows_and_no_more() {
    let sim = allowing(6, 50);
    knows(&sim, &all(100, 0, 5));
    sim.answers("voltus-prod", LIST, [Reply::Missing]);
    announced(&sim, "dispatch.create", 100);
    run_for(&sim, 1_200);
    assert_eq!(published(&sim).len(), 100);
    let most = most_in_a_minute(&asked(&sim));
    assert!(most <= 50, "{most} requests in a minute");
}

#[test]
fn what_waits_for_a_list_while_the_provider_is_down_is_mailed_in_time() {
    let sim = allowing(7, 30);
    sim.answers("voltus-prod", LIST, [Reply::Status(503, None)]);
    let began = sim.now();
    announced(&sim, "dispatch.create", 60);
    run_for(&sim, 110);
    let named: Vec<String> = sim.mails().iter().map(|(_, mail)| format!("{}\n{}", mail.subject, mail.text)).collect();
    let is_named = |n: &usize| named.iter().any(|text| text.contains(&format!("voltus-prod/d{n:03}")));
    let unnamed: Vec<usize> = (0..60).filter(|n| !is_named(n)).collect();
    assert_eq!(unnamed, [0; 0], "mails {:?} s after the first webhook", crate::common::mailed_s(&sim, began));
    knows(&sim, &all(60, 0, 5));
    run_for(&sim, 120);
    assert_eq!(published(&sim).len(), 60, "all of them within two minutes or so");
    run_for(&sim, 1_800);
    let resolved =
        sim.incidents().all().iter().all(|incident| incident.status == pipeline::incident::IncidentStatus::Resolved);
    assert!(resolved && sim.bookings().is_empty());
}

#[test]
fn after_a_refusal_each_process_asks_once_and_then_waits_as_the_provider_said() {
    let sim = polling(8);
    run_for(&sim, 90);
    let before = sim.fetches().len();
    sim.answers("voltus-prod", LIST, [Reply::Status(429, Some(50))]);
    announced(&sim, "dispatch.create", 100);
    run_for(&sim, 45);
    let refused = sim.fetches().len() - before;
    assert!(refused <= 30, "{refused} requests of three processes, ten at once each");
    knows(&sim, &all(100, 0, 5));
    run_for(&sim, 300);
    assert_eq!(published(&sim).len(), 100);
}

#[test]
fn what_was_announced_before_a_list_began_is_not_answered_by_it() {
    let sim = allowing(9, 60);
    knows(&sim, &all(80, 0, 5));
    announced(&sim, "dispatch.create", 80);
    run_for(&sim, 6);
    // The next list shows another version than the previous one.
    knows(&sim, &all(80, 3, 7));
    announced(&sim, "dispatch.update", 80);
    run_for(&sim, 120);
    let watts = |n: usize| last(&sim, &format!("voltus-prod/d{n:03}"))["dispatch"]["request"]["watts"].clone();
    assert!((0..80).all(|n| watts(n) == 7_000));
}

#[test]
fn a_lonely_webhook_is_fetched_at_once_and_takes_no_further_call() {
    let sim = polling(10);
    run_for(&sim, 90);
    let calls = sim.calls().len();
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(later(0, 0, 5).to_string().replace("d000", "dkmq"))]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 2);
    assert_eq!(types(&sim, "voltus-prod/dkmq"), ["dispatch.scheduled"]);
    let ports: Vec<&str> = sim.calls()[calls..].iter().map(|call| call.port).collect();
    assert!(!ports.iter().any(|port| port.contains("poll_state") || port.contains("shown")), "{ports:?}");
}

#[test]
fn facts_of_a_list_that_cannot_be_stored_are_tried_again() {
    let sim = polling(11);
    run_for(&sim, 90);
    lists(&sim, &all(250, 0, 5));
    sim.fault("dispatches.write", simulation::Toxic::Refuse, simulation::Times::First(30));
    run_for(&sim, 600);
    assert_eq!(published(&sim).len(), 250);
    assert!(sim.bookings().is_empty() && sim.quarantined().is_empty());
}

#[test]
fn the_facts_of_a_list_travel_in_messages_of_bounded_size() {
    let sim = polling(12);
    let mut large: Vec<Value> = all(300, 0, 5);
    for dispatch in &mut large {
        dispatch["metadata"] = json!("x".repeat(5_000));
    }
    sim.answers("voltus-prod", LIST, [list(&large)]);
    sim.stop(simulation::Function::Hydrator);
    run_for(&sim, 70);
    sim.start(simulation::Function::Hydrator);
    let poll = sim.take(Inner::Deliveries);
    sim.hydrate(poll);
    let queued = sim.queued(Inner::Deliveries);
    let listed = queued.iter().filter(|message| match messages::read::<ToHydrate>(&message.body) {
        Ok(ToHydrate::Job(job)) => matches!(job.kind, pipeline::job::JobKind::Listed(_)),
        _ => false,
    });
    let sizes: Vec<usize> = listed.map(|message| message.body.len()).collect();
    assert!(sizes.len() >= 10 && sizes.iter().all(|size| *size < 300_000), "{sizes:?}");
    run_for(&sim, 120);
    assert_eq!(published(&sim).len(), 300);
}
