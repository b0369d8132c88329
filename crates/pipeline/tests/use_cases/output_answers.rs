//! What counts as delivered and acknowledged by an output, and events that are too large for it.

use pipeline::{
    config::{Config, Output, OutputTarget},
    outputs::{
        event::EventVersion,
        lane::{Delivered, Lane, LaneAck},
        reach::{reach_of, required},
    },
    record::{AckState, SubjectRecord},
    timeline::Event,
};
use serde_json::json;
use simulation::{Function, Reply, Simulation, TargetReply, Toxic};

use crate::{
    common::{accepted, thin, voltus},
    deadlines::{AT_RISK, OVER, acknowledge, record, risks, run_for},
    outputs::{announces, cancels, gateway, http, output, waiting, with},
};

#[test]
fn a_deadline_counts_what_every_required_output_has_taken() {
    let aside = Output { required: false, ..output(http()) };
    let sim = with(14, false, &[("aside", aside), ("gateway", output(http())), ("other", output(http()))]);
    sim.replies("other", [TargetReply::IsDown]);
    sim.replies("aside", [TargetReply::IsDown]);
    announces(&sim, 0, 5);
    run_for(&sim, 70);
    assert_eq!(risks(&sim), [AT_RISK]);
    let (_, mail) = sim.mails().into_iter().find(|(_, mail)| mail.subject.contains("at-risk")).expect("a mail");
    assert!(mail.text.contains("output other has not taken it"), "{}", mail.text);
    sim.replies("other", []);
    run_for(&sim, 180);
    assert_eq!(risks(&sim), [AT_RISK, OVER]);
    assert_eq!(record(&sim).due, None);
}

#[test]
fn a_real_dispatch_that_no_output_gets_is_at_risk() {
    let leap = Output { sources: Some(vec!["leap-prod".to_owned()]), ..output(http()) };
    let sim = with(15, false, &[("leap", leap)]);
    announces(&sim, 0, 5);
    run_for(&sim, 70);
    assert_eq!(risks(&sim), [AT_RISK]);
}

#[test]
fn an_acknowledgement_in_the_response_counts_like_a_post() {
    let sim = with(16, true, &[("gateway", output(http()))]);
    sim.replies("gateway", [TargetReply::Acknowledges(AckState::Accepted)]);
    announces(&sim, 0, 5);
    let ack = record(&sim).ack.expect("an acknowledgement");
    assert_eq!((ack.version, ack.state, record(&sim).due), (1, AckState::Accepted, None));
    run_for(&sim, 120);
    assert_eq!(risks(&sim), [""; 0]);
}

#[test]
fn every_required_output_must_acknowledge() {
    let aside = Output { required: false, ..output(http()) };
    let sim = with(17, true, &[("aside", aside), ("gateway", output(http())), ("other", output(http()))]);
    sim.replies("aside", [TargetReply::Acknowledges(AckState::Completed)]);
    sim.replies("gateway", [TargetReply::Acknowledges(AckState::Completed)]);
    announces(&sim, 0, 5);
    assert_eq!(record(&sim).ack, None);
    run_for(&sim, 70);
    assert_eq!(risks(&sim), [AT_RISK]);
    sim.replies("other", [TargetReply::Acknowledges(AckState::Accepted)]);
    announces(&sim, 1, 6);
    // The weaker of both counts.
    assert_eq!(record(&sim).ack.map(|ack| (ack.version, ack.state)), Some((2, AckState::Accepted)));
    // An acknowledgement by POST counts for all.
    announces(&sim, 2, 7);
    assert_eq!(acknowledge(&sim, 3, "accepted").status, 200);
}

#[test]
fn a_required_output_that_cannot_act_is_an_incident_at_once() {
    let sim = with(18, true, &[("aside", Output { required: false, ..output(http()) }), ("gateway", output(http()))]);
    sim.replies("aside", [TargetReply::Acknowledges(AckState::Failed)]);
    announces(&sim, 0, 5);
    run_for(&sim, 10);
    assert_eq!(risks(&sim), [""; 0], "it is not required");
    sim.replies("gateway", [TargetReply::Acknowledges(AckState::Failed)]);
    announces(&sim, 1, 6);
    run_for(&sim, 15);
    assert_eq!(risks(&sim).len(), 1);
    assert_eq!(record(&sim).ack.map(|ack| ack.state), Some(AckState::Failed));
}

#[test]
fn what_is_too_large_for_a_bus_comes_in_parts_together() {
    let bus = output(OutputTarget::Eventbridge { bus: "b".to_owned() });
    let sim = with(19, false, &[("bus", bus), ("gateway", output(http()))]);
    sim.limit_buses(1_100);
    let mut large = voltus("dkmq", 0, 5);
    let sites: Vec<_> =
        (0..30).map(|id| json!({ "id": format!("site-{id}"), "drop_by": 5, "commitment": 5 })).collect();
    large["sites"] = sites.into();
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(large.to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 5);
    assert_eq!(sim.arrived("gateway").len(), 1);
    let parts = sim.arrived("bus");
    assert!(parts.len() > 2, "{}", parts.len());
    for (place, part) in parts.iter().enumerate() {
        assert!(part.body.len() <= 1_100);
        assert_eq!(part.head.part().map(|part| part.number as usize), Some(place + 1));
        assert_eq!(part.head.parts.map(|of| of as usize), Some(parts.len()));
    }
    run_for(&sim, 120);
    assert_eq!((sim.stored_texts(), waiting(&sim), record(&sim).due), (0, 0, None));
}

