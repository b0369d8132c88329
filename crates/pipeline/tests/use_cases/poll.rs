//! What no webhook brought is found, merged like anything else, and a person is notified of it.

use jiff::{SignedDuration, Timestamp};
use pipeline::{conditions::Condition, config::Config, incident::IncidentStatus};
use serde_json::{Value, json};
use sim::{Reply, World};

use crate::{
    common::{self, accepted, config, last, leap, mail_subjects, published, thin, types, voltus},
    incidents::{hint, incident},
};

/// What requests for Voltus' list hold.
pub(crate) const LIST: &str = "/dispatches";
pub(crate) const VOLTUS: &str = "voltus-prod/dkmq";
const MISSED: &str = "[gridbell] missed-delivery: voltus-prod/dkmq";

/// Only these sources are polled.
pub(crate) fn polled(sources: &[&str]) -> Config {
    let mut config = config();
    for source in sources {
        config.sources.get_mut(*source).expect("a source").poll_s = 300;
    }
    config
}

/// A world in which Voltus is polled and lists nothing yet.
pub(crate) fn polling(seed: u64) -> World {
    let world = World::new(seed, polled(&["voltus-prod"]));
    lists(&world, &[]);
    world
}

pub(crate) fn list(dispatches: &[Value]) -> Reply {
    Reply::Json(json!({ "dispatches": dispatches, "page": 0, "perPage": 0 }).to_string())
}

pub(crate) fn lists(world: &World, dispatches: &[Value]) {
    world.answers("voltus-prod", LIST, [list(dispatches)]);
}

/// Runs everything and lets that much time pass.
pub(crate) fn run_for(world: &World, seconds: i64) {
    common::pass(world, SignedDuration::from_secs(seconds));
}

pub(crate) fn between(id: &str, number: u64, start: &str, end: Option<&str>) -> Value {
    let mut dispatch = voltus(id, number, 5);
    dispatch["start_time"] = json!(start);
    dispatch["end_time"] = json!(end);
    dispatch
}

/// When the source was asked for its list.
pub(crate) fn asked(world: &World, source: &str, about: &str) -> Vec<Timestamp> {
    let fetches = world.fetches().into_iter();
    let lists = |ask: &str| ask.ends_with(about) || ask.contains(&format!("{about} {{\"start_date"));
    fetches.filter(|fetch| fetch.source == source && lists(&fetch.ask)).map(|fetch| fetch.at).collect()
}

fn writes(world: &World) -> usize {
    world.calls().iter().filter(|call| call.port == "dispatches.write").count()
}

#[test]
fn what_no_webhook_brought_is_published_and_mailed_once() {
    let world = polling(1);
    run_for(&world, 90);
    lists(&world, &[between("dkmq", 0, "2023-12-01T18:00:00Z", None)]);
    run_for(&world, 300);
    assert_eq!(types(&world, VOLTUS), ["dispatch.scheduled"]);
    let dispatch = world.dispatches().get(VOLTUS).expect("a record").subject;
    hint(&world, Condition::MissedDelivery { dispatch });
    run_for(&world, 40);
    assert_eq!(mail_subjects(&world), [""; 0], "a webhook may be late");
    run_for(&world, 120);
    assert_eq!(mail_subjects(&world), [MISSED]);
    let (_, mail) = world.mails().pop().expect("a mail");
    assert!(mail.text.starts_with("Sites:"), "{}", mail.text);
    assert!(mail.text.contains("gridbell.dispatch.scheduled.v1 #1"), "{}", mail.text);
    let missed = || {
        let mut subjects = mail_subjects(&world);
        subjects.retain(|subject| subject.contains("missed-delivery"));
        subjects
    };
    run_for(&world, 23 * 3_600);
    assert_eq!(missed(), [MISSED]);
    run_for(&world, 2 * 3_600);
    let resolved = format!("[gridbell] over: missed-delivery: {VOLTUS}");
    assert_eq!(missed(), [MISSED, &resolved], "nothing more was missed for a day");
}

#[test]
fn a_missed_update_and_a_missed_cancel_are_mailed_each() {
    let world = polling(2);
    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 30);
    lists(&world, &[voltus("dkmq", 0, 5)]);
    run_for(&world, 90);
    lists(&world, &[voltus("dkmq", 1, 9)]);
    run_for(&world, 200);
    let mut cancelled = voltus("dkmq", 2, 9);
    cancelled["authorized"] = json!(false);
    lists(&world, &[cancelled]);
    run_for(&world, 600);
    assert_eq!(types(&world, VOLTUS), ["dispatch.scheduled", "dispatch.updated", "dispatch.cancelled"]);
    assert_eq!(mail_subjects(&world), [MISSED, MISSED]);
}

