//! Leap's lists: one of meters, one of groups.

use jiff::SignedDuration;
use pipeline::job::Job;
use serde_json::{Value, json};
use simulation::{Ended, Inner, Reply, Simulation};

use crate::{
    common::{accepted, leap, mail_subjects, published, types},
    poll::{asked, polled, run_for},
};

const METERS: &str = "/dispatch/meter/search";
const GROUPS: &str = "/dispatch/group/search";

fn leap_lists(event: &str) -> Reply {
    let mut items = leap(event, 10)["meter_dispatches"].take();
    items[0]["timeslots"][0]["end_time"] = json!("2023-12-02T00:00:00Z");
    Reply::Json(json!({ "results": items, "next_page_token": null }).to_string())
}

fn group_lists(event: &str) -> Reply {
    let slot = json!({
        "market_group_event_id": event, "start_time": "2023-12-01T16:50:00Z", "end_time": "2023-12-02T00:00:00Z",
        "cancelled": false, "energy_kw": 10, "priority": 1, "is_voluntary": false, "programs": ["DRAM"],
    });
    let group = json!({
        "market_group_id": "g-1", "meter_ids": ["dd21c76c-7126-4ef7-b0a6-f190fad300b2"], "timeslots": [slot],
    });
    Reply::Json(json!({ "results": [group], "next_page_token": null }).to_string())
}

#[test]
fn a_level_of_leap_that_an_account_has_not_is_no_incident() {
    for unused in [Reply::Missing, Reply::Refused] {
        let sim = Simulation::new(19, polled(&["leap-prod"]));
        sim.answers("leap-prod", METERS, [leap_lists("e-1")]);
        sim.answers("leap-prod", GROUPS, [unused]);
        run_for(&sim, 1_800);
        assert_eq!(types(&sim, "leap-prod/e-1"), ["dispatch.scheduled"]);
        assert_eq!(mail_subjects(&sim), [""; 0]);
    }
}

#[test]
fn one_list_of_leap_that_fails_does_not_hold_the_other_back() {
    let sim = Simulation::new(20, polled(&["leap-prod"]));
    sim.answers("leap-prod", METERS, [leap_lists("e-1")]);
    sim.answers("leap-prod", GROUPS, [Reply::Status(500, None)]);
    run_for(&sim, 600);
    assert_eq!(types(&sim, "leap-prod/e-1"), ["dispatch.scheduled"]);
    assert_eq!(mail_subjects(&sim), ["[gridbell] source-down: leap-prod"]);
}

#[test]
fn after_a_list_that_took_too_long_no_other_is_asked_for() {
    for (takes_s, is_down) in [(3, false), (5, true)] {
        let sim = Simulation::new(31, polled(&["leap-prod"]));
        let Reply::Json(meters) = leap_lists("e-1") else { panic!("a list") };
        sim.answers("leap-prod", METERS, [Reply::Slow(takes_s, meters)]);
        sim.answers("leap-prod", GROUPS, [Reply::Missing]);
        run_for(&sim, 600);
        assert_eq!(types(&sim, "leap-prod/e-1"), ["dispatch.scheduled"]);
        assert_eq!(asked(&sim, "leap-prod", GROUPS).is_empty(), is_down);
        assert_eq!(mail_subjects(&sim).contains(&"[gridbell] source-down: leap-prod".to_owned()), is_down);
    }
}

#[test]
fn a_call_that_leap_lists_at_both_levels_is_one_dispatch() {
    let both = |webhook: Option<Value>| {
        let sim = Simulation::new(21, polled(&["leap-prod"]));
        if let Some(body) = webhook {
            accepted(&sim, "leap-prod", &body.to_string());
        }
        sim.answers("leap-prod", METERS, [leap_lists("e-1")]);
        sim.answers("leap-prod", GROUPS, [group_lists("g-1")]);
        run_for(&sim, 900);
        assert_eq!(mail_subjects(&sim), [""; 0]);
        published(&sim).into_keys().collect::<Vec<_>>()
    };
    assert_eq!(both(None), ["leap-prod/e-1"]);
    let Reply::Json(group) = group_lists("g-1") else { panic!("a list") };
    let group: Value = serde_json::from_str(&group).unwrap();
    assert_eq!(both(Some(json!({ "group_dispatches": group["results"] }))), ["leap-prod/g-1"]);
}

#[test]
fn a_list_does_not_undo_a_push_that_came_after_its_request() {
    let sim = Simulation::new(30, polled(&["leap-prod"]));
    sim.answers("leap-prod", METERS, [leap_lists("e-1")]);
    sim.answers("leap-prod", GROUPS, [Reply::Missing]);
    // The next poll, in a minute or by a fast clock.
    let received_at = sim.now() + SignedDuration::from_secs(90);
    let push = Job::messages("d-7", "leap-prod", received_at, &leap("e-1", 20).to_string(), None).remove(0);
    sim.put(Inner::Deliveries, &push);
    assert_eq!(sim.hydrate(sim.take(Inner::Deliveries)), Ended::Answered(Vec::new()));
    run_for(&sim, 70);
    assert_eq!((asked(&sim, "leap-prod", METERS).len(), types(&sim, "leap-prod/e-1").len()), (1, 1));
    run_for(&sim, 60);
    assert_eq!(types(&sim, "leap-prod/e-1"), ["dispatch.scheduled", "dispatch.updated"], "the next list knows");
}
