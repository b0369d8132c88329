//! The link in a mail: reading it changes nothing, its button acknowledges, once.

use std::collections::BTreeSet;

use futures_util::future::join;
use jiff::SignedDuration;
use pipeline::{
    alert::{Door, Page},
    incident::IncidentStatus,
};
use sim::{Function, PUBLIC_URL, Toxic, World};

use crate::{
    common::{mail_subjects, pass, run_for},
    groups::{about, all_fail},
    incidents::{fails, hours, incident, notified_by, works},
};

const INCIDENT: &str = "hydration-failing/voltus-prod/d000";

fn reminded() -> World {
    World::new(1, notified_by(900, Vec::new()))
}

/// The link in a mail, which its text and its HTML both hold.
fn link(world: &World, mail: usize) -> String {
    let mail = world.mails()[mail].1.clone();
    let at = mail.text.find(PUBLIC_URL).expect("a link");
    let link: String = mail.text[at..].chars().take_while(|c| !c.is_whitespace()).collect();
    assert!(mail.html.contains(&format!("href=\"{link}\"")), "{}", mail.html);
    link
}

fn follow(world: &World, method: &str, link: &str) -> Page {
    world.follow(method, link).answer().expect("an answer")
}

fn status(world: &World) -> IncidentStatus {
    incident(world, INCIDENT).status
}

#[test]
fn reading_changes_nothing_and_the_button_ends_the_reminders() {
    let world = reminded();
    fails(&world, &about(0));
    run_for(&world, 5);
    let link = link(&world, 0);
    for method in ["GET", "HEAD", "GET"] {
        let page = follow(&world, method, &link);
        assert_eq!((page.status, page.outcome), (200, "shown"));
        assert!(page.body.contains(INCIDENT) && page.body.contains("<button>"), "{}", page.body);
        assert!(page.body.contains("since 2023-12-01 16:40 UTC"), "{}", page.body);
        assert!(page.body.contains("until 2023-12-08 16:40 UTC"), "{}", page.body);
    }
    assert_eq!(status(&world), IncidentStatus::Open);
    assert_eq!(follow(&world, "PUT", &link).status, 405);
    let page = follow(&world, "POST", &link);
    assert_eq!((page.status, page.outcome), (200, "acknowledged"), "{}", page.body);
    assert_eq!(status(&world), IncidentStatus::Acknowledged);
    assert!(incident(&world, INCIDENT).acknowledged.unwrap().by.contains("grid-duty@example.com"));
    for method in ["GET", "POST"] {
        let page = follow(&world, method, &link);
        assert_eq!((page.status, page.outcome), (410, "used"));
        assert!(!page.body.contains("voltus"), "{}", page.body);
    }
    pass(&world, hours(24));
    assert_eq!(mail_subjects(&world).len(), 1);
}

#[test]
fn a_stranger_learns_nothing() {
    let world = reminded();
    fails(&world, &about(0));
    run_for(&world, 5);
    let stored = world.links().all().pop().unwrap();
    let secret = link(&world, 0);
    let secret = secret.rsplit('/').next().unwrap();
    assert!(!serde_json::to_string(&stored).unwrap().contains(secret), "the table does not know the secret");
    let hash = stored.link.trim_start_matches("link/");
    let strange = ["", "x", hash, &stored.link, INCIDENT, &"a".repeat(5_000), "../links", "gate"];
    for secret in strange {
        for method in ["GET", "POST"] {
            let page = follow(&world, method, secret);
            assert_eq!((page.status, page.outcome), (404, "unknown"), "{secret}");
            assert!(!page.body.contains("voltus"), "{}", page.body);
        }
    }
    assert_eq!(status(&world), IncidentStatus::Open);
}

#[test]
fn what_can_be_no_secret_is_not_looked_up() {
    let world = reminded();
    for (length, looked_up) in [(0, 0), (1, 1), (64, 1), (100, 1), (101, 0), (100_000, 0)] {
        let before = world.calls().len();
        assert_eq!(follow(&world, "GET", &"a".repeat(length)).status, 404);
        assert_eq!(world.calls().len() - before, looked_up, "{length} letters");
    }
}

