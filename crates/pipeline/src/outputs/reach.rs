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
pub async fn reach(
    outputs: &impl Outputs,
    config: &Config,
    record: &SubjectRecord,
) -> Result<Reach, PortError> {
    let Some((status, terms)) = record.state.published() else { return Ok(Reach::default()) };
    let test = terms.test_reason.is_some() || record.origin.sandbox;
    let kind = kind_of(record, status);
    let routed = Routed { source: Some(&record.origin.source), kind: &kind, test };
    let wants: Vec<_> = config.outputs.iter().filter(|(_, output)| output.wants(routed)).collect();
    let mut reach = Reach { is_unwanted: wants.is_empty() && !test, ..Reach::default() };
    let version = EventVersion { epoch: record.state.epoch.as_millisecond(), sequence: record.state.version, part: 0 };
    for (name, _) in wants.into_iter().filter(|(_, output)| output.required) {
        let key = LaneKey { output: name.clone(), subject: record.subject.clone() };
        let lane = outputs.lane(&key).await?;
        if !lane.as_ref().is_some_and(|lane| has_taken(lane, version)) {
            reach.missing.push(name.clone());
        }
        match lane.and_then(|lane| lane.ack).filter(|ack| is_answer_to(ack, version)) {
            Some(ack) => reach.acknowledged = Some(reach.acknowledged.map_or(ack.state, |known| known.min(ack.state))),
            None => reach.unacknowledged.push(name.clone()),
        }
    }
    if !reach.unacknowledged.is_empty() {
        reach.acknowledged = None;
    }
    Ok(reach)
}

/// The type of the signal that published the current version.
fn kind_of(record: &SubjectRecord, status: Status) -> String {
    let published = record.history.iter().rev().find_map(|event| match &event.event {
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
