//! A change that no webhook announced is found by polling and merged like any other, and a person is notified.

use jiff::{SignedDuration, Timestamp};
use pipeline::{conditions::Condition, config::Config, incident::IncidentStatus};
use serde_json::{Value, json};
use simulation::{Reply, Simulation};

use crate::{
    common::{self, accepted, config, last, leap, mail_subjects, published, thin, types, voltus},
    incidents::{hint, incident},
};

/// The path of requests for Voltus' list.
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

/// A simulation in which Voltus is polled and its list is empty.
pub(crate) fn polling(seed: u64) -> Simulation {
    let sim = Simulation::new(seed, polled(&["voltus-prod"]));
    lists(&sim, &[]);
    sim
}

pub(crate) fn list(dispatches: &[Value]) -> Reply {
    Reply::Json(json!({ "dispatches": dispatches, "page": 0, "perPage": 0 }).to_string())
}

pub(crate) fn lists(sim: &Simulation, dispatches: &[Value]) {
    sim.answers("voltus-prod", LIST, [list(dispatches)]);
}

/// Runs everything and lets that much time pass.
pub(crate) fn run_for(sim: &Simulation, seconds: i64) {
    common::pass(sim, SignedDuration::from_secs(seconds));
}

pub(crate) fn between(id: &str, number: u64, start: &str, end: Option<&str>) -> Value {
    let mut dispatch = voltus(id, number, 5);
    dispatch["start_time"] = json!(start);
    dispatch["end_time"] = json!(end);
    dispatch
}

/// When the source's list was requested.
pub(crate) fn asked(sim: &Simulation, source: &str, about: &str) -> Vec<Timestamp> {
    let fetches = sim.fetches().into_iter();
    let lists = |ask: &str| ask.ends_with(about) || ask.contains(&format!("{about} {{\"start_date"));
    fetches.filter(|fetch| fetch.source == source && lists(&fetch.request)).map(|fetch| fetch.at).collect()
}

fn writes(sim: &Simulation) -> usize {
    sim.calls().iter().filter(|call| call.port == "dispatches.write").count()
}

#[test]
fn what_no_webhook_brought_is_published_and_mailed_once() {
    let sim = polling(1);
    run_for(&sim, 90);
    lists(&sim, &[between("dkmq", 0, "2023-12-01T18:00:00Z", None)]);
    run_for(&sim, 300);
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
    let dispatch = sim.dispatches().get(VOLTUS).expect("a record").subject;
    hint(&sim, Condition::MissedDelivery { dispatch });
    run_for(&sim, 40);
    assert_eq!(mail_subjects(&sim), [""; 0], "a webhook may be late");
    run_for(&sim, 120);
    assert_eq!(mail_subjects(&sim), [MISSED]);
    let (_, mail) = sim.mails().pop().expect("a mail");
    assert!(mail.text.starts_with("WHAT MUST HAPPEN"), "{}", mail.text);
    assert!(mail.text.contains("gridbell.dispatch.scheduled.v1 #1"), "{}", mail.text);
    let missed = || {
        let mut subjects = mail_subjects(&sim);
        subjects.retain(|subject| subject.contains("missed-delivery"));
        subjects
    };
    run_for(&sim, 23 * 3_600);
    assert_eq!(missed(), [MISSED]);
    run_for(&sim, 2 * 3_600);
    let resolved = format!("[gridbell] Resolved: missed-delivery: {VOLTUS}");
    assert_eq!(missed(), [MISSED, &resolved], "nothing more was missed for a day");
}

#[test]
fn a_missed_update_and_a_missed_cancel_are_mailed_each() {
    let sim = polling(2);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 30);
    lists(&sim, &[voltus("dkmq", 0, 5)]);
    run_for(&sim, 90);
    lists(&sim, &[voltus("dkmq", 1, 9)]);
    run_for(&sim, 200);
    let mut cancelled = voltus("dkmq", 2, 9);
    cancelled["authorized"] = json!(false);
    lists(&sim, &[cancelled]);
    run_for(&sim, 600);
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled", "dispatch.updated", "dispatch.cancelled"]);
    assert_eq!(mail_subjects(&sim), [MISSED, MISSED]);
}

#[test]
fn a_webhook_that_is_only_late_wakes_nobody() {
    for seed in 0..10 {
        let sim = polling(seed);
        run_for(&sim, 90);
        let dispatch = between("dkmq", 0, "2023-12-01T18:00:00Z", None);
        lists(&sim, std::slice::from_ref(&dispatch));
        sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(dispatch.to_string())]);
        run_for(&sim, 300);
        assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
        accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
        run_for(&sim, 1_800);
        assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
        assert_eq!(mail_subjects(&sim), [""; 0]);
    }
}

