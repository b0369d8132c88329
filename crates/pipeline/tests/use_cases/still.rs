//! One invocation of the courier at which the clock stands still and every wait is the longest: what it does, to the
//! millisecond.

use std::cell::{Cell, RefCell};

use jiff::{SignedDuration, Timestamp};
use pipeline::{
    alerts::review::OpenIncidents,
    job::Message,
    messages::{Delayed, DelayedToCourier, ToAlert, ToCourier, ToHydrate, ToRetry, to_json},
    outputs::{courier::Courier, lane::Lane, state::OutputState, sweep::OutputSweep},
    ports::{
        Clock, CourierQueue, JobQueue, Lane as AlertLane, Measurement, Metrics, OutputTargets, Outputs, PortError,
        Ports, Random, ResponseAck, SendError, Sending,
    },
};
use serde_json::json;
use simulation::{Function, Invocation, Simulation};

/// The instant at which the clock stands.
pub(crate) const NOW: Timestamp = Timestamp::constant(1_701_448_800, 0);

/// What is special about an invocation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Case {
    /// How long it lasts, in milliseconds.
    pub(crate) left_ms: i64,
    /// How long an output takes, in milliseconds.
    pub(crate) send_ms: i64,
    /// By how much each reading of the clock advances it, in milliseconds.
    pub(crate) step_ms: i64,
    /// What another invocation stores of the lane while the output is asked.
    pub(crate) lane_meanwhile: Option<Lane>,
    /// What another invocation stores of the output meanwhile.
    pub(crate) state_meanwhile: Option<OutputState>,
}

impl From<i64> for Case {
    fn from(left_ms: i64) -> Self {
        Self { left_ms, ..Self::default() }
    }
}

/// The invocation. It notes in words what it sends.
pub(crate) struct Still<'a> {
    invocation: &'a Invocation<'a>,
    now: Cell<Timestamp>,
    case: Case,
    done: RefCell<Vec<String>>,
}

impl Still<'_> {
    fn did(&self, what: String) {
        self.done.borrow_mut().push(what);
    }

    fn passes(&self, ms: i64) {
        self.now.set(self.now.get() + SignedDuration::from_millis(ms));
    }
}

impl<'a> Ports for Still<'a> {
    type Host = Self;
    type IngestQueue = Invocation<'a>;
    type JobQueue = Self;
    type SignalStream = Invocation<'a>;
    type Depths = Invocation<'a>;
    type Dispatches = Invocation<'a>;
    type Deliveries = Invocation<'a>;
    type Incidents = Invocation<'a>;
    type ProviderApi = Invocation<'a>;
    type Mailer = Invocation<'a>;
    type Ringer = Invocation<'a>;
    type Outputs = Invocation<'a>;
    type CourierQueue = Self;
    type OutputTargets = Self;
}

impl Clock for Still<'_> {
    fn now(&self) -> Timestamp {
        self.passes(self.case.step_ms);
        self.now.get()
    }

    fn ends_at(&self) -> Timestamp {
        NOW + SignedDuration::from_millis(self.case.left_ms)
    }
}

impl Random for Still<'_> {
    fn unique(&self) -> String {
        self.invocation.unique()
    }

    fn secret(&self) -> String {
        self.invocation.secret()
    }

    fn up_to(&self, most: u64) -> u64 {
        most
    }

    fn bits(&self) -> u64 {
        0
    }
}

impl Metrics for Still<'_> {
    fn measure(&self, measurement: Measurement<'_>) {
        self.invocation.measure(measurement);
    }
}

impl CourierQueue for Still<'_> {
    async fn courier(&self, messages: &[DelayedToCourier]) -> Result<(), PortError> {
        for DelayedToCourier { message, delay_s } in messages {
            let what = match message {
                ToCourier::Deliver(key) => format!("deliver {}", key.subject),
                ToCourier::Probe { .. } => "probe".to_owned(),
                ToCourier::Release { .. } => "release".to_owned(),
                ToCourier::Replay { .. } => "replay".to_owned(),
                ToCourier::Test { .. } => "test".to_owned(),
            };
            self.did(format!("{what} in {delay_s} s"));
        }
        Ok(())
    }
}

impl JobQueue for Still<'_> {
    async fn deliver(&self, message: ToHydrate, delay_s: u32) -> Result<(), PortError> {
        self.invocation.deliver(message, delay_s).await
    }

    async fn retry(&self, messages: &[Delayed]) -> Result<(), PortError> {
        for Delayed { message, .. } in messages {
            if let ToRetry::Acknowledged(ack) = message {
                self.did(format!("{:?} by {} to version {}", ack.state, ack.output, ack.version));
            }
        }
        Ok(())
    }

    async fn alert(&self, message: &ToAlert, _lane: AlertLane, delay_s: u32) -> Result<(), PortError> {
        if let ToAlert::Hint(hint) = message {
            self.did(format!("hint in {delay_s} s, as of {} s", hint.at.duration_since(self.now.get()).as_secs()));
        }
        Ok(())
    }
}

