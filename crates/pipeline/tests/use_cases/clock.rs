//! An incident's own clock: who is told again, when, and when that ends.

use dispatch::Subject;
use jiff::{SignedDuration, Timestamp};
use pipeline::{
    alert::{AcknowledgeIncident, Outcome},
    config::{Config, Contacts, Escalation, SourceContacts},
    incident::{IncidentStatus, Kind, Notice},
};
use serde_json::json;
use sim::{Function, Inner, Reply, Settled, Standard, Toxic, World};

use crate::common::{self, accepted, config, drain, thin, voltus};

pub(crate) const ABOUT: &str = "voltus-prod/dkmq";
pub(crate) const INCIDENT: &str = "source-down/voltus-prod/dkmq";
const DUTY: &str = "grid-duty@example.com";
pub(crate) const LEAD: &str = "lead@example.com";
const HEAD: &str = "head@example.com";

pub(crate) fn step(after_s: u32, email: &str) -> Escalation {
    Escalation { after_s, email: vec![email.to_owned()] }
}

pub(crate) fn told_by(remind_s: u32, escalate: Vec<Escalation>) -> Config {
    let mut config = config();
    config.contacts = Contacts { remind_s, escalate, ..config.contacts };
    config
}

/// Goes on until somebody says that it is over.
pub(crate) fn failing(world: &World, about: &str) -> Notice {
    let source = about.split('/').next().unwrap();
    let notice = Notice::happens(Kind::SourceDown, source, about.to_owned(), world.now(), "500".to_owned());
    notice.gathered_by(about.to_owned()).about_dispatch(Some(Subject::from_stored(about))).until_over()
}

fn over(world: &World, about: &str) -> Notice {
    let source = about.split('/').next().unwrap();
    Notice::over(Kind::SourceDown, source, about, world.now(), "it worked at attempt 7".to_owned())
}

pub(crate) fn notify(world: &World, notice: &Notice) {
    world.put(Inner::Alerts, &serde_json::to_string(notice).expect("JSON"));
}

pub(crate) fn pass(world: &World, minutes: i64) {
    common::pass(world, SignedDuration::from_mins(minutes));
}

/// What was mailed: how many minutes after the beginning, what had happened, and to whom.
fn mailed(world: &World, began: Timestamp) -> Vec<(i64, String, String)> {
    let mails = world.mails().into_iter().map(|(at, mail)| {
        let happened = mail.subject.trim_start_matches("[gridbell] ");
        let happened = happened.split("source-down").next().unwrap().trim_end_matches(": ").to_owned();
        let to: Vec<&str> = mail.to.iter().map(|to| to.split('@').next().unwrap()).collect();
        (at.duration_since(began).as_mins(), happened, to.join(" "))
    });
    mails.collect()
}