#[test]
fn a_webhook_that_comes_after_the_mail_resolves_the_incident() {
    let sim = polling(3);
    run_for(&sim, 90);
    let dispatch = between("dkmq", 0, "2023-12-01T18:00:00Z", None);
    lists(&sim, std::slice::from_ref(&dispatch));
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(dispatch.to_string())]);
    run_for(&sim, 530);
    assert_eq!(mail_subjects(&sim), [MISSED]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 100);
    assert_eq!(mail_subjects(&sim).pop(), Some(format!("[gridbell] Resolved: missed-delivery: {VOLTUS}")));
    let (_, mail) = sim.mails().pop().expect("a mail");
    assert!(mail.text.contains("came after all"), "{}", mail.text);
}

#[test]
fn what_was_there_before_us_is_published_and_not_called_missed() {
    let sim = polling(4);
    lists(&sim, &[between("dkmq", 3, "2023-12-01T16:30:00Z", None)]);
    run_for(&sim, 1_800);
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
    assert_eq!(mail_subjects(&sim), [""; 0]);
}

#[test]
fn after_an_outage_nothing_that_is_over_curtails() {
    let sim = polling(5);
    for id in ["ran", "off"] {
        let dispatch = between(id, 0, "2023-12-01T16:45:00Z", None);
        sim.answers("voltus-prod", &format!("/dispatches/{id}"), [Reply::Json(dispatch.to_string())]);
        accepted(&sim, "voltus-prod", &thin("dispatch.create", id));
    }
    run_for(&sim, 90);
    let mut off = between("off", 1, "2023-12-01T16:45:00Z", None);
    off["authorized"] = json!(false);
    lists(
        &sim,
        &[
            between("ran", 1, "2023-12-01T16:45:00Z", Some("2023-12-01T17:10:00Z")),
            off,
            between("came-and-went", 1, "2023-12-01T17:00:00Z", Some("2023-12-01T18:00:00Z")),
            between("last-week", 1, "2023-11-24T17:00:00Z", Some("2023-11-24T18:00:00Z")),
            between("next", 0, "2023-12-02T17:00:00Z", Some("2023-12-02T18:00:00Z")),
        ],
    );
    sim.advance(SignedDuration::from_hours(6));
    run_for(&sim, 90);
    assert_eq!(types(&sim, "voltus-prod/ran"), ["dispatch.scheduled", "dispatch.ended"]);
    assert_eq!(types(&sim, "voltus-prod/off"), ["dispatch.scheduled", "dispatch.cancelled"]);
    assert_eq!(types(&sim, "voltus-prod/came-and-went"), ["dispatch.ended"]);
    assert_eq!(types(&sim, "voltus-prod/last-week"), [""; 0]);
    assert_eq!(types(&sim, "voltus-prod/next"), ["dispatch.scheduled"]);
}

#[test]
fn an_unchanged_list_writes_and_publishes_nothing() {
    let mut unnumbered = between("dkmq", 0, "2023-12-01T16:30:00Z", None);
    unnumbered.as_object_mut().unwrap().remove("modification_number");
    let soon_over = between("over", 0, "2023-12-01T16:30:00Z", Some("2023-12-01T16:50:00Z"));
    let sim = Simulation::new(6, polled(&["voltus-prod", "leap-prod"]));
    // The same dispatch twice with different terms: which of them counts does not change from minute to minute.
    lists(&sim, &[unnumbered.clone(), voltus_like(&unnumbered, 7), soon_over]);
    let found = json!({ "results": leap("e-1", 10)["meter_dispatches"], "next_page_token": null });
    sim.answers("leap-prod", "/dispatch/meter/search", [Reply::Json(found.to_string())]);
    accepted(&sim, "leap-prod", &leap("e-1", 10).to_string());
    run_for(&sim, 300);
    let (wrote, sent) = (writes(&sim), sim.signals().len());
    run_for(&sim, 3_600);
    assert!(asked(&sim, "voltus-prod", LIST).len() > 50);
    assert_eq!((writes(&sim), sim.signals().len()), (wrote, sent));
    assert_eq!(mail_subjects(&sim), [""; 0]);
}

fn voltus_like(dispatch: &Value, commitment_kw: u64) -> Value {
    let mut other = dispatch.clone();
    other["sites"][0]["commitment"] = json!(commitment_kw);
    other
}

