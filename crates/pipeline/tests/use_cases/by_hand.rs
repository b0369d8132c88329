//! *I have curtailed by hand*: the version on the page counts as accepted, and the alerter writes only `alerts`.

use jiff::SignedDuration;
use pipeline::{alerts::Page, incident::IncidentStatus, record::AckState};
use simulation::{PUBLIC_URL, Reply, Simulation, Toxic};

use crate::{
    common::{accepted, drain, mail_subjects, pass, run_for, thin, voltus},
    deadlines::{AT_RISK, OVER, VOLTUS, acknowledge, acknowledged, record},
    incidents::{incident, minutes},
};

const INCIDENT: &str = "dispatch-at-risk/voltus-prod/dkmq";

/// A dispatch that no controller has acknowledged in time, with its mail.
fn at_risk() -> Simulation {
    let mut config = acknowledged();
    config.contacts.remind_s = 900;
    let sim = Simulation::new(1, config);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    pass(&sim, SignedDuration::from_secs(70));
    assert_eq!(mail_subjects(&sim), [AT_RISK]);
    sim
}

fn link(sim: &Simulation) -> String {
    let text = sim.mails()[0].1.text.clone();
    let at = text.find(PUBLIC_URL).expect("a link");
    text[at..].chars().take_while(|c| !c.is_whitespace()).collect()
}

fn get(sim: &Simulation) -> Page {
    sim.follow("GET", &link(sim)).answer().expect("an answer")
}

fn press(sim: &Simulation, form: &str) -> Page {
    sim.press("POST", &link(sim), form).answer().expect("an answer")
}

fn shown(name: &str, page: &Page) {
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false, snapshot_path => "../snapshots" }, {
        insta::assert_snapshot!(name, page.body);
    });
}

/// The form on the page.
fn form(sim: &Simulation) -> String {
    let page = get(sim).body;
    let value = |name: &str| {
        let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).expect("a hidden field");
        rest.split('"').next().expect("a value").to_owned()
    };
    format!("do=curtailed&name=Ada+L.&epoch={}&version={}", value("epoch"), value("version"))
}

#[test]
fn it_is_accepted_for_that_version_with_a_name() {
    let sim = at_risk();
    let page = get(&sim);
    for said in [
        "CURTAIL 5 kW at My Site by 08:50 PST (in 8 min)",
        "No controller has confirmed this dispatch.",
        "I have curtailed by hand",
        "gridbell notes version 1 as accepted",
        "mail sent: first",
        "gridbell.dispatch.scheduled.v1 #1",
    ] {
        assert!(page.body.contains(said), "{said} is not in {}", page.body);
    }
    assert!(!page.body.contains("<script") && !page.body.contains("http-equiv"), "{}", page.body);
    shown("page-at-risk", &page);
    let page = press(&sim, &form(&sim));
    assert_eq!((page.status, page.outcome), (200, "curtailed"), "{}", page.body);
    assert_eq!(incident(&sim, INCIDENT).status, IncidentStatus::Acknowledged, "nobody is reminded meanwhile");
    run_for(&sim, 30);
    let record = record(&sim);
    let ack = record.ack.clone().expect("an answer");
    assert_eq!((ack.version, ack.state), (1, AckState::Accepted));
    assert!(ack.by.expect("a person").starts_with("Ada L. (the link in the mail to grid-duty@example.com)"));
    let steps: Vec<String> = record.history.iter().map(|step| step.event.to_string()).collect();
    assert!(
        steps.iter().any(|step| step.starts_with("version 1 acknowledged: accepted, by hand, by Ada L.")),
        "{steps:?}"
    );
    drain(&sim);
    assert_eq!(mail_subjects(&sim), [AT_RISK, OVER]);
    let again = press(&sim, "do=curtailed&epoch=1&version=1");
    assert_eq!((again.status, again.outcome), (410, "used"));
    let page = get(&sim);
    assert_eq!(page.status, 200, "it stays readable");
    shown("page-resolved", &page);
    assert!(page.body.contains("Acknowledged by Ada L.") && !page.body.contains("<button"), "{}", page.body);
}

