//! The channels besides mail: what rings, when, and what a failing channel leads to.

use jiff::SignedDuration;
use pipeline::{
    alerts::{
        AcknowledgeIncident,
        channels::{State, pagerduty_event, sns_publication},
    },
    config::Config,
    incident::IncidentStatus,
    ports::Clock,
};
use serde_json::{Value, json};
use simulation::{Function, Invocation, Rung, Simulation, Times, Toxic};

use crate::{
    clock::acknowledge,
    common::{accepted, config, mail_subjects, pass, run_for, thin, voltus},
    groups::{about, all_fail},
    incidents::{ABOUT, INCIDENT, fails, incident, is_quarantined, minutes, works},
    link::link,
};

pub(crate) fn ringing(ring_tests: bool) -> Config {
    let mut config = serde_json::to_value(config()).unwrap();
    config["contacts"]["channels"] = json!({
        "to": [
            { "kind": "sns", "topic": "arn:aws:sns:us-east-1:123456789012:grid-duty" },
            { "kind": "pagerduty", "key": "ssm:/gridbell/pagerduty", "url": "https://events.pagerduty.com/v2/enqueue" },
            { "kind": "webhook", "url": "https://chat.example.com/x", "secret": "ssm:/gridbell/chat" },
        ],
        "ring_tests": ring_tests,
    });
    config["contacts"]["escalate"] = json!([{ "after_s": 600, "email": ["lead@example.com"] }]);
    Config::parse(&config.to_string()).expect("a configuration")
}

fn sim() -> Simulation {
    Simulation::new(1, ringing(false))
}

/// What a channel got: the state, and the stages.
fn got(sim: &Simulation, kind: &str) -> Vec<String> {
    let rings = sim.rings().into_iter().filter(|rung| rung.channel.kind() == kind);
    let reports = rings.flat_map(|rung| rung.message.alerts);
    reports.map(|report| format!("{} {}", report.state.as_str(), report.stages.join(" "))).collect()
}

const KINDS: [&str; 3] = ["sns", "pagerduty", "webhook"];

fn all_got(sim: &Simulation, expected: &[&str]) {
    for kind in KINDS {
        assert_eq!(got(sim, kind), expected, "{kind}");
    }
}

#[test]
fn first_and_escalation_stages_ring_once_and_the_end_follows() {
    let sim = sim();
    fails(&sim, ABOUT);
    run_for(&sim, 5);
    all_got(&sim, &["firing first"]);
    pass(&sim, minutes(30));
    all_got(&sim, &["firing first", "firing escalation 1"]);
    works(&sim, ABOUT);
    pass(&sim, minutes(10));
    all_got(&sim, &["firing first", "firing escalation 1", "resolved resolved"]);
    assert!(incident(&sim, INCIDENT).channels.iter().all(|log| log.waiting.is_none()));
}

/// The alerter's calls from the hint to the sent messages about one new incident (BENCHMARKS.md).
#[test]
fn what_channels_cost_in_calls() {
    let calls = |kinds: &[&str]| {
        let mut config = serde_json::to_value(ringing(false)).unwrap();
        let to = config["contacts"]["channels"]["to"].as_array_mut().expect("channels");
        to.retain(|channel| kinds.iter().any(|kind| channel["kind"] == *kind));
        let sim = Simulation::new(1, Config::parse(&config.to_string()).expect("a configuration"));
        fails(&sim, ABOUT);
        run_for(&sim, 5);
        assert_eq!(sim.rings().len(), kinds.len());
        let calls = sim.calls().into_iter().filter(|call| call.function == Function::Alerter);
        calls.filter(|call| call.port != "mapping.delete").count()
    };
    assert_eq!(calls(&[]), 16, "mail alone");
    assert_eq!(KINDS.map(|kind| calls(&[kind])), [24, 24, 24]);
    assert_eq!(calls(&KINDS), 31);
}

