//! A controller's answers, and their effects on incidents.

use pipeline::{
    incident::IncidentStatus,
    ingest::{acknowledge::Acknowledge, receive::HttpAnswer},
    record::AckState,
};
use serde_json::json;
use simulation::{Function, Inner, Invocation, Reply, Times, Toxic};

use crate::{
    common::{accepted, power, thin, voltus},
    deadlines::{ACK_TOKEN, AT_RISK, OVER, acknowledge, acknowledged, acknowledging, record, risks, run_for},
};

#[test]
fn a_late_acknowledgement_resolves_the_incident() {
    let sim = acknowledging(3);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 90);
    assert_eq!(acknowledge(&sim, 1, "completed").status, 200);
    run_for(&sim, 3_600);
    assert_eq!(risks(&sim), [AT_RISK, OVER]);
    let (_, mail) = sim.mails().pop().expect("a mail");
    assert!(mail.text.contains("the controller answered completed to version 1"), "{}", mail.text);
}

#[test]
fn a_controller_that_fails_is_an_incident_at_once() {
    let sim = acknowledging(6);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 5);
    assert_eq!(acknowledge(&sim, 1, "failed").status, 200);
    run_for(&sim, 2);
    assert_eq!(risks(&sim), [AT_RISK]);
    let (_, mail) = sim.mails().pop().expect("a mail");
    assert!(mail.text.contains("failed to carry out version 1: by the test"), "{}", mail.text);
    assert_eq!(acknowledge(&sim, 1, "completed").status, 200);
    run_for(&sim, 35);
    assert_eq!(risks(&sim), [AT_RISK, OVER]);
}

#[test]
fn what_a_controller_says_last_stands_but_for_a_late_accepted() {
    let sim = acknowledging(18);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 5);
    for (says, stands) in [
        ("failed", AckState::Failed),
        ("accepted", AckState::Accepted),
        ("completed", AckState::Completed),
        ("accepted", AckState::Completed),
    ] {
        assert_eq!(acknowledge(&sim, 1, says).status, 200);
        assert_eq!(record(&sim).ack.map(|ack| ack.state), Some(stands), "{says}");
    }
    let story = record(&sim)
        .history
        .into_iter()
        .filter_map(|entry| Some(entry.event.to_string().strip_prefix("version 1 acknowledged: ")?.to_owned()));
    assert_eq!(story.collect::<Vec<_>>(), ["failed", "accepted", "completed"]);
}

#[test]
fn a_failure_after_an_acknowledgement_ends_with_the_dispatch() {
    let sim = acknowledging(20);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 5);
    assert_eq!(acknowledge(&sim, 1, "accepted").status, 200);
    run_for(&sim, 90);
    assert_eq!(acknowledge(&sim, 1, "completed").status, 200);
    assert_eq!(record(&sim).due, None, "nothing is awaited");
    assert_eq!(acknowledge(&sim, 1, "failed").status, 200);
    run_for(&sim, 3 * 3_600);
    let risks = risks(&sim);
    assert_eq!((risks.first().map(String::as_str), risks.last().map(String::as_str)), (Some(AT_RISK), Some(OVER)));
    assert!(sim.incidents().all().iter().all(|incident| incident.status == IncidentStatus::Resolved));
}

#[test]
fn a_failure_that_is_hinted_at_after_its_end_opens_nothing() {
    let sim = acknowledging(19);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 5);
    for says in ["failed", "completed"] {
        assert_eq!(acknowledge(&sim, 1, says).status, 200);
    }
    for late in sim.take(Inner::Alerts).into_iter().rev() {
        sim.alert(vec![late]);
    }
    run_for(&sim, 3_600);
    assert_eq!(risks(&sim), [""; 0]);
    assert!(sim.incidents().all().iter().all(|incident| incident.status == IncidentStatus::Resolved));
}

#[test]
fn a_silence_that_is_hinted_at_after_its_end_opens_nothing() {
    let sim = acknowledging(23);
    sim.stop(Function::Alerter);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 70);
    assert_eq!(acknowledge(&sim, 1, "accepted").status, 200);
    let late = sim.take(Inner::Alerts);
    assert!(late.len() >= 2, "of the deadline and of the acknowledgement: {late:?}");
    for late in late.into_iter().rev() {
        sim.alert(vec![late]);
    }
    sim.start(Function::Alerter);
    run_for(&sim, 3_600);
    assert_eq!(risks(&sim), [""; 0]);
    assert!(sim.incidents().all().iter().all(|incident| incident.status == IncidentStatus::Resolved));
}

