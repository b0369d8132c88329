//! The CloudEvents `type`.

use std::{convert::Infallible, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::PowerEventKind;

/// The CloudEvents type of a signal, such as `gridbell.dispatch.scheduled.v1`.
///
/// ```
/// use signals::{DispatchChange, SignalType};
///
/// let known: SignalType = "gridbell.dispatch.updated.v1".into();
/// assert_eq!(known, SignalType::Dispatch(DispatchChange::Updated));
/// let unknown: SignalType = "gridbell.dispatch.updated.v2".into();
/// assert_eq!(unknown.to_string(), "gridbell.dispatch.updated.v2");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SignalType {
    /// `gridbell.dispatch.scheduled|updated|cancelled|ended.v1`.
    Dispatch(DispatchChange),
    /// `gridbell.power.start_ramp_down|end_ramp_down|start_ramp_up|end_ramp_up.v1`.
    Power(PowerEventKind),
    /// `gridbell.meter.data.v1`.
    Meter,
    /// `gridbell.account.<event>.v1`, with the provider's name of the event.
    Account(String),
    /// `gridbell.heartbeat.v1`.
    Heartbeat,
    /// A type that this version of the crate does not know.
    Other(String),
}

/// How a dispatch changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DispatchChange {
    /// The dispatch is new, or authorized again after a cancel.
    Scheduled,
    /// A field that a controller acts on changed.
    Updated,
    /// The provider withdrew it.
    Cancelled,
    /// The provider says that it is over. Not sent when a known end passes.
    Ended,
}

impl DispatchChange {
    const ALL: [Self; 4] = [Self::Scheduled, Self::Updated, Self::Cancelled, Self::Ended];

    fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Updated => "updated",
            Self::Cancelled => "cancelled",
            Self::Ended => "ended",
        }
    }
}

impl fmt::Display for SignalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dispatch(change) => write!(f, "gridbell.dispatch.{}.v1", change.as_str()),
            Self::Power(event) => write!(f, "gridbell.power.{}.v1", event.as_str()),
            Self::Meter => f.write_str("gridbell.meter.data.v1"),
            Self::Account(event) => write!(f, "gridbell.account.{event}.v1"),
            Self::Heartbeat => f.write_str(HEARTBEAT),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl From<&str> for SignalType {
    fn from(text: &str) -> Self {
        known(text).unwrap_or_else(|| Self::Other(text.to_owned()))
    }
}

const HEARTBEAT: &str = "gridbell.heartbeat.v1";

fn known(text: &str) -> Option<SignalType> {
    if text == HEARTBEAT {
        return Some(SignalType::Heartbeat);
    }
    let (group, name) = text.strip_prefix("gridbell.")?.strip_suffix(".v1")?.split_once('.')?;
    match group {
        "dispatch" => DispatchChange::ALL.into_iter().find(|change| change.as_str() == name).map(SignalType::Dispatch),
        "power" => PowerEventKind::ALL.into_iter().find(|event| event.as_str() == name).map(SignalType::Power),
        "meter" => (name == "data").then_some(SignalType::Meter),
        "account" => Some(SignalType::Account(name.to_owned())),
        _ => None,
    }
}

impl FromStr for SignalType {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.into())
    }
}

impl Serialize for SignalType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SignalType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(String::deserialize(deserializer)?.as_str().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_written_as_it_is_read() {
        for text in [
            "gridbell.dispatch.scheduled.v1",
            "gridbell.dispatch.ended.v1",
            "gridbell.dispatch.paused.v1",
            "gridbell.power.end_ramp_up.v1",
            "gridbell.meter.data.v1",
            "gridbell.meter.data.v2",
            "gridbell.account.customer.created.v1",
            "gridbell.account..v1",
            "gridbell.heartbeat.v1",
            "gridbell.heartbeat.v2",
            "",
        ] {
            assert_eq!(SignalType::from(text).to_string(), text);
        }
        assert_eq!(
            SignalType::from("gridbell.account.customer.created.v1"),
            SignalType::Account("customer.created".to_owned())
        );
        assert_eq!(SignalType::from("gridbell.heartbeat.v1"), SignalType::Heartbeat);
        assert!(matches!(SignalType::from("gridbell.dispatch.paused.v1"), SignalType::Other(_)));
    }
}
