//! Incidents: one mail for each incident and stage, whatever is delivered twice, fails or dies.

use jiff::SignedDuration;
use pipeline::incident::IncidentStatus;
use serde_json::json;
use simulation::{Ended, Function, Inner, Reply, Settled, Simulation, Times, Toxic};

use crate::{
    common::{accepted, config, drain, is_about, leap, mail_subjects, pass, run_for, sim, thin, voltus, worth_a_fault},
    incidents::{
        ABOUT, INCIDENT, failing, fails, hint, hours, incident, is_accepted, is_quarantined, is_refused, minutes, works,
    },
};

/// The stages that were mailed, oldest first: `first` or `resolved`.
pub(crate) fn mailed(sim: &Simulation) -> Vec<&'static str> {
    let stage = |subject: String| if subject.contains("Resolved: ") { "resolved" } else { "first" };
    mail_subjects(sim).into_iter().map(stage).collect()
}

#[test]
fn an_incident_is_mailed_once_however_often_it_is_hinted_at() {
    for seed in 0..20 {
        let sim = sim(seed);
        fails(&sim, ABOUT);
        for _ in 0..30 {
            hint(&sim, failing(ABOUT));
        }
        drain(&sim);
        assert_eq!(mailed(&sim), ["first"]);
        let incident = incident(&sim, INCIDENT);
        assert_eq!((incident.mails.len(), incident.status), (1, IncidentStatus::Open));
    }
}

#[test]
fn hints_at_the_same_time_are_one_mail() {
    for seed in 0..60 {
        let sim = sim(seed);
        fails(&sim, ABOUT);
        for _ in 0..3 {
            hint(&sim, failing(ABOUT));
        }
        let batches = sim.take(Inner::Alerts).into_iter().map(|one| (Function::Alerter, vec![one])).collect();
        for ended in sim.at_once(batches) {
            assert_eq!(ended, Ended::Answered(Vec::new()), "seed {seed}");
        }
        run_for(&sim, 10);
        assert_eq!(mailed(&sim), ["first"], "seed {seed}");
    }
}

#[test]
fn it_is_resolved_once_and_only_where_a_person_was_notified() {
    let sim = sim(1);
    works(&sim, ABOUT);
    drain(&sim);
    assert!(mailed(&sim).is_empty(), "no person was notified that it began");
    assert_eq!(sim.incidents().get(INCIDENT), None);
    sim.advance(minutes(1));
    fails(&sim, ABOUT);
    drain(&sim);
    works(&sim, ABOUT);
    drain(&sim);
    let resolved = sim.incidents().get(INCIDENT);
    for _ in 0..3 {
        works(&sim, ABOUT);
    }
    drain(&sim);
    assert_eq!(mailed(&sim), ["first", "resolved"]);
    assert_eq!(sim.incidents().get(INCIDENT), resolved);
}

#[test]
fn what_begins_again_is_mailed_again() {
    let sim = sim(1);
    for _ in 0..2 {
        fails(&sim, ABOUT);
        drain(&sim);
        works(&sim, ABOUT);
        drain(&sim);
        sim.advance(minutes(1));
    }
    assert_eq!(mailed(&sim), ["first", "resolved", "first", "resolved"]);
}

#[test]
fn an_event_is_resolved_a_quiet_day_after_the_latest() {
    let sim = sim(1);
    let mut last = sim.now();
    for _ in 0..3 {
        pass(&sim, hours(5));
        last = sim.now();
        is_quarantined(&sim, "voltus-prod", "broken");
    }
    pass(&sim, hours(24) - minutes(1));
    assert_eq!(mailed(&sim), ["first"]);
    pass(&sim, minutes(3));
    assert_eq!(mailed(&sim), ["first", "resolved"]);
    let resolved_at = incident(&sim, "quarantined/voltus-prod").resolved_at.unwrap();
    let quiet = resolved_at.duration_since(last);
    assert!((hours(24)..hours(24) + minutes(1)).contains(&quiet), "{quiet:?}");
}

#[test]
fn a_flood_of_broken_bodies_is_two_mails() {
    let sim = sim(1);
    for n in 0..300 {
        accepted(&sim, "voltus-prod", &format!("[{n}]"));
    }
    pass(&sim, hours(25));
    assert_eq!(mailed(&sim), ["first", "resolved"]);
    assert_eq!(sim.quarantined().len(), 300);
    assert_eq!(sim.incidents().all().len(), 1);
}

