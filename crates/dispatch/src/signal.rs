//! The published signals: CloudEvents 1.0 in structured JSON, one ordered stream per subject.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};
use signals::{Envelope, Subject};

use crate::{Epoch, Origin, TraceParent, payload::Payload, trace};

/// When a version is published, in which epoch and trace, and the maximum size of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publication {
    /// The epoch of the tables.
    pub epoch: Epoch,
    /// The time of the signal.
    pub now: Timestamp,
    /// The maximum size of a signal's body, in bytes; a larger version is split into parts.
    pub limit_bytes: usize,
    /// The span that publishes it. It takes no part in what is published.
    pub traceparent: Option<TraceParent>,
}

/// Which version of a subject a signal is, when it was decided, and in which trace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) epoch: Epoch,
    pub(crate) sequence: u64,
    pub(crate) time: Timestamp,
    pub(crate) traceparent: Option<TraceParent>,
}

/// The position of one message among several that form one version of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// From 1.
    pub number: u32,
    /// The number of parts.
    pub of: u32,
}

/// One published version of a subject, or one part of it, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// The stream it belongs to.
    pub subject: Subject,
    /// The numbering that the sequence belongs to.
    pub epoch: Epoch,
    /// The number of the version within the subject and epoch, from 1, without gaps.
    pub sequence: u64,
    /// Which part of the version it is; none if it is the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// The CloudEvents type, such as `gridbell.dispatch.scheduled.v1`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The CloudEvents source: `/gridbell/<source>`, or `/gridbell` for a heartbeat.
    pub source: String,
    /// True for a test: a controller must not curtail for it.
    pub test: bool,
    /// When it was decided.
    pub time: Timestamp,
    /// The span that published it, as in its body.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "trace::lenient")]
    pub traceparent: Option<TraceParent>,
    /// The event as JSON text.
    pub body: String,
}

impl Signal {
    /// The CloudEvents id: `subject#epoch.sequence`, plus `.part` if the version has parts.
    pub fn id(&self) -> String {
        id(&self.subject, self.epoch, self.sequence, self.part)
    }

    /// The same event as version `sequence` of another epoch, for events that were decided before the epoch and never
    /// sent.
    #[must_use]
    pub fn restamped(self, epoch: Epoch, sequence: u64) -> Self {
        let Ok(Value::Object(mut event)) = serde_json::from_str::<Value>(&self.body) else { return self };
        let stamped = Self { epoch, sequence, ..self };
        event.insert("id".to_owned(), Value::from(stamped.id()));
        event.insert("epoch".to_owned(), Value::from(epoch.to_string()));
        event.insert("sequence".to_owned(), Value::from(sequence.to_string()));
        Self { body: written(&event).to_string(), ..stamped }
    }

    pub(crate) fn new(origin: &Origin, subject: &Subject, stamp: Stamp, payload: Payload) -> Self {
        let Stamp { epoch, sequence, time, traceparent } = stamp;
        let Payload { kind, test, part, data } = payload;
        // Without a source it is gridbell's own.
        let source = format!("/gridbell/{}", origin.source).trim_end_matches('/').to_owned();
        let event = Envelope {
            specversion: "1.0".to_owned(),
            id: id(subject, epoch, sequence, part),
            source,
            kind,
            subject: subject.clone(),
            time: micros(time),
            epoch: epoch.as_millisecond(),
            sequence,
            traceparent: traceparent.map(|traceparent| traceparent.to_string()),
            datacontenttype: "application/json".to_owned(),
            data: &data,
        };
        let body = written(&event).to_string();
        let Envelope { source, kind, subject, .. } = event;
        Self { subject, epoch, sequence, part, kind: kind.to_string(), source, test, time, traceparent, body }
    }
}

/// A value as JSON text. A tree of a megabyte's values in between would be ten times as large.
#[expect(clippy::expect_used, reason = "`null` in its place would be published")]
pub(crate) fn written(value: &impl Serialize) -> Box<RawValue> {
    let json = to_raw_value(value).expect("strings, numbers and instants are JSON");
    match sendable(json.get()) {
        Cow::Borrowed(_) => json,
        Cow::Owned(escaped) => RawValue::from_string(escaped).expect("an escape keeps JSON what it is"),
    }
}

/// JSON text as every queue takes it: U+FFFE and U+FFFF stand in it only inside of strings, and there an escape means the same. It takes
/// twice the room, so what is divided by its size is escaped before.
pub fn sendable(json: &str) -> Cow<'_, str> {
    if json.contains('\u{fffe}') || json.contains('\u{ffff}') {
        Cow::Owned(json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff"))
    } else {
        Cow::Borrowed(json)
    }
}

fn id(subject: &Subject, epoch: Epoch, sequence: u64, part: Option<Part>) -> String {
    let part = part.map_or_else(String::new, |part| format!(".{}", part.number));
    format!("{subject}#{epoch}.{sequence}{part}")
}

/// An instant truncated to six fractional digits, so that consumers need not support nanoseconds.
pub(crate) fn micros(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
