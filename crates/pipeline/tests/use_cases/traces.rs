//! A trace leads from the request through the queues and the record to the signal and the mail.

use dispatch::TraceParent;
use pipeline::{
    ingest::receive::Incoming,
    messages::{self, Hint, ToAlert, ToHydrate},
};
use serde_json::{Value, json};
use simulation::{Inner, Reply, Simulation, Times, Toxic, Webhook};

use crate::{
    common::{TOKEN, accepted, published, run_for, sim, thin, types, voltus},
    deadlines::{VOLTUS, acknowledging, record},
    poll::{LIST, between, list, polling},
};

const HEADER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE_ID: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;

fn found(number: u64, commitment_kw: u64) -> Reply {
    Reply::Json(voltus("dkmq", number, commitment_kw).to_string())
}

fn announcing(replies: impl IntoIterator<Item = Reply>) -> Simulation {
    let sim = sim(1);
    sim.answers("voltus-prod", "/dispatches/dkmq", replies);
    sim
}

/// Posts Voltus' webhook about `dkmq` with that header.
fn post(sim: &Simulation, event: &str, traceparent: Option<&str>) {
    let body = thin(event, "dkmq");
    let webhook = Incoming::from(Webhook { source: "voltus-prod", token: TOKEN, body: &body });
    let answer = sim.post(Incoming { traceparent, ..webhook }).answer().expect("an answer");
    assert_eq!(answer.outcome, "accepted");
}

/// The trace of the only job in `deliveries`.
fn queued(sim: &Simulation) -> TraceParent {
    let [message] = &sim.queued(Inner::Deliveries)[..] else { panic!("one message") };
    let Ok(ToHydrate::Job(job)) = messages::read(&message.body) else { panic!("{}", message.body) };
    job.traceparent.expect("a trace")
}

/// The traces of the signals about a subject.
fn signalled(sim: &Simulation, subject: &str) -> Vec<TraceParent> {
    let read = |event: &Value| TraceParent::parse(event["traceparent"].as_str().expect("text")).expect("a traceparent");
    published(sim).remove(subject).unwrap_or_default().events.iter().map(read).collect()
}

#[test]
fn a_signal_continues_the_trace_of_the_webhook() {
    let sim = announcing([found(0, 5)]);
    post(&sim, "dispatch.create", Some(HEADER));
    let queued = queued(&sim);
    run_for(&sim, 10);
    let signalled = signalled(&sim, VOLTUS);
    assert_eq!([queued.trace_id(), signalled[0].trace_id()], [TRACE_ID; 2]);
    let spans = [TraceParent::parse(HEADER).unwrap().span_id(), queued.span_id(), signalled[0].span_id()];
    assert!(spans[0] != spans[1] && spans[1] != spans[2] && spans[0] != spans[2], "each hop is a span: {spans:x?}");
    assert_eq!(record(&sim).traceparent, Some(signalled[0]));
}

#[test]
fn a_webhook_without_a_valid_header_begins_a_trace() {
    let mut traces = std::collections::BTreeSet::new();
    for header in [None, Some(""), Some("x"), Some("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")] {
        let sim = announcing([found(0, 5)]);
        post(&sim, "dispatch.create", header);
        traces.insert(queued(&sim).trace_id());
        run_for(&sim, 10);
        assert_eq!(signalled(&sim, VOLTUS)[0].trace_id(), *traces.last().expect("one"));
    }
    assert!(!traces.contains(&TRACE_ID), "{traces:x?}");
    let sim = announcing([found(0, 5), found(1, 6)]);
    for event in ["dispatch.create", "dispatch.update"] {
        post(&sim, event, None);
        run_for(&sim, 10);
    }
    let [first, second] = signalled(&sim, VOLTUS)[..] else { panic!("two signals") };
    assert_ne!(first.trace_id(), second.trace_id());
}

