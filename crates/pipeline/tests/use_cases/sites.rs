//! One effective view of a site: a signal says until when other dispatches keep it curtailed.

use serde_json::{Value, json};
use sim::{Ended, Inner, Reply, Times, Toxic, World};

use crate::common::{accepted, drain, last, leap, published, thin, types, voltus, world};

/// A dispatch of that site from one time of the day to another.
fn dispatch(id: &str, site: &str, (start, end): (&str, Option<&str>), number: u64) -> Value {
    let mut dispatch = voltus(id, number, 5);
    dispatch["start_time"] = json!(format!("2023-12-01T{start}:00Z"));
    dispatch["end_time"] = end.map_or(Value::Null, |end| json!(format!("2023-12-01T{end}:00Z")));
    dispatch["sites"][0]["id"] = json!(site);
    dispatch
}

/// Has Voltus state it and announce it, and works that off.
fn stated(world: &World, dispatch: &Value) {
    announced(world, dispatch);
    assert_eq!(world.hydrate(world.take(Inner::Deliveries)), Ended::Answered(Vec::new()));
}

fn announced(world: &World, dispatch: &Value) {
    let id = dispatch["id"].as_str().unwrap();
    world.answers("voltus-prod", &format!("/dispatches/{id}"), [Reply::Json(dispatch.to_string())]);
    accepted(world, "voltus-prod", &thin("dispatch.update", id));
}

/// The field of the first target in the last signal about a dispatch.
fn effective(world: &World, id: &str) -> Option<Value> {
    last(world, &format!("voltus-prod/{id}"))["dispatch"]["targets"][0].get("effective").cloned()
}

fn until(end: Option<&str>, governed_by: &str, with: &[&str]) -> Value {
    let end = end.map(|end| format!("2023-12-01T{end}:00Z"));
    let with: Vec<String> = with.iter().map(|id| format!("voltus-prod/{id}")).collect();
    json!({ "until": end, "governed_by": format!("voltus-prod/{governed_by}"), "with": with, "others": with.len() })
}

#[test]
fn overlapping_dispatches_say_until_when_a_site_stays_curtailed() {
    let world = world(1);
    stated(&world, &dispatch("one", "d4z9", ("16:30", Some("17:00")), 0));
    assert_eq!(effective(&world, "one"), None, "it stands alone");
    stated(&world, &dispatch("two", "d4z9", ("16:35", None), 0));
    assert_eq!(effective(&world, "two"), Some(until(None, "one", &["one"])));
    stated(&world, &dispatch("two", "d4z9", ("16:35", Some("17:20")), 1));
    assert_eq!(effective(&world, "two"), Some(until(Some("17:20"), "one", &["one"])));
    // The first ends now; the second keeps the site.
    stated(&world, &dispatch("one", "d4z9", ("16:30", Some("16:40")), 1));
    assert_eq!(types(&world, "voltus-prod/one"), ["dispatch.scheduled", "dispatch.ended"]);
    assert_eq!(effective(&world, "one"), Some(until(Some("17:20"), "two", &["two"])));
    // Nobody is left that could hold it.
    stated(&world, &dispatch("two", "d4z9", ("16:35", Some("16:40")), 2));
    assert_eq!(effective(&world, "two"), None);
}

#[test]
fn back_to_back_is_stated_and_another_site_or_a_gap_is_not() {
    let world = world(2);
    stated(&world, &dispatch("one", "d4z9", ("17:00", Some("18:00")), 0));
    stated(&world, &dispatch("next", "d4z9", ("18:00", Some("19:00")), 0));
    assert_eq!(effective(&world, "next"), Some(until(Some("19:00"), "one", &["one"])));
    stated(&world, &dispatch("later", "d4z9", ("19:30", Some("20:00")), 0));
    stated(&world, &dispatch("elsewhere", "e5", ("17:00", Some("18:00")), 0));
    assert_eq!((effective(&world, "later"), effective(&world, "elsewhere")), (None, None));
}

#[test]
fn what_is_withdrawn_or_a_test_keeps_no_real_site() {
    let world = world(3);
    stated(&world, &dispatch("one", "d4z9", ("16:30", Some("18:00")), 0));
    let mut withdrawn = dispatch("one", "d4z9", ("16:30", Some("18:00")), 1);
    withdrawn["authorized"] = json!(false);
    stated(&world, &withdrawn);
    let mut test = dispatch("test", "d4z9", ("16:30", Some("18:00")), 0);
    test["test"] = json!(true);
    stated(&world, &test);
    stated(&world, &dispatch("two", "d4z9", ("16:35", Some("17:00")), 0));
    assert_eq!((effective(&world, "test"), effective(&world, "two")), (None, None));
}