#[test]
fn a_target_that_says_too_large_gets_smaller_parts() {
    let sim = gateway(20);
    let mut large = voltus("dkmq", 0, 5);
    let sites: Vec<_> = (0..9_000)
        .map(|id| json!({ "id": format!("site-{id}"), "name": "A site of that name", "drop_by": 5, "commitment": 5 }))
        .collect();
    large["sites"] = sites.into();
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(large.to_string())]);
    sim.replies("gateway", [TargetReply::IsTooSmall, TargetReply::Takes]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    run_for(&sim, 30);
    let parts = sim.arrived("gateway");
    assert!(parts.len() > 1 && parts.iter().all(|part| part.body.len() < 256 * 1_024), "{}", parts.len());
    assert_eq!((sim.stored_texts(), waiting(&sim)), (0, 0));
}

#[test]
fn a_call_that_fails_anywhere_loses_no_event_and_no_order() {
    let run = |sim: &Simulation| {
        announces(sim, 0, 5);
        announces(sim, 1, 6);
        cancels(sim, 2);
        run_for(sim, 900);
    };
    let sim = gateway(21);
    run(&sim);
    let of_courier = |calls: Vec<simulation::Call>| -> Vec<usize> {
        let numbered = calls.into_iter().enumerate();
        numbered.filter(|(_, call)| call.function == Function::Courier).map(|(number, _)| number).collect()
    };
    let calls = of_courier(sim.calls());
    assert!(calls.len() > 8, "{}", calls.len());
    for number in calls {
        for toxic in Toxic::ALL {
            let sim = gateway(21);
            sim.fault_at(number, toxic);
            run(&sim);
            let sequences: Vec<u64> = sim.arrived("gateway").iter().map(|event| event.head.version.sequence).collect();
            assert!(sequences.is_sorted() && sequences.last() == Some(&3), "{number} {toxic:?}: {sequences:?}");
            assert_eq!(waiting(&sim), 0, "{number} {toxic:?}");
        }
    }
}

/// The names of the required outputs that want the current version.
fn wanting(config: &Config, record: &SubjectRecord) -> Vec<String> {
    required(config, record).into_iter().map(|key| key.output).collect()
}

#[test]
fn the_type_of_the_current_version_decides_which_outputs_count() {
    let of = |types: &str| Output { types: Some(vec![types.to_owned()]), ..output(http()) };
    let sim = with(41, false, &[("news", of("*.scheduled.*")), ("updates", of("*.updated.*"))]);
    announces(&sim, 0, 5);
    assert_eq!(wanting(&sim.config, &record(&sim)), ["news"]);
    announces(&sim, 1, 6);
    let mut record = record(&sim);
    assert_eq!(wanting(&sim.config, &record), ["updates"]);
    // Of a long history only the first event and the latest are stored.
    record.history.truncate(1);
    assert_eq!(wanting(&sim.config, &record), ["updates"]);
    if let Event::Published { sequence, .. } = &mut record.history[0].event {
        *sequence = 2;
    }
    assert_eq!(wanting(&sim.config, &record), ["news"], "it was published as that");
}

#[test]
fn a_dispatch_that_is_published_again_in_a_newer_epoch_is_not_at_risk() {
    let news = Output { types: Some(vec!["*.scheduled.*".to_owned()]), ..output(http()) };
    let sim = with(42, false, &[("news", news)]);
    cancels(&sim, 0);
    announces(&sim, 1, 6);
    sim.begin_epoch();
    run_for(&sim, 120);
    assert_eq!(sim.arrived("news").last().map(|event| event.head.version.sequence), Some(1));
    assert_eq!(risks(&sim), [""; 0]);
}

#[test]
fn a_test_that_no_output_gets_is_not_at_risk() {
    let sim = with(43, false, &[("real", Output { tests: false, ..output(http()) })]);
    announces(&sim, 0, 5);
    let mut record = record(&sim);
    assert_eq!(wanting(&sim.config, &record), ["real"]);
    record.origin.sandbox = true;
    assert_eq!(wanting(&sim.config, &record), [""; 0]);
    assert!(!reach_of(&sim.config, &record, &[]).is_unwanted);
}

#[test]
fn a_newer_version_counts_and_half_a_version_does_not() {
    let sim = gateway(44);
    announces(&sim, 0, 5);
    announces(&sim, 1, 6);
    let record = record(&sim);
    let lane = sim.lanes().remove(0);
    let at = lane.changed_at;
    let version =
        |sequence: u64, part: u32| EventVersion { epoch: record.state.epoch.as_millisecond(), sequence, part };
    let is_delivered = |version: EventVersion, is_complete: bool| {
        let lane = Lane { delivered: Some(Delivered { version, is_complete, at }), ..lane.clone() };
        reach_of(&sim.config, &record, &[lane]).is_delivered()
    };
    assert!(is_delivered(version(2, 0), true) && is_delivered(version(2, 2), true));
    assert!(!is_delivered(version(2, 1), false) && !is_delivered(version(1, 0), true));
    assert!(is_delivered(version(3, 1), false));
    let acknowledged = |version: EventVersion, state: AckState| {
        let lane = Lane { ack: Some(LaneAck { version, state, detail: None, at }), ..lane.clone() };
        reach_of(&sim.config, &record, &[lane]).acknowledged
    };
    assert_eq!(acknowledged(version(2, 0), AckState::Completed), Some(AckState::Completed));
    assert_eq!(acknowledged(version(2, 0), AckState::Failed), None);
    assert_eq!(acknowledged(version(1, 0), AckState::Completed), None);
}
