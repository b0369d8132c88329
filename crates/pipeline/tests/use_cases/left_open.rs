//! Incidents that stayed open for ever, or whose end nobody was told of, as the swarm of `sim` found them: each by its symptom.

use dispatch::Subject;
use jiff::SignedDuration;
use pipeline::{
    incident::{IncidentStatus, Kind, Notice},
    token::TokenHash,
};
use serde_json::json;
use sim::{Inner, Reply, Times, Toxic, World};

use crate::common::{self, accepted, config, mail_subjects, power, thin, voltus};

fn run_for(world: &World, minutes: i64) {
    common::pass(world, SignedDuration::from_mins(minutes));
}

fn quarantined(world: &World, detail: &str) {
    let (about, now) = ("voltus-prod".to_owned(), world.now());
    let notice = Notice::happens(Kind::Quarantined, "voltus-prod", about, now, detail.to_owned());
    world.put(Inner::Alerts, &serde_json::to_string(&notice).expect("a notice"));
}

/// Every incident that a person was told of is over, and a person knows.
fn all_is_over(world: &World) {
    for incident in world.incidents().all() {
        assert_eq!(incident.status, IncidentStatus::Over, "{incident:?}");
        let told = |stage: &str| incident.mails.get(stage).is_some_and(|mail| mail.sent_at.is_some());
        assert!(!told("first") || told("over"), "{incident:?}");
    }
}

#[test]
fn an_incident_stays_open_where_the_alerter_dies_over_it_and_another_notice_makes_up_for_the_mail() {
    for after_s in [30, 60, 90] {
        let world = World::new(1, config());
        quarantined(&world, "one");
        world.fault("alerts.write", Toxic::CrashAfter, Times::First(1));
        common::pass(&world, SignedDuration::from_secs(after_s));
        quarantined(&world, "two");
        run_for(&world, 120);
        assert_eq!(world.incidents().all().len(), 1);
        all_is_over(&world);
    }
}

#[test]
fn nobody_is_told_that_it_is_over_where_the_mail_is_refused_and_the_alerter_dies_then() {
    let world = World::new(1, config());
    quarantined(&world, "one");
    run_for(&world, 10);
    world.fault("mailer.send", Toxic::Refuse, Times::First(1));
    world.fault("outlet.notice", Toxic::CrashBefore, Times::First(1));
    run_for(&world, 120);
    let subjects = mail_subjects(&world);
    assert_eq!(subjects, ["[gridbell] quarantined: voltus-prod", "[gridbell] over: quarantined: voltus-prod"]);
    all_is_over(&world);
}

#[test]
fn nobody_is_told_that_it_is_over_where_the_mail_is_refused_and_the_dispatch_cannot_be_read_then() {
    let world = World::new(1, config());
    let about = Subject::from_stored("voltus-prod/dkmq");
    let notice = Notice::happens(Kind::Quarantined, "voltus-prod", about.to_string(), world.now(), "one".to_owned());
    let notice = notice.about_dispatch(Some(about));
    world.put(Inner::Alerts, &serde_json::to_string(&notice).expect("a notice"));
    run_for(&world, 10);
    world.fault("mailer.send", Toxic::Refuse, Times::First(1));
    while world.incidents().all().iter().all(|incident| incident.status == IncidentStatus::Open) {
        world.settle(SignedDuration::from_secs(1));
        world.advance(SignedDuration::from_secs(1));
    }
    world.fault("dispatches.read", Toxic::Refuse, Times::First(1));
    run_for(&world, 120);
    all_is_over(&world);
}

#[test]
fn what_comes_again_and_then_works_stays_failing_where_only_the_answer_to_its_notice_was_lost() {
    let world = World::new(1, config());
    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    world.fault("api.fetch", Toxic::CrashBefore, Times::First(1));
    world.fault("outlet.notice", Toxic::LoseAnswer, Times::First(1));
    run_for(&world, 60);
    assert_eq!(world.incidents().all().len(), 1);
    all_is_over(&world);
}