#[test]
fn one_unreadable_dispatch_of_a_list_costs_the_others_nothing() {
    for is_first_list in [false, true] {
        let sim = polling(16);
        if !is_first_list {
            run_for(&sim, 90);
        }
        let broken = json!({ "id": "broken", "start_time": "soon" });
        let foreign = json!({ "id": "../sites", "start_time": "2023-12-01T16:50:00Z" });
        let good = between("dkmq", 0, "2023-12-01T16:30:00Z", Some("2023-12-01T18:00:00Z"));
        lists(&sim, &[json!(7), broken, foreign, good.clone()]);
        run_for(&sim, 3_600);
        assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
        assert_eq!(published(&sim).len(), 1);
        let mails = |occasion: &str| {
            let count = |(_, mail): &&(Timestamp, pipeline::mail::Mail)| {
                crate::common::digest(&mail.subject).starts_with(&format!("[gridbell] {occasion}quarantined"))
            };
            sim.mails().iter().filter(count).count()
        };
        let [source, lost] = ["quarantined/voltus-prod", "quarantined/voltus-prod/broken"];
        assert!((1..=2).contains(&mails("")), "once each, although each poll sees it: {:?}", mail_subjects(&sim));
        let texts: Vec<String> = sim.mails().into_iter().map(|(_, mail)| mail.text).collect();
        assert!(texts.iter().any(|text| text.contains("dispatches[broken]: `start_time`")), "{texts:?}");
        let is_open = |key: &str| incident(&sim, key).status == IncidentStatus::Open;
        assert!(is_open(source) && is_open(lost));
        lists(&sim, &[good]);
        run_for(&sim, 600);
        assert!(!is_open(source) && is_open(lost), "what was lost is still lost");
        run_for(&sim, 24 * 3_600);
        assert!(!is_open(lost));
        assert!((1..=2).contains(&mails("")) && mails("Resolved: ") == 2, "{:?}", mail_subjects(&sim));
    }
}

#[test]
fn what_is_listed_with_a_huge_name_is_published_without_it() {
    for bytes in [10_000, 1_000_000, 1_100_000] {
        let sim = polling(27);
        let mut dispatch = between("dkmq", 0, "2023-12-01T16:30:00Z", None);
        dispatch["program"]["name"] = json!("x".repeat(bytes));
        lists(&sim, &[dispatch]);
        run_for(&sim, 70);
        let streams = published(&sim);
        assert_eq!(streams.len(), 1);
        let name = &streams[VOLTUS].events[0]["data"]["dispatch"]["programs"][0]["name"];
        assert_eq!(name.as_str().map_or(0, str::len), if bytes < 1_040_000 { bytes } else { 0 });
        assert_eq!(mail_subjects(&sim), [""; 0]);
    }
}

#[test]
fn two_changes_that_no_webhook_announced_are_a_mail_each() {
    let sim = polling(28);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    lists(&sim, &[voltus("dkmq", 0, 5)]);
    run_for(&sim, 90);
    for number in [1, 2] {
        lists(&sim, &[voltus("dkmq", number, 5 + number)]);
        run_for(&sim, 60);
    }
    run_for(&sim, 200);
    assert_eq!(mail_subjects(&sim), [MISSED, MISSED]);
    for ((_, mail), what) in sim.mails().iter().zip(["updated.v1 #2", "updated.v1 #3"]) {
        assert!(
            mail.text.contains(&format!("no webhook has announced since: gridbell.dispatch.{what}")),
            "{}",
            mail.text
        );
    }
}

#[test]
fn an_older_answer_does_not_win_over_a_list_with_a_new_number() {
    let sim = polling(29);
    let answers = [voltus("dkmq", 0, 5), voltus("dkmq", 1, 9)].map(|answer| Reply::Json(answer.to_string()));
    sim.answers("voltus-prod", "/dispatches/dkmq", answers);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    lists(&sim, &[voltus("dkmq", 2, 5)]);
    run_for(&sim, 90);
    accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
    run_for(&sim, 20);
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
}

#[test]
fn a_dispatch_that_is_listed_twice_is_one() {
    let sim = polling(17);
    lists(&sim, &[voltus("dkmq", 1, 5), voltus("dkmq", 2, 9), voltus("dkmq", 1, 5)]);
    run_for(&sim, 300);
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
    assert_eq!(last(&sim, VOLTUS)["dispatch"]["request"]["watts"], json!(9_000));
}

#[test]
fn a_sandbox_is_polled_and_all_of_it_is_a_test() {
    let sim = Simulation::new(18, polled(&["voltus-sandbox"]));
    sim.answers("voltus-sandbox", LIST, [list(&[]), list(&[voltus("dkmq", 0, 5)])]);
    run_for(&sim, 600);
    let dispatch = last(&sim, "voltus-sandbox/dkmq")["dispatch"].take();
    assert_eq!((&dispatch["test"], &dispatch["test_reason"]), (&json!(true), &json!("sandbox")));
    assert_eq!(mail_subjects(&sim), ["[gridbell] [TEST] missed-delivery: voltus-sandbox/dkmq"]);
}
