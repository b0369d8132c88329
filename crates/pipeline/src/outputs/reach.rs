//! Whether the outputs have taken, and acknowledged, the current version of a dispatch: what deadlines need.

use dispatch::Status;

use super::{
    event::EventVersion,
    lane::{Lane, LaneAck, LaneKey},
};
use crate::{
    config::{Config, Routed},
    dispatches::{
        record::{AckState, SubjectRecord},
        timeline::Event,
    },
    ports::{Outputs, PortError},
};

/// How far the current version of a dispatch has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// No output at all gets it: a real dispatch then has no controller.
    pub is_unwanted: bool,
    /// The required outputs that have not taken it.
    pub missing: Vec<String>,
    /// The required outputs that have not acknowledged it in a response.
    pub unacknowledged: Vec<String>,
    /// The weakest acknowledgement, if each required output has acknowledged.
    pub acknowledged: Option<AckState>,
}

impl Reach {
    /// Whether every required output has taken it.
    pub fn is_delivered(&self) -> bool {
        !self.is_unwanted && self.missing.is_empty()
    }

    /// What is missing, in words.
    pub fn detail(&self) -> String {
        if self.is_unwanted {
            return "no output of the configuration gets it".to_owned();
        }
        format!("the output {} has not taken it", self.missing.join(" and the output "))
    }
}

/// How far the current version of a record has come. Reads the lane of each required output that wants it.
pub async fn reach(outputs: &impl Outputs, config: &Config, record: &SubjectRecord) -> Result<Reach, PortError> {
    let mut lanes = Vec::new();
    for key in required(config, record) {
        lanes.extend(outputs.lane(&key).await?);
    }
    Ok(reach_of(config, record, &lanes))
}

/// The same, with the lanes of the required outputs.
pub fn reach_of(config: &Config, record: &SubjectRecord, lanes: &[Lane]) -> Reach {
    let Some(published) = Published::of(record) else { return Reach::default() };
    let is_wanted = config.outputs.values().any(|output| output.wants(published.routed()));
    let mut reach = Reach { is_unwanted: !is_wanted && !published.test, ..Reach::default() };
    let version = EventVersion { epoch: record.state.epoch.as_millisecond(), sequence: record.state.version, part: 0 };
    for key in required(config, record) {
        let lane = lanes.iter().find(|lane| lane.key == key);
        if !lane.is_some_and(|lane| has_taken(lane, version)) {
            reach.missing.push(key.output.clone());
        }
        match lane.and_then(|lane| lane.ack.as_ref()).filter(|ack| is_answer_to(ack, version)) {
            Some(ack) => reach.acknowledged = Some(reach.acknowledged.map_or(ack.state, |known| known.min(ack.state))),
            None => reach.unacknowledged.push(key.output),
        }
    }
    if !reach.unacknowledged.is_empty() {
        reach.acknowledged = None;
    }
    reach
}

/// The lanes of the required outputs that want the current version.
pub fn required(config: &Config, record: &SubjectRecord) -> Vec<LaneKey> {
    let Some(published) = Published::of(record) else { return Vec::new() };
    let outputs = config.outputs.iter().filter(|(_, output)| output.required && output.wants(published.routed()));
    outputs.map(|(name, _)| LaneKey { output: name.clone(), subject: record.subject.clone() }).collect()
}

/// The signal that published the current version.
struct Published<'a> {
    source: &'a str,
    kind: String,
    test: bool,
}

impl<'a> Published<'a> {
    fn of(record: &'a SubjectRecord) -> Option<Self> {
        let (status, terms) = record.state.published()?;
        let test = terms.test_reason.is_some() || record.origin.sandbox;
        Some(Self { source: &record.origin.source, kind: kind_of(record, status), test })
    }

    fn routed(&self) -> Routed<'_> {
        Routed { source: Some(self.source), kind: &self.kind, test: self.test }
    }
}

/// The type of the signal that published the current version.
fn kind_of(record: &SubjectRecord, status: Status) -> String {
    // Sequences count from 1 again in each epoch.
    let mut of_epoch = record.history.iter().rev().take_while(|event| !matches!(event.event, Event::EpochBegan { .. }));
    let published = of_epoch.find_map(|event| match &event.event {
        Event::Published { signal, sequence, .. } if *sequence == record.state.version => Some(signal.clone()),
        _ => None,
    });
    published.unwrap_or_else(|| {
        let change = match (status, record.state.version) {
            (Status::Scheduled, 0 | 1) => "scheduled",
            (Status::Scheduled, _) => "updated",
            (Status::Cancelled, _) => "cancelled",
            (Status::Ended, _) => "ended",
        };
        format!("gridbell.dispatch.{change}.v1")
    })
}

fn has_taken(lane: &Lane, version: EventVersion) -> bool {
    lane.delivered.as_ref().is_some_and(|delivered| {
        let taken = delivered.version.whole();
        taken > version || taken == version && delivered.is_complete
    })
}

fn is_answer_to(ack: &LaneAck, version: EventVersion) -> bool {
    ack.version == version && ack.state != AckState::Failed
}