#[test]
fn a_source_stays_down_where_the_poll_that_told_of_it_died_before_it_noted_that() {
    let mut config = config();
    config.sources.get_mut("voltus-prod").expect("a source").poll_s = 60;
    let world = World::new(1, config);
    let list = json!({ "dispatches": [], "page": 0, "perPage": 0 }).to_string();
    world.answers("voltus-prod", "/2022-04-15/dispatches", [Reply::Refused, Reply::Json(list)]);
    world.fault("outlet.notice", Toxic::CrashAfter, Times::First(1));
    run_for(&world, 30);
    assert_eq!(mail_subjects(&world).len(), 2, "{:?}", mail_subjects(&world));
    all_is_over(&world);
}

#[test]
fn dead_letters_stay_told_of_where_the_sweep_that_told_died_before_it_noted_that() {
    for (port, told) in [("health.told", 0), ("outlet.notice", 2)] {
        let world = World::new(1, config());
        world.take_the_pulse();
        world.put(Inner::RetriesDead, "dead");
        world.fault(port, Toxic::CrashBefore, Times::First(1));
        world.sweep();
        if told > 0 {
            run_for(&world, 10);
        }
        world.take(Inner::RetriesDead);
        run_for(&world, 10);
        assert_eq!(mail_subjects(&world).len(), told, "{port}: {:?}", mail_subjects(&world));
        all_is_over(&world);
    }
}

#[test]
fn a_controllers_failure_stays_open_where_nobody_heard_that_it_recovered_and_the_dispatch_was_then_withdrawn() {
    let mut config = config();
    config.deadlines.acknowledge = true;
    config.acks.tokens = vec![TokenHash::of("a-token-for-controllers")];
    let world = World::new(1, config);
    let mut withdrawn = voltus("dkmq", 1, 5);
    withdrawn["authorized"] = json!(false);
    let answers = [voltus("dkmq", 0, 5), withdrawn].map(|answer| Reply::Json(answer.to_string()));
    world.answers("voltus-prod", "/dispatches/dkmq", answers);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    world.settle(SignedDuration::from_secs(10));
    let says = |state: &str| {
        let body = json!({ "dispatch": "voltus-prod/dkmq", "version": 1, "state": state }).to_string();
        world.acknowledge("a-token-for-controllers", &body).answer().map(|answer| answer.status)
    };
    assert_eq!(says("failed"), Some(200));
    world.settle(SignedDuration::from_secs(10));
    world.fault("outlet.notice", Toxic::Refuse, Times::First(1));
    assert_eq!(says("accepted"), Some(503));
    accepted(&world, "voltus-prod", &thin("dispatch.update", "dkmq"));
    run_for(&world, 60);
    assert!(world.incidents().get("dispatch-at-risk/voltus-prod/dkmq/failed").is_some());
    all_is_over(&world);
}

#[test]
fn a_ramp_whose_end_never_comes_is_an_incident_for_ever() {
    let world = World::new(1, config());
    accepted(&world, "dc-1", &power("start_ramp_down", true).to_string());
    run_for(&world, 30 * 60);
    let incident = world.incidents().get("not-compliant/dc-1/main_power_feed/c-1").expect("an incident");
    assert!(incident.detail.contains("what became of it is not known here"), "{incident:?}");
    all_is_over(&world);
}

/// The end of that day, whichever call of it fails.
#[test]
fn what_nobody_heard_of_for_a_day_is_called_over_once_whatever_call_fails_then() {
    let history = |fault: Option<(usize, Toxic)>| {
        let world = World::new(1, config());
        let long_ago = world.now() - SignedDuration::from_mins(23 * 60 + 55);
        let notice = Notice::happens(Kind::NotCompliant, "dc-1", "c-1".to_owned(), long_ago, "no end".to_owned());
        world.put(Inner::Alerts, &serde_json::to_string(&notice.until_over()).expect("a notice"));
        if let Some((call, toxic)) = fault {
            world.fault_at(call, toxic);
        }
        run_for(&world, 3 * 60);
        world
    };
    for call in 0..history(None).calls().len() {
        for toxic in Toxic::ALL {
            let world = history(Some((call, toxic)));
            all_is_over(&world);
            let mut subjects = mail_subjects(&world);
            subjects.dedup();
            assert_eq!(subjects.len(), 2, "{call} {toxic:?}: {subjects:?}");
        }
    }
}