#[test]
fn what_has_changed_since_is_not_accepted() {
    let sim = at_risk();
    let seen = form(&sim);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 1, 50).to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
    run_for(&sim, 5);
    assert_eq!(record(&sim).state.version, 2);
    for stale in [seen.as_str(), "do=curtailed", "do=curtailed&epoch=1&version=2"] {
        let page = press(&sim, stale);
        assert_eq!(page.status, 409, "{stale}: {}", page.body);
        assert!(page.body.contains("Nothing was noted"), "{}", page.body);
    }
    run_for(&sim, 30);
    assert_eq!(record(&sim).ack, None);
    assert_eq!(incident(&sim, INCIDENT).status, IncidentStatus::Open);
    assert_eq!(press(&sim, &form(&sim)).outcome, "curtailed", "the button was not used up");
    run_for(&sim, 30);
    assert_eq!(record(&sim).ack.expect("an answer").version, 2);
}

#[test]
fn a_later_version_needs_an_answer_of_its_own() {
    let sim = at_risk();
    press(&sim, &form(&sim));
    run_for(&sim, 30);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 1, 50).to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
    pass(&sim, minutes(3));
    assert_eq!(
        mail_subjects(&sim).iter().filter(|subject| *subject == AT_RISK).count(),
        2,
        "{:?}",
        mail_subjects(&sim)
    );
}

#[test]
fn both_buttons_work_once_in_any_order() {
    let sim = at_risk();
    let seen = form(&sim);
    assert_eq!(press(&sim, "do=acknowledge&name=Bob").outcome, "acknowledged");
    assert!(get(&sim).body.contains("Acknowledged by Bob (the link in the mail to "), "{}", get(&sim).body);
    assert!(get(&sim).body.contains("I have curtailed by hand") && !get(&sim).body.contains("value=\"acknowledge\""));
    assert_eq!(press(&sim, &seen).outcome, "curtailed");
    for used in ["do=acknowledge", seen.as_str()] {
        assert_eq!(press(&sim, used).outcome, "used");
    }
    assert_eq!(press(&sim, "do=reboot").status, 400);
}

#[test]
fn where_the_controller_has_answered_there_is_nothing_to_press() {
    let sim = at_risk();
    let seen = form(&sim);
    assert_eq!(acknowledge(&sim, 1, "completed").status, 200);
    run_for(&sim, 30);
    let page = get(&sim);
    assert!(!page.body.contains("<button") && page.body.contains("The incident is resolved"), "{}", page.body);
    assert_eq!(press(&sim, &seen).status, 409);
    run_for(&sim, 30);
    assert_eq!(record(&sim).ack.expect("an answer").state, AckState::Completed);
}

#[test]
fn the_alerter_writes_alerts_alone_and_whatever_fails_it_can_be_pressed_again() {
    let calm = at_risk();
    let seen = form(&calm);
    let before = calm.calls().len();
    assert_eq!(press(&calm, &seen).status, 200);
    let ports: Vec<&str> = calm.calls()[before..].iter().map(|call| call.port).collect();
    let others = |port: &&&str| !port.starts_with("alerts.") && **port != "dispatches.read";
    assert_eq!(ports.iter().filter(others).collect::<Vec<_>>(), [&"jobs.retry"], "{ports:?}");
    for call in 0..ports.len() {
        for toxic in Toxic::ALL {
            let sim = at_risk();
            let seen = form(&sim);
            sim.fault_at(before + call, toxic);
            let mut answers = Vec::new();
            for _ in 0..3 {
                answers.push(sim.press("POST", &link(&sim), &seen).answer().map(|page| page.status));
            }
            assert_eq!(answers[2], Some(410), "{call} {toxic:?} {answers:?}");
            run_for(&sim, 60);
            assert_eq!(record(&sim).ack.expect("an answer").state, AckState::Accepted, "{call} {toxic:?}");
        }
    }
    assert_eq!(record(&calm).subject.as_str(), VOLTUS);
}
