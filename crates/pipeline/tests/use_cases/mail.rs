//! What a person reads at 3 a.m., word for word.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use dispatch::Subject;
use jiff::Timestamp;
use pipeline::{
    alerts::Occasion,
    conditions::Condition,
    incident::{Acknowledged, Incident, IncidentKind, IncidentStatus},
    mail::{Circumstances, Mail, compose},
    record::SubjectRecord,
};
use serde_json::{Value, json};
use simulation::{Reply, Simulation};

use crate::common::{accepted, config, drain, leap, run_for, sim, thin, voltus};

/// The kinds that can be about a dispatch.
const KINDS: [IncidentKind; 6] = [
    IncidentKind::DispatchAtRisk,
    IncidentKind::HydrationFailing,
    IncidentKind::Quarantined,
    IncidentKind::NotCompliant,
    IncidentKind::MissedDelivery,
    IncidentKind::DeadLetter,
];

/// A dispatch of Voltus as it stands in the table, its program in that zone.
pub(crate) fn known(timezone: &str) -> SubjectRecord {
    let mut answer = voltus("dkmq", 0, 5);
    answer["program"]["timezone"] = json!(timezone);
    answer["sites"].as_array_mut().unwrap().push(json!({
        "id": "9jeq", "name": "Another Site", "customer_location_id": "", "commitment": null,
    }));
    stored(&answer)
}

pub(crate) fn stored(answer: &Value) -> SubjectRecord {
    let sim = sim(1);
    sim.answers("voltus-prod", "dkmq", [Reply::Json(answer.to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 5);
    sim.dispatches().get("voltus-prod/dkmq").expect("a record")
}

fn condition(kind: IncidentKind, about: &str) -> Condition {
    let source = about.split('/').next().unwrap().to_owned();
    let subject = Subject::from_stored(about);
    match kind {
        IncidentKind::DispatchAtRisk => Condition::NotAcknowledged { dispatch: subject },
        IncidentKind::HydrationFailing => Condition::Failing { source, key: about.to_owned() },
        IncidentKind::Quarantined => Condition::Quarantined { source, about: about.contains('/').then_some(subject) },
        IncidentKind::UnknownEvent => Condition::UnknownEvent { source },
        IncidentKind::NotCompliant => Condition::NotCompliant { subject },
        IncidentKind::Credentials => Condition::KeyRefused { source },
        IncidentKind::MissedDelivery => Condition::MissedDelivery { dispatch: subject },
        IncidentKind::DeadLetter => Condition::GivenUp { source, about: about.to_owned() },
        IncidentKind::SourceDown => Condition::SourceDown { source },
    }
}

pub(crate) fn incident(kind: IncidentKind, about: &str, detail: &str) -> Incident {
    let at: Timestamp = "2023-12-01T16:41:07.25Z".parse().unwrap();
    let condition = condition(kind, about);
    Incident {
        incident: condition.incident(),
        revision: 1,
        write: String::new(),
        condition,
        about: about.to_owned(),
        status: IncidentStatus::Open,
        opened_at: at,
        last_at: at,
        resolved_at: None,
        acknowledged: None,
        level: 0,
        detail: detail.to_owned(),
        mails: BTreeMap::new(),
        notified: BTreeSet::new(),
        waiting: None,
    }
}

pub(crate) fn circumstances() -> Circumstances {
    Circumstances {
        to: vec!["grid-duty@example.com".to_owned()],
        now: "2023-12-01T16:41:09Z".parse().unwrap(),
        link: Some("https://gridbell.example/alerts/5ec4e7".to_owned()),
        awaited: true,
    }
}

pub(crate) fn mail(incident: &Incident, occasion: Occasion, record: Option<&SubjectRecord>) -> Mail {
    compose(&config(), incident, occasion, record, circumstances()).expect("a person to notify")
}

fn shown(mail: &Mail) -> String {
    let mut shown = String::new();
    let Mail { from, to, subject, text, html, calendar, thread } = mail;
    writeln!(shown, "From: {from}\nTo: {}\nSubject: {subject}\nReferences: {thread}\n", to.join(", ")).unwrap();
    writeln!(shown, "{text}\n{html}\n{}", calendar.as_deref().unwrap_or("no calendar").replace('\r', "")).unwrap();
    shown
}

pub(crate) fn check(name: &str, mail: &Mail) {
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false, snapshot_path => "../snapshots" }, {
        insta::assert_snapshot!(name, shown(mail));
    });
}

