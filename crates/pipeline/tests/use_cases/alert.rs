//! Incidents: one mail for each and each stage of it, whatever is delivered twice, fails or dies on the way.

use dispatch::Subject;
use jiff::SignedDuration;
use pipeline::incident::{IncidentStatus, Kind, Notice};
use serde_json::json;
use sim::{Ended, Function, Inner, Reply, Settled, Times, Toxic, World};

use crate::common::{accepted, config, drain, is_about, leap, mail_subjects, run_for, thin, voltus, world};

pub(crate) const ABOUT: &str = "voltus-prod/dkmq";
pub(crate) const INCIDENT: &str = "source-down/voltus-prod/dkmq";

/// Something that goes on until somebody says that it is over.
pub(crate) fn failing(world: &World) -> Notice {
    let notice = Notice::happens(Kind::SourceDown, "voltus-prod", ABOUT.to_owned(), world.now(), "500".to_owned());
    notice.gathered_by(ABOUT.to_owned()).about_dispatch(Some(Subject::from_stored(ABOUT))).until_over()
}

/// Something that is over once it has gone quiet.
pub(crate) fn quarantined(world: &World, detail: &str) -> Notice {
    let about = "voltus-prod".to_owned();
    Notice::happens(Kind::Quarantined, "voltus-prod", about, world.now(), detail.to_owned())
}

pub(crate) fn over(world: &World) -> Notice {
    Notice::over(Kind::SourceDown, "voltus-prod", ABOUT, world.now(), "it worked at attempt 7".to_owned())
}

pub(crate) fn notify(world: &World, notice: &Notice) {
    world.put(Inner::Alerts, &serde_json::to_string(notice).expect("JSON"));
}

/// The stages that were mailed, oldest first: `happens` or `over`.
pub(crate) fn mailed(world: &World) -> Vec<&'static str> {
    let stage = |subject: String| if subject.contains("over: ") { "over" } else { "happens" };
    mail_subjects(world).into_iter().map(stage).collect()
}

pub(crate) fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

#[test]
fn an_incident_is_mailed_once_however_often_it_is_noticed() {
    for seed in 0..20 {
        let world = world(seed);
        for _ in 0..30 {
            notify(&world, &failing(&world));
        }
        drain(&world);
        assert_eq!(mailed(&world), ["happens"]);
        let incident = world.incidents().get(INCIDENT).unwrap();
        assert_eq!((incident.count, incident.status), (30, IncidentStatus::Open));
    }
}

#[test]
fn notices_at_the_same_time_are_one_mail() {
    for seed in 0..60 {
        let world = world(seed);
        for _ in 0..4 {
            notify(&world, &failing(&world));
        }
        let batches = world.take(Inner::Alerts).into_iter().map(|one| (Function::Alerter, vec![one])).collect();
        for ended in world.at_once(batches) {
            assert_eq!(ended, Ended::Answered(Vec::new()), "seed {seed}");
        }
        assert_eq!(mailed(&world), ["happens"], "seed {seed}");
    }
}

#[test]
fn it_is_over_once_and_only_where_it_was_told() {
    let world = world(1);
    notify(&world, &over(&world));
    drain(&world);
    assert!(mailed(&world).is_empty(), "nobody was told that it began");
    assert_eq!(world.incidents().get(INCIDENT).unwrap().count, 0);
    world.advance(minutes(1));
    notify(&world, &failing(&world));
    drain(&world);
    let over = over(&world);
    notify(&world, &over);
    drain(&world);
    let ended = world.incidents().get(INCIDENT);
    for _ in 0..3 {
        notify(&world, &over);
    }
    drain(&world);
    assert_eq!(mailed(&world), ["happens", "over"]);
    assert_eq!(world.incidents().get(INCIDENT), ended);
}

#[test]
fn what_begins_again_is_mailed_again() {
    let world = world(1);
    for _ in 0..2 {
        notify(&world, &failing(&world));
        drain(&world);
        notify(&world, &over(&world));
        drain(&world);
        world.advance(minutes(1));
    }
    assert_eq!(mailed(&world), ["happens", "over", "happens", "over"]);
}

#[test]
fn what_nobody_calls_over_is_over_a_quarter_of_an_hour_after_the_last_notice() {
    let world = world(1);
    let mut last = world.now();
    for _ in 0..3 {
        world.advance(minutes(1));
        last = world.now();
        notify(&world, &quarantined(&world, "broken"));
        run_for(&world, 600);
    }
    drain(&world);
    assert_eq!(mailed(&world), ["happens", "over"]);
    let quiet = world.mails()[1].0.duration_since(last);
    assert!((minutes(15)..minutes(16)).contains(&quiet), "{quiet:?}");
    assert!(world.mails()[1].1.text.contains("3 in all"), "{}", world.mails()[1].1.text);
    let looks = world.calls().iter().filter(|call| call.port == "outlet.notice").count();
    assert!(looks <= 6, "{looks} looks whether it is over");
}

