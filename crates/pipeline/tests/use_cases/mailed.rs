//! What counts as mailed, who receives the resolved mail, and what is mailed after an outage of the alerter.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use pipeline::{
    config::{Site, SiteContacts, SourceContacts},
    incident::IncidentStatus,
};
use simulation::{Function, Simulation, Times, Toxic};

use crate::{
    common::{accepted, config, drain, mail_subjects, pass, run_for, sim, thin},
    deadlines::{AT_RISK, OVER, acknowledge, acknowledging, risks},
    incidents::{ABOUT, DUTY, INCIDENT, fails, incident, minutes, notified_by, step, works},
};

const LEAD: &str = "lead@example.com";

#[test]
fn a_stage_is_mailed_once_ses_has_accepted_its_mail() {
    let sim = sim(1);
    sim.fault("mailer.send", Toxic::Refuse, Times::Always);
    fails(&sim, ABOUT);
    run_for(&sim, 30);
    let refused = incident(&sim, INCIDENT);
    assert!(refused.mails.is_empty() && refused.notified.is_empty(), "{refused:?}");
    let waiting = refused.waiting.expect("a mail that waits");
    assert_eq!(waiting.stages.iter().map(|news| news.stage.as_str()).collect::<Vec<_>>(), ["first"]);
    sim.heal();
    drain(&sim);
    let mailed = incident(&sim, INCIDENT);
    let (at, _) = sim.mails().remove(0);
    assert_eq!(mailed.waiting, None);
    let said = mailed.mails["first"].duration_since(at);
    assert!((0..100).contains(&said.as_millis()), "{said:?} after it was accepted");
    assert_eq!(mailed.notified, BTreeSet::from([DUTY.to_owned()]));
}

/// The recipients of the mails whose subject contains `occasion`.
fn recipients(sim: &Simulation, occasion: &str) -> Vec<BTreeSet<String>> {
    let mails = sim.mails().into_iter().filter(|(_, mail)| mail.subject.contains(occasion));
    mails.map(|(_, mail)| mail.to.into_iter().collect()).collect()
}

fn set(addresses: &[&str]) -> BTreeSet<String> {
    addresses.iter().map(|address| (*address).to_owned()).collect()
}

#[test]
fn its_end_goes_to_those_who_got_any_stage_and_to_no_others() {
    let mut sim = Simulation::new(1, notified_by(0, vec![step(120, LEAD), step(3_600, "head@example.com")]));
    fails(&sim, ABOUT);
    pass(&sim, minutes(3));
    assert_eq!(recipients(&sim, "hydration-failing"), [set(&[DUTY]), set(&[DUTY, LEAD])]);
    // One person joins the duty, another leaves, and the escalation changes.
    sim.config.contacts.email = vec!["newcomer@example.com".to_owned()];
    sim.config.contacts.escalate = vec![step(0, "another@example.com")];
    works(&sim, ABOUT);
    drain(&sim);
    assert_eq!(recipients(&sim, "Resolved: "), [set(&[DUTY, LEAD])]);
}

#[test]
fn ends_that_concern_different_people_are_different_mails() {
    let mut sim = Simulation::new(1, notified_by(0, vec![step(120, LEAD)]));
    fails(&sim, ABOUT);
    pass(&sim, minutes(3));
    sim.config.sources.get_mut("voltus-prod").unwrap().contacts =
        Some(SourceContacts { email: Some(vec!["voltus@example.com".to_owned()]), ..SourceContacts::default() });
    fails(&sim, "voltus-prod/other");
    pass(&sim, minutes(1));
    for key in [ABOUT, "voltus-prod/other"] {
        works(&sim, key);
    }
    drain(&sim);
    let mut ends = recipients(&sim, "Resolved: ");
    ends.sort();
    assert_eq!(ends, [set(&[DUTY, LEAD]), set(&["voltus@example.com"])]);
    assert!(mail_subjects(&sim).iter().all(|subject| !subject.contains("2 ")), "{:?}", mail_subjects(&sim));
}

#[test]
fn what_is_resolved_before_its_mail_was_accepted_is_not_mailed() {
    let sim = sim(1);
    sim.fault("mailer.send", Toxic::Refuse, Times::Always);
    fails(&sim, ABOUT);
    run_for(&sim, 30);
    works(&sim, ABOUT);
    run_for(&sim, 5);
    sim.heal();
    drain(&sim);
    assert_eq!(mail_subjects(&sim), [""; 0]);
    let resolved = incident(&sim, INCIDENT);
    assert_eq!((resolved.status, resolved.waiting), (IncidentStatus::Resolved, None));
}

#[test]
fn a_deadline_that_passed_is_mailed_although_it_is_resolved() {
    let sim = acknowledging(1);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    sim.fault("mailer.send", Toxic::Refuse, Times::Always);
    pass(&sim, SignedDuration::from_secs(90));
    assert_eq!(acknowledge(&sim, 1, "accepted").status, 200);
    pass(&sim, SignedDuration::from_secs(10));
    sim.heal();
    pass(&sim, minutes(3));
    assert_eq!(risks(&sim), [AT_RISK, OVER]);
}

