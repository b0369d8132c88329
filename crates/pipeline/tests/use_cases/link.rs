//! The link in a mail: reading it changes nothing; its button acknowledges, once.

use std::collections::BTreeSet;

use futures_util::future::join;
use jiff::SignedDuration;
use pipeline::{
    alerts::{AckPages, Page},
    incident::IncidentStatus,
};
use simulation::{Function, Invocation, PUBLIC_URL, Simulation, Toxic};

use crate::{
    common::{mail_subjects, pass, run_for},
    groups::{about, all_fail},
    incidents::{fails, hours, incident, notified_by, works},
};

const INCIDENT: &str = "hydration-failing/voltus-prod/d000";

fn reminded() -> Simulation {
    Simulation::new(1, notified_by(900, Vec::new()))
}

/// The link in a mail, present in its text and its HTML.
pub(crate) fn link(sim: &Simulation, mail: usize) -> String {
    let mail = sim.mails()[mail].1.clone();
    let at = mail.text.find(PUBLIC_URL).expect("a link");
    let link: String = mail.text[at..].chars().take_while(|c| !c.is_whitespace()).collect();
    assert!(mail.html.contains(&format!("href=\"{link}\"")), "{}", mail.html);
    link
}

fn follow(sim: &Simulation, method: &str, link: &str) -> Page {
    sim.follow(method, link).answer().expect("an answer")
}

fn status(sim: &Simulation) -> IncidentStatus {
    incident(sim, INCIDENT).status
}

#[test]
fn reading_changes_nothing_and_the_button_ends_the_reminders() {
    let sim = reminded();
    fails(&sim, &about(0));
    run_for(&sim, 5);
    let link = link(&sim, 0);
    for method in ["GET", "HEAD", "GET"] {
        let page = follow(&sim, method, &link);
        assert_eq!((page.status, page.outcome), (200, "shown"));
        assert!(page.body.contains(INCIDENT) && page.body.contains("value=\"acknowledge\""), "{}", page.body);
        assert!(page.body.contains("2023-12-01 16:40 UTC"), "{}", page.body);
        assert!(page.body.contains("until 2023-12-08 16:40 UTC"), "{}", page.body);
    }
    assert_eq!(status(&sim), IncidentStatus::Open);
    assert_eq!(follow(&sim, "PUT", &link).status, 405);
    let page = follow(&sim, "POST", &link);
    assert_eq!((page.status, page.outcome), (200, "acknowledged"), "{}", page.body);
    assert_eq!(status(&sim), IncidentStatus::Acknowledged);
    assert!(incident(&sim, INCIDENT).acknowledged.unwrap().by.contains("grid-duty@example.com"));
    for (method, status, outcome) in [("GET", 200, "shown"), ("POST", 410, "used"), ("GET", 200, "shown")] {
        let page = follow(&sim, method, &link);
        assert_eq!((page.status, page.outcome), (status, outcome));
        assert!(
            page.body.contains("Acknowledged by the link in the mail to grid-duty@example.com at"),
            "{}",
            page.body
        );
        assert!(!page.body.contains("<button"), "{}", page.body);
    }
    pass(&sim, hours(24));
    assert_eq!(mail_subjects(&sim).len(), 1);
}

#[test]
fn a_stranger_learns_nothing() {
    let sim = reminded();
    fails(&sim, &about(0));
    run_for(&sim, 5);
    let stored = sim.links().all().pop().unwrap();
    let secret = link(&sim, 0);
    let secret = secret.rsplit('/').next().unwrap();
    assert!(!serde_json::to_string(&stored).unwrap().contains(secret), "the table does not know the secret");
    let hash = stored.link.trim_start_matches("link/");
    let strange = ["", "x", hash, &stored.link, INCIDENT, &"a".repeat(5_000), "../links", "gate"];
    for secret in strange {
        for method in ["GET", "POST"] {
            let page = follow(&sim, method, secret);
            assert_eq!((page.status, page.outcome), (404, "unknown"), "{secret}");
            assert!(!page.body.contains("voltus"), "{}", page.body);
        }
    }
    assert_eq!(status(&sim), IncidentStatus::Open);
}

#[test]
fn what_can_be_no_secret_is_not_looked_up() {
    let sim = reminded();
    for (length, fetched) in [(0, 0), (1, 1), (64, 1), (100, 1), (101, 0), (100_000, 0)] {
        let before = sim.calls().len();
        assert_eq!(follow(&sim, "GET", &"a".repeat(length)).status, 404);
        assert_eq!(sim.calls().len() - before, fetched, "{length} letters");
    }
}

