//! Nothing stands between a dispatch and its acknowledgement without a person being told in time, and once.

use jiff::SignedDuration;
use pipeline::{incident::IncidentStatus, receive::Answer, record::AckState, token::TokenHash, work::Check};
use serde_json::json;
use sim::{Controller, Function, Inner, Reply, World};

use crate::common::{accepted, config, mail_subjects, thin, types, voltus};

const VOLTUS: &str = "voltus-prod/dkmq";
const AT_RISK: &str = "[gridbell] dispatch-at-risk: voltus-prod/dkmq";
const OVER: &str = "[gridbell] over: dispatch-at-risk: voltus-prod/dkmq";
const ACK_TOKEN: &str = "a-token-for-controllers";

/// A world in which a controller must acknowledge, and Voltus answers so about `dkmq`.
fn acknowledging(seed: u64) -> World {
    let mut config = config();
    config.deadlines.acknowledge = true;
    config.acks.tokens = vec![TokenHash::of(ACK_TOKEN)];
    let world = World::new(seed, config);
    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    world
}

/// Runs everything and lets that much time pass, whether or not something happens in it.
fn run_for(world: &World, seconds: i64) {
    let until = world.now() + SignedDuration::from_secs(seconds);
    world.settle(SignedDuration::from_secs(seconds));
    if world.now() < until {
        world.advance(until.duration_since(world.now()));
    }
}

fn acknowledge(world: &World, version: u64, state: &str) -> Answer {
    let body = json!({ "dispatch": VOLTUS, "version": version, "state": state, "detail": "by the test" });
    world.acknowledge(ACK_TOKEN, &body.to_string()).answer().expect("an answer")
}

/// The mails about this dispatch's risk, over or not.
fn risks(world: &World) -> Vec<String> {
    mail_subjects(world).into_iter().filter(|subject| subject.contains("dispatch-at-risk")).collect()
}

#[test]
fn a_silent_controller_is_told_of_once_in_time_and_reminded_at_the_start() {
    let world = acknowledging(1);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 58);
    assert_eq!(risks(&world), [""; 0]);
    run_for(&world, 7);
    assert_eq!(risks(&world), [AT_RISK]);
    // It starts ten minutes after it was announced.
    run_for(&world, 9 * 60);
    assert_eq!(risks(&world), [AT_RISK, "[gridbell] starts now: dispatch-at-risk: voltus-prod/dkmq"]);
    let (_, mail) = world.mails().pop().expect("a mail");
    assert!(mail.text.starts_with("Sites:"), "{}", mail.text);
    assert!(mail.text.contains("no controller has acknowledged it"), "{}", mail.text);
}

#[test]
fn an_acknowledgement_in_time_keeps_everybody_asleep() {
    let world = acknowledging(2);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 20);
    assert_eq!(acknowledge(&world, 1, "accepted").status, 200);
    assert_eq!(acknowledge(&world, 1, "accepted").status, 200, "saying it again changes nothing");
    run_for(&world, 3_600);
    assert_eq!(mail_subjects(&world), [""; 0]);
    assert!(world.dispatches().all()[0].due.is_none());
}

#[test]
fn a_late_acknowledgement_ends_the_incident() {
    let world = acknowledging(3);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 90);
    assert_eq!(acknowledge(&world, 1, "completed").status, 200);
    run_for(&world, 3_600);
    assert_eq!(risks(&world), [AT_RISK, OVER]);
}

#[test]
fn a_cancel_ends_the_incident() {
    let world = acknowledging(4);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 90);
    let mut cancelled = voltus("dkmq", 1, 5);
    cancelled["authorized"] = json!(false);
    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(cancelled.to_string())]);
    accepted(&world, "voltus-prod", &thin("dispatch.update", "dkmq"));
    run_for(&world, 3_600);
    assert_eq!(types(&world, VOLTUS), ["dispatch.scheduled", "dispatch.cancelled"]);
    assert_eq!(risks(&world), [AT_RISK, OVER]);
}

#[test]
fn what_is_withdrawn_before_its_deadline_is_awaited_no_more() {
    let world = acknowledging(22);
    let mut cancelled = voltus("dkmq", 1, 5);
    cancelled["authorized"] = json!(false);
    let answers = [voltus("dkmq", 0, 5), cancelled].map(|answer| Reply::Json(answer.to_string()));
    world.answers("voltus-prod", "/dispatches/dkmq", answers);
    for awaited in [true, false] {
        accepted(&world, "voltus-prod", &thin("dispatch.update", "dkmq"));
        run_for(&world, 5);
        assert_eq!(world.dispatches().get(VOLTUS).expect("a record").due.is_some(), awaited);
    }
}

