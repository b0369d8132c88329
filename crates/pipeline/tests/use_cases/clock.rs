//! An incident's own clock: who is notified again, when, and until when.

use jiff::{SignedDuration, Timestamp};
use pipeline::{
    alerts::{AcknowledgeIncident, IncidentAckOutcome},
    config::{Config, SourceContacts},
    incident::IncidentStatus,
    messages::{ToAlert, to_json},
};
use serde_json::json;
use simulation::{Ended, Function, Inner, Invocation, Reply, Simulation, Standard, Toxic};

use crate::{
    common::{self, accepted, config, drain, thin, voltus, worth_a_fault},
    incidents::{
        ABOUT, DUTY, INCIDENT, failing, fails, hint, hours, incident, is_quarantined, minutes, notified_by, step, works,
    },
};

pub(crate) const LEAD: &str = "lead@example.com";
const HEAD: &str = "head@example.com";

pub(crate) fn pass(sim: &Simulation, minutes: i64) {
    common::pass(sim, SignedDuration::from_mins(minutes));
}

/// The mails: how many minutes after the beginning, for which occasion, and to whom.
fn mailed(sim: &Simulation, began: Timestamp) -> Vec<(i64, String, String)> {
    let mails = sim.mails().into_iter().map(|(at, mail)| {
        let happened = common::digest(&mail.subject);
        let happened = happened.trim_start_matches("[gridbell] ");
        let happened = happened.split("hydration-failing").next().unwrap().trim_end_matches(": ").to_owned();
        let to: Vec<&str> = mail.to.iter().map(|to| to.split('@').next().unwrap()).collect();
        (at.duration_since(began).as_mins(), happened, to.join(" "))
    });
    mails.collect()
}