#[test]
fn a_webhook_that_is_only_late_wakes_nobody() {
    for seed in 0..10 {
        let world = polling(seed);
        run_for(&world, 90);
        let dispatch = between("dkmq", 0, "2023-12-01T18:00:00Z", None);
        lists(&world, std::slice::from_ref(&dispatch));
        world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(dispatch.to_string())]);
        run_for(&world, 300);
        assert_eq!(types(&world, VOLTUS), ["dispatch.scheduled"]);
        accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
        run_for(&world, 1_800);
        assert_eq!(types(&world, VOLTUS), ["dispatch.scheduled"]);
        assert_eq!(mail_subjects(&world), [""; 0]);
    }
}

#[test]
fn a_webhook_that_comes_after_the_mail_resolves_the_incident() {
    let world = polling(3);
    run_for(&world, 90);
    let dispatch = between("dkmq", 0, "2023-12-01T18:00:00Z", None);
    lists(&world, std::slice::from_ref(&dispatch));
    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(dispatch.to_string())]);
    run_for(&world, 530);
    assert_eq!(mail_subjects(&world), [MISSED]);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&world, 100);
    assert_eq!(mail_subjects(&world).pop(), Some(format!("[gridbell] over: missed-delivery: {VOLTUS}")));
    let (_, mail) = world.mails().pop().expect("a mail");
    assert!(mail.text.contains("came after all"), "{}", mail.text);
}

#[test]
fn what_was_there_before_us_is_published_and_not_called_missed() {
    let world = polling(4);
    lists(&world, &[between("dkmq", 3, "2023-12-01T16:30:00Z", None)]);
    run_for(&world, 1_800);
    assert_eq!(types(&world, VOLTUS), ["dispatch.scheduled"]);
    assert_eq!(mail_subjects(&world), [""; 0]);
}

#[test]
fn after_an_outage_nothing_that_is_over_curtails() {
    let world = polling(5);
    for id in ["ran", "off"] {
        let dispatch = between(id, 0, "2023-12-01T16:45:00Z", None);
        world.answers("voltus-prod", &format!("/dispatches/{id}"), [Reply::Json(dispatch.to_string())]);
        accepted(&world, "voltus-prod", &thin("dispatch.create", id));
    }
    run_for(&world, 90);
    let mut off = between("off", 1, "2023-12-01T16:45:00Z", None);
    off["authorized"] = json!(false);
    lists(
        &world,
        &[
            between("ran", 1, "2023-12-01T16:45:00Z", Some("2023-12-01T17:10:00Z")),
            off,
            between("came-and-went", 1, "2023-12-01T17:00:00Z", Some("2023-12-01T18:00:00Z")),
            between("last-week", 1, "2023-11-24T17:00:00Z", Some("2023-11-24T18:00:00Z")),
            between("next", 0, "2023-12-02T17:00:00Z", Some("2023-12-02T18:00:00Z")),
        ],
    );
    world.advance(SignedDuration::from_hours(6));
    run_for(&world, 90);
    assert_eq!(types(&world, "voltus-prod/ran"), ["dispatch.scheduled", "dispatch.ended"]);
    assert_eq!(types(&world, "voltus-prod/off"), ["dispatch.scheduled", "dispatch.cancelled"]);
    assert_eq!(types(&world, "voltus-prod/came-and-went"), ["dispatch.ended"]);
    assert_eq!(types(&world, "voltus-prod/last-week"), [""; 0]);
    assert_eq!(types(&world, "voltus-prod/next"), ["dispatch.scheduled"]);
}

#[test]
fn an_unchanged_list_writes_and_publishes_nothing() {
    let mut unnumbered = between("dkmq", 0, "2023-12-01T16:30:00Z", None);
    unnumbered.as_object_mut().unwrap().remove("modification_number");
    let soon_over = between("over", 0, "2023-12-01T16:30:00Z", Some("2023-12-01T16:50:00Z"));
    let world = World::new(6, polled(&["voltus-prod", "leap-prod"]));
    // The same dispatch twice, and not alike: which of both holds does not change from minute to minute.
    lists(&world, &[unnumbered.clone(), voltus_like(&unnumbered, 7), soon_over]);
    let found = json!({ "results": leap("e-1", 10)["meter_dispatches"], "next_page_token": null });
    world.answers("leap-prod", "/dispatch/meter/search", [Reply::Json(found.to_string())]);
    accepted(&world, "leap-prod", &leap("e-1", 10).to_string());
    run_for(&world, 300);
    let (wrote, sent) = (writes(&world), world.signals().len());
    run_for(&world, 3_600);
    assert!(asked(&world, "voltus-prod", LIST).len() > 50);
    assert_eq!((writes(&world), world.signals().len()), (wrote, sent));
    assert_eq!(mail_subjects(&world), [""; 0]);
}

fn voltus_like(dispatch: &Value, commitment_kw: u64) -> Value {
    let mut other = dispatch.clone();
    other["sites"][0]["commitment"] = json!(commitment_kw);
    other
}