#[test]
fn what_comes_in_one_batch_is_seen_and_read_for_once() {
    let world = world(4);
    for id in ["one", "two", "three"] {
        announced(&world, &dispatch(id, "d4z9", ("17:00", Some("18:00")), 0));
    }
    assert_eq!(world.hydrate(world.take(Inner::Deliveries)), Ended::Answered(Vec::new()));
    let seen = ["one", "two", "three"].into_iter().filter_map(|id| effective(&world, id)).collect::<Vec<_>>();
    assert!(seen.len() >= 2, "whoever is published later sees the earlier ones: {seen:?}");
    assert_eq!(world.calls().iter().filter(|call| call.port == "dispatches.active").count(), 1);
}

#[test]
fn nothing_is_read_for_an_unchanged_redelivery() {
    let world = world(5);
    let one = dispatch("one", "d4z9", ("17:00", Some("18:00")), 0);
    stated(&world, &one);
    let before = world.calls().len();
    stated(&world, &one);
    let reads = ["dispatches.active", "dispatches.changed"];
    assert!(world.calls()[before..].iter().all(|call| !reads.contains(&call.port)));
    assert_eq!(types(&world, "voltus-prod/one"), ["dispatch.scheduled"]);
}

#[test]
fn an_index_that_does_not_answer_keeps_no_signal_back() {
    let world = world(6);
    stated(&world, &dispatch("one", "d4z9", ("17:00", Some("18:00")), 0));
    let _ = world.swap_hydrators(Vec::new());
    world.fault("dispatches.active", Toxic::Refuse, Times::Always);
    stated(&world, &dispatch("two", "d4z9", ("17:00", Some("18:00")), 0));
    assert_eq!((types(&world, "voltus-prod/two").len(), effective(&world, "two")), (1, None));
    world.heal();
    stated(&world, &dispatch("three", "d4z9", ("17:00", Some("18:00")), 0));
    world.fault("dispatches.changed", Toxic::Refuse, Times::Always);
    stated(&world, &dispatch("four", "d4z9", ("17:00", Some("18:00")), 0));
    assert_eq!(effective(&world, "four"), Some(until(Some("18:00"), "four", &["one", "three", "two"])));
}

#[test]
fn a_second_write_that_fails_keeps_no_signal_back() {
    let play = |fault: Option<(usize, Toxic)>| {
        let world = world(7);
        stated(&world, &dispatch("one", "d4z9", ("17:00", Some("18:00")), 0));
        announced(&world, &dispatch("two", "d4z9", ("17:00", Some("18:00")), 0));
        if let Some((call, toxic)) = fault {
            world.fault_at(call, toxic);
        }
        let batch = world.take(Inner::Deliveries);
        if world.hydrate(batch.clone()) == Ended::Crashed {
            world.hydrate(batch);
        }
        drain(&world);
        assert_eq!(types(&world, "voltus-prod/two"), ["dispatch.scheduled"], "{fault:?}");
        assert!(world.dispatches().all().iter().all(|record| record.outbox.is_empty()), "{fault:?}");
        world
    };
    let calls = play(None).calls();
    let writes = calls.iter().enumerate().filter(|(_, call)| call.port == "dispatches.write").map(|(at, _)| at);
    let [_, _, second, ..] = writes.collect::<Vec<_>>()[..] else { panic!("{calls:?}") };
    for toxic in Toxic::ALL {
        let world = play(Some((second, toxic)));
        assert_eq!(world.calls()[second].toxic, Some(toxic));
    }
}

#[test]
fn the_lower_priority_number_of_leap_governs() {
    let world = world(8);
    let slot = |event: &str, priority: u64| {
        let mut body = leap(event, 10);
        body["meter_dispatches"][0]["timeslots"][0]["priority"] = json!(priority);
        body
    };
    for (event, priority) in [("e-1", 2), ("e-2", 1), ("e-3", 3)] {
        accepted(&world, "leap-prod", &slot(event, priority).to_string());
        world.hydrate(world.take(Inner::Deliveries));
    }
    let effective = &last(&world, "leap-prod/e-3")["dispatch"]["targets"][0]["effective"];
    assert_eq!(effective["governed_by"], "leap-prod/e-2");
    assert_eq!(effective["with"], json!(["leap-prod/e-1", "leap-prod/e-2"]));
}

#[test]
fn a_story_of_overlaps_leaves_the_streams_whole() {
    let world = world(9);
    for number in 0..4 {
        for id in ["one", "two", "three"] {
            let end = ["17:30", "17:40", "17:50", "18:00"][usize::try_from(number).unwrap()];
            announced(&world, &dispatch(id, "d4z9", ("17:00", Some(end)), number));
        }
        world.settle(jiff::SignedDuration::from_secs(30));
    }
    assert_eq!(published(&world).len(), 3);
}
