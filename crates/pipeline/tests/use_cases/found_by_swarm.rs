//! What the swarm of `sim` found, each by its symptom and without its luck.

use jiff::SignedDuration;
use pipeline::{incident::IncidentStatus, token::TokenHash};
use serde_json::json;
use sim::{Reply, World};

use crate::common::{accepted, config, mail_subjects, thin, voltus};

/// A world in which a controller must acknowledge.
fn acknowledging() -> World {
    let mut config = config();
    config.deadlines.acknowledge = true;
    config.acks.tokens = vec![TokenHash::of("a-token-for-controllers")];
    World::new(1, config)
}

fn run_for(world: &World, minutes: i64) {
    let until = world.now() + SignedDuration::from_mins(minutes);
    world.settle(SignedDuration::from_mins(minutes));
    world.advance(until.duration_since(world.now()).max(SignedDuration::ZERO));
}

#[test]
fn a_dispatch_that_nobody_acknowledged_stays_at_risk_for_ever_once_its_end_has_passed() {
    for test in [false, true] {
        let world = acknowledging();
        let mut dispatch = voltus("dkmq", 0, 5);
        dispatch["test"] = json!(test);
        world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(dispatch.to_string())]);
        accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
        run_for(&world, 60);
        let status: Vec<IncidentStatus> = world.incidents().all().iter().map(|incident| incident.status).collect();
        assert_eq!(status, [IncidentStatus::Over], "test: {test}");
        assert!(mail_subjects(&world).last().is_some_and(|subject| subject.contains("over: ")), "test: {test}");
    }
}

#[test]
fn a_late_acknowledgement_does_not_end_what_was_told_of_as_often_as_it_may() {
    let world = acknowledging();
    let mut dispatch = voltus("dkmq", 0, 5);
    dispatch["end_time"] = json!(null);
    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(dispatch.to_string())]);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 180);
    let told = mail_subjects(&world).len();
    assert_eq!(told, 5, "a person is told five times, then it is known");
    let body = json!({ "dispatch": "voltus-prod/dkmq", "version": 1, "state": "accepted" }).to_string();
    world.acknowledge("a-token-for-controllers", &body);
    run_for(&world, 5);
    assert_eq!(mail_subjects(&world).last().map(String::as_str), Some("[gridbell] over: dispatch-at-risk: voltus-prod/dkmq"));
}
