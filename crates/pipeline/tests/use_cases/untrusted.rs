//! Text from others in everything that a person reads: mails, their calendars, lists, the page behind a link.

use dispatch::text::is_hidden;
use jiff::Timestamp;
use pipeline::{
    alerts::Occasion,
    group::AckLink,
    incident::{Acknowledged, Incident, IncidentKind, IncidentStatus},
    mail::Mail,
    ports::Incidents,
};
use serde_json::{Value, json};
use simulation::{Function, Invocation, PUBLIC_URL, Simulation};

use crate::{
    common::{config, voltus},
    lists::{WHOLE, group, list},
    mail::{check, circumstances, incident, mail, stored},
};

/// Malicious names: each must be harmless wherever it appears.
pub(crate) fn names() -> Vec<String> {
    [
        "Mill \u{1b}[2J\u{1b}]0;pwn\u{7}\u{1b}[31mGONE",
        "\u{9b}8mhidden\u{90}q\u{9c}\u{7f}\u{0}\u{8}",
        "abc\u{202e}txt.exe\u{2066}\u{2069}\u{200f}\u{61c}",
        "mi\u{200b}l\u{feff}l\u{e0041}\u{2060}\u{ad}",
        "a\r\nWhat failed:  nothing\u{2028}Bcc: x\u{85}y\u{2029}\nATTENDEE:mailto:evil@example.com",
        "\u{1b}]8;;http://evil.example\u{1b}\\link",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([
        "\u{1b}[31m".repeat(4_000),
        "\u{202e}".repeat(6_700),
        "long ".repeat(4_000),
        "e\u{301}\u{301}\u{301}".repeat(3_000),
    ])
    .collect()
}

fn harmless(what: &str, text: &str, breaks: &[char]) {
    let hidden: Vec<char> = text.chars().filter(|c| is_hidden(*c) && !breaks.contains(c)).collect();
    assert!(hidden.is_empty(), "{what} holds {hidden:?}: {text}");
}

fn all_of(mail: &Mail) {
    harmless("the subject", &mail.subject, &[]);
    harmless("the text", &mail.text, &['\n']);
    harmless("the HTML", &mail.html, &['\n']);
    let calendar = mail.calendar.as_deref().unwrap_or_default();
    harmless("the calendar", calendar, &['\r', '\n']);
    assert!(calendar.split("\r\n").all(|line| line.len() <= 75 && !line.contains(['\r', '\n'])), "{calendar}");
    assert!(!calendar.contains("\r\nATTENDEE"), "{calendar}");
    assert!(mail.subject.chars().count() < 320 && mail.text.len() < 12_000, "{} bytes of text", mail.text.len());
    let starts = |word: &str| mail.text.lines().filter(|line| line.starts_with(word)).count();
    assert!(starts("WHAT FAILED") <= 1 && starts("What failed:") == 0 && starts("Bcc") == 0, "{}", mail.text);
}

/// A dispatch of Voltus with that name in every field that can have one.
fn named(name: &str) -> Value {
    let mut answer = voltus("dkmq", 0, 5);
    for field in ["name", "market", "program_type", "timezone"] {
        answer["program"][field] = json!(name);
    }
    answer["sites"] = json!([
        {"id": "s1", "name": name, "customer_location_id": name, "commitment": 5},
        {"id": format!("s2{}", name.chars().take(40).collect::<String>()), "name": null, "customer_location_id": "", "commitment": 6},
    ]);
    answer
}

fn said(name: &str) -> Incident {
    let mut incident =
        incident(IncidentKind::Quarantined, "voltus-prod/dkmq", &name.chars().take(600).collect::<String>());
    incident.about = format!("voltus-prod: {name}");
    incident.acknowledged = Some(Acknowledged { by: name.chars().take(200).collect(), at: incident.opened_at });
    incident
}

#[test]
fn no_mail_carries_what_a_terminal_or_a_reader_acts_on() {
    for name in names() {
        let record = stored(&named(&name));
        let incident = said(&name);
        for occasion in [Occasion::First, Occasion::Reminder(1), Occasion::Resolved] {
            all_of(&mail(&incident, occasion, Some(&record)));
        }
        let acknowledged = Incident { status: IncidentStatus::Acknowledged, ..incident.clone() };
        all_of(&mail(&acknowledged, Occasion::First, Some(&record)));
    }
    let mail = mail(&said(&names()[0]), Occasion::First, Some(&stored(&named(&names()[0]))));
    check("untrusted-names", &mail);
}

#[test]
fn no_list_of_mails_carries_it_either() {
    for name in names() {
        let (record, incident) = (stored(&named(&name)), said(&name));
        let named = Incident { about: name.clone(), ..incident };
        let group = group(IncidentKind::Quarantined, "first", false);
        let cases = [(named.clone(), Some(record)), (named, None)];
        all_of(&list(&group, &cases, WHOLE, circumstances()));
    }
}

#[test]
fn the_page_behind_a_link_carries_none_of_it() {
    let at: Timestamp = "2023-12-01T16:41:07Z".parse().unwrap();
    for name in names() {
        let sim = Simulation::new(1, config());
        let short: String = name.chars().take(600).collect();
        let link: AckLink = serde_json::from_value(json!({
            "link": AckLink::key("5ec4e7"), "revision": 1, "write": "", "subject": format!("[gridbell] {short}"),
            "to": [], "incidents": [[format!("unknown-event/{short}"), at]], "expires_at": "2033-12-01T16:41:07Z",
        }))
        .unwrap();
        let written = sim.run(Function::Alerter, async |ports: &Invocation<'_>| ports.write_link(&link, None).await);
        assert!(written.answer().expect("an answer").is_ok());
        for method in ["GET", "POST", "GET"] {
            let page = sim.follow(method, &format!("{PUBLIC_URL}/alerts/5ec4e7")).answer().expect("an answer");
            harmless("the page", &page.body, &['\n']);
            assert!(page.body.contains("<h1>") && page.body.len() < 12_000, "{}", page.body);
        }
    }
}