#[test]
fn every_kind_about_a_known_dispatch() {
    let record = known("America/Los_Angeles");
    for kind in KINDS {
        let incident = incident(kind, "voltus-prod/dkmq", "the provider answered 500");
        check(&format!("known-{kind}"), &mail(&incident, Occasion::First, Some(&record)));
    }
}

#[test]
fn every_kind_about_a_dispatch_that_is_not_known() {
    for kind in KINDS {
        let incident = incident(kind, "voltus-prod/dkmq", "the provider answered 500");
        check(&format!("unknown-{kind}"), &mail(&incident, Occasion::First, None));
    }
}

#[test]
fn about_a_source() {
    for (kind, detail) in [
        (IncidentKind::Credentials, "the provider refused the API key (401)"),
        (IncidentKind::SourceDown, "the provider answered 500"),
        (IncidentKind::Quarantined, "delivery d-1 is kept: the body is none that Voltus sends"),
        (IncidentKind::UnknownEvent, "the source sent an event of the unknown type \"dispatch.paused\""),
    ] {
        check(&format!("source-{kind}"), &mail(&incident(kind, "voltus-prod", detail), Occasion::First, None));
    }
}

#[test]
fn it_is_resolved() {
    let incident = incident(IncidentKind::HydrationFailing, "voltus-prod/dkmq", "it worked at attempt 7");
    check("resolved-hydration-failing", &mail(&incident, Occasion::Resolved, Some(&known("America/Los_Angeles"))));
}

#[test]
fn a_zone_that_is_none_is_said_to_be_none() {
    let incident = incident(IncidentKind::DispatchAtRisk, "voltus-prod/dkmq", "nobody acknowledged");
    check("zone-pst", &mail(&incident, Occasion::First, Some(&known("PST"))));
    for none in ["", "UTC", "../../etc/passwd", "\u{0}", "Mars/Olympus"] {
        let mail = mail(&incident, Occasion::First, Some(&known(none)));
        assert!(mail.text.contains("2023-12-01 16:50:00 UTC"), "{}", mail.text);
    }
    for (zone, lines) in [("", 1), ("UTC", 1), ("Mars/Olympus", 2), ("America/Los_Angeles", 2)] {
        let text = mail(&incident, Occasion::First, Some(&known(zone))).text;
        let from: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("From:")).collect();
        assert!(from[lines].starts_with("To:"), "{zone:?}: {text}");
    }
}

#[test]
fn a_dispatch_is_named_first_and_in_the_sites_own_words() {
    let incident = incident(IncidentKind::HydrationFailing, "voltus-prod/dkmq", "the provider answered 500");
    let text = mail(&incident, Occasion::First, Some(&known("America/Los_Angeles"))).text;
    let place = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words:?} is not in {text}"));
    let order = [
        "My Site (democustomerlocationid): reduce by 5 kW",
        "2023-12-01 16:50:00 UTC",
        "2023-12-01 08:50:00 PST",
        "2023-12-01 17:00:00 UTC",
        "REAL",
        "the provider answered 500",
        "curtail by hand",
    ];
    assert!(order.windows(2).all(|pair| place(pair[0]) < place(pair[1])), "{text}");
}