#[test]
fn a_new_version_must_be_acknowledged_anew_and_an_old_one_is_refused() {
    let world = acknowledging(5);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 5);
    assert_eq!(acknowledge(&world, 1, "accepted").status, 200);
    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 1, 9).to_string())]);
    accepted(&world, "voltus-prod", &thin("dispatch.update", "dkmq"));
    run_for(&world, 5);
    let refused = acknowledge(&world, 1, "accepted");
    assert_eq!(refused.status, 409);
    assert!(refused.body.contains("\"current\":2"), "{}", refused.body);
    run_for(&world, 65);
    assert_eq!(risks(&world), [AT_RISK]);
}

#[test]
fn a_controller_that_fails_is_an_incident_at_once() {
    let world = acknowledging(6);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 5);
    assert_eq!(acknowledge(&world, 1, "failed").status, 200);
    run_for(&world, 2);
    assert_eq!(risks(&world), [AT_RISK]);
    let (_, mail) = world.mails().pop().expect("a mail");
    assert!(mail.text.contains("failed to carry out version 1: by the test"), "{}", mail.text);
    assert_eq!(acknowledge(&world, 1, "completed").status, 200);
    run_for(&world, 3);
    assert_eq!(risks(&world), [AT_RISK, OVER]);
}

#[test]
fn a_controller_that_acts_after_it_failed_has_taken_the_dispatch_on_and_a_late_accepted_undoes_no_completed() {
    let world = acknowledging(18);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 5);
    for (says, stands) in [
        ("failed", AckState::Failed),
        ("accepted", AckState::Accepted),
        ("completed", AckState::Completed),
        ("accepted", AckState::Completed),
    ] {
        assert_eq!(acknowledge(&world, 1, says).status, 200);
        let record = world.dispatches().get(VOLTUS).expect("a record");
        assert_eq!(record.ack.map(|ack| ack.state), Some(stands), "{says}");
    }
}

#[test]
fn a_failure_after_it_was_taken_on_is_over_with_the_dispatch() {
    let world = acknowledging(20);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 5);
    for (says, awaited) in [("accepted", false), ("failed", true)] {
        assert_eq!(acknowledge(&world, 1, says).status, 200);
        run_for(&world, 90);
        assert_eq!(world.dispatches().get(VOLTUS).expect("a record").due.is_some(), awaited, "{says}");
    }
    run_for(&world, 3 * 3_600);
    let risks = risks(&world);
    assert_eq!((risks.first().map(String::as_str), risks.last().map(String::as_str)), (Some(AT_RISK), Some(OVER)));
    assert!(world.incidents().all().iter().all(|incident| incident.status == IncidentStatus::Over));
}

#[test]
fn a_controllers_failure_that_is_told_of_after_its_end_begins_nothing() {
    let world = acknowledging(19);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 5);
    for says in ["failed", "completed"] {
        assert_eq!(acknowledge(&world, 1, says).status, 200);
    }
    for late in world.take(Inner::Alerts).into_iter().rev() {
        world.alert(vec![late]);
    }
    run_for(&world, 3_600);
    assert_eq!(risks(&world), [""; 0]);
    assert!(world.incidents().all().iter().all(|incident| incident.status == IncidentStatus::Over));
}

#[test]
fn a_silence_that_is_told_of_after_its_end_begins_nothing() {
    let world = acknowledging(23);
    world.stop(Function::Alerter);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 70);
    assert_eq!(acknowledge(&world, 1, "accepted").status, 200);
    let late = world.take(Inner::Alerts);
    assert_eq!(late.len(), 2);
    for late in late.into_iter().rev() {
        world.alert(vec![late]);
    }
    world.start(Function::Alerter);
    run_for(&world, 3_600);
    assert_eq!(risks(&world), [""; 0]);
    assert!(world.incidents().all().iter().all(|incident| incident.status == IncidentStatus::Over));
}

#[test]
fn a_queue_of_signals_that_nobody_reads_is_told_of() {
    let world = World::new(8, config());
    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    world.controller(Controller::IsSilent);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 75);
    assert_eq!(risks(&world), [AT_RISK]);
    let (_, mail) = world.mails().pop().expect("a mail");
    assert!(mail.text.contains("nobody reads the queue of signals"), "{}", mail.text);
    world.controller(Controller::Reads);
    run_for(&world, 60);
    assert_eq!(risks(&world), [AT_RISK, OVER]);
}

#[test]
fn a_deadline_that_fires_too_early_tells_nobody() {
    let world = acknowledging(21);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 5);
    let check = Check::dispatch(world.dispatches().get(VOLTUS).expect("a record").subject);
    world.put(Inner::Retries, &serde_json::to_string(&check).expect("a check"));
    run_for(&world, 30);
    assert_eq!(risks(&world), [""; 0]);
}

#[test]
fn a_far_deadline_is_found_by_the_sweep_and_fires_to_the_second() {
    let world = acknowledging(9);
    let mut dispatch = voltus("dkmq", 0, 5);
    dispatch["start_time"] = json!("2023-12-01T18:00:00Z");
    dispatch["end_time"] = json!(null);
    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(dispatch.to_string())]);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 69 * 60 + 50);
    assert_eq!(risks(&world), [""; 0]);
    run_for(&world, 15);
    assert_eq!(risks(&world), [AT_RISK], "ten minutes before its start");
}

