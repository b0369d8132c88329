//! The CloudEvents envelope.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use crate::{
    Data, SignalType, Subject,
    text::{number_from_text, number_to_text},
};

/// One signal: a CloudEvents 1.0 event in structured JSON. Unknown fields are ignored.
///
/// ```
/// use signals::{Data, Envelope, SignalType};
///
/// let body = r#"{"specversion": "1.0", "id": "openvolt-prod/account#1764432000000.10",
///     "source": "/gridbell/openvolt-prod", "type": "gridbell.account.customer.created.v1",
///     "subject": "openvolt-prod/account", "time": "2025-12-01T16:40:03.12Z", "epoch": "1764432000000",
///     "sequence": "10", "datacontenttype": "application/json", "data": {"account": {"provider": "openvolt",
///     "source": "openvolt-prod", "event": "customer.created", "delivery": "dlv-2", "payload": {"id": "c-9"}}}}"#;
/// let signal = Envelope::parse(body)?;
/// assert_eq!(signal.sequence, 10);
/// assert_eq!(signal.kind, SignalType::Account("customer.created".to_owned()));
/// assert!(matches!(signal.data, Data::Account(account) if account.payload["id"] == "c-9"));
/// # Ok::<(), signals::InvalidSignal>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "Envelope", description = "One signal: a CloudEvents 1.0 event in structured JSON.")
)]
pub struct Envelope<D = Data> {
    /// The version of CloudEvents: `1.0`.
    pub specversion: String,
    /// `subject#epoch.sequence`, plus `.part` if the version has parts.
    pub id: String,
    /// `/gridbell/<source>`; `/gridbell` for a heartbeat.
    pub source: String,
    /// The CloudEvents type.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub kind: SignalType,
    /// The stream that it belongs to, and the FIFO message group.
    pub subject: Subject,
    /// When it was published.
    pub time: Timestamp,
    /// Unix milliseconds of the instant when the stack's tables began to number signals. A JSON string on the wire.
    #[serde(serialize_with = "number_to_text")]
    #[cfg_attr(feature = "schema", schemars(with = "String", extend("pattern" = "^[0-9]+$")))]
    pub epoch: u64,
    /// The number of the version within the subject and epoch, from 1. A JSON string on the wire.
    #[serde(serialize_with = "number_to_text")]
    #[cfg_attr(feature = "schema", schemars(with = "String", extend("pattern" = "^[0-9]+$")))]
    pub sequence: u64,
    /// W3C Trace Context: leads back to the delivery or poll that caused it. Not part of what the signal says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(extend("pattern" = "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"))
    )]
    pub traceparent: Option<String>,
    /// `application/json`.
    pub datacontenttype: String,
    /// The content of the signal.
    pub data: D,
}

/// A version of a subject. A higher epoch is newer, whatever the sequence; within one epoch, a higher sequence is
/// newer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version {
    /// The numbering that the sequence belongs to.
    pub epoch: u64,
    /// From 1, without gaps.
    pub sequence: u64,
}

/// The text is not a signal that this crate can read.
#[derive(Debug, thiserror::Error)]
#[error("this is no signal: {0}")]
pub struct InvalidSignal(#[from] serde_json::Error);

impl<D> Envelope<D> {
    /// The epoch and sequence of the signal.
    pub fn version(&self) -> Version {
        Version { epoch: self.epoch, sequence: self.sequence }
    }
}

impl Envelope {
    /// Parses the body of a message.
    pub fn parse(body: &str) -> Result<Self, InvalidSignal> {
        Ok(serde_json::from_str(body)?)
    }

    /// True if a controller must not curtail for it. Signals that are not about a dispatch have only the message
    /// attribute `test`.
    pub fn is_test(&self) -> bool {
        matches!(&self.data, Data::Dispatch(dispatch) if dispatch.test)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.sequence)
    }
}

/// An envelope before `data` is parsed by its type.
#[derive(Deserialize)]
struct EnvelopeText {
    specversion: String,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: SignalType,
    subject: Subject,
    time: Timestamp,
    #[serde(deserialize_with = "number_from_text")]
    epoch: u64,
    #[serde(deserialize_with = "number_from_text")]
    sequence: u64,
    #[serde(default)]
    traceparent: Option<String>,
    datacontenttype: String,
    data: Value,
}

impl<'de> Deserialize<'de> for Envelope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = EnvelopeText::deserialize(deserializer)?;
        let EnvelopeText {
            specversion,
            id,
            source,
            kind,
            subject,
            time,
            epoch,
            sequence,
            traceparent,
            datacontenttype,
            data,
        } = text;
        let data = match &kind {
            SignalType::Dispatch(_) => member(data, "dispatch").map(Data::Dispatch),
            SignalType::Power(_) => member(data, "power").map(Data::Power),
            SignalType::Meter => member(data, "meter").map(Data::Meter),
            SignalType::Account(_) => member(data, "account").map(Data::Account),
            SignalType::Heartbeat => member(data, "heartbeat").map(Data::Heartbeat),
            SignalType::Other(_) => Ok(Data::Other(data)),
        }
        .map_err(|reason| de::Error::custom(format_args!("{id:?}: {reason}")))?;
        Ok(Self { specversion, id, source, kind, subject, time, epoch, sequence, traceparent, datacontenttype, data })
    }
}

fn member<T: de::DeserializeOwned>(mut data: Value, name: &str) -> Result<T, String> {
    let value = data.get_mut(name).map(Value::take).ok_or_else(|| format!("`data.{name}` is missing"))?;
    T::deserialize(value).map_err(|error| format!("`data.{name}`: {error}"))
}
