//! The heartbeats: a stream of their own, which no fact of a provider feeds.

use std::collections::BTreeMap;

use signals::{HeartbeatSignal, SignalType, Subject};

use super::{State, Stream};
use crate::{
    Origin, Publication, Signal,
    payload::{Payload, data_of},
    signal::{Stamp, micros},
};

impl Origin {
    /// The origin of the heartbeats: gridbell itself. No source of a configuration has an empty name.
    pub fn gridbell() -> Self {
        Self { source: String::new(), provider: String::new(), sandbox: false }
    }
}

impl State {
    /// The state after one more heartbeat, and its signal. A state of an earlier epoch begins to count anew.
    pub fn with_heartbeat(state: Option<Self>, heartbeat: HeartbeatSignal, publication: Publication) -> (Self, Signal) {
        let Publication { epoch, now, traceparent, .. } = publication;
        let fresh = || Self { version: 0, epoch, stream: Stream::Events(BTreeMap::new()), ramps: None };
        let mut state = state.filter(|state| state.epoch >= epoch).unwrap_or_else(fresh);
        state.version += 1;
        let heartbeat = HeartbeatSignal { at: micros(heartbeat.at), next_by: micros(heartbeat.next_by), ..heartbeat };
        let data = data_of("heartbeat", &heartbeat);
        let payload = Payload { kind: SignalType::Heartbeat, test: false, part: None, data };
        let stamp = Stamp { epoch: state.epoch, sequence: state.version, time: now, traceparent };
        let signal = Signal::new(&Origin::gridbell(), &Subject::heartbeat(), stamp, payload);
        (state, signal)
    }
}
