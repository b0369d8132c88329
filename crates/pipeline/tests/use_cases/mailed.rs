//! What counts as mailed, to whom its end is mailed, and what is mailed after an outage of the alerter.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use pipeline::{config::SourceContacts, incident::IncidentStatus};
use sim::{Function, Times, Toxic, World};

use crate::{
    common::{accepted, config, drain, mail_subjects, pass, run_for, thin, world},
    deadlines::{AT_RISK, OVER, acknowledge, acknowledging, risks},
    incidents::{ABOUT, DUTY, INCIDENT, fails, incident, minutes, notified_by, step, works},
};

const LEAD: &str = "lead@example.com";

#[test]
fn a_stage_is_mailed_once_ses_has_accepted_its_mail() {
    let world = world(1);
    world.fault("mailer.send", Toxic::Refuse, Times::Always);
    fails(&world, ABOUT);
    run_for(&world, 30);
    let refused = incident(&world, INCIDENT);
    assert!(refused.mails.is_empty() && refused.notified.is_empty(), "{refused:?}");
    let waiting = refused.waiting.expect("a mail that waits");
    assert_eq!(waiting.stages.iter().map(|news| news.stage.as_str()).collect::<Vec<_>>(), ["first"]);
    world.heal();
    drain(&world);
    let mailed = incident(&world, INCIDENT);
    let (at, _) = world.mails().remove(0);
    assert_eq!(mailed.waiting, None);
    let said = mailed.mails["first"].duration_since(at);
    assert!((0..100).contains(&said.as_millis()), "{said:?} after it was accepted");
    assert_eq!(mailed.notified, BTreeSet::from([DUTY.to_owned()]));
}

/// The recipients of the mails whose subject holds that.
fn recipients(world: &World, occasion: &str) -> Vec<BTreeSet<String>> {
    let mails = world.mails().into_iter().filter(|(_, mail)| mail.subject.contains(occasion));
    mails.map(|(_, mail)| mail.to.into_iter().collect()).collect()
}

fn set(addresses: &[&str]) -> BTreeSet<String> {
    addresses.iter().map(|address| (*address).to_owned()).collect()
}

#[test]
fn its_end_goes_to_those_who_got_any_stage_and_to_no_others() {
    let mut world = World::new(1, notified_by(0, vec![step(120, LEAD), step(3_600, "head@example.com")]));
    fails(&world, ABOUT);
    pass(&world, minutes(3));
    assert_eq!(recipients(&world, "hydration-failing"), [set(&[DUTY]), set(&[DUTY, LEAD])]);
    // Somebody comes on duty, somebody goes, and the escalation is another one.
    world.config.contacts.email = vec!["newcomer@example.com".to_owned()];
    world.config.contacts.escalate = vec![step(0, "another@example.com")];
    works(&world, ABOUT);
    drain(&world);
    assert_eq!(recipients(&world, "over: "), [set(&[DUTY, LEAD])]);
}

#[test]
fn ends_that_concern_different_people_are_different_mails() {
    let mut world = World::new(1, notified_by(0, vec![step(120, LEAD)]));
    fails(&world, ABOUT);
    pass(&world, minutes(3));
    world.config.sources.get_mut("voltus-prod").unwrap().contacts =
        Some(SourceContacts { email: Some(vec!["voltus@example.com".to_owned()]), escalate: None });
    fails(&world, "voltus-prod/other");
    pass(&world, minutes(1));
    for key in [ABOUT, "voltus-prod/other"] {
        works(&world, key);
    }
    drain(&world);
    let mut ends = recipients(&world, "over: ");
    ends.sort();
    assert_eq!(ends, [set(&[DUTY, LEAD]), set(&["voltus@example.com"])]);
    assert!(mail_subjects(&world).iter().all(|subject| !subject.contains("2 ")), "{:?}", mail_subjects(&world));
}

#[test]
fn what_is_resolved_before_its_mail_was_accepted_is_not_mailed() {
    let world = world(1);
    world.fault("mailer.send", Toxic::Refuse, Times::Always);
    fails(&world, ABOUT);
    run_for(&world, 30);
    works(&world, ABOUT);
    run_for(&world, 5);
    world.heal();
    drain(&world);
    assert_eq!(mail_subjects(&world), [""; 0]);
    let resolved = incident(&world, INCIDENT);
    assert_eq!((resolved.status, resolved.waiting), (IncidentStatus::Resolved, None));
}

