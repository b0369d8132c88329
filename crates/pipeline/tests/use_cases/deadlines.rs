//! If a dispatch is not acknowledged, a person is notified in time and once, whatever the cause.

use jiff::{SignedDuration, Timestamp};
use pipeline::{
    config::{Config, TokenHash},
    incident::IncidentStatus,
    ingest::receive::HttpAnswer,
    messages::{self, Deadline, ToRetry},
    record::SubjectRecord,
};
use serde_json::json;
use simulation::{Controller, Fifo, Function, Inner, Reply, Simulation, Times, Toxic};

use crate::common::{self, accepted, config, mail_subjects, thin, types, voltus};

pub(crate) const VOLTUS: &str = "voltus-prod/dkmq";
pub(crate) const AT_RISK: &str = "[gridbell] dispatch-at-risk: voltus-prod/dkmq";
pub(crate) const OVER: &str = "[gridbell] Resolved: dispatch-at-risk: voltus-prod/dkmq";
pub(crate) const ACK_TOKEN: &str = "a-token-for-controllers";

/// A controller must acknowledge.
pub(crate) fn acknowledged() -> Config {
    let mut config = config();
    config.deadlines.acknowledge = true;
    config.acks.tokens = vec![TokenHash::of(ACK_TOKEN)];
    config
}

/// A simulation in which a controller must acknowledge, and Voltus answers so about `dkmq`.
pub(crate) fn acknowledging(seed: u64) -> Simulation {
    let sim = Simulation::new(seed, acknowledged());
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    sim
}

/// Runs everything and lets that much time pass, with or without events.
pub(crate) fn run_for(sim: &Simulation, seconds: i64) {
    common::pass(sim, SignedDuration::from_secs(seconds));
}

pub(crate) fn acknowledge(sim: &Simulation, version: u64, state: &str) -> HttpAnswer {
    let body = json!({ "dispatch": VOLTUS, "version": version, "state": state, "detail": "by the test" });
    sim.acknowledge(ACK_TOKEN, &body.to_string()).answer().expect("an answer")
}

pub(crate) fn record(sim: &Simulation) -> SubjectRecord {
    sim.dispatches().get(VOLTUS).expect("a record")
}

fn due(sim: &Simulation) -> Timestamp {
    record(sim).due.expect("a deadline")
}

/// The message that the deadline may have passed.
pub(crate) fn deadline(sim: &Simulation, unread: Option<u64>) -> String {
    let deadline = Deadline { unread, ..Deadline::of(record(sim).subject) };
    messages::to_json(&ToRetry::Deadline(deadline)).expect("JSON")
}

/// A deadline fires; returns the unread count of each follow-up message.
fn fired(sim: &Simulation, unread: Option<u64>) -> Vec<Option<u64>> {
    sim.take(Inner::Retries);
    sim.put(Inner::Retries, &deadline(sim, unread));
    sim.retry(sim.take(Inner::Retries)).answer().expect("an answer");
    assert_eq!(sim.take(Inner::Retries), [], "not at once");
    sim.advance(SignedDuration::from_secs(6));
    let following = sim.take(Inner::Retries).into_iter();
    let unread = |body: &str| match messages::read(body) {
        Ok(ToRetry::Deadline(deadline)) => deadline.unread,
        other => panic!("{other:?}"),
    };
    following.map(|message| unread(&message.body)).collect()
}

/// The mails that this dispatch is at risk, or no longer is.
pub(crate) fn risks(sim: &Simulation) -> Vec<String> {
    mail_subjects(sim).into_iter().filter(|subject| subject.contains("dispatch-at-risk")).collect()
}

#[test]
fn a_silent_controller_is_mailed_in_time_and_at_the_start() {
    let sim = acknowledging(1);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 58);
    assert_eq!(risks(&sim), [""; 0]);
    run_for(&sim, 7);
    assert_eq!(risks(&sim), [AT_RISK]);
    // It starts ten minutes after it was announced.
    run_for(&sim, 9 * 60);
    assert_eq!(risks(&sim), [AT_RISK, "[gridbell] starts now: dispatch-at-risk: voltus-prod/dkmq"]);
    let (_, mail) = sim.mails().pop().expect("a mail");
    assert!(mail.text.starts_with("WHAT MUST HAPPEN"), "{}", mail.text);
    assert!(mail.text.contains("no controller has acknowledged it"), "{}", mail.text);
}

