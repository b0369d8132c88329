//! A dispatch without an end stays active, and a mail asks a person once a day whether it still is.

use jiff::SignedDuration;
use pipeline::{
    alerts::{AcknowledgeIncident, IncidentAckOutcome},
    incident::IncidentStatus,
};
use serde_json::{Value, json};
use simulation::{Function, Inner, Invocation, Reply, Simulation, Times, Toxic};

use crate::{
    common::{accepted, mail_subjects, thin, types, voltus},
    deadlines::{AT_RISK, VOLTUS, acknowledge, acknowledging, deadline, record, run_for},
};

const QUESTION: &str = "[gridbell] asks: dispatch-at-risk: voltus-prod/dkmq";
const RESOLVED: &str = "[gridbell] Resolved: asks: dispatch-at-risk: voltus-prod/dkmq";
const INCIDENT: &str = "dispatch-at-risk/voltus-prod/dkmq/open";

/// Voltus' answer without an end.
fn open(number: u64) -> Value {
    let mut answer = voltus("dkmq", number, 5);
    answer["end_time"] = json!(null);
    answer
}

fn says(sim: &Simulation, answer: &Value) {
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(answer.to_string())]);
    accepted(sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
    run_for(sim, 5);
}

/// A dispatch from 16:50 on, without an end, acknowledged by the controller by 16:41.
fn acknowledged(seed: u64) -> Simulation {
    let sim = acknowledging(seed);
    says(&sim, &open(0));
    assert_eq!(acknowledge(&sim, 1, "accepted").status, 200);
    run_for(&sim, 55);
    sim
}

/// Lets most of that time pass, then runs the work until its end.
fn hours(sim: &Simulation, hours: i64) {
    sim.advance(SignedDuration::from_hours(hours) - SignedDuration::from_secs(600));
    run_for(sim, 600);
}

fn asked(sim: &Simulation) -> usize {
    mail_subjects(sim).iter().filter(|subject| *subject == QUESTION).count()
}

#[test]
fn an_acknowledged_dispatch_without_an_end_is_asked_about_daily() {
    let sim = acknowledged(1);
    hours(&sim, 24);
    assert_eq!(asked(&sim), 0, "it is 16:41");
    run_for(&sim, 500);
    assert_eq!(asked(&sim), 0, "and now nearly 16:50");
    run_for(&sim, 120);
    assert_eq!(asked(&sim), 1);
    let (_, mail) = sim.mails().pop().expect("a mail");
    for words in ["active since 2023-12-01T16:50:00Z", "for 24 hours", "never stated an end", "Ask Voltus whether"] {
        assert!(mail.text.contains(words), "{words}: {}", mail.text);
    }
    hours(&sim, 12);
    assert_eq!(asked(&sim), 1);
    hours(&sim, 12);
    assert_eq!(asked(&sim), 2);
    for day in 3..=12 {
        hours(&sim, 24);
        assert_eq!(asked(&sim), day, "no day is left out");
    }
    assert_eq!(mail_subjects(&sim).len(), 12, "and nothing else is mailed");
    assert!(
        [Inner::Alerts, Inner::Reviews, Inner::Retries].iter().all(|queue| sim.queued(*queue).is_empty()),
        "nothing hops meanwhile"
    );
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
}

#[test]
fn an_end_a_cancel_or_a_closing_resolves_the_question_once() {
    let mut ends = open(1);
    ends["end_time"] = json!("2023-12-05T12:00:00Z");
    let mut cancelled = open(1);
    cancelled["authorized"] = json!(false);
    let mut ended = open(1);
    ended["end_time"] = json!("2023-12-02T16:00:00Z");
    for (answer, why) in [(ends, "states its end now"), (cancelled, "no longer active"), (ended, "no longer active")] {
        let sim = acknowledged(2);
        hours(&sim, 25);
        assert_eq!(asked(&sim), 1);
        says(&sim, &answer);
        run_for(&sim, 120);
        let subjects = mail_subjects(&sim);
        assert_eq!(subjects.iter().filter(|subject| *subject == RESOLVED).count(), 1, "{why}: {subjects:?}");
        assert!(
            sim.mails()
                .iter()
                .any(|(_, mail)| crate::common::digest(&mail.subject) == RESOLVED && mail.text.contains(why)),
            "{why}"
        );
        assert_eq!(record(&sim).open_end, None);
        hours(&sim, 72);
        assert_eq!(asked(&sim), 1);
    }
}