#[test]
fn a_flood_of_broken_bodies_is_two_mails() {
    let world = world(1);
    for n in 0..300 {
        accepted(&world, "voltus-prod", &format!("[{n}]"));
    }
    drain(&world);
    assert_eq!(mailed(&world), ["happens", "over"]);
    assert_eq!(world.kept().len(), 300);
    assert_eq!(world.incidents().get("quarantined/voltus-prod").unwrap().count, 300);
}

#[test]
fn each_unknown_event_is_told_by_its_name_and_a_flood_of_names_is_bounded() {
    let world = world(1);
    world.answers("voltus-prod", "dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    let name = |n: usize| thin(&format!("dispatch.x{n}"), "dkmq");
    for n in [1, 2, 1, 2] {
        accepted(&world, "voltus-prod", &name(n));
        run_for(&world, 5);
    }
    assert_eq!(
        mail_subjects(&world),
        ["[gridbell] unknown-event: voltus-prod: dispatch.x1", "[gridbell] unknown-event: voltus-prod: dispatch.x2",]
    );
    for n in 0..100 {
        accepted(&world, "voltus-prod", &name(n));
    }
    drain(&world);
    assert!(mailed(&world).len() <= 7, "{:?}", mail_subjects(&world));
    assert_eq!(mailed(&world).last(), Some(&"over"));
    let named = world.incidents().get("unknown-event/voltus-prod").unwrap().mails.len() - 1;
    assert_eq!(named, 6, "of more names nobody is told, one by one or in a list");
}

#[test]
fn an_event_that_is_called_like_a_stage_of_ours_is_told_of_like_any_other() {
    let world = world(1);
    world.answers("voltus-prod", "dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    for name in ["over", "start", "reminder 1", "first", "dispatch.x"] {
        accepted(&world, "voltus-prod", &thin(name, "dkmq"));
        run_for(&world, 5);
    }
    let mut told = mail_subjects(&world).into_iter().collect::<Vec<_>>().join("\n");
    // Of many in one minute the later ones come as a list.
    run_for(&world, 60);
    told.extend(world.mails().into_iter().map(|(_, mail)| mail.text));
    for name in ["over", "start", "reminder 1", "first", "dispatch.x"] {
        assert!(told.contains(&format!("voltus-prod: {name}")), "{name}: {told}");
    }
    drain(&world);
    let over = mailed(&world).iter().map(|stage| *stage == "over").collect::<Vec<_>>();
    assert!(over.ends_with(&[false, true]) && !over[..over.len() - 1].contains(&true), "{:?}", mail_subjects(&world));
}

#[test]
fn a_flood_of_impossible_amounts_is_bounded() {
    let world = world(1);
    for n in 0..60 {
        let mut push = leap(&format!("e-{n}"), 10);
        push["meter_dispatches"][0]["timeslots"][0]["energy_kw"] = json!(-1);
        accepted(&world, "leap-prod", &push.to_string());
    }
    drain(&world);
    assert!(mailed(&world).len() <= 8, "{:?}", mail_subjects(&world));
    assert_eq!(mailed(&world).last(), Some(&"over"));
    // None of them is left out.
    let mails: Vec<_> = world.mails().into_iter().map(|(_, mail)| mail).collect();
    for n in 0..60 {
        let key = format!("leap-prod/e-{n}");
        let naming = mails.iter().filter(|mail| is_about(mail, &key));
        assert_eq!(naming.count(), 1, "{key} {:?}", mail_subjects(&world));
    }
    // Each of the mails names the dispatches that it is about.
    for (_, mail) in world.mails() {
        assert!(mail.text.contains("leap-prod/e-") && mail.text.contains("dd21c76c"), "{}", mail.text);
    }
}

#[test]
fn a_mailer_that_fails_is_tried_again() {
    for failures in [1, 3, 9] {
        let world = world(1);
        world.fault("mailer.send", Toxic::Refuse, Times::First(failures));
        notify(&world, &failing(&world));
        drain(&world);
        assert_eq!(mailed(&world), ["happens"], "after {failures} failures");
    }
}

#[test]
fn the_mail_that_it_is_over_is_tried_again() {
    for failures in [1, 3, 9] {
        let world = world(1);
        notify(&world, &failing(&world));
        drain(&world);
        world.fault("mailer.send", Toxic::Refuse, Times::First(failures));
        notify(&world, &over(&world));
        drain(&world);
        assert_eq!(mailed(&world), ["happens", "over"], "after {failures} failures");
    }
}

#[test]
fn the_mail_that_it_went_quiet_is_tried_again() {
    for toxic in [Toxic::Refuse, Toxic::CrashBefore] {
        let world = world(1);
        notify(&world, &quarantined(&world, "broken"));
        run_for(&world, 60);
        world.fault("mailer.send", toxic, Times::First(2));
        drain(&world);
        assert_eq!(mailed(&world), ["happens", "over"], "{toxic:?}");
    }
}

#[test]
fn what_could_not_be_mailed_for_an_hour_is_mailed_then() {
    for notice in [quarantined, |world: &World, _: &str| failing(world)] {
        let world = world(1);
        world.fault("mailer.send", Toxic::Refuse, Times::Always);
        notify(&world, &notice(&world, "broken"));
        run_for(&world, 3_600);
        assert!(mailed(&world).is_empty());
        let tries = world.calls().iter().filter(|call| call.port == "mailer.send").count();
        assert!((15..=25).contains(&tries), "ever more seldom, every five minutes at last: {tries}");
        world.heal();
        drain(&world);
        assert_eq!(mailed(&world)[0], "happens");
    }
}

#[test]
fn an_incident_whose_first_look_was_lost_still_comes_to_its_end() {
    for toxic in Toxic::ALL {
        let world = world(1);
        world.fault("outlet.notice", toxic, Times::First(1));
        notify(&world, &quarantined(&world, "broken"));
        drain(&world);
        assert_eq!(mailed(&world), ["happens", "over"], "{toxic:?}");
    }
}

#[test]
fn every_fault_at_every_call_ends_in_the_same_mails_at_most_twice() {
    let play = |world: &World| {
        notify(world, &failing(world));
        notify(world, &quarantined(world, "broken"));
        world.settle(minutes(10));
        notify(world, &over(world));
        world.settle(SignedDuration::from_hours(24))
    };
    let calm = world(1);
    assert_eq!(play(&calm), Settled::Drained);
    let mut expected = mail_subjects(&calm);
    expected.sort();
    assert_eq!(expected.len(), 4);
    for call in 0..calm.calls().len() {
        for toxic in Toxic::ALL {
            let world = world(1);
            world.fault_at(call, toxic);
            assert_eq!(play(&world), Settled::Drained, "{call} {toxic:?}");
            let mut mails = mail_subjects(&world);
            mails.sort();
            assert!(mails.len() <= 5, "{call} {toxic:?}: {mails:?}");
            mails.dedup();
            assert_eq!(mails, expected, "{call} {:?} {toxic:?}", calm.calls()[call].port);
            assert!(world.incidents().all().iter().all(|incident| incident.status == IncidentStatus::Over));
            assert!(world.queued(Inner::AlertsDead).is_empty());
        }
    }
}

#[test]
fn a_mail_goes_out_without_the_dispatch_rather_than_not_at_all() {
    let world = world(1);
    world.fault("dispatches.read", Toxic::Refuse, Times::Always);
    notify(&world, &failing(&world));
    drain(&world);
    assert_eq!(mailed(&world), ["happens"]);
}

#[test]
fn where_nobody_is_to_be_told_nothing_piles_up() {
    let mut config = config();
    config.contacts.email.clear();
    let world = World::new(1, config);
    notify(&world, &failing(&world));
    notify(&world, &quarantined(&world, "broken"));
    drain(&world);
    assert!(world.mails().is_empty() && world.queued(Inner::AlertsDead).is_empty());
}

#[test]
fn a_message_that_is_no_notice_goes_to_the_dead_letters() {
    let world = world(1);
    world.put(Inner::Alerts, "{}");
    notify(&world, &failing(&world));
    drain(&world);
    assert_eq!(mailed(&world), ["happens"]);
    assert_eq!(world.queued(Inner::AlertsDead).len(), 1);
}

#[test]
fn test_traffic_is_marked() {
    let world = world(1);
    accepted(&world, "voltus-sandbox", "[]");
    let mut push = leap("e-1", 10);
    push["communication_test"] = json!(true);
    push["meter_dispatches"][0]["timeslots"][0]["energy_kw"] = json!(-1);
    accepted(&world, "leap-prod", &push.to_string());
    accepted(&world, "leap-prod", "[]");
    drain(&world);
    let mut subjects = mail_subjects(&world);
    subjects.retain(|subject| !subject.contains("over: "));
    subjects.sort();
    assert_eq!(
        subjects[..2],
        ["[gridbell] [TEST] quarantined: leap-prod/e-1", "[gridbell] [TEST] quarantined: voltus-sandbox",]
    );
}
