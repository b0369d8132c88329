//! The courier delivers each signal to every output that wants it, in order, whatever an output does.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use pipeline::{
    config::{Output, OutputTarget, Reference, TokenHash},
    outputs::{
        replay::{ask_to_replay, ask_to_test},
        state::{OutputFailure, OutputState},
    },
    ports::Outputs,
    record::AckState,
};
use serde_json::{Value, json};
use simulation::{Function, Reply, Simulation, TargetReply, Times, Toxic};

use crate::{
    common::{accepted, config, mail_subjects, thin, voltus},
    deadlines::{ACK_TOKEN, VOLTUS, record, run_for},
};

const FAILING: &str = "[gridbell] output-failing: gateway";

pub(crate) fn http() -> OutputTarget {
    let secrets = vec![Reference::Ssm("/gridbell/gateway".to_owned())];
    OutputTarget::Http { url: "https://gateway.example.com/".to_owned(), secrets, allow_private: false }
}

pub(crate) fn output(target: OutputTarget) -> Output {
    Output { target, sources: None, types: None, tests: true, required: true }
}

/// A simulation with these outputs.
pub(crate) fn with(seed: u64, acknowledge: bool, outputs: &[(&str, Output)]) -> Simulation {
    let mut config = config();
    config.deadlines.acknowledge = acknowledge;
    config.acks.tokens = vec![TokenHash::of(ACK_TOKEN)];
    config.outputs = outputs.iter().map(|(name, output)| ((*name).to_owned(), output.clone())).collect();
    Simulation::new(seed, config)
}

/// One required HTTP output, `gateway`.
pub(crate) fn gateway(seed: u64) -> Simulation {
    with(seed, false, &[("gateway", output(http()))])
}

/// Voltus announces a version of `dkmq`, which is published.
pub(crate) fn announces(sim: &Simulation, number: u64, kw: u64) {
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", number, kw).to_string())]);
    accepted(sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
    run_for(sim, 2);
}

/// Voltus withdraws `dkmq`.
pub(crate) fn cancels(sim: &Simulation, number: u64) {
    let mut answer = voltus("dkmq", number, 5);
    answer["authorized"] = json!(false);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(answer.to_string())]);
    accepted(sim, "voltus-prod", &thin("dispatch.update", "dkmq"));
    run_for(sim, 2);
}

/// What reached an output, as type and sequence.
fn got(sim: &Simulation, output: &str) -> Vec<String> {
    let short = |kind: &str| kind.trim_start_matches("gridbell.").trim_end_matches(".v1").to_owned();
    let arrived = sim.arrived(output).into_iter();
    arrived.map(|event| format!("{} {}", short(&event.head.kind), event.head.version.sequence)).collect()
}

fn failing(sim: &Simulation) -> Vec<String> {
    mail_subjects(sim).into_iter().filter(|subject| subject.contains("output-failing")).collect()
}

pub(crate) fn waiting(sim: &Simulation) -> usize {
    sim.lanes().iter().map(|lane| lane.waiting.len()).sum()
}

/// A person asks for what was kept.
fn replay(sim: &Simulation) {
    sim.run(Function::Courier, async |ports| ask_to_replay(ports, "gateway", None).await);
}

#[test]
fn every_output_gets_what_it_wants_once() {
    let voltus_only = Output { sources: Some(vec!["voltus-prod".to_owned()]), ..output(http()) };
    let cancels_only = Output { types: Some(vec!["*.cancelled.*".to_owned()]), ..output(http()) };
    let leap_only = Output { sources: Some(vec!["leap-prod".to_owned()]), ..output(http()) };
    let sim = with(
        1,
        false,
        &[("all", output(http())), ("cancels", cancels_only), ("leap", leap_only), ("voltus", voltus_only)],
    );
    announces(&sim, 0, 5);
    announces(&sim, 1, 6);
    cancels(&sim, 2);
    let all = ["dispatch.scheduled 1", "dispatch.updated 2", "dispatch.cancelled 3"];
    assert_eq!(got(&sim, "all"), all);
    assert_eq!(got(&sim, "voltus"), all);
    assert_eq!(got(&sim, "cancels"), ["dispatch.cancelled 3"]);
    assert_eq!(got(&sim, "leap"), [""; 0]);
    assert_eq!((waiting(&sim), mail_subjects(&sim).len()), (0, 0));
}

