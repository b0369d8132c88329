//! What goes out: CloudEvents 1.0 in structured JSON, one ordered stream per subject.

use std::{borrow::Cow, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};
use sha2::{Digest, Sha256};

use crate::{
    Effective, Epoch, Interval, Origin, PowerEventKind, Program, Request, Subject, Target, TestReason, payload::Payload,
};

/// When a version is published, under which numbering, and how large one message may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publication {
    /// The epoch of the tables.
    pub epoch: Epoch,
    /// The time of the signal.
    pub now: Timestamp,
    /// The most that the body of one signal may be, in bytes; what is larger is split into parts.
    pub limit_bytes: usize,
}

/// One of several messages that together are one version of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// From 1.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

/// One published version of a subject, or one part of it, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// The stream it belongs to: the FIFO message group.
    pub subject: Subject,
    /// Which numbering the sequence belongs to.
    pub epoch: Epoch,
    /// Counts the published versions of the subject in this epoch from 1, without holes.
    pub sequence: u64,
    /// Which part of the version it is; none where it is the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// The CloudEvents type, such as `gridbell.dispatch.scheduled.v1`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The CloudEvents source, `/gridbell/<source>`.
    pub source: String,
    /// Test traffic: nobody curtails for it.
    pub test: bool,
    /// When it was decided.
    pub time: Timestamp,
    /// The event as JSON text.
    pub body: String,
}

impl Signal {
    /// `subject#epoch.sequence`, with `.part` where there are parts: the CloudEvents id and the FIFO deduplication id.
    pub fn id(&self) -> String {
        id(&self.subject, self.epoch, self.sequence, self.part)
    }

    /// The same event as version `sequence` of another epoch: for what was decided before the epoch and never sent.
    #[must_use]
    pub fn restamped(self, epoch: Epoch, sequence: u64) -> Self {
        let Ok(Value::Object(mut event)) = serde_json::from_str::<Value>(&self.body) else { return self };
        let stamped = Self { epoch, sequence, ..self };
        event.insert("id".to_owned(), Value::from(stamped.id()));
        event.insert("epoch".to_owned(), Value::from(epoch.to_string()));
        event.insert("sequence".to_owned(), Value::from(sequence.to_string()));
        Self { body: written(&event).to_string(), ..stamped }
    }

    pub(crate) fn new(
        origin: &Origin,
        subject: &Subject,
        (epoch, sequence): (Epoch, u64),
        time: Timestamp,
        payload: Payload,
    ) -> Self {
        let Payload { kind, test, part, data } = payload;
        let source = format!("/gridbell/{}", origin.source);
        let event = Event {
            specversion: "1.0",
            id: id(subject, epoch, sequence, part),
            source: &source,
            kind: &kind,
            subject,
            time: micros(time),
            epoch: epoch.to_string(),
            sequence: sequence.to_string(),
            datacontenttype: "application/json",
            data: &data,
        };
        let body = written(&event).to_string();
        Self { subject: subject.clone(), epoch, sequence, part, kind, source, test, time, body }
    }
}

/// The envelope of a signal.
#[derive(Serialize)]
struct Event<'a> {
    specversion: &'static str,
    id: String,
    source: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    subject: &'a Subject,
    time: Timestamp,
    epoch: String,
    sequence: String,
    datacontenttype: &'static str,
    data: &'a RawValue,
}

/// A value as JSON text. A tree of a megabyte's values in between would be ten times as large.
pub(crate) fn written(value: &impl Serialize) -> Box<RawValue> {
    // Strings, numbers and instants only: serialising cannot fail.
    let json = to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned());
    match sendable(json.get()) {
        Cow::Borrowed(_) => json,
        Cow::Owned(escaped) => RawValue::from_string(escaped).unwrap_or(json),
    }
}

/// JSON text as SQS takes it: U+FFFE and U+FFFF stand in it only inside of strings, and there an escape means the same. It takes
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

/// An instant with six fractional digits at most, the rest cut off: no consumer has to know nanoseconds.
fn micros(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

/// A group or deduplication id as SQS allows it: up to 128 printable ASCII characters, else its SHA-256 in hex.
pub fn fifo_id(text: &str) -> String {
    if text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return text.to_owned();
    }
    hex(&Sha256::digest(text.as_bytes()))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether a dispatch is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Ahead or running: curtail from `start` until `end`, or until told otherwise.
    Scheduled,
    /// Withdrawn by the provider.
    Cancelled,
    /// Closed by a fact whose end is now or past.
    Ended,
}