pub(crate) fn check(sim: &Simulation, began: Timestamp, expected: &[(i64, &str, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(at, what, to)| (*at, (*what).to_owned(), (*to).to_owned())).collect();
    assert_eq!(mailed(sim, began), expected);
}

pub(crate) fn acknowledge(sim: &Simulation, incident: &str) -> IncidentAckOutcome {
    let run = sim.run(Function::Alerter, async |ports| {
        AcknowledgeIncident::<Invocation<'_>> { incidents: ports, host: ports }
            .acknowledge(incident, "the person on duty")
            .await
    });
    run.answer().expect("an answer").expect("noted")
}

#[test]
fn what_no_person_acknowledges_comes_again_until_it_is_resolved() {
    let sim = Simulation::new(1, notified_by(900, Vec::new()));
    let began = sim.now();
    fails(&sim, ABOUT);
    pass(&sim, 40);
    works(&sim, ABOUT);
    drain(&sim);
    check(
        &sim,
        began,
        &[
            (0, "", "grid-duty"),
            (15, "reminder 1", "grid-duty"),
            (31, "reminder 2", "grid-duty"),
            (40, "Resolved", "grid-duty"),
        ],
    );
}

#[test]
fn reminders_come_every_quarter_of_an_hour_by_default() {
    let mut config = serde_json::to_value(config()).unwrap();
    config["contacts"].as_object_mut().unwrap().remove("remind_s");
    let sim = Simulation::new(1, Config::parse(&config.to_string()).unwrap());
    let began = sim.now();
    fails(&sim, ABOUT);
    pass(&sim, 32);
    check(&sim, began, &[(0, "", "grid-duty"), (15, "reminder 1", "grid-duty"), (31, "reminder 2", "grid-duty")]);
}

#[test]
fn reminders_follow_a_first_mail_that_was_refused_for_an_hour() {
    let sim = Simulation::new(1, notified_by(900, Vec::new()));
    sim.fault("mailer.send", Toxic::Refuse, simulation::Times::Always);
    fails(&sim, ABOUT);
    pass(&sim, 60);
    sim.heal();
    pass(&sim, 40);
    assert!(sim.mails().len() >= 3, "{:?}", sim.mails().len());
}

#[test]
fn reminders_end_after_a_day() {
    let sim = Simulation::new(1, notified_by(3_600, Vec::new()));
    fails(&sim, ABOUT);
    common::pass(&sim, hours(48));
    let mails = sim.mails();
    assert!((23..=25).contains(&mails.len()), "{}", mails.len());
    assert!(common::digest(&mails.last().unwrap().1.subject).starts_with("[gridbell] reminder 2"));
}

#[test]
fn reminders_are_bounded_however_short_the_time_between() {
    let sim = Simulation::new(1, notified_by(1, Vec::new()));
    fails(&sim, ABOUT);
    common::pass(&sim, hours(48));
    // They wait for other mails of their group; here there are none.
    assert!(sim.mails().len() < 110, "{}", sim.mails().len());
    let stages = incident(&sim, INCIDENT).mails;
    assert_eq!(stages.keys().filter(|stage| stage.starts_with("reminder ")).count(), 100);
}

#[test]
fn each_step_reaches_further_and_all_of_them_hear_the_end() {
    let sim = Simulation::new(1, notified_by(900, vec![step(1_200, LEAD), step(3_000, HEAD)]));
    let began = sim.now();
    fails(&sim, ABOUT);
    pass(&sim, 55);
    works(&sim, ABOUT);
    drain(&sim);
    check(
        &sim,
        began,
        &[
            (0, "", "grid-duty"),
            (15, "reminder 1", "grid-duty"),
            (20, "escalated", "grid-duty lead"),
            (35, "reminder 2", "grid-duty lead"),
            (50, "escalated", "grid-duty lead head"),
            (55, "Resolved", "grid-duty head lead"),
        ],
    );
}

#[test]
fn an_escalation_at_once_needs_no_reminders() {
    let sim = Simulation::new(1, notified_by(0, vec![step(0, LEAD), step(600, HEAD)]));
    let began = sim.now();
    fails(&sim, ABOUT);
    pass(&sim, 60);
    check(&sim, began, &[(0, "", "grid-duty lead"), (10, "escalated", "grid-duty lead head")]);
}

#[test]
fn who_acknowledges_is_left_alone_and_still_hears_its_end() {
    let sim = Simulation::new(1, notified_by(900, vec![step(1_200, LEAD)]));
    let began = sim.now();
    fails(&sim, ABOUT);
    pass(&sim, 16);
    assert_eq!(acknowledge(&sim, INCIDENT), IncidentAckOutcome::Noted);
    assert!(matches!(acknowledge(&sim, INCIDENT), IncidentAckOutcome::Already(by) if by.by == "the person on duty"));
    hint(&sim, failing(ABOUT));
    pass(&sim, 60);
    assert_eq!(sim.incidents().get(INCIDENT).unwrap().status, IncidentStatus::Acknowledged);
    works(&sim, ABOUT);
    drain(&sim);
    check(&sim, began, &[(0, "", "grid-duty"), (15, "reminder 1", "grid-duty"), (76, "Resolved", "grid-duty")]);
    assert!(sim.mails().pop().unwrap().1.text.contains("by the person on duty"));
    assert_eq!(acknowledge(&sim, INCIDENT), IncidentAckOutcome::Resolved);
    assert_eq!(acknowledge(&sim, "hydration-failing/voltus-prod/none"), IncidentAckOutcome::Unknown);
}

#[test]
fn what_begins_again_awaits_a_person_again() {
    let sim = Simulation::new(1, notified_by(900, Vec::new()));
    fails(&sim, ABOUT);
    pass(&sim, 1);
    acknowledge(&sim, INCIDENT);
    works(&sim, ABOUT);
    pass(&sim, 1);
    let began = sim.now();
    fails(&sim, ABOUT);
    pass(&sim, 16);
    assert_eq!(
        mailed(&sim, began)[2..],
        [(0, String::new(), "grid-duty".to_owned()), (15, "reminder 1".to_owned(), "grid-duty".to_owned())]
    );
}

#[test]
fn a_source_may_have_contacts_of_its_own() {
    let mut config = notified_by(0, vec![step(600, LEAD)]);
    let own = SourceContacts { email: Some(vec!["voltus@example.com".to_owned()]), ..SourceContacts::default() };
    config.sources.get_mut("voltus-prod").unwrap().contacts = Some(own);
    let own = SourceContacts { escalate: Some(Vec::new()), ..SourceContacts::default() };
    config.sources.get_mut("leap-prod").unwrap().contacts = Some(own);
    let sim = Simulation::new(1, config);
    let began = sim.now();
    fails(&sim, ABOUT);
    pass(&sim, 1);
    fails(&sim, "leap-prod/e-1");
    pass(&sim, 60);
    check(&sim, began, &[(0, "", "voltus"), (1, "", "grid-duty"), (10, "escalated", "voltus lead")]);
}

#[test]
fn a_test_never_escalates_and_is_mailed_once() {
    let sim = Simulation::new(1, notified_by(60, vec![step(0, LEAD), step(120, HEAD)]));
    let mut dispatch = voltus("dkmq", 0, 5);
    dispatch["test"] = json!(true);
    sim.answers("voltus-prod", "dkmq", [Reply::Json(dispatch.to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    pass(&sim, 1);
    let began = sim.now();
    fails(&sim, ABOUT);
    fails(&sim, "voltus-sandbox/unknown");
    pass(&sim, 60);
    check(&sim, began, &[(0, "[TEST] ", "grid-duty"), (0, "[TEST] ", "grid-duty")]);
    assert!(sim.links().all().is_empty(), "there is nothing to acknowledge");
}

#[test]
fn at_its_start_a_real_dispatch_is_mailed_again() {
    let sim = Simulation::new(1, notified_by(0, Vec::new()));
    sim.answers("voltus-prod", "dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    pass(&sim, 1);
    let began = sim.now();
    fails(&sim, ABOUT);
    pass(&sim, 60);
    check(&sim, began, &[(0, "", "grid-duty"), (9, "starts now", "grid-duty")]);
    let start: Timestamp = "2023-12-01T16:50:00Z".parse().unwrap();
    let late = sim.mails()[1].0.duration_since(start);
    assert!((0..3).contains(&late.as_secs()), "{late:?}");
}

#[test]
fn no_reminder_follows_the_end_of_a_dispatch() {
    let sim = Simulation::new(1, notified_by(300, Vec::new()));
    sim.answers("voltus-prod", "dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    pass(&sim, 1);
    fails(&sim, ABOUT);
    pass(&sim, 120);
    let end: Timestamp = "2023-12-01T17:00:00Z".parse().unwrap();
    assert!(sim.mails().len() > 3 && sim.mails().iter().all(|(at, _)| *at < end + SignedDuration::from_secs(5)));
}

#[test]
fn an_event_is_not_reminded_of() {
    let sim = Simulation::new(1, notified_by(60, vec![step(60, LEAD)]));
    is_quarantined(&sim, "voltus-prod", "d");
    common::pass(&sim, hours(25));
    let subjects: Vec<String> = sim.mails().into_iter().map(|(_, mail)| crate::common::digest(&mail.subject)).collect();
    assert_eq!(subjects, ["[gridbell] quarantined: voltus-prod", "[gridbell] Resolved: quarantined: voltus-prod"]);
    assert!(sim.links().all().is_empty(), "there is nothing to acknowledge");
}

fn review() -> String {
    to_json(&ToAlert::Review { incidents: vec![INCIDENT.to_owned()] }).expect("JSON")
}

#[test]
fn a_review_that_comes_twice_changes_nothing() {
    for seed in 0..20 {
        let sim = Simulation::new(seed, notified_by(900, Vec::new()));
        let began = sim.now();
        fails(&sim, ABOUT);
        pass(&sim, 14);
        for _ in 0..5 {
            sim.put(Inner::Reviews, &review());
        }
        pass(&sim, 2);
        check(&sim, began, &[(0, "", "grid-duty"), (15, "reminder 1", "grid-duty")]);
    }
}

#[test]
fn two_reviews_at_the_same_time_remind_once() {
    for seed in 0..40 {
        let sim = Simulation::new(seed, notified_by(900, Vec::new()));
        fails(&sim, ABOUT);
        pass(&sim, 14);
        sim.advance(SignedDuration::from_mins(2));
        sim.take(Inner::Alerts);
        for _ in 0..2 {
            sim.put(Inner::Reviews, &review());
        }
        let reviews = sim.take(Inner::Reviews).into_iter();
        for ended in sim.at_once(reviews.map(|review| (Function::Alerter, vec![review])).collect()) {
            assert_eq!(ended, Ended::Answered(Vec::new()), "seed {seed}");
        }
        pass(&sim, 2);
        let reminders = sim.mails().iter().filter(|(_, mail)| mail.subject.contains("reminder")).count();
        assert_eq!(reminders, 1, "seed {seed}");
    }
}

#[test]
fn an_escalation_that_could_not_be_mailed_is_mailed_later() {
    let sim = Simulation::new(1, notified_by(0, vec![step(600, LEAD)]));
    fails(&sim, ABOUT);
    pass(&sim, 5);
    sim.fault("mailer.send", Toxic::Refuse, simulation::Times::First(7));
    pass(&sim, 60);
    let last = sim.mails().pop().unwrap().1;
    assert_eq!((sim.mails().len(), last.to), (2, vec![DUTY.to_owned(), LEAD.to_owned()]));
}

#[test]
fn a_first_mail_that_the_alerter_died_over_five_times_is_sent() {
    let sim = Simulation::new(1, notified_by(0, Vec::new()));
    sim.fault("mailer.send", Toxic::CrashBefore, simulation::Times::First(Standard::MAX_RECEIVES));
    fails(&sim, ABOUT);
    pass(&sim, 60);
    let subjects: Vec<String> = sim.mails().into_iter().map(|(_, mail)| crate::common::digest(&mail.subject)).collect();
    assert_eq!(subjects, [format!("[gridbell] hydration-failing: {ABOUT}")]);
}

#[test]
fn every_fault_at_every_call_ends_in_the_same_stages() {
    let play = |sim: &Simulation| {
        fails(sim, ABOUT);
        common::pass(sim, minutes(22));
        works(sim, ABOUT);
        drain(sim);
    };
    let config = || notified_by(540, vec![step(300, LEAD)]);
    let subjects = |sim: &Simulation| {
        let mut subjects: Vec<String> =
            sim.mails().into_iter().map(|(_, mail)| crate::common::digest(&mail.subject)).collect();
        subjects.sort();
        subjects
    };
    let calm = Simulation::new(1, config());
    play(&calm);
    let expected = subjects(&calm);
    assert_eq!(expected.len(), 4, "{expected:?}");
    for (number, call) in worth_a_fault(&calm.calls(), 0) {
        for toxic in Toxic::ALL {
            let sim = Simulation::new(1, config());
            sim.fault_at(number, toxic);
            play(&sim);
            let mut mails = subjects(&sim);
            assert!(mails.len() <= expected.len() + 1, "{number} {toxic:?}: {mails:?}");
            mails.dedup();
            assert_eq!(mails, expected, "{number} {:?} {toxic:?}", call.port);
            assert!(sim.incidents().all().iter().all(|incident| incident.status == IncidentStatus::Resolved));
            assert!(sim.queued(Inner::AlertsDead).is_empty());
        }
    }
}

#[test]
fn a_snoozed_incident_calls_again_when_its_time_has_passed() {
    let sim = Simulation::new(1, notified_by(900, vec![step(1_200, LEAD)]));
    let began = sim.now();
    fails(&sim, ABOUT);
    pass(&sim, 5);
    let until = began + minutes(50);
    let snooze = |incident: &'static str| {
        let run = sim.run(Function::Alerter, async |ports| {
            AcknowledgeIncident::<Invocation<'_>> { incidents: ports, host: ports }.snooze(incident, until, "Ada").await
        });
        run.answer().expect("an answer").expect("noted")
    };
    assert_eq!(snooze(INCIDENT), IncidentAckOutcome::Noted);
    assert_eq!(snooze("hydration-failing/nothing"), IncidentAckOutcome::Unknown);
    pass(&sim, 44);
    check(&sim, began, &[(0, "", "grid-duty")]);
    assert_eq!(incident(&sim, INCIDENT).status, IncidentStatus::Open);
    pass(&sim, 4);
    let mails = sim.mails();
    assert_eq!(mails.len(), 2, "{:?}", common::mail_subjects(&sim));
    assert_eq!(mails[1].0.duration_since(began).as_mins(), 50);
    assert_eq!(acknowledge(&sim, INCIDENT), IncidentAckOutcome::Noted);
    assert!(matches!(snooze(INCIDENT), IncidentAckOutcome::Already(_)));
}