#[test]
fn tests_stay_away_from_an_output_without_tests() {
    let sim = with(2, false, &[("all", output(http())), ("real", Output { tests: false, ..output(http()) })]);
    let mut test = voltus("dkmq", 0, 5);
    test["test"] = json!(true);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(test.to_string())]);
    sim.answers("voltus-sandbox", "/dispatches/dkmq", [Reply::Json(voltus("dkmq", 0, 5).to_string())]);
    for source in ["voltus-prod", "voltus-sandbox"] {
        accepted(&sim, source, &thin("dispatch.create", "dkmq"));
    }
    run_for(&sim, 5);
    assert_eq!(got(&sim, "all").len(), 2);
    assert!(sim.arrived("all").iter().all(|event| event.head.test));
    assert_eq!(got(&sim, "real"), [""; 0]);
}

#[test]
fn only_the_newest_version_waits_for_an_output_that_is_down() {
    let sim = gateway(3);
    sim.replies("gateway", [TargetReply::IsDown]);
    for number in 0..4 {
        announces(&sim, number, 5 + number);
    }
    assert_eq!((got(&sim, "gateway"), waiting(&sim)), (Vec::new(), 1));
    sim.replies("gateway", []);
    run_for(&sim, 120);
    assert_eq!(got(&sim, "gateway"), ["dispatch.updated 4"]);
}

#[test]
fn a_cancel_is_never_replaced() {
    let sim = gateway(4);
    sim.replies("gateway", [TargetReply::IsDown]);
    announces(&sim, 0, 5);
    cancels(&sim, 1);
    announces(&sim, 2, 7);
    announces(&sim, 3, 8);
    assert_eq!(waiting(&sim), 2);
    sim.replies("gateway", []);
    run_for(&sim, 120);
    let arrived = got(&sim, "gateway");
    assert_eq!(arrived[0], "dispatch.cancelled 2");
    assert_eq!(arrived.len(), 2, "{arrived:?}");
}

#[test]
fn an_output_that_is_down_delays_no_other() {
    let sim = with(5, false, &[("down", output(http())), ("up", output(http()))]);
    sim.replies("down", [TargetReply::IsDown]);
    for number in 0..3 {
        announces(&sim, number, 5 + number);
        assert_eq!(sim.arrived("up").len(), usize::try_from(number).unwrap() + 1);
    }
    run_for(&sim, 600);
    // Few attempts find out whether it works again.
    let attempts = sim.calls().iter().filter(|call| call.port == "targets.send").count() - 3;
    assert!((5..60).contains(&attempts), "{attempts}");
}

