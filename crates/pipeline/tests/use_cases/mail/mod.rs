//! The mails that a person reads at 3 a.m., word for word.

mod calendar;
mod foreign_text;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use dispatch::Subject;
use jiff::Timestamp;
use pipeline::{
    alerts::Occasion,
    conditions::Condition,
    config::{Config, Site},
    incident::{Acknowledged, Incident, IncidentKind, IncidentStatus},
    mail::{Case, Circumstances, Mail, compose},
    record::SubjectRecord,
};
use serde_json::{Value, json};
use simulation::{Reply, Simulation};

use crate::common::{accepted, config, digest, drain, leap, power, run_for, sim, thin, voltus};

/// The kinds that can be about a dispatch.
const KINDS: [IncidentKind; 6] = [
    IncidentKind::DispatchAtRisk,
    IncidentKind::HydrationFailing,
    IncidentKind::Quarantined,
    IncidentKind::NotCompliant,
    IncidentKind::MissedDelivery,
    IncidentKind::DeadLetter,
];

/// A stored dispatch of Voltus, its program in that zone.
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
        IncidentKind::ChannelFailing => Condition::ChannelFailing { channel: about.to_owned() },
        IncidentKind::OutputFailing => Condition::OutputFailing { output: about.to_owned() },
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
        snoozed: None,
        level: 0,
        detail: detail.to_owned(),
        mails: BTreeMap::new(),
        notified: BTreeSet::new(),
        waiting: None,
        channels: Vec::new(),
    }
}

pub(crate) fn circumstances() -> Circumstances {
    Circumstances {
        to: vec!["grid-duty@example.com".to_owned()],
        link: Some("https://gridbell.example/alerts/5ec4e7".to_owned()),
        awaited: true,
        stack: None,
        still_open: Vec::new(),
    }
}

/// Nine minutes before the dispatches of [`voltus`] start.
pub(crate) fn now() -> Timestamp {
    "2023-12-01T16:41:00Z".parse().unwrap()
}

pub(crate) fn mail(incident: &Incident, occasion: Occasion, record: Option<&SubjectRecord>) -> Mail {
    composed(&config(), incident, occasion, record)
}

fn composed(config: &Config, incident: &Incident, occasion: Occasion, record: Option<&SubjectRecord>) -> Mail {
    let awaited = occasion != Occasion::Resolved;
    let link = circumstances().link.filter(|_| awaited);
    let circumstances = Circumstances { awaited, link, ..circumstances() };
    compose(&Case { config, incident, record, now: now() }, occasion, circumstances).expect("a person to notify")
}

fn shown(mail: &Mail) -> String {
    let mut shown = String::new();
    let Mail { from, to, subject, text, html, calendar, thread } = mail;
    writeln!(shown, "From: {from}\nTo: {}\nSubject: {subject}\nReferences: {thread}\n", to.join(", ")).unwrap();
    writeln!(shown, "{text}\n{html}\n{}", calendar.as_deref().unwrap_or("no calendar").replace('\r', "")).unwrap();
    shown
}

pub(crate) fn check(name: &str, mail: &Mail) {
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false, snapshot_path => "../../snapshots" }, {
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
        (IncidentKind::ChannelFailing, "it answered 500 (4 time(s) in a row since 2023-12-01T16:40:00Z)"),
        (IncidentKind::Quarantined, "delivery d-1 is kept: the body is none that Voltus sends"),
        (IncidentKind::UnknownEvent, "the source sent an event of the unknown type \"dispatch.paused\""),
    ] {
        let about =
            if kind == IncidentKind::ChannelFailing { "PagerDuty (ssm:/gridbell/pagerduty)" } else { "voltus-prod" };
        check(&format!("source-{kind}"), &mail(&incident(kind, about, detail), Occasion::First, None));
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
        assert!(mail.text.contains("From:         2023-12-01 16:50:00 UTC, in 9 min"), "{none:?}: {}", mail.text);
        assert!(mail.subject.contains(" by 16:50 UTC (in 9 min)"), "{}", mail.subject);
        let says_so = mail.text.contains("which is no time zone");
        assert_eq!(says_so, !["", "UTC"].contains(&none), "{none:?}: {}", mail.text);
    }
    let text = mail(&incident, Occasion::First, Some(&known("America/Los_Angeles"))).text;
    assert!(text.contains("Fri 2023-12-01 08:50:00 PST (2023-12-01 16:50:00 UTC), in 9 min"), "{text}");
}