#[test]
fn an_acknowledgement_in_time_keeps_everybody_asleep() {
    let sim = acknowledging(2);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 20);
    assert_eq!(acknowledge(&sim, 1, "accepted").status, 200);
    assert_eq!(acknowledge(&sim, 1, "accepted").status, 200, "saying it again changes nothing");
    assert_eq!(sim.queued(Inner::Alerts), [], "what no person was notified of needs no hint that it is resolved");
    run_for(&sim, 3_600);
    assert_eq!(mail_subjects(&sim), [""; 0]);
    assert!(sim.dispatches().all()[0].due.is_none());
}

#[test]
fn a_cancel_resolves_the_incident() {
    let sim = acknowledging(4);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 90);
    let mut cancelled = voltus("dkmq", 1, 5);
    cancelled["authorized"] = json!(false);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(cancelled.to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
    run_for(&sim, 3_600);
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled", "dispatch.cancelled"]);
    assert_eq!(risks(&sim), [AT_RISK, OVER]);
}

#[test]
fn what_is_withdrawn_before_its_deadline_is_awaited_no_more() {
    let sim = acknowledging(22);
    let mut cancelled = voltus("dkmq", 1, 5);
    cancelled["authorized"] = json!(false);
    let answers = [voltus("dkmq", 0, 5), cancelled].map(|answer| Reply::Json(answer.to_string()));
    sim.answers("voltus-prod", "/dispatches/dkmq", answers);
    for awaited in [true, false] {
        accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
        run_for(&sim, 5);
        assert_eq!(sim.dispatches().get(VOLTUS).expect("a record").due.is_some(), awaited);
    }
}

#[test]
fn a_new_version_must_be_acknowledged_anew() {
    let sim = acknowledging(5);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 5);
    assert_eq!(acknowledge(&sim, 1, "accepted").status, 200);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 1, 9).to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
    run_for(&sim, 5);
    let refused = acknowledge(&sim, 1, "accepted");
    assert_eq!(refused.status, 409);
    assert!(refused.body.contains("\"current\":2"), "{}", refused.body);
    run_for(&sim, 65);
    assert_eq!(risks(&sim), [AT_RISK]);
}

#[test]
fn a_queue_of_signals_that_is_not_read_is_mailed() {
    let sim = Simulation::new(8, config());
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    sim.controller(Controller::IsSilent);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 75);
    assert_eq!(risks(&sim), [AT_RISK]);
    let (_, mail) = sim.mails().pop().expect("a mail");
    assert!(mail.text.contains("the queue of signals is not read"), "{}", mail.text);
    sim.controller(Controller::Reads);
    run_for(&sim, 100);
    assert_eq!(risks(&sim), [AT_RISK, OVER]);
}

#[test]
fn a_queue_counts_as_unread_where_it_lies_still() {
    let sim = Simulation::new(22, config());
    for id in ["dkmq", "asdf"] {
        sim.answers("voltus-prod", &format!("/dispatches/{id}"), [Reply::Json(voltus(id, 0, 5).to_string())]);
        accepted(&sim, "voltus-prod", &thin("dispatch.create", id));
    }
    sim.controller(Controller::IsSilent);
    run_for(&sim, 5);
    sim.stop(Function::Retrier);
    run_for(&sim, 65);
    let is_hinted = || !sim.queued(Inner::Alerts).is_empty();
    let held = sim.signals_queue(Fifo::receive).expect("a signal");
    assert_eq!((fired(&sim, None), fired(&sim, Some(1))), (vec![], vec![]), "somebody reads");
    sim.signals_queue(|signals| signals.put_back(&held.group));
    assert_eq!(fired(&sim, None), [Some(2)], "perhaps, and is checked again");
    assert_eq!(fired(&sim, Some(3)), [Some(2)], "one was read since, and it is checked again");
    assert!(!is_hinted());
    assert_eq!((fired(&sim, Some(2)), is_hinted()), (vec![], true));
}

