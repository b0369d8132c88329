//! The outputs of a seed: when they are down, slow or confused, and what they must have got.
//!
//! Invariants of each output: one invocation at a time delivers from a lane; versions arrive in order; none arrives after a newer one; a test stays a test; only what
//! the output wants arrives; once the faults have ended, everything has arrived or was replaced.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use pipeline::{
    config::Config,
    outputs::{
        event::{EventVersion, OutputEvent},
        lane::{Lane, WaitingEvent},
    },
    record::AckState,
};
use serde_json::{Value, json};

use super::{
    Saboteur,
    driver::{Done, Driver, Purpose},
    live::Live,
    scenario::{FaultKind, Scenario},
};
use crate::{Arrived, Function, TargetReply, mapping::Grouped, sim::State};

/// The most by which the clocks of two invocations differ.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(1);

/// The name of the output that is not required: it also acknowledges what is not its to acknowledge.
const ASIDE: &str = "aside";

/// The outputs of a seed: with and without tests, of all and of some sources and types, required and not.
pub(super) fn configured() -> Value {
    let http = |name: &str| json!({ "http": { "url": format!("https://{name}.example.com/"), "secrets": ["ssm:/gridbell/s"] } });
    json!({
        "gateway": { "target": http("gateway") },
        ASIDE: { "target": http(ASIDE), "required": false, "types": ["gridbell.dispatch.*"], "tests": false },
        "queue": { "target": { "sqs": { "queue_url": "https://sqs.example.com/1/q.fifo" } },
            "sources": ["voltus-prod", "voltus-sandbox"] },
    })
}

impl Live {
    /// What an output does with an event.
    pub(crate) fn target_reply(&mut self, now: Timestamp, output: &str) -> TargetReply {
        if self.output_outage(now, output) {
            return match self.random.place(4) {
                0 => TargetReply::IsBusy(u32::try_from(self.random.up_to(90)).unwrap_or(0)),
                1 => TargetReply::LosesAnswer,
                _ => TargetReply::IsDown,
            };
        }
        if self.strikes(FaultKind::OutputFails) {
            return [TargetReply::IsDown, TargetReply::LosesAnswer, TargetReply::Refuses][self.random.place(3)];
        }
        if output == ASIDE && self.strikes(FaultKind::OutputAcks) {
            return TargetReply::Acknowledges([AckState::Accepted, AckState::Failed][self.random.place(2)]);
        }
        TargetReply::Takes
    }

    fn output_outage(&self, now: Timestamp, output: &str) -> bool {
        !self.healed && self.scenario.outputs_down.iter().any(|outage| outage.of == output && outage.covers(now))
    }
}

/// Draws when each output is down.
pub(super) fn outages(scenario: &mut Scenario, random: &mut crate::Seed, begins_at: Timestamp) {
    let minutes = |minutes: u64| SignedDuration::from_mins(i64::try_from(minutes).unwrap_or(0));
    for of in ["gateway", ASIDE, "queue"] {
        let from = begins_at + minutes(random.up_to(15));
        let until = (from + minutes(1 + random.up_to(12))).min(scenario.heals_at);
        if random.up_to(1) == 0 {
            scenario.outputs_down.push(super::scenario::Outage { of, from, until });
        }
    }
}

impl Driver<'_> {
    /// Starts batches of `signals`, within the concurrency limit.
    pub(super) fn take_up_signals(&mut self) {
        while let Some(at) = self.signals_at()
            && at <= self.sim.now()
        {
            let batch = self.sim.with(State::receive_signals);
            if batch.is_empty() {
                return;
            }
            let messages: Vec<_> = batch.iter().map(|grouped| grouped.message.clone()).collect();
            self.start(Function::Courier, Purpose::Signals(batch), move |invocation| {
                Box::pin(async move { Done::Batch(invocation.deliver(messages).await) })
            });
        }
    }

    /// When the next batch of `signals` can start.
    pub(super) fn signals_at(&self) -> Option<Timestamp> {
        if self.sim.config.outputs.is_empty() {
            return None;
        }
        let most = self.live(|live| live.scenario.concurrency);
        let running = self.running.values().filter(|running| matches!(running.purpose, Purpose::Signals(_))).count();
        let at = self.sim.with(|state| state.next_signals_at());
        at.filter(|_| running < most).map(|at| at.max(self.signals_ask_at))
    }

    /// The mapping deletes what was processed.
    pub(super) fn signals_worked_off(&mut self, batch: &[Grouped], failed: Option<&[String]>) {
        let comes_again = failed.is_none() || self.live(|live| live.strikes(FaultKind::BatchError));
        // A throttled mapping asks again a moment later.
        self.signals_ask_at = self.sim.now() + SignedDuration::from_millis(if comes_again { 200 } else { 0 });
        let lost: Vec<bool> = batch.iter().map(|_| self.live(|live| live.strikes(FaultKind::Throttle))).collect();
        self.sim.with(|state| {
            let is_left = |id: &str| {
                let place = batch.iter().position(|grouped| grouped.message.id == id);
                let is_lost = place.and_then(|place| lost.get(place)).copied().unwrap_or(false);
                comes_again || is_lost || failed.is_some_and(|failed| failed.iter().any(|failed| failed == id))
            };
            state.signals_done(batch, is_left);
        });
    }
}

