//! The looks at an incident: when they come, how many, what they wait for, and that they go on whatever dies or is refused.

use futures_util::future::join;
use pipeline::{
    alert::{AcknowledgeIncident, Outcome},
    config::Escalation,
    incident::{IncidentStatus, Kind, Notice},
};
use serde_json::json;
use sim::{Function, Inner, Reply, Times, Toxic, World};

use crate::{
    clock::{ABOUT, INCIDENT, LEAD, acknowledge, check, failing, notify, pass, step, told_by},
    common::{accepted, config, drain, mail_subjects, thin, voltus},
};

/// Reminded of after a quarter of an hour each, and told to nobody else.
fn reminded(seed: u64) -> World {
    World::new(seed, told_by(900, Vec::new()))
}

#[test]
fn there_is_one_look_for_each_mail_that_is_to_come() {
    let rows: [(&str, u32, Vec<Escalation>, usize, usize); 5] = [
        ("nothing is to come", 0, Vec::new(), 1, 0),
        ("two reminders, and a third ahead", 900, Vec::new(), 3, 3),
        ("one step at once, one later", 0, vec![step(0, LEAD), step(600, "head@example.com")], 2, 1),
        ("after half a minute", 0, vec![step(30, LEAD)], 2, 1),
        ("sooner than the invocation that tells of it must end", 0, vec![step(10, LEAD)], 2, 2),
    ];
    for (name, remind_s, escalate, mails, looks) in rows {
        let world = World::new(1, told_by(remind_s, escalate));
        notify(&world, &Notice { dispatch: None, ..failing(&world, ABOUT) });
        pass(&world, 40);
        assert_eq!(world.mails().len(), mails, "{name}");
        assert_eq!(world.calls().iter().filter(|call| call.port == "outlet.notice").count(), looks, "{name}");
    }
}

#[test]
fn a_step_of_the_escalation_after_ten_seconds_comes_after_ten_seconds() {
    let world = World::new(1, told_by(0, vec![step(10, LEAD)]));
    let began = world.now();
    notify(&world, &failing(&world, ABOUT));
    pass(&world, 2);
    let after = world.mails()[1].0.duration_since(began);
    assert!((10..12).contains(&after.as_secs()), "{after:?}");
}

#[test]
fn nobody_else_is_told_of_what_may_be_a_test_while_its_dispatch_cannot_be_read() {
    let world = World::new(1, told_by(300, vec![step(120, LEAD)]));
    let mut dispatch = voltus("dkmq", 0, 5);
    dispatch["test"] = json!(true);
    world.answers("voltus-prod", "dkmq", [Reply::Json(dispatch.to_string())]);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    pass(&world, 1);
    world.fault("dispatches.read", Toxic::Refuse, Times::Always);
    let began = world.now();
    notify(&world, &failing(&world, ABOUT));
    pass(&world, 30);
    world.heal();
    drain(&world);
    check(&world, began, &[(0, "", "grid-duty")]);
}

#[test]
fn who_has_taken_it_on_is_left_alone_although_a_reminder_had_died_on_its_way() {
    let world = reminded(1);
    let began = world.now();
    notify(&world, &failing(&world, ABOUT));
    pass(&world, 14);
    world.fault("mailer.send", Toxic::CrashBefore, Times::First(1));
    pass(&world, 2);
    assert_eq!(acknowledge(&world, INCIDENT), Outcome::Noted);
    drain(&world);
    check(&world, began, &[(0, "", "grid-duty")]);
}

#[test]
fn of_two_who_take_it_on_at_once_one_does_and_the_other_learns_who() {
    for seed in 0..20 {
        let world = reminded(seed);
        notify(&world, &failing(&world, ABOUT));
        pass(&world, 1);
        let both = world.run(Function::Alerter, async |ports| {
            let take_on = AcknowledgeIncident { incidents: ports, world: ports };
            join(take_on.acknowledge(INCIDENT, "one"), take_on.acknowledge(INCIDENT, "the other")).await
        });
        let (one, other) = both.answer().expect("two answers");
        let by = world.incidents().get(INCIDENT).unwrap().acknowledged.expect("somebody");
        let outcomes = [one.expect("an answer"), other.expect("an answer")];
        assert!(outcomes.contains(&Outcome::Noted), "seed {seed}: {outcomes:?}");
        assert!(outcomes.contains(&Outcome::Already(by)), "seed {seed}: {outcomes:?}");
    }
}

#[test]
fn a_source_that_is_down_for_longer_than_a_day_is_down() {
    let world = World::new(1, told_by(0, vec![step(30 * 3_600, LEAD)]));
    let began = world.now();
    notify(&world, &failing(&world, ABOUT));
    pass(&world, 40 * 60);
    check(&world, began, &[(0, "", "grid-duty"), (30 * 60, "nobody has taken it on", "grid-duty lead")]);
    assert_eq!(world.incidents().get(INCIDENT).unwrap().status, IncidentStatus::Open);
}

#[test]
fn a_key_that_is_refused_after_it_was_rotated_is_not_over_for_going_quiet() {
    let world = World::new(1, config());
    let notice = |detail: &str| {
        let source = "voltus-prod".to_owned();
        Notice::happens(Kind::Credentials, "voltus-prod", source, world.now(), detail.to_owned())
    };
    notify(&world, &notice("rotated").mailed_as("rotated"));
    pass(&world, 5);
    notify(&world, &notice("refused").until_over());
    pass(&world, 60);
    assert_eq!(mail_subjects(&world), ["[gridbell] credentials: voltus-prod"; 2]);
    assert_eq!(world.incidents().all()[0].status, IncidentStatus::Open);
}

#[test]
fn reminders_follow_although_the_first_look_ended_among_the_dead_letters() {
    let world = reminded(1);
    world.fault("alerts.write", Toxic::CrashAfter, Times::Always);
    notify(&world, &failing(&world, ABOUT));
    pass(&world, 90);
    assert!(world.queued(Inner::Alerts).is_empty() && !world.queued(Inner::AlertsDead).is_empty());
    world.heal();
    let again = world.now();
    notify(&world, &failing(&world, ABOUT));
    pass(&world, 20);
    assert!(world.mails().iter().any(|(_, mail)| mail.subject.contains("reminder")), "{:?}", mail_subjects(&world));
    assert!(world.mails().iter().all(|(at, _)| *at >= again));
}
