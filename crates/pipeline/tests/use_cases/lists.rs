//! One mail for many incidents of one cause, word for word.

use dispatch::Subject;
use jiff::Timestamp;
use pipeline::{
    alerts::Occasion,
    conditions::Condition,
    group::AlertGroup,
    incident::{Incident, IncidentKind, IncidentStatus},
    mail::{Case, Circumstances, List, ListPage, Mail},
    record::SubjectRecord,
};
use serde_json::json;

use crate::{
    common::{config, voltus},
    mail::{check, circumstances, incident, known, mail, now, stored},
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

/// A list of incidents, each with its record.
pub(crate) fn list(
    group: &AlertGroup,
    incidents: &[(Incident, Option<SubjectRecord>)],
    page: ListPage,
    circumstances: Circumstances,
) -> Mail {
    let config = config();
    let cases: Vec<Case<'_>> = incidents
        .iter()
        .map(|(incident, record)| Case { config: &config, incident, record: record.as_ref(), now: now() })
        .collect();
    List::of(group, &cases, page).compose(&config, circumstances).expect("a person to notify")
}

pub(crate) const WHOLE: ListPage = ListPage { number: 1, of: 1 };

fn failing(n: usize) -> Incident {
    incident(IncidentKind::HydrationFailing, &format!("voltus-prod/d{n}"), "the provider answered 500")
}

/// Three: one known, one acknowledged, one not fetched yet.
fn three() -> Vec<(Incident, Option<SubjectRecord>)> {
    let record = known("America/Los_Angeles");
    let acknowledged = Incident { status: IncidentStatus::Acknowledged, ..failing(2) };
    vec![(failing(1), Some(record.clone())), (acknowledged, Some(record)), (failing(3), None)]
}

#[test]
fn one_mail_for_many() {
    for (name, occasion, test, page) in [
        ("first", "first", false, WHOLE),
        ("first-test", "first", true, WHOLE),
        ("first-many", "first", false, ListPage { number: 2, of: 3 }),
        ("reminder", "reminder", false, WHOLE),
        ("escalation", "escalation", false, WHOLE),
        ("resolved", "resolved", false, WHOLE),
    ] {
        let group = group(IncidentKind::HydrationFailing, occasion, test);
        let awaited = !test && occasion != "resolved";
        let link = circumstances().link.filter(|_| awaited);
        let circumstances = Circumstances { awaited, link, ..circumstances() };
        check(&format!("list-{name}"), &list(&group, &three(), page, circumstances));
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
    let list = list(&group, &[(named, Some(record.clone()))], WHOLE, circumstances());
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

#[test]
fn a_list_names_each_dispatch_once_and_apart_what_is_over() {
    let at_risk = |n: usize| incident(IncidentKind::DispatchAtRisk, &format!("voltus-prod/d{n}"), "silent");
    let failed = Condition::ControllerFailed { dispatch: Subject::from_stored("voltus-prod/d1") };
    let failed = Incident { condition: failed, detail: "it has failed".to_owned(), ..at_risk(1) };
    let mut answer = voltus("dkmq", 0, 55);
    let ahead = stored(&answer);
    (answer["start_time"], answer["end_time"]) = (json!("2023-12-01T14:00:00Z"), json!("2023-12-01T16:40:30Z"));
    let over = stored(&answer);
    let cases = [
        (at_risk(1), Some(ahead.clone())),
        (failed, Some(ahead.clone())),
        (at_risk(2), Some(ahead)),
        (at_risk(3), Some(over)),
    ];
    let group = group(IncidentKind::DispatchAtRisk, "first", false);
    let mail = list(&group, &cases, WHOLE, circumstances());
    check("list-at-risk", &mail);
    let subject = "[gridbell] CURTAIL 110 kW for 2 dispatches, first My Site by 08:50 PST (in 9 min): signals not read \
                   (dispatch-at-risk, voltus-prod)";
    assert_eq!(mail.subject, subject);
    for n in 1..=3 {
        assert_eq!(mail.text.matches(&format!("(voltus-prod/d{n})")).count(), 1, "{}", mail.text);
    }
    let place = |words: &str| mail.text.find(words).unwrap_or_else(|| panic!("{words:?} is not in {}", mail.text));
    let order = [
        "WHAT MUST HAPPEN",
        "silent; it has failed (voltus-prod/d1)",
        "(voltus-prod/d2)",
        "OVER ALREADY",
        "(voltus-prod/d3)",
        "WHAT FAILED",
    ];
    assert!(order.windows(2).all(|pair| place(pair[0]) < place(pair[1])), "{}", mail.text);
}