#[test]
fn another_trace_alone_is_no_change() {
    let sim = announcing([found(0, 5)]);
    for header in [Some(HEADER), None, Some("00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")] {
        post(&sim, "dispatch.create", header);
        run_for(&sim, 10);
    }
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
    assert_eq!(record(&sim).traceparent.map(TraceParent::trace_id), Some(TRACE_ID));
}

#[test]
fn a_trace_survives_failures_crashes_and_the_sweep() {
    for (port, toxic) in [
        ("api.fetch", Toxic::Refuse),
        ("api.fetch", Toxic::CrashBefore),
        ("dispatches.write", Toxic::CrashAfter),
        ("signals.send", Toxic::Refuse),
        ("dispatches.sent", Toxic::CrashBefore),
    ] {
        let sim = announcing([found(0, 5)]);
        post(&sim, "dispatch.create", Some(HEADER));
        sim.fault(port, toxic, Times::First(1));
        run_for(&sim, 600);
        let signalled: Vec<u128> = signalled(&sim, VOLTUS).into_iter().map(TraceParent::trace_id).collect();
        assert_eq!(signalled, [TRACE_ID], "{port}: {toxic:?}");
    }
}

#[test]
fn a_poll_begins_a_trace_of_its_own() {
    let sim = polling(1);
    sim.answers("voltus-prod", LIST, [list(&[between("dkmq", 0, "2023-12-01T19:00:00Z", None)])]);
    sim.sweep();
    let poll = queued(&sim);
    run_for(&sim, 10);
    let signalled = signalled(&sim, VOLTUS);
    assert_eq!(signalled.iter().map(|signal| signal.trace_id()).collect::<Vec<_>>(), [poll.trace_id()]);
    assert_ne!(signalled[0].span_id(), poll.span_id());
}

#[test]
fn a_new_epoch_stays_in_the_trace_of_the_record() {
    let sim = announcing([found(0, 5)]);
    post(&sim, "dispatch.create", Some(HEADER));
    run_for(&sim, 10);
    sim.begin_epoch();
    run_for(&sim, 120);
    let traces: Vec<u128> = signalled(&sim, VOLTUS).into_iter().map(TraceParent::trace_id).collect();
    assert_eq!(traces, [TRACE_ID; 2]);
}

#[test]
fn a_deadline_and_its_mail_stay_in_the_trace() {
    let sim = acknowledging(1);
    let answer = voltus("dkmq", 0, 5);
    sim.answers("voltus-prod", "/dispatches/dkmq", [Reply::Json(answer.to_string())]);
    post(&sim, "dispatch.create", Some(HEADER));
    let hydrate = sim.hydrate(sim.take(Inner::Deliveries)).answer().expect("an answer");
    assert_eq!(hydrate, [""; 0]);
    // The sweep knows no trace; the record does.
    let swept = messages::to_json(&json!({ "deadline": { "subject": VOLTUS } })).unwrap();
    sim.advance(jiff::SignedDuration::from_mins(30));
    sim.put(Inner::Retries, &swept);
    sim.retry(sim.take(Inner::Retries)).answer().expect("an answer");
    let hint = |body: &str| match messages::read(body) {
        Ok(ToAlert::Hint(Hint { traceparent, .. })) => traceparent.map(TraceParent::trace_id),
        other => panic!("{other:?}"),
    };
    let hints = sim.queued(Inner::Alerts);
    assert!(!hints.is_empty());
    assert!(hints.iter().all(|message| hint(&message.body) == Some(TRACE_ID)), "{hints:?}");
}

#[test]
fn an_unreadable_traceparent_loses_no_job() {
    let sim = announcing([found(0, 5)]);
    accepted(&sim, "voltus-prod", &thin("dispatch.create", "dkmq"));
    for message in sim.take(Inner::Deliveries) {
        let body = message.body.replace("\"traceparent\":\"00-", "\"traceparent\":\"zz-");
        assert_ne!(body, message.body);
        sim.put(Inner::Deliveries, &body);
    }
    run_for(&sim, 10);
    assert_eq!(types(&sim, VOLTUS), ["dispatch.scheduled"]);
}