#[test]
fn a_deadline_that_passed_is_mailed_although_it_is_resolved() {
    let world = acknowledging(1);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    world.fault("mailer.send", Toxic::Refuse, Times::Always);
    pass(&world, SignedDuration::from_secs(90));
    assert_eq!(acknowledge(&world, 1, "accepted").status, 200);
    pass(&world, SignedDuration::from_secs(10));
    world.heal();
    pass(&world, minutes(3));
    assert_eq!(risks(&world), [AT_RISK, OVER]);
}

#[test]
fn a_mail_after_an_outage_past_a_dispatchs_end_says_so() {
    // The alerter, or all that works behind the hydrator, does not run from before the deadline until after the end.
    for stopped in [&[Function::Alerter][..], &[Function::Alerter, Function::Retrier, Function::Sweeper]] {
        let world = acknowledging(1);
        accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
        run_for(&world, 5);
        for function in stopped {
            world.stop(*function);
        }
        pass(&world, minutes(40));
        assert_eq!(risks(&world), [""; 0]);
        for function in stopped {
            world.start(*function);
        }
        let back_at = world.now();
        pass(&world, minutes(4));
        assert_eq!(risks(&world), [AT_RISK], "one mail, which says that it is over: {stopped:?}");
        let (at, mail) = world.mails().remove(0);
        assert!(at <= back_at + minutes(2), "{at}, back at {back_at}");
        assert!(mail.text.contains("gridbell could not send this mail before"), "{}", mail.text);
        assert!(mail.text.starts_with("Sites:"), "{}", mail.text);
        pass(&world, minutes(60));
        assert_eq!(risks(&world).len(), 1, "once");
    }
}

#[test]
fn an_outage_that_ends_before_the_dispatch_is_mailed_as_ever() {
    let world = acknowledging(1);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 5);
    world.stop(Function::Alerter);
    pass(&world, minutes(12));
    world.start(Function::Alerter);
    let back_at = world.now();
    pass(&world, minutes(1));
    let (at, mail) = world.mails().remove(0);
    assert!(at <= back_at + SignedDuration::from_secs(10), "{at}, back at {back_at}");
    assert!(!mail.text.contains("could not send"), "{}", mail.text);
}

#[test]
fn what_was_acknowledged_during_the_outage_is_not_mailed() {
    let world = acknowledging(1);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 5);
    world.stop(Function::Alerter);
    pass(&world, minutes(5));
    assert_eq!(acknowledge(&world, 1, "accepted").status, 200);
    pass(&world, minutes(30));
    world.start(Function::Alerter);
    pass(&world, minutes(10));
    assert_eq!(mail_subjects(&world), [""; 0]);
}

#[test]
fn a_test_that_passed_in_an_outage_is_mailed_as_a_test() {
    let mut config = crate::deadlines::acknowledged();
    config.contacts = notified_by(0, vec![step(0, LEAD)]).contacts;
    let world = World::new(1, config);
    let mut dispatch = crate::common::voltus("dkmq", 0, 5);
    dispatch["test"] = serde_json::json!(true);
    world.answers("voltus-prod", "/dispatches/dkmq", [sim::Reply::Json(dispatch.to_string())]);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 5);
    world.stop(Function::Alerter);
    pass(&world, minutes(40));
    world.start(Function::Alerter);
    pass(&world, minutes(10));
    assert!(mail_subjects(&world).iter().all(|subject| subject.starts_with("[gridbell] [TEST] ")));
    assert!(recipients(&world, "dispatch-at-risk").iter().all(|to| *to == set(&[DUTY])));
}

#[test]
fn a_contact_without_an_address_is_nobody() {
    let mut config = config();
    config.contacts.email.clear();
    config.contacts.escalate = vec![step(120, LEAD)];
    let world = World::new(1, config);
    fails(&world, ABOUT);
    pass(&world, minutes(3));
    works(&world, ABOUT);
    drain(&world);
    assert_eq!(recipients(&world, "hydration-failing"), [set(&[LEAD]), set(&[LEAD])]);
}
