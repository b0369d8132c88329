//! The content of a signal before it is numbered: its type and its data.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use signals::{AccountSignal, MeterSignal, PowerSignal, SignalType, Subject};

use crate::{
    AccountEvent, MeterData, Origin, Part, PowerEvent,
    signal::{hex, written},
};

/// A type and its data, before they become a version of a subject, or one part of it.
pub(crate) struct Payload {
    pub(crate) kind: SignalType,
    pub(crate) test: bool,
    pub(crate) part: Option<Part>,
    pub(crate) data: Box<RawValue>,
}

/// The `data` of a signal: one member, which names the kind of data.
pub(crate) fn data_of(name: &str, signal: &impl Serialize) -> Box<RawValue> {
    written(&BTreeMap::from([(name, signal)]))
}

pub(crate) fn power_payload(origin: &Origin, subject: &Subject, event: &PowerEvent) -> Payload {
    let signal = PowerSignal {
        key: subject.to_string(),
        provider: origin.provider.clone(),
        source: origin.source.clone(),
        feed: event.feed.clone(),
        correlation_id: event.correlation_id.clone(),
        event: event.event,
        start: event.start,
        end: event.end,
        strategy: event.strategy.clone(),
        target: event.target,
        previous: event.previous,
        measured_watts: event.measured_w,
        compliant: event.compliant,
    };
    Payload { kind: SignalType::Power(event.event), test: origin.sandbox, part: None, data: data_of("power", &signal) }
}

/// Correlation and feed are part of the subject. Measured load and compliance change during a ramp, so they are not
/// part of the identity. The target is already in watts, so a fact in another unit has the same identity.
pub(crate) fn power_identity(event: &PowerEvent) -> String {
    let end = event.end.map_or_else(|| "-".to_owned(), |end| end.to_string());
    let text = format!("{}\n{}\n{end}\n{:?}", event.event.as_str(), event.start, event.target);
    hex(&Sha256::digest(text.as_bytes())[..16])
}

pub(crate) fn meter_payload(origin: &Origin, subject: &Subject, data: &MeterData) -> Payload {
    let signal = MeterSignal {
        key: subject.to_string(),
        provider: origin.provider.clone(),
        source: origin.source.clone(),
        id: data.id.clone(),
        delivery: data.delivery.clone(),
        start: data.start,
        end: data.end,
        granularity: data.granularity.clone(),
        part: data.part,
        parts: data.parts,
        intervals: data.intervals.clone(),
    };
    Payload { kind: SignalType::Meter, test: origin.sandbox, part: None, data: data_of("meter", &signal) }
}

pub(crate) fn account_payload(origin: &Origin, event: &AccountEvent) -> Payload {
    let signal = AccountSignal {
        provider: origin.provider.clone(),
        source: origin.source.clone(),
        event: event.event.clone(),
        delivery: event.delivery.clone(),
        payload: event.payload.clone(),
    };
    Payload {
        kind: SignalType::Account(event.event.clone()),
        test: origin.sandbox,
        part: None,
        data: data_of("account", &signal),
    }
}