#[test]
fn a_signal_that_cannot_be_sent_is_mailed() {
    let sim = acknowledging(23);
    sim.stop(Function::Hydrator);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 70);
    sim.fault("signals.send", Toxic::Refuse, Times::Always);
    sim.hydrate(sim.take(Inner::Deliveries));
    assert!(due(&sim) < sim.now(), "it was overdue when it was learnt of");
    assert_eq!(fired(&sim, Some(1)), [None], "what lay unread before says nothing of this signal");
    assert_eq!(sim.queued(Inner::Alerts).len(), 0);
    assert_eq!(fired(&sim, None), []);
    run_for(&sim, 1);
    let (_, mail) = sim.mails().pop().expect("a mail");
    assert!(mail.text.contains("its signal could not be sent to the queue yet"), "{}", mail.text);
}

#[test]
fn a_deadline_of_another_clock_that_fires_early_fires_again() {
    let sim = acknowledging(21);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 5);
    let message = deadline(&sim, None);
    sim.put(Inner::Retries, &message);
    run_for(&sim, 30);
    assert_eq!(risks(&sim), [""; 0]);

    let armed = sim.queued(Inner::Retries).len();
    let at = due(&sim);
    let early = |seconds: i64| {
        sim.advance(at.duration_since(sim.now()) - SignedDuration::from_secs(seconds));
        sim.put(Inner::Retries, &message);
        sim.retry(sim.take(Inner::Retries));
        sim.queued(Inner::Retries)
    };
    assert_eq!(early(11).len(), armed, "the sweep arms what is due");
    let again = early(9);
    assert_eq!(again.len(), armed + 1);
    assert!(again.iter().all(|check| (at..at + SignedDuration::from_secs(2)).contains(&check.visible_at)), "{again:?}");
}

#[test]
fn what_is_at_risk_is_judged_every_minute_and_armed_no_more() {
    let sim = acknowledging(24);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 70);
    let judged = || {
        let read = |call: &&simulation::Call| call.port == "dispatches.read" && call.function == Function::Alerter;
        sim.calls().iter().filter(read).count()
    };
    for minute in 1..5 {
        let before = judged();
        run_for(&sim, 60);
        assert!((1..=2).contains(&(judged() - before)), "minute {minute}");
        assert_eq!(sim.queued(Inner::Retries), [], "minute {minute}");
    }
    assert_eq!(risks(&sim), [AT_RISK]);
}

#[test]
fn a_far_deadline_is_found_by_the_sweep_and_fires_to_the_second() {
    let sim = acknowledging(9);
    let mut dispatch = voltus("dkmq", 0, 5);
    dispatch["start_time"] = json!("2023-12-01T18:00:00Z");
    dispatch["end_time"] = json!(null);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(dispatch.to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 69 * 60 + 50);
    assert_eq!(risks(&sim), [""; 0]);
    run_for(&sim, 15);
    assert_eq!(risks(&sim), [AT_RISK], "ten minutes before its start");
}

#[test]
fn a_test_is_mailed_once_until_it_is_resolved() {
    let sim = acknowledging(11);
    let mut dispatch = voltus("dkmq", 0, 5);
    dispatch["test"] = json!(true);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(dispatch.to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 3_600);
    let about = "dispatch-at-risk: voltus-prod/dkmq";
    assert_eq!(risks(&sim), [format!("[gridbell] [TEST] {about}"), format!("[gridbell] [TEST] Resolved: {about}")]);
}

#[test]
fn what_is_never_acknowledged_is_resolved_with_its_end() {
    let sim = acknowledging(12);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 19 * 60);
    assert!(!risks(&sim).contains(&OVER.to_owned()), "it runs until 17:00");
    run_for(&sim, 3 * 60);
    assert_eq!(risks(&sim).last().map(String::as_str), Some(OVER));
    let (_, mail) = sim.mails().pop().expect("a mail");
    assert!(mail.text.contains("its time has passed, and no controller acknowledged it"), "{}", mail.text);
    run_for(&sim, 60);
    assert!(sim.dispatches().all()[0].due.is_none());
}