impl OutputTargets for Still<'_> {
    fn limit_bytes(&self, sending: Sending<'_>) -> Option<usize> {
        self.invocation.limit_bytes(sending)
    }

    async fn send(&self, sending: Sending<'_>, within: SignedDuration) -> Result<Option<ResponseAck>, SendError> {
        let version = sending.head.version;
        let part = if version.part > 0 { format!(".{}", version.part) } else { String::new() };
        self.did(format!("send {}{part} within {} ms", version.sequence, within.as_millis()));
        self.passes(self.case.send_ms);
        if let Some(lane) = &self.case.lane_meanwhile {
            write_lane(self.invocation, lane).await;
        }
        if let Some(state) = &self.case.state_meanwhile {
            write_state(self.invocation, state).await;
        }
        self.invocation.send(sending, within).await
    }
}

/// What an invocation did, and the messages that it left to be delivered again.
pub(crate) type Did = (Vec<String>, Vec<String>);

fn run(
    sim: &Simulation,
    case: Case,
    task: impl for<'a> AsyncFnOnce(&'a Invocation<'a>, &'a Still<'a>) -> Vec<String>,
) -> Did {
    let ended = sim.run(Function::Courier, async |invocation| {
        let still = Still { invocation, now: Cell::new(NOW), case, done: RefCell::default() };
        let again = task(invocation, &still).await;
        (still.done.into_inner(), again)
    });
    ended.answer().expect("an answer")
}

fn courier<'a>(sim: &'a Simulation, ports: &'a Invocation<'a>, still: &'a Still<'a>) -> Courier<'a, Still<'a>> {
    Courier { config: &sim.config, outputs: ports, targets: still, courier_queue: still, job_queue: still, host: still }
}

fn numbered(bodies: impl IntoIterator<Item = String>) -> Vec<Message> {
    let message = |(place, body)| Message { id: format!("m-{place}"), body, receives: 1 };
    bodies.into_iter().enumerate().map(message).collect()
}

/// Signals arrive.
pub(crate) fn signals(sim: &Simulation, case: impl Into<Case>, bodies: &[String]) -> Did {
    let messages = numbered(bodies.to_vec());
    run(sim, case.into(), async |ports, still| courier(sim, ports, still).signals(messages).await)
}

/// Messages of the queue `outputs` arrive.
pub(crate) fn batch(sim: &Simulation, case: impl Into<Case>, messages: &[ToCourier]) -> Did {
    let messages = numbered(messages.iter().map(|message| to_json(message).expect("JSON")));
    run(sim, case.into(), async |ports, still| courier(sim, ports, still).batch(messages).await)
}

/// The sweep of the outputs. Returns what it did.
pub(crate) fn sweep(sim: &Simulation, open: &OpenIncidents) -> Vec<String> {
    let case = Case::from(20_000);
    let (did, _) = run(sim, case, async |ports, still| {
        let (config, courier_queue) = (&sim.config, still);
        let sweep = OutputSweep::<Still<'_>> { config, outputs: ports, courier_queue, job_queue: still, host: still };
        vec![sweep.run(open).await.expect("it runs").to_string()]
    });
    did
}

async fn write_lane(ports: &Invocation<'_>, lane: &Lane) {
    let known = ports.lane(&lane.key).await.expect("read").map(|known| known.revision);
    let lane = Lane { revision: known.unwrap_or(0) + 1, ..lane.clone() };
    ports.write_lane(&lane, known).await.expect("written");
}

/// Stores a lane over what is stored of it.
pub(crate) fn put_lane(sim: &Simulation, lane: &Lane) {
    sim.run(Function::Courier, async |ports| write_lane(ports, lane).await);
}

async fn write_state(ports: &Invocation<'_>, state: &OutputState) {
    let known = ports.output_state(&state.output).await.expect("read").map(|known| known.revision);
    let state = OutputState { revision: known.unwrap_or(0) + 1, ..state.clone() };
    ports.write_output_state(&state, known).await.expect("written");
}

/// Stores the state of an output over what is stored of it.
pub(crate) fn put_state(sim: &Simulation, state: &OutputState) {
    sim.run(Function::Courier, async |ports| write_state(ports, state).await);
}

/// A signal of Voltus, of that type (`dispatch.updated`), whose text has so many bytes at least.
pub(crate) fn signal(subject: &str, kind: &str, sequence: u64, bytes: usize) -> String {
    let signal = |filler: usize| {
        json!({
            "id": format!("{subject}#7.{sequence}"), "source": "/gridbell/voltus-prod",
            "type": format!("gridbell.{kind}.v1"), "subject": subject, "time": "2023-12-01T16:40:00Z", "epoch": "7",
            "sequence": sequence.to_string(), "data": { "filler": "x".repeat(filler) },
        })
        .to_string()
    };
    signal(bytes.saturating_sub(signal(0).len()))
}
