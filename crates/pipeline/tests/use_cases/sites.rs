//! One effective view of a site: a signal states until when other dispatches curtail it as well.

use serde_json::{Value, json};
use simulation::{Ended, Inner, Reply, Simulation, Times, Toxic};

use crate::common::{accepted, drain, last, leap, published, sim, thin, types, voltus};

/// A dispatch of that site from one time of the day to another.
fn dispatch(id: &str, site: &str, (start, end): (&str, Option<&str>), number: u64) -> Value {
    let mut dispatch = voltus(id, number, 5);
    dispatch["start_time"] = json!(format!("2023-12-01T{start}:00Z"));
    dispatch["end_time"] = end.map_or(Value::Null, |end| json!(format!("2023-12-01T{end}:00Z")));
    dispatch["sites"][0]["id"] = json!(site);
    dispatch
}

/// Voltus states and announces it; processes that.
fn stated(sim: &Simulation, dispatch: &Value) {
    announced(sim, dispatch);
    assert_eq!(sim.hydrate(sim.take(Inner::Deliveries)), Ended::Answered(Vec::new()));
}

fn announced(sim: &Simulation, dispatch: &Value) {
    let id = dispatch["id"].as_str().unwrap();
    sim.answers("voltus-prod", &format!("/dispatches/{id}"), [Reply::Json(dispatch.to_string())]);
    accepted(sim, "voltus-prod", &thin("dispatch.update", id));
}

/// The field of the first target in the last signal about a dispatch.
fn effective(sim: &Simulation, id: &str) -> Option<Value> {
    last(sim, &format!("voltus-prod/{id}"))["dispatch"]["targets"][0].get("effective").cloned()
}

fn until(end: Option<&str>, governed_by: &str, with: &[&str]) -> Value {
    let end = end.map(|end| format!("2023-12-01T{end}:00Z"));
    let with: Vec<String> = with.iter().map(|id| format!("voltus-prod/{id}")).collect();
    json!({ "until": end, "governed_by": format!("voltus-prod/{governed_by}"), "with": with, "others": with.len() })
}

#[test]
fn overlapping_dispatches_say_until_when_a_site_stays_curtailed() {
    let sim = sim(1);
    stated(&sim, &dispatch("one", "d4z9", ("16:30", Some("17:00")), 0));
    assert_eq!(effective(&sim, "one"), None, "it stands alone");
    stated(&sim, &dispatch("two", "d4z9", ("16:35", None), 0));
    assert_eq!(effective(&sim, "two"), Some(until(None, "one", &["one"])));
    stated(&sim, &dispatch("two", "d4z9", ("16:35", Some("17:20")), 1));
    assert_eq!(effective(&sim, "two"), Some(until(Some("17:20"), "one", &["one"])));
    // The first ends now; the second still curtails the site.
    stated(&sim, &dispatch("one", "d4z9", ("16:30", Some("16:40")), 1));
    assert_eq!(types(&sim, "voltus-prod/one"), ["dispatch.scheduled", "dispatch.ended"]);
    assert_eq!(effective(&sim, "one"), Some(until(Some("17:20"), "two", &["two"])));
    // No dispatch curtails the site any more.
    stated(&sim, &dispatch("two", "d4z9", ("16:35", Some("16:40")), 2));
    assert_eq!(effective(&sim, "two"), None);
}

#[test]
fn back_to_back_is_stated_and_another_site_or_a_gap_is_not() {
    let sim = sim(2);
    stated(&sim, &dispatch("one", "d4z9", ("17:00", Some("18:00")), 0));
    stated(&sim, &dispatch("next", "d4z9", ("18:00", Some("19:00")), 0));
    assert_eq!(effective(&sim, "next"), Some(until(Some("19:00"), "one", &["one"])));
    stated(&sim, &dispatch("later", "d4z9", ("19:30", Some("20:00")), 0));
    stated(&sim, &dispatch("elsewhere", "e5", ("17:00", Some("18:00")), 0));
    assert_eq!((effective(&sim, "later"), effective(&sim, "elsewhere")), (None, None));
}

#[test]
fn what_is_withdrawn_or_a_test_keeps_no_real_site() {
    let sim = sim(3);
    stated(&sim, &dispatch("one", "d4z9", ("16:30", Some("18:00")), 0));
    let mut withdrawn = dispatch("one", "d4z9", ("16:30", Some("18:00")), 1);
    withdrawn["authorized"] = json!(false);
    stated(&sim, &withdrawn);
    let mut test = dispatch("test", "d4z9", ("16:30", Some("18:00")), 0);
    test["test"] = json!(true);
    stated(&sim, &test);
    stated(&sim, &dispatch("two", "d4z9", ("16:35", Some("17:00")), 0));
    assert_eq!((effective(&sim, "test"), effective(&sim, "two")), (None, None));
}

#[test]
fn what_comes_in_one_batch_is_seen_and_read_for_once() {
    let sim = sim(4);
    for id in ["one", "two", "three"] {
        announced(&sim, &dispatch(id, "d4z9", ("17:00", Some("18:00")), 0));
    }
    assert_eq!(sim.hydrate(sim.take(Inner::Deliveries)), Ended::Answered(Vec::new()));
    let seen = ["one", "two", "three"].into_iter().filter_map(|id| effective(&sim, id)).collect::<Vec<_>>();
    assert!(seen.len() >= 2, "whoever is published later sees the earlier ones: {seen:?}");
    assert_eq!(sim.calls().iter().filter(|call| call.port == "dispatches.active").count(), 1);
}