#[test]
fn one_unreadable_dispatch_of_a_list_costs_the_others_nothing() {
    for is_first_list in [false, true] {
        let world = polling(16);
        if !is_first_list {
            run_for(&world, 90);
        }
        let broken = json!({ "id": "broken", "start_time": "soon" });
        let foreign = json!({ "id": "../sites", "start_time": "2023-12-01T16:50:00Z" });
        let good = between("dkmq", 0, "2023-12-01T16:30:00Z", Some("2023-12-01T18:00:00Z"));
        lists(&world, &[json!(7), broken, foreign, good.clone()]);
        run_for(&world, 3_600);
        assert_eq!(types(&world, VOLTUS), ["dispatch.scheduled"]);
        assert_eq!(published(&world).len(), 1);
        let mails = |occasion: &str| {
            let count = |(_, mail): &&(Timestamp, pipeline::mail::Mail)| {
                mail.subject.starts_with(&format!("[gridbell] {occasion}quarantined"))
            };
            world.mails().iter().filter(count).count()
        };
        let [source, lost] = ["quarantined/voltus-prod", "quarantined/voltus-prod/broken"];
        assert!((1..=2).contains(&mails("")), "once each, although each poll sees it: {:?}", mail_subjects(&world));
        let texts: Vec<String> = world.mails().into_iter().map(|(_, mail)| mail.text).collect();
        assert!(texts.iter().any(|text| text.contains("dispatches[broken]: `start_time`")), "{texts:?}");
        let is_open = |key: &str| incident(&world, key).status == IncidentStatus::Open;
        assert!(is_open(source) && is_open(lost));
        lists(&world, &[good]);
        run_for(&world, 600);
        assert!(!is_open(source) && is_open(lost), "what was lost is still lost");
        run_for(&world, 24 * 3_600);
        assert!(!is_open(lost));
        assert!((1..=2).contains(&mails("")) && mails("over: ") == 2, "{:?}", mail_subjects(&world));
    }
}

#[test]
fn what_is_listed_with_a_huge_name_is_published_without_it() {
    for bytes in [10_000, 1_000_000, 1_100_000] {
        let world = polling(27);
        let mut dispatch = between("dkmq", 0, "2023-12-01T16:30:00Z", None);
        dispatch["program"]["name"] = json!("x".repeat(bytes));
        lists(&world, &[dispatch]);
        run_for(&world, 70);
        let streams = published(&world);
        assert_eq!(streams.len(), 1);
        let name = &streams[VOLTUS].events[0]["data"]["dispatch"]["programs"][0]["name"];
        assert_eq!(name.as_str().map_or(0, str::len), if bytes < 1_040_000 { bytes } else { 0 });
        assert_eq!(mail_subjects(&world), [""; 0]);
    }
}

#[test]
fn two_changes_that_no_webhook_announced_are_a_mail_each() {
    let world = polling(28);
    world.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    lists(&world, &[voltus("dkmq", 0, 5)]);
    run_for(&world, 90);
    for number in [1, 2] {
        lists(&world, &[voltus("dkmq", number, 5 + number)]);
        run_for(&world, 60);
    }
    run_for(&world, 200);
    assert_eq!(mail_subjects(&world), [MISSED, MISSED]);
    for ((_, mail), what) in world.mails().iter().zip(["updated.v1 #2", "updated.v1 #3"]) {
        assert!(
            mail.text.contains(&format!("no webhook has announced since: gridbell.dispatch.{what}")),
            "{}",
            mail.text
        );
    }
}

#[test]
fn an_older_answer_does_not_win_over_a_list_with_a_new_number() {
    let world = polling(29);
    let answers = [voltus("dkmq", 0, 5), voltus("dkmq", 1, 9)].map(|answer| Reply::Json(answer.to_string()));
    world.answers("voltus-prod", "/dispatches/dkmq", answers);
    accepted(&world, "voltus-prod", &thin("dispatch.create", "dkmq"));
    lists(&world, &[voltus("dkmq", 2, 5)]);
    run_for(&world, 90);
    accepted(&world, "voltus-prod", &thin("dispatch.update", "dkmq"));
    run_for(&world, 20);
    assert_eq!(types(&world, VOLTUS), ["dispatch.scheduled"]);
}

#[test]
fn a_dispatch_that_is_listed_twice_is_one() {
    let world = polling(17);
    lists(&world, &[voltus("dkmq", 1, 5), voltus("dkmq", 2, 9), voltus("dkmq", 1, 5)]);
    run_for(&world, 300);
    assert_eq!(types(&world, VOLTUS), ["dispatch.scheduled"]);
    assert_eq!(last(&world, VOLTUS)["dispatch"]["request"]["watts"], json!(9_000));
}

#[test]
fn a_sandbox_is_polled_and_all_of_it_is_a_test() {
    let world = World::new(18, polled(&["voltus-sandbox"]));
    world.answers("voltus-sandbox", LIST, [list(&[]), list(&[voltus("dkmq", 0, 5)])]);
    run_for(&world, 600);
    let dispatch = last(&world, "voltus-sandbox/dkmq")["dispatch"].take();
    assert_eq!((&dispatch["test"], &dispatch["test_reason"]), (&json!(true), &json!("sandbox")));
    assert_eq!(mail_subjects(&world), ["[gridbell] [TEST] missed-delivery: voltus-sandbox/dkmq"]);
}