pub(crate) fn check(world: &World, began: Timestamp, expected: &[(i64, &str, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(at, what, to)| (*at, (*what).to_owned(), (*to).to_owned())).collect();
    assert_eq!(mailed(world, began), expected);
}

pub(crate) fn acknowledge(world: &World, incident: &str) -> Outcome {
    let run = world.run(Function::Alerter, async |ports| {
        AcknowledgeIncident { incidents: ports, world: ports }.acknowledge(incident, "the person on duty").await
    });
    run.answer().expect("an answer").expect("noted")
}

#[test]
fn what_nobody_takes_on_is_reminded_of_until_it_is_over() {
    let world = World::new(1, told_by(900, Vec::new()));
    let began = world.now();
    notify(&world, &failing(&world, ABOUT));
    pass(&world, 40);
    notify(&world, &over(&world, ABOUT));
    drain(&world);
    check(
        &world,
        began,
        &[
            (0, "", "grid-duty"),
            (15, "reminder 1", "grid-duty"),
            (30, "reminder 2", "grid-duty"),
            (40, "over", "grid-duty"),
        ],
    );
}

#[test]
fn reminders_come_every_quarter_of_an_hour_where_the_configuration_does_not_say_how_often() {
    let mut config = serde_json::to_value(config()).unwrap();
    config["contacts"].as_object_mut().unwrap().remove("remind_s");
    let world = World::new(1, Config::parse(&config.to_string()).unwrap());
    let began = world.now();
    notify(&world, &failing(&world, ABOUT));
    pass(&world, 32);
    check(&world, began, &[(0, "", "grid-duty"), (15, "reminder 1", "grid-duty"), (30, "reminder 2", "grid-duty")]);
}

#[test]
fn reminders_follow_where_the_first_mail_was_refused_for_an_hour() {
    let world = World::new(1, told_by(900, Vec::new()));
    world.fault("mailer.send", Toxic::Refuse, sim::Times::Always);
    notify(&world, &failing(&world, ABOUT));
    pass(&world, 60);
    world.heal();
    pass(&world, 40);
    assert!(world.mails().len() >= 3, "{:?}", world.mails().len());
}

#[test]
fn reminders_end_after_a_day() {
    let world = World::new(1, told_by(3_600, Vec::new()));
    notify(&world, &failing(&world, ABOUT));
    assert_eq!(world.settle(SignedDuration::from_hours(48)), Settled::Drained);
    let mails = world.mails();
    assert!((23..=25).contains(&mails.len()), "{}", mails.len());
    assert!(mails.last().unwrap().1.subject.starts_with("[gridbell] reminder 2"));
}

#[test]
fn reminders_are_bounded_however_short_the_time_between() {
    let world = World::new(1, told_by(1, Vec::new()));
    notify(&world, &failing(&world, ABOUT));
    assert_eq!(world.settle(SignedDuration::from_hours(48)), Settled::Drained);
    // After the first few, those of an outage are gathered: here of one dispatch, so that each batch is one mail.
    assert!(world.mails().len() < 110, "{}", world.mails().len());
    let stages = world.incidents().get(INCIDENT).unwrap().mails;
    assert_eq!(stages.keys().filter(|stage| stage.starts_with("reminder ")).count(), 100);
}

#[test]
fn an_escalation_reaches_further_step_by_step_and_all_of_them_hear_that_it_is_over() {
    let world = World::new(1, told_by(900, vec![step(1_200, LEAD), step(3_000, HEAD)]));
    let began = world.now();
    notify(&world, &failing(&world, ABOUT));
    pass(&world, 55);
    notify(&world, &over(&world, ABOUT));
    drain(&world);
    check(
        &world,
        began,
        &[
            (0, "", "grid-duty"),
            (15, "reminder 1", "grid-duty"),
            (20, "nobody has taken it on", "grid-duty lead"),
            (35, "reminder 2", "grid-duty lead"),
            (50, "nobody has taken it on", "grid-duty lead head"),
            (55, "over", "grid-duty lead head"),
        ],
    );
}

#[test]
fn an_escalation_at_once_is_told_at_once_and_comes_without_reminders_too() {
    let world = World::new(1, told_by(0, vec![step(0, LEAD), step(600, HEAD)]));
    let began = world.now();
    notify(&world, &failing(&world, ABOUT));
    drain(&world);
    check(&world, began, &[(0, "", "grid-duty lead"), (10, "nobody has taken it on", "grid-duty lead head")]);
}

#[test]
fn who_takes_it_on_is_left_alone_and_still_hears_that_it_is_over() {
    let world = World::new(1, told_by(900, vec![step(1_200, LEAD)]));
    let began = world.now();
    notify(&world, &failing(&world, ABOUT));
    pass(&world, 16);
    assert_eq!(acknowledge(&world, INCIDENT), Outcome::Noted);
    assert!(matches!(acknowledge(&world, INCIDENT), Outcome::Already(by) if by.by == "the person on duty"));
    notify(&world, &failing(&world, ABOUT));
    pass(&world, 60);
    assert_eq!(world.incidents().get(INCIDENT).unwrap().status, IncidentStatus::Acknowledged);
    notify(&world, &over(&world, ABOUT));
    drain(&world);
    check(&world, began, &[(0, "", "grid-duty"), (15, "reminder 1", "grid-duty"), (76, "over", "grid-duty")]);
    assert!(world.mails().pop().unwrap().1.text.contains("by the person on duty"));
    assert_eq!(acknowledge(&world, INCIDENT), Outcome::Over);
    assert_eq!(acknowledge(&world, "source-down/voltus-prod/none"), Outcome::Unknown);
}

#[test]
fn what_begins_again_waits_for_somebody_again() {
    let world = World::new(1, told_by(900, Vec::new()));
    notify(&world, &failing(&world, ABOUT));
    pass(&world, 1);
    acknowledge(&world, INCIDENT);
    notify(&world, &over(&world, ABOUT));
    pass(&world, 1);
    let began = world.now();
    notify(&world, &failing(&world, ABOUT));
    pass(&world, 16);
    assert_eq!(
        mailed(&world, began)[2..],
        [(0, String::new(), "grid-duty".to_owned()), (15, "reminder 1".to_owned(), "grid-duty".to_owned())]
    );
}

#[test]
fn a_source_may_have_contacts_of_its_own() {
    let mut config = told_by(0, vec![step(600, LEAD)]);
    let own = SourceContacts { email: Some(vec!["voltus@example.com".to_owned()]), escalate: None };
    config.sources.get_mut("voltus-prod").unwrap().contacts = Some(own);
    let own = SourceContacts { email: None, escalate: Some(Vec::new()) };
    config.sources.get_mut("leap-prod").unwrap().contacts = Some(own);
    let world = World::new(1, config);
    let began = world.now();
    notify(&world, &failing(&world, ABOUT));
    pass(&world, 1);
    notify(&world, &failing(&world, "leap-prod/e-1"));
    drain(&world);
    check(&world, began, &[(0, "", "voltus"), (1, "", "grid-duty"), (10, "nobody has taken it on", "voltus lead")]);
}

#[test]
fn a_test_never_escalates_and_is_told_of_once() {
    let world = World::new(1, told_by(60, vec![step(0, LEAD), step(120, HEAD)]));
    let mut dispatch = voltus("dkmq", 0, 5);
    dispatch["test"] = json!(true);
    world.answers("voltus-prod", "dkmq", [Reply::Json(dispatch.to_string())]);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    pass(&world, 1);
    let began = world.now();
    notify(&world, &failing(&world, ABOUT));
    notify(&world, &failing(&world, "voltus-sandbox/unknown"));
    drain(&world);
    check(&world, began, &[(0, "[TEST] ", "grid-duty"), (0, "[TEST] ", "grid-duty")]);
    assert!(world.links().all().is_empty(), "there is nothing to take on");
}

#[test]
fn at_its_start_a_real_dispatch_is_told_again() {
    let world = World::new(1, told_by(0, Vec::new()));
    world.answers("voltus-prod", "dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    pass(&world, 1);
    let began = world.now();
    notify(&world, &failing(&world, ABOUT));
    drain(&world);
    check(&world, began, &[(0, "", "grid-duty"), (9, "starts now", "grid-duty")]);
    let start: Timestamp = "2023-12-01T16:50:00Z".parse().unwrap();
    let late = world.mails()[1].0.duration_since(start);
    assert!((0..3).contains(&late.as_secs()), "{late:?}");
}

#[test]
fn nobody_is_reminded_of_a_dispatch_that_has_ended() {
    let world = World::new(1, told_by(300, Vec::new()));
    world.answers("voltus-prod", "dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    pass(&world, 1);
    notify(&world, &failing(&world, ABOUT));
    drain(&world);
    let end: Timestamp = "2023-12-01T17:00:00Z".parse().unwrap();
    assert!(world.mails().len() > 3 && world.mails().iter().all(|(at, _)| *at < end + SignedDuration::from_secs(5)));
}

#[test]
fn what_goes_quiet_by_itself_is_not_reminded_of() {
    let world = World::new(1, told_by(60, vec![step(60, LEAD)]));
    let notice =
        Notice::happens(Kind::Quarantined, "voltus-prod", "voltus-prod".to_owned(), world.now(), "d".to_owned());
    notify(&world, &notice);
    drain(&world);
    let subjects: Vec<String> = world.mails().into_iter().map(|(_, mail)| mail.subject).collect();
    assert_eq!(subjects, ["[gridbell] quarantined: voltus-prod", "[gridbell] over: quarantined: voltus-prod"]);
    assert!(world.links().all().is_empty(), "there is nothing to take on");
}

#[test]
fn a_review_that_comes_twice_changes_nothing() {
    for seed in 0..20 {
        let world = World::new(seed, told_by(900, Vec::new()));
        let began = world.now();
        notify(&world, &failing(&world, ABOUT));
        pass(&world, 14);
        for _ in 0..5 {
            let review = Notice { news: pipeline::incident::News::Review, ..failing(&world, ABOUT) };
            notify(&world, &review);
        }
        pass(&world, 2);
        check(&world, began, &[(0, "", "grid-duty"), (15, "reminder 1", "grid-duty")]);
    }
}

#[test]
fn two_reviews_at_the_same_time_remind_once() {
    for seed in 0..40 {
        let world = World::new(seed, told_by(900, Vec::new()));
        notify(&world, &failing(&world, ABOUT));
        pass(&world, 14);
        world.advance(SignedDuration::from_mins(2));
        let reviews = world.take(Inner::Alerts).into_iter().flat_map(|review| [review.clone(), review]);
        world.at_once(reviews.map(|review| (Function::Alerter, vec![review])).collect());
        let reminders = world.mails().iter().filter(|(_, mail)| mail.subject.contains("reminder")).count();
        assert_eq!(reminders, 1, "seed {seed}");
    }
}

#[test]
fn an_escalation_that_could_not_be_mailed_is_mailed_later() {
    let world = World::new(1, told_by(0, vec![step(600, LEAD)]));
    notify(&world, &failing(&world, ABOUT));
    pass(&world, 5);
    world.fault("mailer.send", Toxic::Refuse, sim::Times::First(7));
    drain(&world);
    let last = world.mails().pop().unwrap().1;
    assert_eq!((world.mails().len(), last.to), (2, vec![DUTY.to_owned(), LEAD.to_owned()]));
}

#[test]
fn a_first_mail_that_the_alerter_died_over_until_it_was_a_dead_letter_is_never_made_up_for() {
    let world = World::new(1, told_by(0, Vec::new()));
    world.fault("mailer.send", Toxic::CrashBefore, sim::Times::First(Standard::MAX_RECEIVES));
    notify(&world, &Notice { kind: Kind::HydrationFailing, ..failing(&world, ABOUT) });
    pass(&world, 60);
    assert_eq!(world.queued(Inner::AlertsDead).len(), 1);
    let subjects: Vec<String> = world.mails().into_iter().map(|(_, mail)| mail.subject).collect();
    assert_eq!(subjects, [format!("[gridbell] hydration-failing: {ABOUT}")]);
}

#[test]
fn every_fault_at_every_call_ends_in_the_same_stages_at_most_twice() {
    let play = |world: &World| {
        notify(world, &failing(world, ABOUT));
        world.settle(SignedDuration::from_mins(22));
        notify(world, &over(world, ABOUT));
        world.settle(SignedDuration::from_hours(30))
    };
    let config = || told_by(540, vec![step(300, LEAD)]);
    let subjects = |world: &World| {
        let mut subjects: Vec<String> = world.mails().into_iter().map(|(_, mail)| mail.subject).collect();
        subjects.sort();
        subjects
    };
    let calm = World::new(1, config());
    assert_eq!(play(&calm), Settled::Drained);
    let expected = subjects(&calm);
    assert_eq!(expected.len(), 4, "{expected:?}");
    for call in 0..calm.calls().len() {
        for toxic in Toxic::ALL {
            let world = World::new(1, config());
            world.fault_at(call, toxic);
            assert_eq!(play(&world), Settled::Drained, "{call} {toxic:?}");
            let mut mails = subjects(&world);
            assert!(mails.len() <= expected.len() + 1, "{call} {toxic:?}: {mails:?}");
            mails.dedup();
            assert_eq!(mails, expected, "{call} {:?} {toxic:?}", calm.calls()[call].port);
            assert!(world.incidents().all().iter().all(|incident| incident.status == IncidentStatus::Over));
            assert!(world.queued(Inner::AlertsDead).is_empty());
        }
    }
}