#[test]
fn nothing_is_read_for_an_unchanged_redelivery() {
    let sim = sim(5);
    let one = dispatch("one", "d4z9", ("17:00", Some("18:00")), 0);
    stated(&sim, &one);
    let before = sim.calls().len();
    stated(&sim, &one);
    let reads = ["dispatches.active", "dispatches.changed"];
    assert!(sim.calls()[before..].iter().all(|call| !reads.contains(&call.port)));
    assert_eq!(types(&sim, "voltus-prod/one"), ["dispatch.scheduled"]);
}

#[test]
fn an_unchanged_redelivery_is_only_read_by_a_process_that_has_seen_the_dispatch() {
    let sim = sim(5);
    let one = dispatch("one", "d4z9", ("17:00", Some("18:00")), 0);
    let ports = |sim: &Simulation| {
        let before = sim.calls().len();
        stated(sim, &one);
        let calls = sim.calls().split_off(before);
        calls.into_iter().map(|call| call.port).filter(|port| port.starts_with("dispatches.")).collect::<Vec<_>>()
    };
    assert!(ports(&sim).contains(&"dispatches.write"));
    assert_eq!(ports(&sim), ["dispatches.read"], "a refused write costs more");
    let _ = sim.swap_hydrators(Vec::new());
    assert_eq!(ports(&sim), ["dispatches.write"], "which is refused and brings the record");
}

#[test]
fn an_index_that_does_not_answer_keeps_no_signal_back() {
    let sim = sim(6);
    stated(&sim, &dispatch("one", "d4z9", ("17:00", Some("18:00")), 0));
    let _ = sim.swap_hydrators(Vec::new());
    sim.fault("dispatches.active", Toxic::Refuse, Times::Always);
    stated(&sim, &dispatch("two", "d4z9", ("17:00", Some("18:00")), 0));
    assert_eq!((types(&sim, "voltus-prod/two").len(), effective(&sim, "two")), (1, None));
    sim.heal();
    stated(&sim, &dispatch("three", "d4z9", ("17:00", Some("18:00")), 0));
    sim.fault("dispatches.changed", Toxic::Refuse, Times::Always);
    stated(&sim, &dispatch("four", "d4z9", ("17:00", Some("18:00")), 0));
    assert_eq!(effective(&sim, "four"), Some(until(Some("18:00"), "four", &["one", "three", "two"])));
}

#[test]
fn a_second_write_that_fails_keeps_no_signal_back() {
    let play = |fault: Option<(usize, Toxic)>| {
        let sim = sim(7);
        stated(&sim, &dispatch("one", "d4z9", ("17:00", Some("18:00")), 0));
        announced(&sim, &dispatch("two", "d4z9", ("17:00", Some("18:00")), 0));
        if let Some((call, toxic)) = fault {
            sim.fault_at(call, toxic);
        }
        let batch = sim.take(Inner::Deliveries);
        if sim.hydrate(batch.clone()) == Ended::Crashed {
            sim.hydrate(batch);
        }
        drain(&sim);
        assert_eq!(types(&sim, "voltus-prod/two"), ["dispatch.scheduled"], "{fault:?}");
        assert!(sim.dispatches().all().iter().all(|record| record.outbox.is_empty()), "{fault:?}");
        sim
    };
    let calls = play(None).calls();
    let writes = calls.iter().enumerate().filter(|(_, call)| call.port == "dispatches.write").map(|(at, _)| at);
    let [_, _, second, ..] = writes.collect::<Vec<_>>()[..] else { panic!("{calls:?}") };
    for toxic in Toxic::ALL {
        let sim = play(Some((second, toxic)));
        assert_eq!(sim.calls()[second].toxic, Some(toxic));
    }
}

#[test]
fn the_lower_priority_number_of_leap_governs() {
    let sim = sim(8);
    let slot = |event: &str, priority: u64| {
        let mut body = leap(event, 10);
        body["meter_dispatches"][0]["timeslots"][0]["priority"] = json!(priority);
        body
    };
    for (event, priority) in [("e-1", 2), ("e-2", 1), ("e-3", 3)] {
        accepted(&sim, "leap-prod", &slot(event, priority).to_string());
        sim.hydrate(sim.take(Inner::Deliveries));
    }
    let effective = &last(&sim, "leap-prod/e-3")["dispatch"]["targets"][0]["effective"];
    assert_eq!(effective["governed_by"], "leap-prod/e-2");
    assert_eq!(effective["with"], json!(["leap-prod/e-1", "leap-prod/e-2"]));
}

#[test]
fn a_story_of_overlaps_leaves_the_streams_whole() {
    let sim = sim(9);
    for number in 0..4 {
        for id in ["one", "two", "three"] {
            let end = ["17:30", "17:40", "17:50", "18:00"][usize::try_from(number).unwrap()];
            announced(&sim, &dispatch(id, "d4z9", ("17:00", Some(end)), number));
        }
        sim.settle(jiff::SignedDuration::from_secs(30));
    }
    assert_eq!(published(&sim).len(), 3);
}
