//! One mail for many incidents of one cause, word for word.

use jiff::Timestamp;
use pipeline::{
    alert::Occasion,
    held::{Gate, Held},
    incident::{Incident, IncidentStatus, Kind},
    mail::{Circumstances, Line, compose_list, line, list_subject},
};
use serde_json::json;

use crate::{
    common::{config, voltus},
    mail::{check, circumstances, incident, known, mail, stored},
};

fn gate(occasion: &str, test: bool, unlisted: u64) -> Gate {
    let at: Timestamp = "2023-12-01T16:41:07.25Z".parse().unwrap();
    Gate {
        gate: format!("gate/hydration-failing/voltus-prod/{occasion}"),
        revision: 1,
        write: String::new(),
        kind: Kind::HydrationFailing,
        source: "voltus-prod".to_owned(),
        occasion: occasion.to_owned(),
        test,
        last_at: at,
        passed: Vec::new(),
        held: Vec::new(),
        unlisted,
        flush_at: None,
        message_at: None,
        batches: 0,
        flushed_at: None,
        claim: None,
    }
}

/// The lines of a list of three: one known, one over by now, one that nobody could fetch yet.
fn lines(stage: &str) -> Vec<Line> {
    let record = known("America/Los_Angeles");
    let of = |n: usize| {
        let about = format!("voltus-prod/d{n}");
        let incident = incident(Kind::HydrationFailing, &about, "the provider answered 500");
        let held = Held {
            incident: incident.incident.clone(),
            opened_at: incident.opened_at,
            stage: stage.to_owned(),
            about,
            detail: incident.detail.clone(),
        };
        (held, incident)
    };
    let (held, incident) = of(1);
    let (over_held, over) = of(2);
    let over = Incident { status: IncidentStatus::Over, ..over };
    let (unknown_held, unknown) = of(3);
    vec![
        line(&held, Some(&incident), Some(&record)),
        line(&over_held, Some(&over), Some(&record)),
        line(&unknown_held, Some(&unknown), None),
    ]
}

#[test]
fn one_mail_for_many() {
    for (name, gate) in [
        ("first", gate("first", false, 0)),
        ("first-test", gate("first", true, 0)),
        ("first-many", gate("first", false, 812)),
        ("reminder", gate("reminder", false, 0)),
        ("escalation", gate("escalation", false, 0)),
        ("over", gate("over", false, 0)),
    ] {
        let awaited = !gate.test && gate.occasion != "over";
        let link = circumstances().link.filter(|_| awaited);
        let circumstances = Circumstances { awaited, link, ..circumstances() };
        let mail = compose_list(&config(), &gate, &lines(&gate.occasion), circumstances).expect("somebody to tell");
        assert_eq!(mail.subject, list_subject(&gate, &lines(&gate.occasion)));
        check(&format!("list-{name}"), &mail);
    }
}

#[test]
fn what_a_provider_wrote_forges_nothing_in_a_list_or_a_calendar() {
    let mut answer = voltus("dkmq", 0, 5);
    answer["sites"][0]["name"] = json!("x\r\nEND:VEVENT\r\nBEGIN:VALARM;a,b\\c <img src=//evil>");
    let record = stored(&answer);
    let hostile = "a\r\nBcc: evil@example.com\u{202e}\u{200b}\u{2028}<script>".to_owned();
    let known = incident(Kind::HydrationFailing, "voltus-prod/dkmq", &hostile);
    let held = Held {
        incident: known.incident.clone(),
        opened_at: known.opened_at,
        stage: "first".to_owned(),
        about: hostile.clone(),
        detail: hostile,
    };
    let lines = [line(&held, Some(&known), Some(&record))];
    let list = compose_list(&config(), &gate("first", false, 0), &lines, circumstances()).unwrap();
    let single = mail(&known, Occasion::First, Some(&record));
    for mail in [&list, &single] {
        assert!(!mail.subject.contains(|c: char| c.is_control()), "{:?}", mail.subject);
        for text in [&mail.text, &mail.html] {
            assert!(!text.contains(['\r', '\u{202e}', '\u{200b}', '\u{2028}']), "{text}");
            assert!(!text.lines().any(|line| line.starts_with("Bcc")), "{text}");
        }
        assert!(!mail.html.contains("<script") && !mail.html.contains("<img"), "{}", mail.html);
    }
    let calendar = single.calendar.unwrap();
    assert_eq!(calendar.matches("END:VEVENT\r\n").count(), 1, "{calendar}");
    assert!(!calendar.contains("\r\nBEGIN:VALARM"), "{calendar}");
    assert!(calendar.replace("\r\n ", "").contains("VALARM\\;a\\,b\\\\c"), "{calendar}");
}