#[test]
fn a_mail_after_an_outage_past_a_dispatchs_end_says_so() {
    // The alerter, or every function behind the hydrator, is stopped from before the deadline until after the end.
    for stopped in [&[Function::Alerter][..], &[Function::Alerter, Function::Retrier, Function::Sweeper]] {
        let sim = acknowledging(1);
        accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
        run_for(&sim, 5);
        for function in stopped {
            sim.stop(*function);
        }
        pass(&sim, minutes(40));
        assert_eq!(risks(&sim), [""; 0]);
        for function in stopped {
            sim.start(*function);
        }
        let back_at = sim.now();
        pass(&sim, minutes(4));
        assert_eq!(risks(&sim), [AT_RISK], "one mail, which says that it is Resolved: {stopped:?}");
        let (at, mail) = sim.mails().remove(0);
        assert!(at <= back_at + minutes(2), "{at}, back at {back_at}");
        assert!(mail.text.contains("gridbell could not send this mail before"), "{}", mail.text);
        assert!(mail.text.starts_with("WHAT MUST HAPPEN"), "{}", mail.text);
        pass(&sim, minutes(60));
        assert_eq!(risks(&sim).len(), 1, "once");
    }
}

#[test]
fn an_outage_that_ends_before_the_dispatch_is_mailed_as_ever() {
    let sim = acknowledging(1);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 5);
    sim.stop(Function::Alerter);
    pass(&sim, minutes(12));
    sim.start(Function::Alerter);
    let back_at = sim.now();
    pass(&sim, minutes(1));
    let (at, mail) = sim.mails().remove(0);
    assert!(at <= back_at + SignedDuration::from_secs(10), "{at}, back at {back_at}");
    assert!(!mail.text.contains("could not send"), "{}", mail.text);
}

#[test]
fn what_was_acknowledged_during_the_outage_is_not_mailed() {
    let sim = acknowledging(1);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 5);
    sim.stop(Function::Alerter);
    pass(&sim, minutes(5));
    assert_eq!(acknowledge(&sim, 1, "accepted").status, 200);
    pass(&sim, minutes(30));
    sim.start(Function::Alerter);
    pass(&sim, minutes(10));
    assert_eq!(mail_subjects(&sim), [""; 0]);
}

#[test]
fn a_test_that_passed_in_an_outage_is_mailed_as_a_test() {
    let mut config = crate::deadlines::acknowledged();
    config.contacts = notified_by(0, vec![step(0, LEAD)]).contacts;
    let sim = Simulation::new(1, config);
    let mut dispatch = crate::common::voltus("dkmq", 0, 5);
    dispatch["test"] = serde_json::json!(true);
    sim.answers("voltus-prod", "/dispatches/dkmq", [simulation::Reply::Json(dispatch.to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 5);
    sim.stop(Function::Alerter);
    pass(&sim, minutes(40));
    sim.start(Function::Alerter);
    pass(&sim, minutes(10));
    assert!(mail_subjects(&sim).iter().all(|subject| subject.starts_with("[gridbell] [TEST] ")));
    assert!(recipients(&sim, "dispatch-at-risk").iter().all(|to| *to == set(&[DUTY])));
}

#[test]
fn a_contact_without_an_address_is_nobody() {
    let mut config = config();
    config.contacts.email.clear();
    config.contacts.escalate = vec![step(120, LEAD)];
    let sim = Simulation::new(1, config);
    fails(&sim, ABOUT);
    pass(&sim, minutes(3));
    works(&sim, ABOUT);
    drain(&sim);
    assert_eq!(recipients(&sim, "hydration-failing"), [set(&[LEAD]), set(&[LEAD])]);
}

#[test]
fn a_sites_contacts_get_the_mails_about_its_dispatches_and_no_others() {
    let mut config = crate::deadlines::acknowledged();
    let contacts = SiteContacts { email: vec!["mill@example.com".to_owned(), DUTY.to_owned()] };
    config.sites.insert("voltus-prod/d4z9".to_owned(), Site { contacts: Some(contacts), ..Site::default() });
    let sim = Simulation::new(1, config);
    sim.answers(
        "voltus-prod",
        "/dispatches/dkmq",
        [simulation::Reply::Json(crate::common::voltus("dkmq", 0, 5).to_string())],
    );
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    pass(&sim, SignedDuration::from_secs(90));
    fails(&sim, "voltus-prod/other");
    pass(&sim, minutes(1));
    assert_eq!(acknowledge(&sim, 1, "accepted").status, 200);
    pass(&sim, minutes(2));
    assert_eq!(
        recipients(&sim, "dispatch-at-risk"),
        [set(&[DUTY, "mill@example.com"]), set(&[DUTY, "mill@example.com"])]
    );
    assert_eq!(recipients(&sim, "voltus-prod/other"), [set(&[DUTY])]);
}
