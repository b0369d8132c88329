//! What the courier does in one invocation, at the bounds of its time, of sizes and of counts.

mod attempts;
mod failing;

use dispatch::Subject;
use jiff::{SignedDuration, Timestamp};
use pipeline::{
    alerts::{condition::Condition, review::OpenIncidents},
    config::OutputTarget,
    messages::ToCourier,
    outputs::{
        event::{EventHead, EventVersion, OutputEvent},
        lane::{Claim, EventBody, KEPT_AFTER, Lane, LaneFailure, LaneKey, StoredEvent, WaitingEvent},
        state::{OutputFailure, OutputState},
    },
    record::AckState,
};
use serde_json::{Value, json};
use simulation::{Simulation, TargetReply};

use crate::{
    outputs::{gateway, http, output, waiting, with},
    still::{Case, Did, NOW, batch, put_lane, put_state, signal, signals, sweep},
};

const DKMQ: &str = "voltus-prod/dkmq";

/// An invocation with all its time.
const AMPLE: i64 = 20_000;

/// What every target takes, in bytes.
const SMALL_BYTES: usize = 252 * 1_024;

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

fn millis(millis: i64) -> SignedDuration {
    SignedDuration::from_millis(millis)
}

fn did<const N: usize>(what: [&str; N]) -> Did {
    (what.map(str::to_owned).to_vec(), Vec::new())
}

fn key(output: &str, subject: &str) -> LaneKey {
    LaneKey { output: output.to_owned(), subject: Subject::from_stored(subject.to_owned()) }
}

fn deliver() -> ToCourier {
    ToCourier::Deliver(key("gateway", DKMQ))
}

fn probe() -> ToCourier {
    ToCourier::Probe { output: "gateway".to_owned() }
}

fn release() -> ToCourier {
    ToCourier::Release { output: "gateway".to_owned() }
}

/// A signal that has entered.
fn entered(sim: &Simulation, text: &str) -> WaitingEvent {
    let OutputEvent { head, body } = OutputEvent::parse(text.to_owned(), &sim.config).expect("a signal");
    WaitingEvent { head, stored_at: NOW, body: EventBody::Inline(body), split: false }
}

fn update(sim: &Simulation) -> WaitingEvent {
    entered(sim, &signal(DKMQ, "dispatch.updated", 1, 0))
}

/// The lane of an output in which these events wait.
fn lane(output: &str, waiting: Vec<WaitingEvent>) -> Lane {
    let newest = waiting.last().map(|last| last.head.version).unwrap_or_default();
    let subject = waiting.first().map_or(DKMQ, |first| first.head.subject.as_str());
    let key = key(output, subject);
    Lane { newest, waiting, ..Lane::new(key, NOW) }
}

/// The lane of `gateway` in which one update waits that failed so often.
fn failing(sim: &Simulation, attempts: u32, next_at: Timestamp, is_whole_output: bool) -> Lane {
    let failing = LaneFailure { since: NOW, attempts, next_at, is_whole_output, detail: "refused".to_owned() };
    Lane { failing: Some(failing), next_at: Some(next_at), ..lane("gateway", vec![update(sim)]) }
}

/// The state of an output that failed so often.
fn down(attempts: u32, next_at: Timestamp) -> OutputState {
    let failing = OutputFailure { since: NOW, attempts, at: NOW, next_at, detail: "no connection".to_owned() };
    OutputState { failing: Some(failing), ..OutputState::new("gateway") }
}

fn state(sim: &Simulation) -> OutputState {
    sim.output_state("gateway").expect("a state")
}

fn only_lane(sim: &Simulation) -> Lane {
    let lanes = sim.lanes();
    assert_eq!(lanes.len(), 1);
    lanes.into_iter().next().expect("a lane")
}

/// How many events wait, and how many are kept.
fn counts(lane: &Lane) -> (usize, usize) {
    (lane.waiting.len(), lane.kept.len())
}

fn calls(sim: &Simulation, port: &str) -> usize {
    sim.calls().iter().filter(|call| call.port == port).count()
}