#[test]
fn each_unknown_event_is_named_and_a_flood_of_names_is_bounded() {
    let sim = sim(1);
    sim.answers("voltus-prod", "dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    let name = |n: usize| thin(&format!("dispatch.x{n}"), "dkmq");
    for n in [1, 2, 1, 2] {
        accepted(&sim, "voltus-prod", &name(n));
        run_for(&sim, 360);
    }
    assert_eq!(
        mail_subjects(&sim),
        ["[gridbell] unknown-event: voltus-prod: dispatch.x1", "[gridbell] unknown-event: voltus-prod: dispatch.x2",]
    );
    for n in 0..100 {
        accepted(&sim, "voltus-prod", &name(n));
    }
    pass(&sim, hours(25));
    assert!(mailed(&sim).len() <= 7, "{:?}", mail_subjects(&sim));
    assert_eq!(mailed(&sim).last(), Some(&"resolved"));
    let named = incident(&sim, "unknown-event/voltus-prod").mails.len() - 1;
    assert_eq!(named, 6, "of more names no person is notified, one by one or in a list");
}

#[test]
fn an_event_called_like_a_stage_is_mailed_like_any_other() {
    let sim = sim(1);
    sim.answers("voltus-prod", "dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    let names = ["resolved", "start", "reminder 1", "first", "dispatch.x"];
    for name in names {
        accepted(&sim, "voltus-prod", &thin(name, "dkmq"));
        run_for(&sim, 360);
    }
    let subjects = mail_subjects(&sim);
    assert_eq!(subjects, names.map(|name| format!("[gridbell] unknown-event: voltus-prod: {name}")));
    pass(&sim, hours(25));
    assert_eq!(mailed(&sim), [&["first"; 5][..], &["resolved"]].concat(), "{:?}", mail_subjects(&sim));
}

#[test]
fn a_flood_of_impossible_amounts_is_bounded() {
    let sim = sim(1);
    for n in 0..60 {
        let mut push = leap(&format!("e-{n}"), 10);
        push["meter_dispatches"][0]["timeslots"][0]["energy_kw"] = json!(-1);
        accepted(&sim, "leap-prod", &push.to_string());
    }
    pass(&sim, hours(25));
    assert!(mailed(&sim).len() <= 8, "{:?}", mail_subjects(&sim));
    assert_eq!(mailed(&sim).last(), Some(&"resolved"));
    // None of them is left out.
    let mails: Vec<_> = sim.mails().into_iter().map(|(_, mail)| mail).collect();
    for n in 0..60 {
        let key = format!("leap-prod/e-{n}");
        let naming = mails.iter().filter(|mail| is_about(mail, &key));
        assert_eq!(naming.count(), 1, "{key} {:?}", mail_subjects(&sim));
    }
    // Each of the mails names the dispatches that it is about.
    for (_, mail) in sim.mails() {
        assert!(mail.text.contains("leap-prod/e-") && mail.text.contains("dd21c76c"), "{}", mail.text);
    }
}

#[test]
fn a_mailer_that_fails_is_tried_again() {
    for failures in [1, 3, 9] {
        let sim = sim(1);
        sim.fault("mailer.send", Toxic::Refuse, Times::First(failures));
        fails(&sim, ABOUT);
        drain(&sim);
        assert_eq!(mailed(&sim), ["first"], "after {failures} failures");
    }
}

#[test]
fn the_mail_that_it_is_resolved_is_tried_again() {
    for failures in [1, 3, 9] {
        for toxic in [Toxic::Refuse, Toxic::CrashBefore] {
            let sim = sim(1);
            fails(&sim, ABOUT);
            drain(&sim);
            sim.fault("mailer.send", toxic, Times::First(failures));
            works(&sim, ABOUT);
            drain(&sim);
            assert_eq!(mailed(&sim), ["first", "resolved"], "after {failures} failures");
        }
    }
}

#[test]
fn the_mail_that_an_event_is_a_quiet_day_ago_is_tried_again() {
    for toxic in [Toxic::Refuse, Toxic::CrashBefore] {
        let sim = sim(1);
        is_quarantined(&sim, "voltus-prod", "broken");
        run_for(&sim, 60);
        sim.fault("mailer.send", toxic, Times::First(2));
        pass(&sim, hours(25));
        assert_eq!(mailed(&sim), ["first", "resolved"], "{toxic:?}");
    }
}

#[test]
fn what_could_not_be_mailed_for_an_hour_is_mailed_then() {
    for hurt in [|sim: &Simulation| is_quarantined(sim, "voltus-prod", "broken"), |sim: &Simulation| fails(sim, ABOUT)]
    {
        let sim = sim(1);
        sim.fault("mailer.send", Toxic::Refuse, Times::Always);
        hurt(&sim);
        run_for(&sim, 3_600);
        assert!(mailed(&sim).is_empty());
        let stored = sim.incidents().all().remove(0);
        assert!(stored.mails.is_empty() && stored.notified.is_empty(), "SES accepted none: {stored:?}");
        let tries = sim.calls().iter().filter(|call| call.port == "mailer.send").count();
        assert!((15..=80).contains(&tries), "ever more seldom, each minute at last: {tries}");
        sim.heal();
        drain(&sim);
        assert_eq!(mailed(&sim), ["first"]);
    }
}

#[test]
fn an_incident_whose_first_flush_was_lost_comes_to_its_end() {
    for toxic in Toxic::ALL {
        let sim = sim(1);
        sim.fault("jobs.alert", toxic, Times::First(1));
        is_quarantined(&sim, "voltus-prod", "broken");
        pass(&sim, hours(25));
        assert_eq!(mailed(&sim), ["first", "resolved"], "{toxic:?}");
    }
}

#[test]
fn every_fault_at_every_call_ends_in_the_same_mails() {
    let play = |sim: &Simulation| {
        fails(sim, ABOUT);
        is_refused(sim);
        sim.settle(minutes(10));
        works(sim, ABOUT);
        is_accepted(sim);
        sim.settle(SignedDuration::from_hours(24))
    };
    let calm = sim(1);
    assert_eq!(play(&calm), Settled::Drained);
    let mut expected = mail_subjects(&calm);
    expected.sort();
    assert_eq!(expected.len(), 4);
    for (number, call) in worth_a_fault(&calm.calls(), 0) {
        for toxic in Toxic::ALL {
            let sim = sim(1);
            sim.fault_at(number, toxic);
            assert_eq!(play(&sim), Settled::Drained, "{number} {toxic:?}");
            let mut mails = mail_subjects(&sim);
            mails.sort();
            assert!(mails.len() <= 5, "{number} {toxic:?}: {mails:?}");
            mails.dedup();
            assert_eq!(mails, expected, "{number} {:?} {toxic:?}", call.port);
            assert!(sim.incidents().all().iter().all(|incident| incident.status == IncidentStatus::Resolved));
            assert!(sim.queued(Inner::AlertsDead).is_empty());
        }
    }
}

#[test]
fn a_mail_goes_out_without_the_dispatch_rather_than_not_at_all() {
    let sim = sim(1);
    sim.fault("dispatches.read", Toxic::Refuse, Times::Always);
    fails(&sim, ABOUT);
    drain(&sim);
    assert_eq!(mailed(&sim), ["first"]);
    let (_, mail) = sim.mails().remove(0);
    assert!(mail.text.contains("what is stored of it cannot be read"), "{}", mail.text);
}

#[test]
fn where_no_person_is_to_be_notified_nothing_piles_up() {
    let mut config = config();
    config.contacts.email.clear();
    let sim = Simulation::new(1, config);
    fails(&sim, ABOUT);
    is_quarantined(&sim, "voltus-prod", "broken");
    drain(&sim);
    assert!(sim.mails().is_empty() && sim.queued(Inner::AlertsDead).is_empty());
}

#[test]
fn a_message_that_is_none_of_ours_goes_to_the_dead_letters() {
    for queue in [Inner::Alerts, Inner::Reviews] {
        let sim = sim(1);
        sim.put(queue, "{}");
        fails(&sim, ABOUT);
        drain(&sim);
        assert_eq!(mailed(&sim), ["first"]);
        assert_eq!(sim.queued(Inner::AlertsDead).len(), 1);
    }
}

#[test]
fn test_traffic_is_marked() {
    let sim = sim(1);
    accepted(&sim, "voltus-sandbox", "[]");
    let mut push = leap("e-1", 10);
    push["communication_test"] = json!(true);
    push["meter_dispatches"][0]["timeslots"][0]["energy_kw"] = json!(-1);
    accepted(&sim, "leap-prod", &push.to_string());
    accepted(&sim, "leap-prod", "[]");
    drain(&sim);
    let mut subjects = mail_subjects(&sim);
    subjects.retain(|subject| !subject.contains("Resolved: "));
    subjects.sort();
    assert_eq!(
        subjects[..2],
        ["[gridbell] [TEST] quarantined: leap-prod/e-1", "[gridbell] [TEST] quarantined: voltus-sandbox",]
    );
}
