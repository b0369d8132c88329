//! A hydrator process's view of active dispatches, across its invocations.

use jiff::SignedDuration;
use serde_json::{Value, json};
use simulation::{Ended, Inner, Reply, Simulation};

use crate::common::{accepted, last, sim, thin, voltus};

/// Voltus states and announces a dispatch of the site `d4z9` from 17:00 to that time of the day; processes that.
fn stated(sim: &Simulation, id: &str, number: u64, end: &str) {
    let mut dispatch = voltus(id, number, 5);
    dispatch["start_time"] = json!("2023-12-01T17:00:00Z");
    dispatch["end_time"] = json!(format!("2023-12-01T{end}:00Z"));
    sim.answers("voltus-prod", &format!("/dispatches/{id}"), [Reply::Json(dispatch.to_string())]);
    accepted(sim, "voltus-prod", &thin("dispatch.update", id));
    assert_eq!(sim.hydrate(sim.take(Inner::Deliveries)), Ended::Answered(Vec::new()));
}

/// The other dispatches on its site that the last signal about one names, and their number.
fn others(sim: &Simulation, id: &str) -> (Vec<String>, u64) {
    let effective = &last(sim, &format!("voltus-prod/{id}"))["dispatch"]["targets"][0]["effective"];
    let named = effective["with"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let named = named.map(|key| key.trim_start_matches("voltus-prod/").to_owned()).collect();
    (named, effective["others"].as_u64().unwrap_or(0))
}

fn named(sim: &Simulation, id: &str) -> Vec<String> {
    others(sim, id).0
}

fn reads(sim: &Simulation, port: &str) -> usize {
    sim.calls().iter().filter(|call| call.port == port).count()
}

#[test]
fn a_process_that_lives_on_reads_only_what_changed() {
    let sim = sim(1);
    for id in ["one", "three", "two"] {
        stated(&sim, id, 0, "18:00");
    }
    assert_eq!(named(&sim, "two"), ["one", "three"]);
    assert_eq!((reads(&sim, "dispatches.active"), reads(&sim, "dispatches.changed")), (1, 2));
    let _ = sim.swap_hydrators(Vec::new());
    stated(&sim, "zwo", 0, "18:00");
    assert_eq!(named(&sim, "zwo"), ["one", "three", "two"]);
    assert_eq!((reads(&sim, "dispatches.active"), reads(&sim, "dispatches.changed")), (2, 2));
}

#[test]
fn what_another_process_wrote_meanwhile_is_seen() {
    let sim = sim(2);
    stated(&sim, "one", 0, "18:00");
    let first = sim.swap_hydrators(Vec::new());
    stated(&sim, "two", 0, "18:00");
    stated(&sim, "three", 0, "18:00");
    stated(&sim, "one", 1, "16:40");
    let second = sim.swap_hydrators(first);
    assert_eq!((second.len(), named(&sim, "one").len()), (1, 0));
    stated(&sim, "four", 0, "18:00");
    assert_eq!(named(&sim, "four"), ["three", "two"], "one is over, the others are new");
}

#[test]
fn what_the_index_showed_late_is_seen_after_all() {
    for seed in 0..20 {
        let sim = sim(seed);
        stated(&sim, "one", 0, "19:00");
        sim.lag_indexes(20_000);
        let first = sim.swap_hydrators(Vec::new());
        stated(&sim, "two", 0, "19:00");
        let _ = sim.swap_hydrators(first);
        // The first process reads while the index does not show the second dispatch yet, and often after that.
        for number in 0..12 {
            stated(&sim, &format!("elsewhere-{number}"), 0, "19:00");
            sim.advance(SignedDuration::from_secs(3));
        }
        sim.lag_indexes(0);
        assert!(named(&sim, "elsewhere-11").contains(&"two".to_owned()), "{seed}: {:?}", named(&sim, "elsewhere-11"));
    }
}

#[test]
fn all_is_read_again_now_and_then_and_what_is_over_is_let_go() {
    let sim = sim(3);
    stated(&sim, "one", 0, "17:10");
    stated(&sim, "two", 0, "19:00");
    sim.advance(SignedDuration::from_mins(35));
    stated(&sim, "three", 0, "19:00");
    assert_eq!((reads(&sim, "dispatches.active"), named(&sim, "three")), (2, vec!["two".to_owned()]));
}

#[test]
fn a_site_with_a_hundred_dispatches_is_told_the_governing_one_and_a_count() {
    let sim = sim(4);
    for number in 0..100 {
        stated(&sim, &format!("d-{number:03}"), 0, if number % 2 == 0 { "18:00" } else { "18:30" });
    }
    let (named, count) = others(&sim, "d-099");
    assert_eq!((named.len(), count), (20, 99));
    assert_eq!((named[0].as_str(), named[19].as_str()), ("d-000", "d-019"));
    let effective = &last(&sim, "voltus-prod/d-099")["dispatch"]["targets"][0]["effective"];
    assert_eq!(effective["until"], "2023-12-01T18:30:00Z");
    // All but two are withdrawn.
    for number in 0..98 {
        stated(&sim, &format!("d-{number:03}"), 1, "16:00");
    }
    stated(&sim, "d-099", 1, "18:40");
    assert_eq!(others(&sim, "d-099"), (vec!["d-098".to_owned()], 1));
}