impl State {
    /// What waits for an output, or in `signals`, in words.
    pub(crate) fn undelivered(&self) -> Option<String> {
        if !self.has_courier {
            return None;
        }
        let waits = self.lanes.rows().find(|lane| !lane.waiting.is_empty()).map(|lane| format!("{} waits", lane.key));
        waits.or_else(|| (!self.signals.is_done()).then(|| "signals are not read".to_owned()))
    }

    /// A stored lane as the pipeline reads it.
    pub(crate) fn shown_lane(&self, lane: Option<Lane>) -> Option<Lane> {
        let mut lane = lane?;
        if self.sabotaged(Saboteur::LaneWithoutClaim)
            && let Some(claim) = &mut lane.claim
        {
            claim.until = Timestamp::MIN;
        }
        Some(lane)
    }

    /// Checks that no invocation takes a lane from another one whose claim lasts: two would deliver at once. A write
    /// that is refused anyway takes nothing.
    pub(crate) fn check_claim(&mut self, lane: &Lane, expected: Option<u64>) {
        let stored = self.lanes.get(&lane.key.to_string()).filter(|stored| Some(stored.revision) == expected);
        let Some(held) = stored.and_then(|stored| stored.claim) else { return };
        let (now, key) = (self.now, lane.key.to_string());
        let taken_by = lane.claim.as_ref().filter(|claim| claim.by != held.by);
        if let (Some(claim), Some(live)) = (taken_by, self.swarm.as_mut())
            && held.until > now + CLOCKS_DIFFER
        {
            let what = format!("{} takes it from {}, whose claim lasts until {}", claim.by, held.by, held.until);
            live.violated(now, "one-claim-per-lane", &key, what);
        }
    }

    /// A lane as the table stores it.
    pub(crate) fn written_lane(&self, lane: &Lane) -> Lane {
        let mut lane = lane.clone();
        if self.sabotaged(Saboteur::LaneBackwards) {
            lane.waiting.sort_by_key(|waiting| std::cmp::Reverse(waiting.head.version));
        }
        if self.sabotaged(Saboteur::ReplacedVersionReturns)
            && let Some(stored) = self.lanes.get(&lane.key.to_string())
        {
            let newest = lane.newest.whole();
            let is_dropped = |waiting: &WaitingEvent| {
                waiting.head.version.whole() < newest && !lane.waiting.iter().any(|left| left.head == waiting.head)
            };
            let entered = newest > stored.newest.whole();
            let returned: Vec<WaitingEvent> =
                stored.waiting.iter().filter(|waiting| entered && is_dropped(waiting)).cloned().collect();
            lane.waiting.extend(returned);
        }
        lane
    }
}

/// What reached the outputs so far.
#[derive(Debug, Default)]
pub(super) struct Received {
    read: usize,
    newest: BTreeMap<(String, String), EventVersion>,
}

impl Received {
    /// Checks what has arrived since the last call. Returns what is wrong, with the subject.
    pub(super) fn check(&mut self, config: &Config, state: &State) -> Option<(&'static str, String, String)> {
        let new = &state.targets.arrived[self.read..];
        self.read = state.targets.arrived.len();
        new.iter().find_map(|arrived| self.one(config, arrived))
    }

    fn one(&mut self, config: &Config, arrived: &Arrived) -> Option<(&'static str, String, String)> {
        let Arrived { output, head, body, .. } = arrived;
        let wrong = |invariant: &'static str, what: String| {
            Some((invariant, head.subject.to_string(), format!("{output} got {}: {what}", head.id)))
        };
        let Ok(event) = OutputEvent::parse(body.clone(), config) else {
            return wrong("output-whole", "it is no event".to_owned());
        };
        if event.head.test != head.test || event.head.version != head.version || event.head.id != head.id {
            return wrong("output-test-stays-test", "the envelope and the event differ".to_owned());
        }
        if !config.outputs.get(output).is_some_and(|output| output.wants(head.routed())) {
            return wrong("output-only-subscribed", "it does not want it".to_owned());
        }
        let newest = self.newest.entry((output.clone(), head.subject.to_string())).or_default();
        if head.version < *newest {
            return wrong("output-order", format!("after {newest}"));
        }
        *newest = head.version;
        None
    }

    /// Checks at the end that everything has arrived that was not replaced.
    pub(super) fn ends(config: &Config, state: &State) -> Option<(&'static str, String, String)> {
        for (name, output) in &config.outputs {
            let mut wanted: BTreeMap<String, Vec<OutputEvent>> = BTreeMap::new();
            for sent in state.signals.sent() {
                let Ok(event) = OutputEvent::parse(sent.body.clone(), config) else { continue };
                if output.wants(event.head.routed()) {
                    wanted.entry(event.head.subject.to_string()).or_default().push(event);
                }
            }
            for (subject, events) in wanted {
                let arrived = |event: &OutputEvent| {
                    state.targets.arrived.iter().any(|arrived| arrived.output == *name && arrived.head == event.head)
                };
                let last_dispatch =
                    events.iter().filter(|event| event.head.is_dispatch()).map(|event| event.head.version).max();
                let is_replaced = |event: &OutputEvent| {
                    event.head.is_replaceable()
                        && last_dispatch.is_some_and(|last| last.whole() > event.head.version.whole())
                };
                if let Some(missing) = events.iter().find(|event| !arrived(event) && !is_replaced(event)) {
                    return Some(("output-everything", subject, format!("{name} never got {}", missing.head.id)));
                }
            }
        }
        None
    }
}