#[test]
fn no_person_is_asked_about_an_end_a_cancel_or_a_test() {
    let mut test = open(0);
    test["test"] = json!(true);
    let mut cancelled = open(0);
    cancelled["authorized"] = json!(false);
    for answer in [voltus("dkmq", 0, 5), test, cancelled] {
        let sim = acknowledging(3);
        says(&sim, &answer);
        assert_eq!(record(&sim).open_end, None);
    }
    let sim = acknowledging(3);
    sim.answers("voltus-sandbox", "/dispatches/dkmq", [Reply::Json(open(0).to_string())]);
    accepted(&sim, "voltus-sandbox", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 5);
    assert_eq!(sim.dispatches().get("voltus-sandbox/dkmq").expect("a record").open_end, None);
    // If no mail asked before it got its end, no resolved mail is sent either.
    let sim = acknowledged(3);
    says(&sim, &voltus("dkmq", 1, 5));
    assert_eq!(record(&sim).open_end, None);
    assert!(!mail_subjects(&sim).contains(&RESOLVED.to_owned()));
}

#[test]
fn what_began_long_ago_is_asked_about_a_day_after_it_was_seen() {
    let sim = acknowledging(4);
    let mut answer = open(0);
    answer["start_time"] = json!("2023-11-20T08:00:00Z");
    says(&sim, &answer);
    assert_eq!(acknowledge(&sim, 1, "accepted").status, 200);
    hours(&sim, 23);
    assert_eq!(asked(&sim), 0);
    hours(&sim, 2);
    assert_eq!(asked(&sim), 1);
}

#[test]
fn a_change_does_not_move_the_next_question() {
    let sim = acknowledged(5);
    hours(&sim, 25);
    says(&sim, &{
        let mut more = open(1);
        more["sites"][0]["commitment"] = json!(9);
        more
    });
    assert_eq!(acknowledge(&sim, 2, "accepted").status, 200);
    hours(&sim, 22);
    assert_eq!(asked(&sim), 1);
    hours(&sim, 2);
    assert_eq!(asked(&sim), 2);
    // An end is stated and withdrawn: the next question reopens the incident.
    says(&sim, &{
        let mut ends = open(2);
        ends["end_time"] = json!("2023-12-09T12:00:00Z");
        ends
    });
    assert_eq!(acknowledge(&sim, 3, "accepted").status, 200);
    run_for(&sim, 120);
    says(&sim, &open(3));
    assert_eq!(acknowledge(&sim, 4, "accepted").status, 200);
    run_for(&sim, 420);
    assert_eq!(asked(&sim), 3);
}

#[test]
fn a_new_version_of_what_is_asked_about_is_watched_as_any() {
    for days in [2, 5] {
        let sim = acknowledged(8);
        hours(&sim, 24 * days);
        assert!(asked(&sim) > 0);
        let mut more = open(1);
        more["sites"][0]["commitment"] = json!(9);
        says(&sim, &more);
        let due = record(&sim).due.expect("a deadline");
        run_for(&sim, 75);
        let mut mails = sim.mails().into_iter();
        let (at, _) = mails.find(|(_, mail)| crate::common::digest(&mail.subject) == AT_RISK).expect("a mail");
        assert!((due..due + SignedDuration::from_secs(10)).contains(&at), "{at}, due at {due}");
    }
}

#[test]
fn acknowledging_the_question_does_not_end_it() {
    let sim = acknowledged(6);
    hours(&sim, 25);
    let acknowledge = async |invocation: &Invocation<'_>| {
        let incidents = AcknowledgeIncident::<Invocation<'_>> { incidents: invocation, host: invocation };
        incidents.acknowledge(INCIDENT, "somebody").await
    };
    let outcome = sim.run(Function::Alerter, acknowledge).answer().expect("an answer").expect("no error");
    assert_eq!(outcome, IncidentAckOutcome::Noted);
    hours(&sim, 24);
    assert_eq!(asked(&sim), 2);
    assert_eq!(sim.incidents().get(INCIDENT).expect("an incident").status, IncidentStatus::Acknowledged);
}

#[test]
fn a_question_is_asked_once_a_day_whatever_dies_or_comes_twice() {
    for (port, toxic) in [
        ("jobs.alert", Toxic::CrashBefore),
        ("jobs.alert", Toxic::CrashAfter),
        ("jobs.alert", Toxic::Refuse),
        ("alerts.write", Toxic::CrashAfter),
        ("alerts.write", Toxic::LoseAnswer),
        ("mailer.send", Toxic::Refuse),
    ] {
        let sim = acknowledged(7);
        sim.advance(SignedDuration::from_hours(24) + SignedDuration::from_secs(590));
        sim.fault(port, toxic, Times::First(1));
        for _ in 0..2 {
            sim.put(Inner::Retries, &deadline(&sim, None));
        }
        run_for(&sim, 900);
        assert_eq!(asked(&sim), 1, "{port} {toxic:?}: {:?}", mail_subjects(&sim));
    }
}