#[test]
fn a_subject_says_what_where_by_when_at_a_glance() {
    let incident = incident(IncidentKind::DispatchAtRisk, "voltus-prod/dkmq", "no controller has acknowledged it");
    let mut answer = voltus("dkmq", 0, 55);
    let site = |id: &str, name: &str| json!({ "id": id, "name": name, "commitment": 55 });
    for (name, test) in [("My Site", false), ("My Site", true), (&*"A very long name of a mill ".repeat(9), true)] {
        answer["sites"] = json!([site("d4z9", name), site("9jeq", "Another Site")]);
        answer["test"] = json!(test);
        let subject = mail(&incident, Occasion::First, Some(&stored(&answer))).subject;
        let glance: String = subject.chars().take(80).collect();
        assert!(glance.contains("CURTAIL 110 kW at ") && glance.contains(" +1 by 08:50 PST (in 9 min)"), "{subject}");
        assert!(subject.ends_with(": signals not read (dispatch-at-risk, voltus-prod/dkmq)"), "{subject}");
    }
    answer["sites"] = json!([site("d4z9", "My Site"), site("9jeq", "Another Site")]);
    answer["test"] = json!(false);
    let mut config = config();
    config.deadlines.acknowledge = true;
    let subject = composed(&config, &incident, Occasion::First, Some(&stored(&answer))).subject;
    assert_eq!(
        subject,
        "[gridbell] CURTAIL 110 kW at My Site +1 by 08:50 PST (in 9 min): controller silent (dispatch-at-risk, voltus-prod/dkmq)"
    );
    let failing = mail_of(IncidentKind::HydrationFailing, None).subject;
    let expected =
        "[gridbell] UNKNOWN DISPATCH of voltus-prod: look in its portal now (hydration-failing, voltus-prod/dkmq)";
    assert_eq!(failing, expected);
}

fn mail_of(kind: IncidentKind, record: Option<&SubjectRecord>) -> Mail {
    mail(&incident(kind, "voltus-prod/dkmq", "the provider answered 500"), Occasion::First, record)
}

#[test]
fn what_the_operator_says_of_a_site_stands_in_its_mails() {
    let mut config = config();
    let site = Site {
        name: Some("Mill".to_owned()),
        timezone: Some("Europe/Berlin".to_owned()),
        phone: Some("+1 555 0100".to_owned()),
        instructions: Some("Stop line 2,\nthen call the shift lead.".to_owned()),
        runbook_url: Some("https://wiki.example.com/mill?a=1&b=2".to_owned()),
        contacts: None,
    };
    config.sites.insert("voltus-prod/d4z9".to_owned(), site.clone());
    config.sites.insert("leap-prod/9jeq".to_owned(), Site { name: Some("of another source".to_owned()), ..site });
    let incident = incident(IncidentKind::DispatchAtRisk, "voltus-prod/dkmq", "no controller has acknowledged it");
    let mail = composed(&config, &incident, Occasion::First, Some(&known("America/Los_Angeles")));
    check("site", &mail);
    assert!(mail.subject.contains("at Mill +1 by 17:50 CET (in 9 min)"), "{}", mail.subject);
    for said in [
        "Fri 2023-12-01 17:50:00 CET (2023-12-01 16:50:00 UTC)",
        "Fri 2023-12-01 08:50:00 PST",
        "Mill: Stop line 2,",
        "   then call the shift lead.",
        "Mill, phone: +1 555 0100",
        "Mill, runbook: https://wiki.example.com/mill?a=1&b=2",
    ] {
        assert!(mail.text.contains(said), "{said} is not in {}", mail.text);
    }
    assert!(mail.html.contains("href=\"tel:+15550100\""), "{}", mail.html);
    assert!(mail.html.contains("href=\"https://wiki.example.com/mill?a=1&amp;b=2\""), "{}", mail.html);
    assert!(!mail.text.contains("of another source"), "{}", mail.text);
}

#[test]
fn a_dispatch_is_named_first_and_in_the_sites_own_words() {
    let text = mail_of(IncidentKind::HydrationFailing, Some(&known("America/Los_Angeles"))).text;
    let place = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words:?} is not in {text}"));
    let order = [
        "WHAT MUST HAPPEN",
        "My Site (democustomerlocationid): reduce by 5 kW",
        "2023-12-01 08:50:00 PST (2023-12-01 16:50:00 UTC)",
        "2023-12-01 09:00:00 PST (2023-12-01 17:00:00 UTC)",
        "REAL: production, no test",
        "WHAT FAILED",
        "gridbell could not fetch it.",
        "WHAT TO DO NOW",
        "1. ",
        "curtail by hand",
        "WHO IS NOTIFIED",
        "grid-duty@example.com",
        "TECHNICAL DETAILS",
        "the provider answered 500",
    ];
    assert!(order.windows(2).all(|pair| place(pair[0]) < place(pair[1])), "{text}");
}

