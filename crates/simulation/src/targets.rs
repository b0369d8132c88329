//! The outputs: what each does with an event, what reached it, and the tables and the queue of the courier.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use pipeline::{
    config::OutputTarget,
    messages::DelayedToCourier,
    outputs::{
        event::EventHead,
        lane::{Lane, LaneKey, LaneSummary, StoredEvent},
        state::OutputState,
    },
    ports::{
        CourierQueue, OutputTargets, Outputs, PortError, ResponseAck, SendError, SendFailure, Sending, WriteError,
    },
    record::AckState,
};

use crate::{Inner, Invocation, Simulation, ports::json, sim::State};

/// An event that reached an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// When.
    pub at: Timestamp,
    /// The output.
    pub output: String,
    /// What the courier knows of it.
    pub head: EventHead,
    /// The event as JSON text.
    pub body: String,
}

/// What an output does with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetReply {
    /// It takes the event.
    Takes,
    /// It takes the event and acknowledges in its response.
    Acknowledges(AckState),
    /// It takes the event, and its answer is lost or comes too late.
    LosesAnswer,
    /// It is not reached, or refuses everything.
    IsDown,
    /// The same, and it says after how many seconds to come again.
    IsBusy(u32),
    /// It refuses this event.
    Refuses,
    /// The event is too large for it.
    IsTooSmall,
}

/// The outputs of a test.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    pub(crate) arrived: Vec<Arrived>,
    replies: BTreeMap<String, VecDeque<TargetReply>>,
    /// The size limit of an event bus, in bytes.
    pub(crate) bus_limit_bytes: Option<usize>,
}

impl Targets {
    /// The next reply of an output, for that subject or for all; the last one repeats. Without replies it takes
    /// everything.
    fn reply(&mut self, output: &str, subject: &str) -> TargetReply {
        let of_subject = format!("{output}/{subject}");
        let key = if self.replies.contains_key(&of_subject) { &of_subject } else { output };
        let Some(replies) = self.replies.get_mut(key) else { return TargetReply::Takes };
        match replies.len() {
            0 => TargetReply::Takes,
            1 => replies[0],
            _ => replies.pop_front().unwrap_or(TargetReply::Takes),
        }
    }
}

impl Simulation {
    /// Sets what an output does with the next events, or with those of one subject (`output/subject`); the last reply
    /// repeats.
    pub fn replies(&self, output: &str, replies: impl IntoIterator<Item = TargetReply>) {
        self.with(|state| state.targets.replies.insert(output.to_owned(), replies.into_iter().collect()));
    }

    /// Every event that reached an output, in order.
    pub fn arrived(&self, output: &str) -> Vec<Arrived> {
        self.with(|state| state.targets.arrived.iter().filter(|event| event.output == output).cloned().collect())
    }

    /// Limits the size of an event on a bus.
    pub fn limit_buses(&self, bytes: usize) {
        self.with(|state| state.targets.bus_limit_bytes = Some(bytes));
    }

    /// What waits for the outputs.
    pub fn lanes(&self) -> Vec<Lane> {
        self.with(|state| state.lanes.all())
    }

    /// What is stored of an output.
    pub fn output_state(&self, output: &str) -> Option<OutputState> {
        self.with(|state| state.output_states.get(output))
    }

    /// How many long events are stored by themselves.
    pub fn stored_texts(&self) -> usize {
        self.with(|state| state.texts.len())
    }
}