#[test]
fn a_message_rings_within_seconds_of_a_missed_deadline() {
    let sim = sim();
    sim.controller(simulation::Controller::IsSilent);
    sim.answers("voltus-prod", "dkmq", [simulation::Reply::Json(voltus("dkmq", 1, 5).to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    pass(&sim, minutes(2));
    let (mailed_at, _) = sim.mails()[0];
    for rung in sim.rings() {
        assert!(rung.at.duration_since(mailed_at).abs() < SignedDuration::from_secs(3), "{rung:?}");
        let text = &rung.message.text;
        assert!(text.starts_with("CURTAIL 5 kW at My Site") && text.chars().count() <= 140, "{text}");
        let dispatch = rung.message.alerts[0].dispatch.as_ref().expect("a dispatch");
        assert_eq!((dispatch.key.as_str(), dispatch.sites_total), ("voltus-prod/dkmq", 1));
    }
    assert_eq!(sim.rings().len(), 3);
}

#[test]
fn a_person_who_acknowledges_is_passed_on_to_pagerduty_alone() {
    let sim = sim();
    fails(&sim, ABOUT);
    run_for(&sim, 5);
    acknowledge(&sim, INCIDENT);
    pass(&sim, minutes(30));
    assert_eq!(got(&sim, "sns"), ["firing first"]);
    assert_eq!(got(&sim, "pagerduty"), ["firing first", "acknowledged acknowledged"]);
    works(&sim, ABOUT);
    pass(&sim, minutes(10));
    assert_eq!(got(&sim, "pagerduty"), ["firing first", "acknowledged acknowledged", "resolved resolved"]);
    assert_eq!(got(&sim, "webhook"), ["firing first", "resolved resolved"]);
    let keys: std::collections::BTreeSet<String> = sim
        .rings()
        .into_iter()
        .filter(|rung| rung.channel.kind() == "pagerduty")
        .map(|rung| pagerduty_event(&rung.message.alerts[0], "k")["dedup_key"].to_string())
        .collect();
    assert_eq!(keys.len(), 1, "PagerDuty keeps one incident: {keys:?}");
}

#[test]
fn the_button_in_a_mail_acknowledges_in_pagerduty_within_seconds() {
    let sim = sim();
    fails(&sim, ABOUT);
    run_for(&sim, 5);
    let link = link(&sim, 0);
    sim.follow("POST", &link).answer().expect("an answer");
    run_for(&sim, 5);
    assert_eq!(got(&sim, "pagerduty"), ["firing first", "acknowledged acknowledged"]);
}

#[test]
fn a_snoozed_incident_does_not_ring_until_it_wakes() {
    let sim = sim();
    fails(&sim, ABOUT);
    run_for(&sim, 5);
    let snoozed = sim.run(Function::Alerter, async |ports| {
        let until = ports.now() + SignedDuration::from_mins(30);
        AcknowledgeIncident::<Invocation<'_>> { incidents: ports, host: ports }.snooze(INCIDENT, until, "Ada").await
    });
    snoozed.answer().expect("an answer").expect("noted");
    pass(&sim, minutes(25));
    all_got(&sim, &["firing first"]);
    pass(&sim, minutes(10));
    all_got(&sim, &["firing first", "firing escalation 1"]);
}

#[test]
fn tests_ring_only_if_that_is_asked_for() {
    for asked in [false, true] {
        let sim = Simulation::new(1, ringing(asked));
        fails(&sim, "voltus-sandbox/dkmq");
        run_for(&sim, 40);
        assert_eq!(sim.mails().len(), 1);
        assert_eq!(sim.rings().len(), if asked { 3 } else { 0 });
        assert!(sim.rings().iter().all(|rung| rung.message.test && rung.message.text.starts_with("TEST: ")));
    }
}

#[test]
fn what_can_wait_rings_with_its_mail_and_several_are_one_message() {
    let sim = sim();
    is_quarantined(&sim, "voltus-prod", "not readable");
    run_for(&sim, 20);
    assert!(sim.rings().is_empty() && sim.mails().is_empty());
    pass(&sim, minutes(2));
    assert_eq!((sim.rings().len(), sim.mails().len()), (3, 1));

    let sim = self::sim();
    all_fail(&sim, 0..12);
    pass(&sim, minutes(2));
    let of = |kind: &str| -> Vec<Rung> { sim.rings().into_iter().filter(|rung| rung.channel.kind() == kind).collect() };
    assert_eq!(of("pagerduty").len(), 12, "PagerDuty keeps an incident for each");
    assert!(of("sns").len() <= 3, "{}", of("sns").len());
    let told: usize = of("sns").iter().map(|rung| rung.message.alerts.len()).sum();
    assert_eq!(told, 12, "each once");
    assert!(of("sns").iter().any(|rung| rung.message.text.contains("dispatches of voltus-prod")), "{:?}", of("sns"));
    assert!(incident(&sim, &format!("hydration-failing/{}", about(3))).channels.len() == 3);
}

#[test]
fn a_channel_that_refuses_is_tried_again_and_delays_no_other() {
    let sim = sim();
    sim.fault("channel.pagerduty", Toxic::Refuse, Times::First(2));
    fails(&sim, ABOUT);
    run_for(&sim, 3);
    assert_eq!((got(&sim, "sns").len(), got(&sim, "webhook").len(), sim.mails().len()), (1, 1, 1));
    assert!(got(&sim, "pagerduty").is_empty());
    run_for(&sim, 30);
    all_got(&sim, &["firing first"]);
}

#[test]
fn a_failing_channel_is_reported_on_the_others_and_resolves() {
    let sim = sim();
    sim.fault("channel.pagerduty", Toxic::Refuse, Times::Always);
    fails(&sim, ABOUT);
    pass(&sim, minutes(5));
    let key = sim.incidents().all().into_iter().find(|row| row.incident.starts_with("channel-failing/"));
    let key = key.expect("an incident").incident;
    let subjects = mail_subjects(&sim);
    assert!(
        subjects.iter().any(|subject| subject.starts_with("[gridbell] channel-failing: PagerDuty")),
        "{subjects:?}"
    );
    let texts: Vec<String> = sim.rings().into_iter().map(|rung| rung.message.text).collect();
    assert!(texts.iter().any(|text| text.starts_with("MEND ALERT CHANNEL PagerDuty")), "{texts:?}");
    let waiting = incident(&sim, &key).channels;
    assert!(waiting.iter().all(|log| log.channel.kind() != "pagerduty"), "not by the channel itself: {waiting:?}");
    pass(&sim, minutes(7));
    let mut mails = sim.mails().into_iter().map(|(_, mail)| mail);
    let is_ours =
        |mail: &pipeline::mail::Mail| mail.subject.contains("escalated") && mail.subject.contains("hydration-");
    let escalated = mails.rfind(is_ours).expect("it is escalated");
    for line in
        ["Notified as well: SNS topic grid-duty, webhook at chat.example.com.", "Not reached yet: PagerDuty (ssm:"]
    {
        assert!(escalated.text.contains(line), "{}", escalated.text);
    }
    sim.heal();
    pass(&sim, minutes(12));
    assert_eq!(got(&sim, "pagerduty")[0], "firing first escalation 1");
    assert_eq!(incident(&sim, &key).status, IncidentStatus::Resolved);
}

#[test]
fn mails_that_fail_are_reported_on_the_channels_which_escalate_all_the_same() {
    let sim = sim();
    sim.fault("mailer.send", Toxic::Refuse, Times::Always);
    fails(&sim, ABOUT);
    pass(&sim, minutes(20));
    assert!(sim.mails().is_empty());
    for kind in KINDS {
        let got = got(&sim, kind);
        assert!(got.iter().any(|what| what == "firing escalation 1"), "{kind}: {got:?}");
    }
    let texts: Vec<String> = sim.rings().into_iter().map(|rung| rung.message.text).collect();
    assert!(texts.iter().any(|text| text.starts_with("MEND ALERT CHANNEL mail")), "{texts:?}");
    sim.heal();
    pass(&sim, minutes(12));
    assert_eq!(incident(&sim, "channel-failing/mail").status, IncidentStatus::Resolved);
    assert!(
        mail_subjects(&sim).iter().any(|subject| subject.contains("hydration-failing")),
        "{:?}",
        mail_subjects(&sim)
    );
}

#[test]
fn who_never_heard_of_it_does_not_hear_that_it_is_resolved() {
    let sim = sim();
    sim.fault("channel.webhook", Toxic::Refuse, Times::Always);
    sim.fault("channel.sns", Toxic::LoseAnswer, Times::First(1));
    fails(&sim, ABOUT);
    run_for(&sim, 1);
    works(&sim, ABOUT);
    run_for(&sim, 1);
    sim.heal();
    pass(&sim, minutes(15));
    assert!(got(&sim, "webhook").is_empty());
    assert_eq!(got(&sim, "pagerduty"), ["firing first", "resolved resolved"]);
    assert_eq!(got(&sim, "sns").first().map(String::as_str), Some("firing first"), "its answer was lost");
    assert_eq!(got(&sim, "sns").last().map(String::as_str), Some("resolved resolved"), "{:?}", got(&sim, "sns"));
}

#[test]
fn a_crash_at_any_call_loses_no_message() {
    let calls = {
        let sim = sim();
        fails(&sim, ABOUT);
        let before = sim.calls().len();
        run_for(&sim, 60);
        before..sim.calls().len()
    };
    for number in calls {
        for toxic in Toxic::ALL {
            let sim = sim();
            fails(&sim, ABOUT);
            sim.fault_at(number, toxic);
            pass(&sim, minutes(6));
            for kind in KINDS {
                let got = got(&sim, kind);
                assert!(got.iter().any(|what| what == "firing first"), "{toxic:?} at {number}, {kind}: {got:?}");
                let most = if matches!(toxic, Toxic::Refuse | Toxic::CrashBefore) { 2 } else { 3 };
                assert!(
                    got.iter().filter(|what| *what == "firing first").count() <= most,
                    "{toxic:?} at {number}: {got:?}"
                );
            }
            works(&sim, ABOUT);
            pass(&sim, minutes(12));
            for kind in KINDS {
                assert_eq!(
                    got(&sim, kind).last().map(String::as_str),
                    Some("resolved resolved"),
                    "{toxic:?} at {number}"
                );
            }
        }
    }
}

#[test]
fn a_source_may_ring_other_channels() {
    let mut config = ringing(false);
    let source = config.sources.get_mut("voltus-prod").expect("a source");
    let channels = json!({ "to": [{ "kind": "sns", "topic": "arn:aws:sns:us-east-1:123456789012:voltus" }] });
    source.contacts = Some(serde_json::from_value(json!({ "channels": channels })).unwrap());
    let sim = Simulation::new(1, config);
    fails(&sim, ABOUT);
    run_for(&sim, 5);
    let names: Vec<String> = sim.rings().iter().map(|rung| rung.channel.to_string()).collect();
    assert_eq!(names, ["SNS topic voltus"]);
}

#[test]
fn each_form_of_a_message_says_the_same() {
    let sim = sim();
    fails(&sim, ABOUT);
    run_for(&sim, 5);
    let rung = sim.rings().into_iter().find(|rung| rung.channel.kind() == "sns").expect("a message");
    let message = rung.message;
    let publication = sns_publication(&message);
    assert!(publication.subject.is_ascii() && publication.subject.len() < 100, "{}", publication.subject);
    let forms: Value = serde_json::from_str(&publication.message).unwrap();
    assert_eq!((&forms["default"], &forms["sms"]), (&json!(message.text), &json!(message.text)));
    let chat: Value = serde_json::from_str(forms["https"].as_str().unwrap()).unwrap();
    assert_eq!((&chat["version"], &chat["source"]), (&json!("1.0"), &json!("custom")));
    assert_eq!(chat["metadata"]["additionalContext"]["incident"], INCIDENT);
    let body: Value = serde_json::from_str(forms["sqs"].as_str().unwrap()).unwrap();
    assert_eq!((&body["alerts"][0]["incident"], &body["type"]), (&json!(INCIDENT), &json!("gridbell.alert.v1")));
    let attribute =
        |name: &str| publication.attributes.iter().find(|(known, _)| *known == name).expect("there").1.clone();
    assert_eq!(
        (attribute("severity"), attribute("state"), attribute("test")),
        ("critical".into(), "firing".into(), "false".into())
    );
    let report = &message.alerts[0];
    let event = pagerduty_event(report, "R0UT1NG");
    assert_eq!((&event["event_action"], &event["routing_key"]), (&json!("trigger"), &json!("R0UT1NG")));
    assert_eq!(
        (&event["payload"]["severity"], &event["payload"]["summary"]),
        (&json!("critical"), &json!(report.text))
    );
    assert!(report.link.as_ref().is_some_and(|link| link.contains("/alerts/")), "{report:?}");
    let resolved =
        pagerduty_event(&pipeline::alerts::channels::Report { state: State::Resolved, ..report.clone() }, "k");
    assert_eq!(resolved, json!({ "routing_key": "k", "event_action": "resolve", "dedup_key": event["dedup_key"] }));
}

#[test]
fn a_name_of_20_kilobytes_and_escape_sequences_stay_out_of_a_line() {
    let sim = sim();
    sim.controller(simulation::Controller::IsSilent);
    let mut body = voltus("dkmq", 1, 5);
    body["sites"][0]["name"] = json!(format!("\u{1b}[31m\u{202e}{}", "ü".repeat(20_000)));
    sim.answers("voltus-prod", "dkmq", [simulation::Reply::Json(body.to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    pass(&sim, minutes(2));
    let rings = sim.rings();
    assert!(!rings.is_empty());
    for rung in rings {
        assert!(rung.message.text.chars().count() <= 140 && !rung.message.text.contains(['\u{1b}', '\u{202e}']));
        let event = pagerduty_event(&rung.message.alerts[0], "k").to_string();
        assert!(event.len() < 8_192, "{}", event.len());
    }
}