#[test]
fn what_has_no_end_is_watched_for_a_day() {
    let sim = acknowledging(13);
    let mut dispatch = voltus("dkmq", 0, 5);
    dispatch["end_time"] = json!(null);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(dispatch.to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 4 * 3_600);
    assert_eq!(sim.queued(Inner::Retries), [], "deadlines do not multiply");
    run_for(&sim, 20 * 3_600 + 60);
    assert!(!risks(&sim).contains(&OVER.to_owned()));
    run_for(&sim, 15 * 60);
    let risks = risks(&sim);
    assert_eq!(risks.iter().filter(|subject| *subject == OVER).count(), 1, "{risks:?}");
    let question = "[gridbell] asks: dispatch-at-risk: voltus-prod/dkmq";
    assert_eq!(risks.iter().filter(|subject| *subject == question).count(), 1, "{risks:?}");
}

#[test]
fn a_dispatch_that_ends_before_it_is_due_is_mailed() {
    let sim = acknowledging(14);
    let mut dispatch = voltus("dkmq", 0, 5);
    dispatch["start_time"] = json!("2023-12-01T16:40:05Z");
    dispatch["end_time"] = json!("2023-12-01T16:40:35Z");
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(dispatch.to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 300);
    // It ends before its deadline: its one mail states so.
    assert_eq!(risks(&sim), [AT_RISK]);
    let (_, mail) = sim.mails().remove(0);
    assert!(mail.text.contains("Its time has passed") && !mail.text.contains("could not send"), "{}", mail.text);
    assert_eq!(sim.incidents().all()[0].status, IncidentStatus::Resolved);
}

#[test]
fn a_version_right_after_a_late_acknowledgement_is_mailed_too() {
    // The alerter judges the acknowledgement before that version arrives, or only after it.
    for (judged, expected) in [(true, &[AT_RISK, OVER, AT_RISK][..]), (false, &[AT_RISK])] {
        let sim = acknowledging(15);
        accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
        run_for(&sim, 65);
        assert_eq!(acknowledge(&sim, 1, "accepted").status, 200);
        if judged {
            run_for(&sim, 2);
        } else {
            sim.take(Inner::Alerts);
        }
        sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 1, 9).to_string())]);
        accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
        run_for(&sim, 70);
        assert_eq!(risks(&sim), expected);
        let incident = sim.incidents().all().remove(0);
        assert_eq!(incident.status, IncidentStatus::Open);
        assert!(incident.detail.contains("version 2"), "{}", incident.detail);
    }
}

#[test]
fn a_further_version_of_what_is_at_risk_is_the_same_incident() {
    let sim = acknowledging(16);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 90);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 1, 9).to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
    run_for(&sim, 120);
    assert_eq!(risks(&sim), [AT_RISK]);
    assert!(sim.incidents().all()[0].detail.contains("version 2"), "{:?}", sim.incidents().all()[0].detail);
}

#[test]
fn an_answer_that_says_nothing_new_leaves_the_deadline_alone() {
    // Ten minutes before its start, or a minute after it was first received.
    for (start, due_after_s) in [("18:40", 110 * 60), ("16:50", 60)] {
        let sim = acknowledging(17);
        let mut answer = voltus("dkmq", 0, 5);
        answer.as_object_mut().expect("an answer").remove("modification_number");
        answer["start_time"] = json!(format!("2023-12-01T{start}:00Z"));
        answer["end_time"] = json!(null);
        sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(answer.to_string())]);
        accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
        run_for(&sim, 40);
        accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
        assert_eq!(risks(&sim), [""; 0]);
        run_for(&sim, due_after_s - 30);
        assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
        assert_eq!(risks(&sim), [AT_RISK], "to start at {start}");
    }
}
