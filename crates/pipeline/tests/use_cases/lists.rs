//! One mail for many incidents of one cause, word for word.

use jiff::Timestamp;
use pipeline::{
    alerts::Occasion,
    group::AlertGroup,
    incident::{Incident, IncidentKind, IncidentStatus},
    mail::{Circumstances, Line, ListPage, Mail, compose_list, line, list_subject},
};
use serde_json::json;

use crate::{
    common::{config, voltus},
    mail::{check, circumstances, incident, known, mail, stored},
};

pub(crate) fn group(kind: IncidentKind, occasion: &str, test: bool) -> AlertGroup {
    let at: Timestamp = "2023-12-01T16:41:07.25Z".parse().unwrap();
    AlertGroup {
        group: format!("group/{kind}/voltus-prod/{occasion}"),
        revision: 1,
        write: String::new(),
        kind,
        source: "voltus-prod".to_owned(),
        occasion: occasion.to_owned(),
        test,
        flush_at: None,
        flushed_at: None,
        storm_since: None,
        failures: 0,
        claim: None,
        last_at: at,
    }
}

/// The lines of a list of three: one known, one acknowledged by now, one that could not be fetched yet.
fn lines() -> Vec<Line> {
    let record = known("America/Los_Angeles");
    let of =
        |n: usize| incident(IncidentKind::HydrationFailing, &format!("voltus-prod/d{n}"), "the provider answered 500");
    let acknowledged = Incident { status: IncidentStatus::Acknowledged, ..of(2) };
    vec![line(&of(1), Some(&record)), line(&acknowledged, Some(&record)), line(&of(3), None)]
}

pub(crate) fn list(
    group: &AlertGroup,
    lines: &[Line],
    (number, of): (usize, usize),
    circumstances: Circumstances,
) -> Mail {
    let page = ListPage { number, of };
    let subject = list_subject(group, lines, page);
    compose_list(&config(), group, lines, subject, circumstances).expect("a person to notify")
}

#[test]
fn one_mail_for_many() {
    for (name, occasion, test, page) in [
        ("first", "first", false, (1, 1)),
        ("first-test", "first", true, (1, 1)),
        ("first-many", "first", false, (2, 3)),
        ("reminder", "reminder", false, (1, 1)),
        ("escalation", "escalation", false, (1, 1)),
        ("resolved", "resolved", false, (1, 1)),
    ] {
        let group = group(IncidentKind::HydrationFailing, occasion, test);
        let awaited = !test && occasion != "resolved";
        let link = circumstances().link.filter(|_| awaited);
        let circumstances = Circumstances { awaited, link, ..circumstances() };
        check(&format!("list-{name}"), &list(&group, &lines(), page, circumstances));
    }
}

#[test]
fn what_a_provider_wrote_forges_nothing_in_a_list_or_a_calendar() {
    let mut answer = voltus("dkmq", 0, 5);
    answer["sites"][0]["name"] = json!("x\r\nEND:VEVENT\r\nBEGIN:VALARM;a,b\\c <img src=//evil>");
    let record = stored(&answer);
    let hostile = "a\r\nBcc: evil@example.com\u{202e}\u{200b}\u{2028}<script>".to_owned();
    let known = incident(IncidentKind::HydrationFailing, "voltus-prod/dkmq", &hostile);
    let named = Incident { about: hostile, ..known.clone() };
    let group = group(IncidentKind::HydrationFailing, "first", false);
    let list = list(&group, &[line(&named, Some(&record))], (1, 1), circumstances());
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