/// `data.dispatch` of `gridbell.dispatch.scheduled|updated|cancelled|ended.v1`.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DispatchSignal {
    /// The subject.
    pub key: String,
    /// `voltus` or `leap`.
    pub provider: String,
    /// The source's name.
    pub source: String,
    /// The provider's id.
    pub id: String,
    /// The sequence, as a number.
    pub version: u64,
    /// Which part of the version this is, from 1; only where one message does not carry the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
    /// How many parts the version has; each holds a share of the targets, and all else that the whole says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<u32>,
    /// Whether it is on.
    pub status: Status,
    /// True whenever `test_reason` is not null: nobody curtails for it.
    pub test: bool,
    /// Why it is a test.
    pub test_reason: Option<TestReason>,
    /// Taking part is a choice.
    pub voluntary: bool,
    /// Lower goes first on overlap.
    pub priority: Option<u32>,
    /// RFC 3339, UTC.
    pub start: Timestamp,
    /// RFC 3339, UTC; null until known: curtail until told otherwise.
    pub end: Option<Timestamp>,
    /// What is asked of all targets together.
    pub request: Request,
    /// The sites or meters.
    pub targets: Vec<TargetEntry>,
    /// The programs that call.
    pub programs: Vec<Program>,
    /// The provider's own further fields, verbatim.
    pub details: Map<String, Value>,
}

/// One target, or, where the plain form would not fit into a message, many that share one request.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum TargetEntry {
    /// A site or a meter.
    One {
        /// It.
        #[serde(flatten)]
        target: Target,
        /// Only where other active dispatches of the source name it too.
        #[serde(skip_serializing_if = "Option::is_none")]
        effective: Option<Arc<Effective>>,
    },
    /// Nameless targets of the same request.
    Many {
        /// The provider's ids.
        ids: Vec<String>,
        /// The share of each of them.
        request: Option<Request>,
        /// Only where the same other active dispatches of the source name each of them too.
        #[serde(skip_serializing_if = "Option::is_none")]
        effective: Option<Arc<Effective>>,
    },
}

/// `data.power` of `gridbell.power.*.v1`.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PowerSignal {
    /// The subject.
    pub key: String,
    /// `nvgrid`.
    pub provider: String,
    /// The source's name.
    pub source: String,
    /// The power feed, where one is named.
    pub feed: Option<String>,
    /// What ties the events of one load target together.
    pub correlation_id: String,
    /// Which of the four.
    pub event: PowerEventKind,
    /// RFC 3339, UTC.
    pub start: Timestamp,
    /// RFC 3339, UTC; null: for ever.
    pub end: Option<Timestamp>,
    /// Such as `best_effort`.
    pub strategy: Option<String>,
    /// The limit that holds from `start`.
    pub target: Request,
    /// The limit before.
    pub previous: Option<Request>,
    /// The load as the provider measured it, in watts.
    pub measured_watts: Option<u64>,
    /// Whether the load meets the target; false is normal while ramping.
    pub compliant: Option<bool>,
}

/// `data.meter` of `gridbell.meter.data.v1`.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MeterSignal {
    /// The subject.
    pub key: String,
    /// `openvolt`.
    pub provider: String,
    /// The source's name.
    pub source: String,
    /// The provider's meter id.
    pub id: String,
    /// The delivery that announced the data.
    pub delivery: String,
    /// Where this part begins.
    pub start: Timestamp,
    /// Where this part ends; a row that starts here is included in the last part.
    pub end: Timestamp,
    /// The length of a row: `hh` is half an hour.
    pub granularity: String,
    /// Which part of the announced interval, from 1.
    pub part: u32,
    /// How many parts there are.
    pub parts: u32,
    /// The readings, in order of time.
    pub intervals: Vec<Interval>,
}

/// `data.account` of `gridbell.account.<event>.v1`.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AccountSignal {
    /// `openvolt`.
    pub provider: String,
    /// The source's name.
    pub source: String,
    /// The provider's type of event.
    pub event: String,
    /// The delivery that brought it.
    pub delivery: String,
    /// The provider's payload, verbatim.
    pub payload: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_sqs_does_not_allow_is_hashed() {
        assert_eq!(fifo_id("voltus-prod/dkmq#2"), "voltus-prod/dkmq#2");
        assert_eq!(fifo_id(&"a".repeat(129)).len(), 64);
        assert_eq!(fifo_id("has space").len(), 64);
    }
}