impl Outputs for Invocation<'_> {
    async fn lane(&self, key: &LaneKey) -> Result<Option<Lane>, PortError> {
        self.call("outputs.lane", |state| state.shown_lane(state.lanes.get(&key.to_string()))).await
    }

    async fn write_lane(&self, lane: &Lane, expected: Option<u64>) -> Result<(), WriteError<Lane>> {
        self.write("outputs.write_lane", |state| {
            state.check_claim(lane, expected);
            let lane = state.written_lane(lane);
            state
                .lanes
                .write(&lane, expected)
                .map_err(|stored| stored.and_then(|lane| state.shown_lane(Some(*lane))).map(Box::new))
        })
        .await
    }

    async fn lanes(&self, output: &str, before: Timestamp, limit: usize) -> Result<Vec<LaneSummary>, PortError> {
        self.call("outputs.lanes", |state| {
            let lanes = state.lanes.rows().filter(|lane| lane.key.output == output);
            let mut lanes: Vec<LaneSummary> =
                lanes.filter(|lane| lane.indexed_at().is_some_and(|at| at <= before)).map(Lane::summary).collect();
            lanes.sort_by_key(|lane| lane.next_at);
            lanes.truncate(limit);
            lanes
        })
        .await
    }

    async fn keep_text(&self, name: &str, text: &str, _now: Timestamp) -> Result<StoredEvent, PortError> {
        self.call("outputs.keep_text", |state| state.texts.insert(name.to_owned(), text.to_owned())).await?;
        Ok(StoredEvent { name: name.to_owned(), chunks: 1, bytes: text.len() })
    }

    async fn text(&self, stored: &StoredEvent) -> Result<Option<String>, PortError> {
        self.call("outputs.text", |state| state.texts.get(&stored.name).cloned()).await
    }

    async fn forget_text(&self, stored: &StoredEvent) -> Result<(), PortError> {
        self.call("outputs.forget_text", |state| state.texts.remove(&stored.name)).await.map(drop)
    }

    async fn output_state(&self, output: &str) -> Result<Option<OutputState>, PortError> {
        self.call("outputs.state", |state| state.output_states.get(output)).await
    }

    async fn write_output_state(
        &self,
        row: &OutputState,
        expected: Option<u64>,
    ) -> Result<(), WriteError<OutputState>> {
        self.write("outputs.write_state", |state| state.output_states.write(row, expected)).await
    }
}

impl CourierQueue for Invocation<'_> {
    async fn courier(&self, messages: &[DelayedToCourier]) -> Result<(), PortError> {
        const PORT: &str = "courier.send";
        for DelayedToCourier { message, delay_s } in messages {
            self.send(PORT, Inner::Outputs, &json(PORT, message)?, *delay_s).await?;
        }
        Ok(())
    }
}

impl OutputTargets for Invocation<'_> {
    fn limit_bytes(&self, sending: Sending<'_>) -> Option<usize> {
        let is_bus = matches!(sending.output.target, OutputTarget::Eventbridge { .. });
        self.sim.with(|state| state.targets.bus_limit_bytes).filter(|_| is_bus)
    }

    async fn send(&self, sending: Sending<'_>, within: SignedDuration) -> Result<Option<ResponseAck>, SendError> {
        let answer = self.call("targets.send", |state| state.target_answers(sending, within)).await;
        answer.map_err(|error| failure(SendFailure::Output, &error.to_string()))?
    }
}

fn failure(kind: SendFailure, detail: &str) -> SendError {
    SendError { kind, retry_after_s: None, detail: detail.to_owned() }
}

impl State {
    fn target_answers(
        &mut self,
        sending: Sending<'_>,
        within: SignedDuration,
    ) -> Result<Option<ResponseAck>, SendError> {
        let reply = match self.swarm.as_mut() {
            Some(live) => live.target_reply(self.now, sending.name),
            None => self.targets.reply(sending.name, sending.head.subject.as_str()),
        };
        let arrives = matches!(reply, TargetReply::Takes | TargetReply::Acknowledges(_) | TargetReply::LosesAnswer);
        if arrives {
            let (output, head, body) = (sending.name.to_owned(), sending.head.clone(), sending.body.to_owned());
            self.targets.arrived.push(Arrived { at: self.now, output, head, body });
        }
        match reply {
            TargetReply::Takes => Ok(None),
            TargetReply::Acknowledges(state) => Ok(Some(ResponseAck { state, detail: None })),
            TargetReply::LosesAnswer => {
                if self.swarm.is_none() {
                    self.now += within;
                }
                Err(failure(SendFailure::Output, "no whole answer in time"))
            }
            TargetReply::IsDown => Err(failure(SendFailure::Output, "no connection")),
            TargetReply::IsBusy(seconds) => {
                Err(SendError { retry_after_s: Some(seconds), ..failure(SendFailure::Output, "it answered 429") })
            }
            TargetReply::Refuses => Err(failure(SendFailure::Event, "it answered 422")),
            TargetReply::IsTooSmall => Err(failure(SendFailure::TooLarge, "it answered 413 (too large)")),
        }
    }
}
