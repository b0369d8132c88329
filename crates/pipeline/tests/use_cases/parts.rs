//! Bodies and signals too large for one message or item: in parts, each used completely or not at all.

use jiff::SignedDuration;
use pipeline::incident::IncidentStatus;
use serde_json::{Value, json};
use simulation::{Inner, Simulation, Times, Toxic};

use crate::common::{accepted, last, leap, mail_subjects, pass, published, run_for, sim};

/// A group of so many meters, dispatched from 16:50 to 17:50.
fn group(event: &str, meters: usize) -> String {
    let meter = |index: usize| pipeline::ports::fifo_id(&format!("meter {index} ").repeat(3));
    json!({
        "integration_test_notification": false, "communication_test": false,
        "group_dispatches": [{
            "market_group_id": "g-1", "meter_ids": (0..meters).map(meter).collect::<Vec<_>>(),
            "timeslots": [{
                "market_group_event_id": event, "start_time": "2023-12-01T16:50:00Z", "end_time": "2023-12-01T17:50:00Z",
                "cancelled": false, "energy_kw": 8, "priority": 2,
            }],
        }],
    })
    .to_string()
}

fn meters(dispatch: &Value) -> usize {
    let of = |entry: &Value| entry["ids"].as_array().map_or(1, Vec::len);
    dispatch["targets"].as_array().into_iter().flatten().map(of).sum()
}

/// A simulation whose messages carry about a hundred meters.
fn small_signals(seed: u64) -> Simulation {
    let sim = sim(seed);
    sim.limit_signals(8_000);
    sim
}

#[test]
fn thirty_thousand_meters_reach_the_controller() {
    let sim = sim(1);
    let body = group("e-1", 30_000);
    assert!(body.len() > 1_900_000);
    accepted(&sim, "leap-prod", &body);
    assert!(sim.queued(Inner::Deliveries).len() > 1, "it travels in parts");
    run_for(&sim, 30);
    assert_eq!(meters(&last(&sim, "leap-prod/e-1")["dispatch"]), 30_000);
    assert!(sim.signals().len() > 1);
    assert_eq!(mail_subjects(&sim), [""; 0]);
    // A repetition publishes nothing.
    let sent = sim.signals().len();
    accepted(&sim, "leap-prod", &body);
    run_for(&sim, 120);
    assert_eq!(sim.signals().len(), sent);
    assert_eq!(mail_subjects(&sim), [""; 0]);
}

#[test]
fn a_body_of_which_a_part_is_lost_is_an_incident() {
    let sim = sim(2);
    accepted(&sim, "leap-prod", &group("e-1", 30_000));
    let mut parts = sim.take(Inner::Deliveries);
    let lost = parts.pop().expect("a part");
    assert!(!parts.is_empty());
    for part in parts {
        assert_eq!(sim.hydrate(vec![part]).answer(), Some(Vec::new()));
    }
    pass(&sim, SignedDuration::from_secs(55));
    assert_eq!((sim.signals().len(), mail_subjects(&sim).len()), (0, 0));
    pass(&sim, SignedDuration::from_secs(40));
    let mails = mail_subjects(&sim);
    assert!(mails.len() == 1 && mails[0].contains("hydration-failing: leap-prod, delivery"), "{mails:?}");
    assert_eq!(sim.hydrate(vec![lost]).answer(), Some(Vec::new()));
    run_for(&sim, 1_800);
    assert_eq!(meters(&last(&sim, "leap-prod/e-1")["dispatch"]), 30_000);
    let mails = mail_subjects(&sim);
    assert!(mails.last().is_some_and(|mail| mail.contains("Resolved: hydration-failing")), "{mails:?}");
}

#[test]
fn a_part_that_comes_twice_or_out_of_order_changes_nothing() {
    let sim = sim(3);
    accepted(&sim, "leap-prod", &group("e-1", 30_000));
    let parts = sim.take(Inner::Deliveries);
    for part in parts.iter().chain(&parts).rev().cloned() {
        assert_eq!(sim.hydrate(vec![part]).answer(), Some(Vec::new()));
    }
    run_for(&sim, 180);
    assert_eq!(meters(&last(&sim, "leap-prod/e-1")["dispatch"]), 30_000);
    assert_eq!(published(&sim)["leap-prod/e-1"].types, ["dispatch.scheduled"]);
    assert_eq!(mail_subjects(&sim), [""; 0]);
}

#[test]
fn a_receiver_that_cannot_queue_a_part_asks_for_all_again() {
    let sim = sim(4);
    sim.fault("deliveries.take", Toxic::Refuse, Times::First(1));
    let refused = crate::common::post(&sim, "leap-prod", &group("e-1", 30_000));
    assert_eq!(refused.status, 503);
    accepted(&sim, "leap-prod", &group("e-1", 30_000));
    run_for(&sim, 30);
    assert_eq!(meters(&last(&sim, "leap-prod/e-1")["dispatch"]), 30_000);
}

#[test]
fn a_half_sent_set_of_parts_is_completed_by_the_sweep() {
    let sim = small_signals(5);
    // The hydrator dies after it sent the first part.
    sim.fault("signals.send", Toxic::CrashAfter, Times::First(1));
    accepted(&sim, "leap-prod", &group("e-1", 300));
    run_for(&sim, 100);
    assert_eq!(meters(&last(&sim, "leap-prod/e-1")["dispatch"]), 300);
    let parts = sim.signals().len();
    assert!(parts > 2, "{parts} parts");
}

#[test]
fn a_set_of_parts_that_stays_incomplete_is_an_incident() {
    let sim = small_signals(6);
    sim.fault("signals.send", Toxic::Refuse, Times::Always);
    accepted(&sim, "leap-prod", &group("e-1", 300));
    run_for(&sim, 300);
    let mails = mail_subjects(&sim);
    assert!(mails.iter().any(|mail| mail.contains("hydration-failing: leap-prod/e-1")), "{mails:?}");
    sim.heal();
    pass(&sim, SignedDuration::from_mins(10));
    assert_eq!(meters(&last(&sim, "leap-prod/e-1")["dispatch"]), 300);
    let mails = mail_subjects(&sim);
    assert!(mails.iter().any(|mail| mail.contains("Resolved: hydration-failing")), "{mails:?}");
    assert!(sim.incidents().all().iter().all(|incident| incident.status == IncidentStatus::Resolved));
}

#[test]
fn an_overlap_is_stated_in_the_same_parts() {
    let sim = small_signals(7);
    accepted(&sim, "leap-prod", &group("e-1", 300));
    run_for(&sim, 10);
    let before = sim.signals().len();
    accepted(&sim, "leap-prod", &group("e-2", 300));
    run_for(&sim, 10);
    let dispatch = last(&sim, "leap-prod/e-2")["dispatch"].clone();
    assert_eq!(meters(&dispatch), 300);
    assert_eq!(sim.signals().len(), 2 * before);
    assert_eq!(dispatch["targets"][0]["effective"]["with"], json!(["leap-prod/e-1"]));
    accepted(&sim, "leap-prod", &leap("e-3", 7).to_string());
    run_for(&sim, 10);
    assert_eq!(last(&sim, "leap-prod/e-3")["dispatch"].get("part"), None, "what fits is one message");
}
