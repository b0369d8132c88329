//! The link in a mail: reading it changes nothing, its button acknowledges, once.

use std::collections::BTreeSet;

use dispatch::Subject;
use futures_util::future::join;
use jiff::SignedDuration;
use pipeline::{
    alert::{Door, Page},
    incident::{IncidentStatus, Kind, Notice},
};
use sim::{Function, Inner, PUBLIC_URL, Toxic, World};

use crate::common::{config, mail_subjects, run_for};

const INCIDENT: &str = "hydration-failing/voltus-prod/d0";

fn reminded() -> World {
    let mut config = config();
    config.contacts.remind_s = 900;
    World::new(1, config)
}

fn failing(world: &World, n: usize) -> Notice {
    let about = format!("voltus-prod/d{n}");
    let notice = Notice::happens(Kind::HydrationFailing, "voltus-prod", about.clone(), world.now(), "500".to_owned());
    notice.gathered_by(about.clone()).about_dispatch(Some(Subject::from_stored(about))).until_over()
}

fn notify(world: &World, notice: &Notice) {
    world.put(Inner::Alerts, &serde_json::to_string(notice).expect("JSON"));
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
    world.incidents().get(INCIDENT).unwrap().status
}

#[test]
fn reading_changes_nothing_and_the_button_ends_the_reminders() {
    let world = reminded();
    notify(&world, &failing(&world, 0));
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
    assert!(world.incidents().get(INCIDENT).unwrap().acknowledged.unwrap().by.contains("grid-duty@example.com"));
    for method in ["GET", "POST"] {
        let page = follow(&world, method, &link);
        assert_eq!((page.status, page.outcome), (410, "used"));
        assert!(!page.body.contains("voltus"), "{}", page.body);
    }
    run_for(&world, 24 * 3_600);
    assert_eq!(mail_subjects(&world).len(), 1);
}

#[test]
fn a_stranger_learns_nothing() {
    let world = reminded();
    notify(&world, &failing(&world, 0));
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
    notify(&world, &failing(&world, 0));
    run_for(&world, 5);
    let first = link(&world, 0);
    let over = Notice::over(Kind::HydrationFailing, "voltus-prod", "voltus-prod/d0", world.now(), "well".to_owned());
    notify(&world, &over);
    run_for(&world, 5);
    notify(&world, &failing(&world, 0));
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

#[test]
fn the_link_of_a_list_takes_all_of_it_on() {
    let world = reminded();
    for n in 0..20 {
        notify(&world, &failing(&world, n));
    }
    run_for(&world, 60);
    assert_eq!(mail_subjects(&world).len(), 4);
    assert_eq!(follow(&world, "GET", &link(&world, 3)).outcome, "shown");
    let page = follow(&world, "POST", &link(&world, 3));
    assert!(page.body.contains("17 of 17 are yours"), "{}", page.body);
    let open = world.incidents().all().into_iter().filter(|incident| incident.status == IncidentStatus::Open).count();
    assert_eq!(open, 3);
}

#[test]
fn where_no_link_can_be_made_the_command_is_told() {
    let world = reminded();
    world.fault("alerts.write_link", Toxic::Refuse, sim::Times::Always);
    notify(&world, &failing(&world, 0));
    run_for(&world, 5);
    let mail = world.mails()[0].1.clone();
    assert!(mail.text.contains(&format!("gridbell alert ack {INCIDENT}")), "{}", mail.text);
}

#[test]
fn whatever_fails_the_button_can_be_pressed_again() {
    let ready = || {
        let world = reminded();
        notify(&world, &failing(&world, 0));
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
        let mut config = config();
        config.contacts.remind_s = 900;
        let world = World::new(seed, config);
        notify(&world, &failing(&world, 0));
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
    for n in 0..30 {
        notify(&world, &failing(&world, n));
    }
    run_for(&world, 60);
    let pages: Vec<String> = (0..4).map(|mail| follow(&world, "GET", &link(&world, mail)).body).collect();
    assert!(!pages[0].contains(" more</li>"), "{}", pages[0]);
    assert!(pages[3].contains("<li>and 7 more</li>"), "{}", pages[3]);
}
