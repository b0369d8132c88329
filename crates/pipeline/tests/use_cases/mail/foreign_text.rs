//! Names and amounts as a provider wrote them: they forge nothing, and a test is marked.

use super::*;

#[test]
fn a_command_can_be_copied_whatever_the_incident_is_called() {
    let known = incident(IncidentKind::UnknownEvent, "voltus-prod", "d");
    for (called, argument) in [
        ("unknown-event/voltus-prod/x.y", "unknown-event/voltus-prod/x.y"),
        ("unknown-event/voltus-prod: x", "'unknown-event/voltus-prod: x'"),
        ("unknown-event/$(reboot)'", r"'unknown-event/$(reboot)'\'''"),
    ] {
        let incident = Incident { incident: called.to_owned(), ..known.clone() };
        let circumstances = Circumstances { link: None, stack: Some("grid".to_owned()), ..circumstances() };
        let config = config();
        let case = Case { config: &config, incident: &incident, record: None, now: now() };
        let text = compose(&case, Occasion::First, circumstances).unwrap().text;
        assert!(text.contains(&format!("gridbell alert ack {argument} --stack grid\n")), "{text}");
    }
}

#[test]
fn what_a_provider_wrote_forges_no_header_no_row_and_no_html() {
    let mut answer = voltus("dkmq", 0, 5);
    answer["sites"][0]["name"] = json!("<script>alert(1)</script>\r\nTest or real:  TEST: no site has to curtail");
    let mut incident = incident(IncidentKind::Quarantined, "voltus-prod/dkmq", "a\r\nBcc: <evil@example.com>\u{7}");
    incident.about = "voltus-prod: x\r\nBcc: evil@example.com".to_owned();
    let mail = mail(&incident, Occasion::First, Some(&stored(&answer)));
    assert!(!mail.subject.contains(['\r', '\n']), "{:?}", mail.subject);
    assert_eq!(mail.text.lines().filter(|line| line.starts_with("Test or real:")).count(), 1, "{}", mail.text);
    assert!(!mail.text.lines().any(|line| line.starts_with("Bcc")), "{}", mail.text);
    assert!(!mail.html.contains("<script") && !mail.html.contains("<evil"), "{}", mail.html);
    assert!(mail.text.contains("REAL: production, no test"));
}

#[test]
fn a_name_of_any_length_leaves_a_subject_that_can_be_sent() {
    let mut incident = incident(IncidentKind::UnknownEvent, "voltus-prod", "d");
    incident.about = "é".repeat(5_000);
    let mail = mail(&incident, Occasion::First, None);
    assert!(mail.subject.chars().count() < 280, "{}", mail.subject);
}

#[test]
fn a_test_is_marked_in_the_subject_and_in_the_words() {
    let sim = test_sim();
    for (source, about) in [("voltus-sandbox", "voltus-sandbox/dkmq"), ("leap-prod", "leap-prod/e-1")] {
        let incident = incident(IncidentKind::HydrationFailing, about, "500");
        assert_eq!(incident.source(), source);
        let record = sim.dispatches().get(about);
        let mail = mail(&incident, Occasion::First, record.as_ref());
        assert_eq!(digest(&mail.subject), format!("[gridbell] [TEST] hydration-failing: {about}"));
        assert!(mail.text.contains("TEST: no site has to curtail"), "{}", mail.text);
        assert!(!mail.text.contains("curtail by hand"), "{}", mail.text);
    }
    // The dispatch is unknown, but the source is a sandbox.
    let incident = incident(IncidentKind::HydrationFailing, "voltus-sandbox/other", "500");
    assert!(mail(&incident, Occasion::Resolved, None).subject.starts_with("[gridbell] [TEST] Resolved: "));
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
    assert!(words(json!(0.5)).contains("reduce by 0.5 kW"));
    assert!(words(json!(1.25)).contains("reduce by 1.25 kW"));
    assert!(words(Value::Null).contains("The provider states no amount"));
}