#[test]
fn a_test_is_told_of_once_until_it_is_over() {
    let world = acknowledging(11);
    let mut dispatch = voltus("dkmq", 0, 5);
    dispatch["test"] = json!(true);
    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(dispatch.to_string())]);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 3_600);
    let about = "dispatch-at-risk: voltus-prod/dkmq";
    assert_eq!(risks(&world), [format!("[gridbell] [TEST] {about}"), format!("[gridbell] [TEST] over: {about}")]);
}

#[test]
fn what_nobody_ever_acknowledges_is_over_with_its_end() {
    let world = acknowledging(12);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 19 * 60);
    assert!(!risks(&world).contains(&OVER.to_owned()), "it runs until 17:00");
    run_for(&world, 2 * 60);
    assert_eq!(risks(&world).last().map(String::as_str), Some(OVER));
    let (_, mail) = world.mails().pop().expect("a mail");
    assert!(mail.text.contains("its time has passed, and nobody acknowledged it"), "{}", mail.text);
    assert!(world.dispatches().all()[0].due.is_none());
}

#[test]
fn what_has_no_end_is_watched_for_a_day() {
    let world = acknowledging(13);
    let mut dispatch = voltus("dkmq", 0, 5);
    dispatch["end_time"] = json!(null);
    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(dispatch.to_string())]);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 4 * 3_600);
    assert_eq!(world.queued(Inner::Retries).len(), 1, "looks do not multiply");
    world.advance(SignedDuration::from_hours(20));
    run_for(&world, 60);
    assert!(!risks(&world).contains(&OVER.to_owned()));
    run_for(&world, 15 * 60);
    assert_eq!(risks(&world).last().map(String::as_str), Some(OVER));
}

#[test]
fn a_dispatch_that_ends_before_it_is_due_does_not_pass_in_silence() {
    let world = acknowledging(14);
    let mut dispatch = voltus("dkmq", 0, 5);
    dispatch["start_time"] = json!("2023-12-01T16:40:05Z");
    dispatch["end_time"] = json!("2023-12-01T16:40:35Z");
    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(dispatch.to_string())]);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 120);
    assert_eq!(risks(&world), [AT_RISK, OVER]);
}

#[test]
fn a_version_that_comes_right_after_the_late_acknowledgement_of_another_is_told_of_too() {
    let world = acknowledging(15);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 65);
    assert_eq!(acknowledge(&world, 1, "accepted").status, 200);
    // Before anybody has looked again.
    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 1, 9).to_string())]);
    accepted(&world, "voltus-prod", &thin("dispatch.update", "dkmq"));
    run_for(&world, 70);
    assert_eq!(risks(&world), [AT_RISK, OVER, AT_RISK]);
}

#[test]
fn a_further_version_of_what_is_at_risk_is_the_same_incident() {
    let world = acknowledging(16);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 90);
    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 1, 9).to_string())]);
    accepted(&world, "voltus-prod", &thin("dispatch.update", "dkmq"));
    run_for(&world, 120);
    assert_eq!(risks(&world), [AT_RISK]);
    assert!(world.incidents().all()[0].detail.contains("version 2"), "{:?}", world.incidents().all()[0].detail);
}

#[test]
fn who_may_not_acknowledge_learns_nothing() {
    let world = acknowledging(10);
    let check = |token: &str, body: &str| world.acknowledge(token, body).answer().expect("an answer").status;
    assert_eq!(check("wrong", "{}"), 404);
    assert_eq!(check(ACK_TOKEN, "{}"), 400);
    assert_eq!(check(ACK_TOKEN, r#"{"dispatch":"voltus-prod/none","version":1,"state":"accepted"}"#), 404);
    assert_eq!(check(ACK_TOKEN, r#"{"dispatch":"voltus-prod/none","version":1,"state":"maybe"}"#), 400);
    assert_eq!(check(ACK_TOKEN, &"[".repeat(70_000)), 413);
}

#[test]
fn an_answer_without_a_number_that_says_nothing_new_leaves_the_deadline_where_it_is() {
    // Ten minutes before its start, or a minute after it was heard of first.
    for (start, due_after_s) in [("18:40", 110 * 60), ("16:50", 60)] {
        let world = acknowledging(17);
        let mut answer = voltus("dkmq", 0, 5);
        answer.as_object_mut().expect("an answer").remove("modification_number");
        answer["start_time"] = json!(format!("2023-12-01T{start}:00Z"));
        answer["end_time"] = json!(null);
        world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(answer.to_string())]);
        accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
        run_for(&world, 40);
        accepted(&world, "voltus-prod", &thin("dispatch.update", "dkmq"));
        assert_eq!(risks(&world), [""; 0]);
        run_for(&world, due_after_s - 30);
        assert_eq!(types(&world, VOLTUS), ["dispatch.scheduled"]);
        assert_eq!(risks(&world), [AT_RISK], "to start at {start}");
    }
}