#[test]
fn an_event_that_is_refused_delays_no_other_subject() {
    let sim = gateway(6);
    sim.replies("gateway/voltus-prod/dkmq", [TargetReply::Refuses]);
    announces(&sim, 0, 5);
    assert_eq!(waiting(&sim), 1);
    sim.answers("voltus-prod", "/dispatches/other", [Reply::Json(voltus("other", 0, 5).to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "other"));
    run_for(&sim, 1);
    assert_eq!(
        sim.arrived("gateway").first().map(|event| event.head.subject.to_string()).as_deref(),
        Some("voltus-prod/other")
    );
    sim.replies("gateway/voltus-prod/dkmq", []);
    run_for(&sim, 120);
    assert_eq!((sim.arrived("gateway").len(), waiting(&sim)), (2, 0));
}

#[test]
fn a_lost_answer_repeats_the_event_and_no_older_one() {
    let sim = gateway(7);
    sim.replies("gateway", [TargetReply::LosesAnswer, TargetReply::LosesAnswer, TargetReply::Takes]);
    announces(&sim, 0, 5);
    announces(&sim, 1, 6);
    run_for(&sim, 120);
    let sequences: Vec<u64> = sim.arrived("gateway").iter().map(|event| event.head.version.sequence).collect();
    assert!(sequences.is_sorted() && sequences.last() == Some(&2), "{sequences:?}");
    assert!(sequences.len() >= 2);
}

#[test]
fn a_dead_output_is_one_incident_that_names_its_dispatches() {
    let sim = gateway(8);
    sim.replies("gateway", [TargetReply::IsDown]);
    announces(&sim, 0, 5);
    sim.answers("voltus-prod", "/dispatches/other", [Reply::Json(voltus("other", 0, 5).to_string())]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "other"));
    run_for(&sim, 300);
    assert_eq!(failing(&sim), [FAILING]);
    let mails = sim.mails();
    let (_, mail) = mails.iter().find(|(_, mail)| mail.subject.contains("output-failing")).expect("a mail");
    for named in ["voltus-prod/dkmq", "voltus-prod/other", "no connection"] {
        assert!(mail.text.contains(named), "{named}: {}", mail.text);
    }
    sim.replies("gateway", []);
    run_for(&sim, 300);
    assert_eq!(failing(&sim), [FAILING, "[gridbell] Resolved: output-failing: gateway"]);
    assert_eq!(waiting(&sim), 0);
}

#[test]
fn an_output_that_is_down_for_a_moment_is_no_incident() {
    let sim = gateway(9);
    sim.replies("gateway", [TargetReply::IsDown, TargetReply::Takes]);
    announces(&sim, 0, 5);
    run_for(&sim, 300);
    assert_eq!((got(&sim, "gateway").len(), failing(&sim).len()), (1, 0));
}

#[test]
fn retry_after_is_respected() {
    let sim = gateway(10);
    sim.replies("gateway", [TargetReply::IsBusy(300), TargetReply::Takes]);
    announces(&sim, 0, 5);
    let sent = sim.now();
    run_for(&sim, 290);
    assert_eq!(got(&sim, "gateway"), [""; 0]);
    run_for(&sim, 200);
    let arrived = sim.arrived("gateway");
    assert_eq!(arrived.len(), 1);
    assert!(arrived[0].at.duration_since(sent) > SignedDuration::from_secs(290));
}

#[test]
fn what_fails_for_a_day_is_kept_and_can_be_replayed() {
    let sim = gateway(11);
    sim.replies("gateway", [TargetReply::IsDown]);
    cancels(&sim, 0);
    run_for(&sim, 25 * 3_600);
    let lanes = sim.lanes();
    assert_eq!(lanes.iter().map(|lane| (lane.waiting.len(), lane.kept.len())).collect::<Vec<_>>(), [(0, 1)]);
    let kept: Vec<_> = sim.mails().into_iter().filter(|(_, mail)| mail.text.contains("is kept")).collect();
    let texts: Vec<&str> = kept.iter().map(|(_, mail)| mail.text.as_str()).collect();
    assert_eq!(kept.len(), 1, "{texts:#?}");
    // It works again, but a person decides what is old.
    sim.replies("gateway", []);
    announces(&sim, 1, 6);
    run_for(&sim, 120);
    assert_eq!(got(&sim, "gateway"), ["dispatch.ended 2"]);
    // A newer version has arrived, so nothing is left to be replayed.
    replay(&sim);
    run_for(&sim, 120);
    assert_eq!(got(&sim, "gateway"), ["dispatch.ended 2"]);
    assert!(sim.lanes().iter().all(|lane| lane.kept.is_empty()));
    assert_eq!(failing(&sim).last().map(String::as_str), Some("[gridbell] Resolved: output-failing: gateway"));
}

#[test]
fn a_replay_delivers_what_was_kept_in_order() {
    let sim = gateway(12);
    sim.replies("gateway", [TargetReply::IsDown]);
    cancels(&sim, 0);
    run_for(&sim, 25 * 3_600);
    sim.replies("gateway", []);
    replay(&sim);
    run_for(&sim, 180);
    assert_eq!(got(&sim, "gateway"), ["dispatch.cancelled 1"]);
    assert_eq!((waiting(&sim), sim.lanes()[0].kept.len()), (0, 0));
}