#[test]
fn an_open_end_and_many_sites() {
    let mut answer = voltus("dkmq", 0, 5);
    answer["end_time"] = Value::Null;
    let incident = incident(IncidentKind::DispatchAtRisk, "voltus-prod/dkmq", "nobody acknowledged");
    let mut of = |sites: usize| {
        let site = |n| json!({ "id": format!("s{n}"), "name": format!("Site {n}"), "commitment": n });
        answer["sites"] = (0..sites).map(site).collect();
        let mail = mail(&incident, Occasion::First, Some(&stored(&answer)));
        (mail.text, mail.calendar.unwrap().replace("\r\n ", ""))
    };
    let (text, calendar) = of(30);
    assert!(text.contains("not known yet") && text.contains("and 10 more"), "{text}");
    assert!(text.contains("Site 19") && !text.contains("Site 20"), "{text}");
    assert!(calendar.contains("Site 2 and 27 more") && !calendar.contains("Site 3"), "{calendar}");
    assert!(!of(20).0.contains(" more") && !of(3).1.contains(" more"));
}

#[test]
fn an_end_that_is_no_later_than_the_start_stands_in_no_calendar() {
    let mut answer = voltus("dkmq", 0, 5);
    let incident = incident(IncidentKind::DispatchAtRisk, "voltus-prod/dkmq", "nobody acknowledged");
    for (end, stands) in [("2023-12-01T16:50:00Z", false), ("2023-12-01T16:50:01Z", true)] {
        answer["end_time"] = json!(end);
        let calendar = mail(&incident, Occasion::First, Some(&stored(&answer))).calendar.unwrap();
        assert_eq!(calendar.contains("\r\nDTEND:"), stands, "RFC 5545, 3.8.2.2: {calendar}");
    }
}

#[test]
fn a_command_can_be_copied_whatever_the_incident_is_called() {
    let known = incident(IncidentKind::UnknownEvent, "voltus-prod", "d");
    for (called, argument) in [
        ("unknown-event/voltus-prod/x.y", "unknown-event/voltus-prod/x.y"),
        ("unknown-event/voltus-prod: x", "'unknown-event/voltus-prod: x'"),
        ("unknown-event/$(reboot)'", r"'unknown-event/$(reboot)'\'''"),
    ] {
        let incident = Incident { incident: called.to_owned(), ..known.clone() };
        let circumstances = Circumstances { link: None, ..circumstances() };
        let text = compose(&config(), &incident, Occasion::First, None, circumstances).unwrap().text;
        assert!(text.contains(&format!("gridbell alert ack {argument}\n")), "{text}");
    }
}

#[test]
fn what_a_provider_wrote_forges_no_header_no_row_and_no_html() {
    let mut answer = voltus("dkmq", 0, 5);
    answer["sites"][0]["name"] = json!("<script>alert(1)</script>\r\nTest or real:  TEST: nobody curtails for it");
    let mut incident = incident(IncidentKind::Quarantined, "voltus-prod/dkmq", "a\r\nBcc: <evil@example.com>\u{7}");
    incident.about = "voltus-prod: x\r\nBcc: evil@example.com".to_owned();
    let mail = mail(&incident, Occasion::First, Some(&stored(&answer)));
    assert!(!mail.subject.contains(['\r', '\n']), "{:?}", mail.subject);
    assert_eq!(mail.text.lines().filter(|line| line.starts_with("Test or real:")).count(), 1, "{}", mail.text);
    assert!(!mail.text.lines().any(|line| line.starts_with("Bcc")), "{}", mail.text);
    assert!(!mail.html.contains("<script") && !mail.html.contains("<evil"), "{}", mail.html);
    assert!(mail.text.contains("REAL"));
}

#[test]
fn a_name_of_any_length_leaves_a_subject_that_can_be_sent() {
    let mut incident = incident(IncidentKind::UnknownEvent, "voltus-prod", "d");
    incident.about = "é".repeat(5_000);
    let mail = mail(&incident, Occasion::First, None);
    assert!(mail.subject.chars().count() < 220, "{}", mail.subject);
}