#[test]
fn a_link_ends_after_a_week_and_with_its_occurrence() {
    let world = reminded();
    fails(&world, &about(0));
    run_for(&world, 5);
    let first = link(&world, 0);
    works(&world, &about(0));
    run_for(&world, 60);
    fails(&world, &about(0));
    run_for(&world, 5);
    let page = follow(&world, "POST", &first);
    assert!(page.body.contains("over already"), "{}", page.body);
    assert_eq!(status(&world), IncidentStatus::Open, "what has begun anew is another matter");
    let second = link(&world, 2);
    world.advance(SignedDuration::from_hours(7 * 24));
    assert_eq!(follow(&world, "GET", &second).outcome, "expired");
    assert_eq!(follow(&world, "POST", &second).status, 410);
    assert_eq!(status(&world), IncidentStatus::Open);
}

/// The mails of an outage, the last of which is a list; how many it lists.
fn outage(world: &World, count: usize) -> (usize, usize) {
    all_fail(world, 0..count);
    run_for(world, 60);
    let subjects = mail_subjects(world);
    let last = subjects.last().expect("a mail");
    let listed =
        last.strip_prefix("[gridbell] hydration-failing voltus-prod: ").and_then(|rest| rest.split(' ').next());
    (subjects.len() - 1, listed.expect("a list").parse().expect("a number"))
}

#[test]
fn the_link_of_a_list_acknowledges_all_of_it() {
    let world = reminded();
    let (list, listed) = outage(&world, 20);
    assert!(listed > 5, "{listed}");
    assert_eq!(follow(&world, "GET", &link(&world, list)).outcome, "shown");
    let page = follow(&world, "POST", &link(&world, list));
    assert!(page.body.contains(&format!("{listed} of {listed} are yours")), "{}", page.body);
    let open = world.incidents().all().into_iter().filter(|incident| incident.status == IncidentStatus::Open).count();
    assert_eq!(open, 20 - listed);
}

#[test]
fn where_no_link_can_be_made_the_mail_names_the_command() {
    let world = reminded();
    world.fault("alerts.write_link", Toxic::Refuse, sim::Times::Always);
    fails(&world, &about(0));
    run_for(&world, 5);
    let mail = world.mails()[0].1.clone();
    assert!(mail.text.contains(&format!("gridbell alert ack {INCIDENT}")), "{}", mail.text);
}

#[test]
fn whatever_fails_the_button_can_be_pressed_again() {
    let ready = || {
        let world = reminded();
        fails(&world, &about(0));
        run_for(&world, 5);
        world
    };
    let calm = ready();
    let before = calm.calls().len();
    assert_eq!(follow(&calm, "POST", &link(&calm, 0)).status, 200);
    for call in before..calm.calls().len() {
        for toxic in Toxic::ALL {
            let world = ready();
            world.fault_at(call, toxic);
            let mut answers = Vec::new();
            for _ in 0..3 {
                answers.push(world.follow("POST", &link(&world, 0)).answer().map(|page| page.status));
            }
            assert_eq!(status(&world), IncidentStatus::Acknowledged, "{call} {toxic:?} {answers:?}");
            assert!(answers.iter().flatten().all(|status| [200, 410, 503].contains(status)), "{answers:?}");
            assert_eq!(answers[2], Some(410), "{call} {toxic:?} {answers:?}");
        }
    }
}

#[test]
fn a_button_that_is_pressed_twice_at_once_works_once() {
    for seed in 0..20 {
        let world = World::new(seed, notified_by(900, Vec::new()));
        fails(&world, &about(0));
        run_for(&world, 5);
        let link = link(&world, 0);
        let secret = link.rsplit('/').next().unwrap();
        let pressed = world.run(Function::Alerter, async |ports| {
            let door = Door { incidents: ports, world: ports };
            join(door.handle("POST", secret), door.handle("POST", secret)).await
        });
        let (one, other) = pressed.answer().expect("two pages");
        let outcomes = BTreeSet::from([one.outcome, other.outcome]);
        assert_eq!(outcomes, BTreeSet::from(["acknowledged", "used"]), "seed {seed}");
    }
}

#[test]
fn the_page_of_a_long_list_counts_what_it_does_not_show() {
    let world = reminded();
    let (list, listed) = outage(&world, 60);
    let first = follow(&world, "GET", &link(&world, 0)).body;
    assert!(!first.contains(" more</li>"), "{first}");
    let page = follow(&world, "GET", &link(&world, list)).body;
    assert!(listed > 20 && page.contains(&format!("<li>and {} more</li>", listed - 20)), "{page}");
}