#[test]
fn who_may_not_acknowledge_learns_nothing() {
    let sim = acknowledging(10);
    let check = |token: &str, body: &str| sim.acknowledge(token, body).answer().expect("an answer").status;
    assert_eq!(check("wrong", "{}"), 404);
    assert_eq!(check(ACK_TOKEN, "{}"), 400);
    assert_eq!(check(ACK_TOKEN, r#"{"dispatch":"voltus-prod/none","version":1,"state":"accepted"}"#), 404);
    assert_eq!(check(ACK_TOKEN, r#"{"dispatch":"voltus-prod/none","version":1,"state":"maybe"}"#), 400);
    let unknown = r#"{"dispatch":"voltus-prod/none","version":1,"state":"accepted"}"#;
    let padded = |bytes: usize| unknown.to_owned() + &" ".repeat(bytes - unknown.len());
    assert_eq!((check(ACK_TOKEN, &padded(65_536)), check(ACK_TOKEN, &padded(65_537))), (404, 413));
}

#[test]
fn what_the_controller_failed_is_resolved_once_it_is_withdrawn() {
    let sim = acknowledging(25);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 5);
    assert_eq!(acknowledge(&sim, 1, "failed").status, 200);
    run_for(&sim, 2);
    let mut withdrawn = voltus("dkmq", 1, 5);
    withdrawn["authorized"] = json!(false);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(withdrawn.to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
    run_for(&sim, 3_600);
    assert_eq!(risks(&sim), [AT_RISK, OVER]);
    assert_eq!(acknowledge(&sim, 2, "failed").status, 200);
    assert_eq!(record(&sim).due, None, "what is withdrawn is not watched");
}

#[test]
fn an_acknowledgement_that_was_not_noted_is_to_be_sent_again() {
    let sim = acknowledging(26);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 5);
    sim.fault("dispatches.write", Toxic::Refuse, Times::First(1));
    let refused = acknowledge(&sim, 1, "accepted");
    assert_eq!((refused.status, refused.header), (503, Some(("retry-after", "5".to_owned()))));
    assert_eq!(acknowledge(&sim, 1, "accepted").status, 200);
}

#[test]
fn an_acknowledgement_is_posted() {
    let config = acknowledged();
    let get = async |ports: &Invocation<'_>| {
        Acknowledge::<Invocation<'_>> { config: &config, table: ports, job_queue: ports, host: ports }
            .handle("GET", ACK_TOKEN, b"")
            .await
    };
    let HttpAnswer { status, header, .. } = acknowledging(27).run(Function::Retrier, get).answer().expect("an answer");
    assert_eq!((status, header), (405, Some(("allow", "POST".to_owned()))));
}

#[test]
fn a_load_target_is_no_dispatch_to_be_acknowledged() {
    let sim = acknowledging(28);
    accepted(&sim, "dc-1", &power("start_ramp_down", true).to_string());
    run_for(&sim, 5);
    let body = json!({ "dispatch": "dc-1/main_power_feed/c-1", "version": 1, "state": "accepted" });
    assert_eq!(sim.acknowledge(ACK_TOKEN, &body.to_string()).answer().expect("an answer").status, 404);
}

#[test]
fn an_empty_or_oversized_key_is_no_dispatch_and_asks_no_table() {
    let sim = acknowledging(29);
    sim.fault("dispatches.read", Toxic::Refuse, Times::Always);
    let answered = |key: &str| {
        let body = json!({ "dispatch": key, "version": 1, "state": "accepted" });
        let answer = sim.acknowledge(ACK_TOKEN, &body.to_string()).answer().expect("an answer");
        (answer.status, answer.outcome)
    };
    for key in ["k".repeat(4_097), "voltus-prod/".to_owned() + &"ü".repeat(10_000)] {
        assert_eq!(answered(&key), (404, "unknown_dispatch"), "{} bytes", key.len());
    }
    assert_eq!(answered(""), (400, "unreadable"));
    let body = json!({ "dispatch": "k".repeat(4_096), "version": 1, "state": "accepted" });
    assert_eq!(sim.acknowledge(ACK_TOKEN, &body.to_string()).answer().expect("an answer").status, 503);
}
