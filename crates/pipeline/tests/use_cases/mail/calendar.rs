//! The window of a dispatch in the calendar that a mail carries, and in its words.

use super::*;

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
    assert!(text.contains("not stated yet") && text.contains("and 10 more"), "{text}");
    assert!(text.contains("Site 19") && !text.contains("Site 20"), "{text}");
    assert!(calendar.contains("Site 2 and 27 more") && !calendar.contains("Site 3"), "{calendar}");
    assert!(!of(20).0.contains("  and ") && !of(3).1.contains(" more"));
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

#[test]
fn a_test_with_an_open_end() {
    let mut answer = voltus("dkmq", 0, 5);
    answer["end_time"] = Value::Null;
    answer["test"] = json!(true);
    let incident = incident(IncidentKind::DispatchAtRisk, "voltus-prod/dkmq", "no controller has acknowledged it");
    check("test-open-end", &mail(&incident, Occasion::First, Some(&stored(&answer))));
}