#[test]
fn a_test_of_an_output_stores_its_result() {
    let sim = gateway(13);
    let test = |id: &str| {
        sim.run(Function::Courier, async |ports| ask_to_test(ports, "gateway", id).await);
        run_for(&sim, 5);
        sim.output_state("gateway").and_then(|state: OutputState| state.test).expect("a result")
    };
    let good = test("t-1");
    assert_eq!((good.id.as_str(), good.failed), ("t-1", None));
    let arrived = sim.arrived("gateway");
    assert_eq!(arrived[0].head.kind, "gridbell.output.test.v1");
    assert!(arrived[0].head.test);
    let body: Value = serde_json::from_str(&arrived[0].body).unwrap();
    assert_eq!(body["data"]["output"], json!({"name": "gateway", "test": true}));
    sim.replies("gateway", [TargetReply::Acknowledges(AckState::Accepted)]);
    assert_eq!(test("t-3").ack, Some(AckState::Accepted));
    sim.replies("gateway", [TargetReply::IsDown]);
    assert_eq!(test("t-2").failed.as_deref(), Some("no connection"));
    assert_eq!(waiting(&sim), 0);
}

#[test]
fn the_latest_delivery_is_noted_once_a_minute() {
    let sim = gateway(32);
    let noted = || sim.output_state("gateway").map(|state| (state.revision, state.delivered_at));
    announces(&sim, 0, 5);
    let first = noted().expect("a state");
    announces(&sim, 1, 6);
    assert_eq!((first.0, noted()), (1, Some(first)));
    run_for(&sim, 60);
    announces(&sim, 2, 7);
    let second = noted().expect("a state");
    assert!(second.0 == 2 && second.1 > first.1, "{second:?}");
    assert_eq!(got(&sim, "gateway").len(), 3);
}

#[test]
fn an_output_for_which_nothing_waits_does_not_stay_failing() {
    let sim = gateway(24);
    announces(&sim, 0, 5);
    // An invocation that had begun before delivered what this failure is about.
    let now = sim.now();
    let failure = OutputFailure { since: now, attempts: 4, at: now, next_at: now, detail: "no connection".to_owned() };
    let known = sim.output_state("gateway").expect("a state");
    let state = OutputState { failing: Some(failure), ..known.clone() }.following("by the other".to_owned());
    let written =
        sim.run(Function::Courier, async |ports| ports.write_output_state(&state, Some(known.revision)).await);
    assert!(written.answer().is_some_and(|written| written.is_ok()));
    run_for(&sim, 600);
    assert_eq!(sim.output_state("gateway").and_then(|state| state.failing), None);
    assert_eq!(failing(&sim), Vec::<String>::new(), "the next sweep ends it");
}

#[test]
fn a_lost_message_is_found_by_the_sweep() {
    let sim = gateway(22);
    sim.replies("gateway", [TargetReply::Refuses, TargetReply::Takes]);
    sim.fault("courier.send", Toxic::Refuse, Times::First(1));
    announces(&sim, 0, 5);
    assert_eq!(sim.arrived("gateway").len(), 0);
    run_for(&sim, 300);
    assert_eq!((sim.arrived("gateway").len(), waiting(&sim)), (1, 0));
}

#[test]
fn a_removed_output_is_no_incident_any_more() {
    let mut sim = gateway(23);
    sim.replies("gateway", [TargetReply::IsDown]);
    announces(&sim, 0, 5);
    run_for(&sim, 200);
    assert_eq!(failing(&sim), [FAILING]);
    sim.config.outputs = BTreeMap::from([("other".to_owned(), output(http()))]);
    run_for(&sim, 180);
    assert_eq!(failing(&sim).len(), 2);
    assert_eq!(record(&sim).subject.to_string(), VOLTUS);
}