#[test]
fn a_test_is_marked_in_the_subject_and_in_the_words() {
    let sim = test_sim();
    for (source, about) in [("voltus-sandbox", "voltus-sandbox/dkmq"), ("leap-prod", "leap-prod/e-1")] {
        let incident = incident(IncidentKind::HydrationFailing, about, "500");
        assert_eq!(incident.source(), source);
        let record = sim.dispatches().get(about);
        let mail = mail(&incident, Occasion::First, record.as_ref());
        assert_eq!(mail.subject, format!("[gridbell] [TEST] hydration-failing: {about}"));
        assert!(mail.text.contains("TEST: nobody curtails for it"), "{}", mail.text);
    }
    // Nothing is known of it yet, and the source is a sandbox all the same.
    let incident = incident(IncidentKind::HydrationFailing, "voltus-sandbox/other", "500");
    assert!(mail(&incident, Occasion::Resolved, None).subject.starts_with("[gridbell] [TEST] over: "));
}

fn test_sim() -> Simulation {
    let sim = sim(1);
    let mut push = leap("e-1", 10);
    push["communication_test"] = json!(true);
    accepted(&sim, "leap-prod", &push.to_string());
    drain(&sim);
    sim
}

#[test]
fn amounts_are_words() {
    let words = |commitment: Value| {
        let mut answer = voltus("dkmq", 0, 5);
        answer["sites"][0]["commitment"] = commitment;
        let incident = incident(IncidentKind::DispatchAtRisk, "voltus-prod/dkmq", "d");
        mail(&incident, Occasion::First, Some(&stored(&answer))).text
    };
    assert!(words(json!(5)).contains("reduce by 5 kW"));
    assert!(words(json!(0.5)).contains("reduce by 0.500 kW"));
    assert!(words(json!(1.25)).contains("reduce by 1.250 kW"));
    assert!(words(Value::Null).contains("an amount that the provider does not name"));
}

#[test]
fn every_occasion() {
    let record = known("America/Los_Angeles");
    let incident = incident(IncidentKind::DispatchAtRisk, "voltus-prod/dkmq", "no controller has acknowledged it");
    for (name, occasion) in
        [("start", Occasion::Start), ("reminder", Occasion::Reminder(2)), ("escalation", Occasion::Escalation(1))]
    {
        check(&format!("occasion-{name}"), &mail(&incident, occasion, Some(&record)));
    }
}

#[test]
fn who_acknowledged_it_is_named() {
    let by = Acknowledged { by: "the person on duty".to_owned(), at: "2023-12-01T16:44:00Z".parse().unwrap() };
    let known = incident(IncidentKind::Credentials, "voltus-prod", "it worked at attempt 7");
    let incident = Incident { status: IncidentStatus::Resolved, acknowledged: Some(by), ..known };
    check("resolved-acknowledged", &mail(&incident, Occasion::Resolved, None));
}

#[test]
fn a_test_with_an_open_end() {
    let mut answer = voltus("dkmq", 0, 5);
    answer["end_time"] = Value::Null;
    answer["test"] = json!(true);
    let incident = incident(IncidentKind::DispatchAtRisk, "voltus-prod/dkmq", "no controller has acknowledged it");
    check("test-open-end", &mail(&incident, Occasion::First, Some(&stored(&answer))));
}

#[test]
fn a_window_that_is_cancelled_is_cancelled_in_the_calendar() {
    let sim = sim(1);
    for (number, authorized) in [(0, true), (1, false)] {
        let mut answer = voltus("dkmq", number, 5);
        answer["authorized"] = json!(authorized);
        sim.answers("voltus-prod", "dkmq", [Reply::Json(answer.to_string())]);
        accepted(&sim, "voltus-prod", &thin(if authorized { "dispatch.create" } else { "dispatch.update" }, "dkmq"));
        drain(&sim);
    }
    let record = sim.dispatches().get("voltus-prod/dkmq").unwrap();
    let incident = incident(IncidentKind::DispatchAtRisk, "voltus-prod/dkmq", "the dispatch is no longer on");
    let calendar = mail(&incident, Occasion::Resolved, Some(&record)).calendar.unwrap();
    for line in ["UID:voltus-prod/dkmq", "SEQUENCE:2", "STATUS:CANCELLED", "METHOD:PUBLISH", "DTSTART:20231201T165000Z"]
    {
        assert!(calendar.split("\r\n").any(|found| found == line), "{line} is not in {calendar}");
    }
}