#[test]
fn a_link_ends_after_a_week_and_with_its_occurrence() {
    let sim = reminded();
    fails(&sim, &about(0));
    run_for(&sim, 5);
    let first = link(&sim, 0);
    works(&sim, &about(0));
    run_for(&sim, 60);
    fails(&sim, &about(0));
    run_for(&sim, 5);
    let page = follow(&sim, "POST", &first);
    assert!(page.body.contains("resolved already"), "{}", page.body);
    assert_eq!(status(&sim), IncidentStatus::Open, "what has begun anew is another matter");
    let second = link(&sim, 2);
    sim.advance(SignedDuration::from_hours(7 * 24));
    assert_eq!(follow(&sim, "GET", &second).outcome, "expired");
    assert_eq!(follow(&sim, "POST", &second).status, 410);
    assert_eq!(status(&sim), IncidentStatus::Open);
}

/// The mails of an outage, the last of which is a list; returns how many incidents it lists.
fn outage(sim: &Simulation, count: usize) -> (usize, usize) {
    all_fail(sim, 0..count);
    run_for(sim, 60);
    let subjects = mail_subjects(sim);
    let last = subjects.last().expect("a mail");
    let listed =
        last.strip_prefix("[gridbell] hydration-failing voltus-prod: ").and_then(|rest| rest.split(' ').next());
    (subjects.len() - 1, listed.expect("a list").parse().expect("a number"))
}

#[test]
fn the_link_of_a_list_acknowledges_all_of_it() {
    let sim = reminded();
    let (list, listed) = outage(&sim, 20);
    assert!(listed > 5, "{listed}");
    assert_eq!(follow(&sim, "GET", &link(&sim, list)).outcome, "shown");
    let page = follow(&sim, "POST", &link(&sim, list));
    assert!(page.body.contains(&format!("{listed} of {listed} are acknowledged")), "{}", page.body);
    let open = sim.incidents().all().into_iter().filter(|incident| incident.status == IncidentStatus::Open).count();
    assert_eq!(open, 20 - listed);
}

#[test]
fn where_no_link_can_be_made_the_mail_names_the_command() {
    let sim = reminded();
    sim.fault("alerts.write_link", Toxic::Refuse, simulation::Times::Always);
    fails(&sim, &about(0));
    run_for(&sim, 5);
    let mail = sim.mails()[0].1.clone();
    assert!(mail.text.contains(&format!("gridbell alert ack {INCIDENT}")), "{}", mail.text);
}

#[test]
fn whatever_fails_the_button_can_be_pressed_again() {
    let ready = || {
        let sim = reminded();
        fails(&sim, &about(0));
        run_for(&sim, 5);
        sim
    };
    let calm = ready();
    let before = calm.calls().len();
    assert_eq!(follow(&calm, "POST", &link(&calm, 0)).status, 200);
    for call in before..calm.calls().len() {
        for toxic in Toxic::ALL {
            let sim = ready();
            sim.fault_at(call, toxic);
            let mut answers = Vec::new();
            for _ in 0..3 {
                answers.push(sim.follow("POST", &link(&sim, 0)).answer().map(|page| page.status));
            }
            assert_eq!(status(&sim), IncidentStatus::Acknowledged, "{call} {toxic:?} {answers:?}");
            assert!(answers.iter().flatten().all(|status| [200, 410, 503].contains(status)), "{answers:?}");
            assert_eq!(answers[2], Some(410), "{call} {toxic:?} {answers:?}");
        }
    }
}

#[test]
fn a_button_that_is_pressed_twice_at_once_works_once() {
    for seed in 0..20 {
        let config = notified_by(900, Vec::new());
        let sim = Simulation::new(seed, config.clone());
        fails(&sim, &about(0));
        run_for(&sim, 5);
        let link = link(&sim, 0);
        let secret = link.rsplit('/').next().unwrap();
        let pressed = sim.run(Function::Alerter, async |ports| {
            let pages = AckPages::<Invocation<'_>> {
                config: &config,
                stack: None,
                incidents: ports,
                table: ports,
                job_queue: ports,
                host: ports,
            };
            join(pages.handle("POST", secret, b""), pages.handle("POST", secret, b"")).await
        });
        let (one, other) = pressed.answer().expect("two pages");
        let outcomes = BTreeSet::from([one.outcome, other.outcome]);
        assert_eq!(outcomes, BTreeSet::from(["acknowledged", "used"]), "seed {seed}");
    }
}

#[test]
fn the_page_of_a_long_list_counts_what_it_does_not_show() {
    let sim = reminded();
    let (list, listed) = outage(&sim, 60);
    let first = follow(&sim, "GET", &link(&sim, 0)).body;
    assert!(!first.contains(" more</li>"), "{first}");
    let page = follow(&sim, "GET", &link(&sim, list)).body;
    assert!(listed > 20 && page.contains(&format!("<li>and {} more</li>", listed - 20)), "{page}");
}