#[test]
fn advice_fits_the_case() {
    let record = known("America/Los_Angeles");
    let of = |record: &SubjectRecord, occasion| {
        let incident = incident(IncidentKind::DispatchAtRisk, "voltus-prod/dkmq", "detail");
        let failed = Condition::ControllerFailed { dispatch: Subject::from_stored("voltus-prod/dkmq") };
        let incident = Incident { condition: failed, ..incident };
        mail(&incident, occasion, Some(record)).text
    };
    let text = of(&record, Occasion::First);
    assert!(text.contains("Mend what the controller reported"), "{text}");
    assert!(!text.contains("does not answer") && !text.contains("does not read"), "it is not silent: {text}");
    let mut answer = voltus("dkmq", 0, 5);
    (answer["start_time"], answer["end_time"]) = (json!("2023-12-01T14:00:00Z"), json!("2023-12-01T16:40:30Z"));
    let over = stored(&answer);
    let text = of(&over, Occasion::First);
    assert!(text.contains("Find out whether My Site curtailed") && !text.contains("by hand, by"), "{text}");
    let subject = mail_of(IncidentKind::DispatchAtRisk, Some(&over)).subject;
    assert!(subject.starts_with("[gridbell] TOO LATE for 5 kW at My Site, 06:00–08:40 PST"), "{subject}");
    answer["end_time"] = json!("2023-12-01T17:10:00Z");
    let subject = mail_of(IncidentKind::DispatchAtRisk, Some(&stored(&answer))).subject;
    assert!(subject.contains("CURTAIL 5 kW at My Site NOW until 09:10 PST (29 min left)"), "{subject}");
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
fn a_load_target_is_mailed_with_feed_times_and_rounded_power() {
    let sim = sim(1);
    let mut event = power("start_ramp_down", false);
    event["target_load"]["value"] = json!(6.512_345);
    accepted(&sim, "dc-1", &event.to_string());
    run_for(&sim, 5);
    let record = sim.dispatches().get("dc-1/main_power_feed/c-1").expect("a record");
    let detail = "start_ramp_down of 2023-12-01T16:50:00Z did not report its end";
    let incident = incident(IncidentKind::NotCompliant, "dc-1/main_power_feed/c-1", detail);
    for (name, occasion) in
        [("first", Occasion::First), ("reminder", Occasion::Reminder(1)), ("resolved", Occasion::Resolved)]
    {
        let mail = mail(&incident, occasion, Some(&record));
        check(&format!("load-target-{name}"), &mail);
        assert!(mail.text.contains("main_power_feed") && mail.text.contains("6.51 MW"), "{}", mail.text);
        assert!(mail.text.contains("2023-12-01 16:50:00 UTC") && mail.text.contains("9.2 MW"), "{}", mail.text);
    }
}

#[test]
fn resolved_says_what_is_true_now() {
    let known =
        incident(IncidentKind::DispatchAtRisk, "voltus-prod/dkmq", "the controller answered accepted to version 1");
    let incident = Incident { status: IncidentStatus::Resolved, ..known };
    let config = config();
    let record = stored(&voltus("dkmq", 0, 5));
    let case = Case { config: &config, incident: &incident, record: Some(&record), now: now() };
    let still_open = vec!["quarantined/voltus-prod/dkmq".to_owned()];
    let circumstances = Circumstances { awaited: false, link: None, still_open, ..circumstances() };
    let mail = compose(&case, Occasion::Resolved, circumstances).unwrap();
    check("resolved-at-risk", &mail);
    for said in [
        "The controller answered accepted to version 1.",
        "It is on: 08:50–09:00 PST, in 9 min.",
        "Still open about this dispatch: quarantined/voltus-prod/dkmq.",
    ] {
        assert!(mail.text.contains(said), "{said} is not in {}", mail.text);
    }
    let subject = "[gridbell] Resolved: 5 kW at My Site starts 08:50–09:00 PST: the controller answered accepted to version 1 \
                   (dispatch-at-risk, voltus-prod/dkmq)";
    assert_eq!(mail.subject, subject);
}

#[test]
fn who_acknowledged_it_is_named() {
    let by = Acknowledged { by: "the person on duty".to_owned(), at: "2023-12-01T16:44:00Z".parse().unwrap() };
    let known = incident(IncidentKind::Credentials, "voltus-prod", "it worked at attempt 7");
    let incident = Incident { status: IncidentStatus::Resolved, acknowledged: Some(by), ..known };
    check("resolved-acknowledged", &mail(&incident, Occasion::Resolved, None));
}
