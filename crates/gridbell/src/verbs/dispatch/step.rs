//! One step of a timeline: an event with fields for programs, and its text for people.

use std::fmt;

use dispatch::{Request, Status};
use jiff::Timestamp;
use pipeline::{job::FailureKind, record::AckState, timeline};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::show;

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Step {
    pub(crate) at: Timestamp,
    /// The delivery that caused it, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delivery: Option<String>,
    pub(crate) event: Event,
}

/// A past or future event. Serialized like the stored events: an object with one member, the event's name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// An event of the stored record.
    Recorded(timeline::Event),
    /// An event from elsewhere in the stack.
    Known(Known),
}

/// Events from other tables than `dispatches`, and future events.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Known {
    /// The receiver accepted a webhook.
    Received {},
    /// An attempt to read or to fetch failed.
    Failed { kind: FailureKind, detail: String },
    /// A retry is scheduled.
    Retry { failures: u64 },
    /// The body was unreadable, and is quarantined.
    Quarantined {
        id: String,
        kind: String,
        reason: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        replayed_as: Option<String>,
    },
    /// The controller answered and gave a reason.
    Acknowledged { version: u64, state: AckState, detail: String },
    /// Signals not yet known to be sent.
    Unsent { signals: Vec<String> },
    /// A deadline: for a dispatch's acknowledgement, or for the end of a load target's ramp.
    Due { of: Awaited },
    /// The dispatch starts.
    Starts { status: Status, request: Request, sites: usize },
    /// The dispatch ends.
    Ends {},
    /// An incident opened.
    Opened {
        incident: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// A mail is scheduled.
    Waiting { incident: String, stage: String, send_at: Timestamp },
    /// SES accepted a mail.
    Mailed { incident: String, stage: String },
    /// A channel besides mail accepted a message.
    Rung { incident: String, stage: String, channel: String },
    /// A channel besides mail has not accepted a message yet.
    Rings {
        incident: String,
        stage: String,
        channel: String,
        failures: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// A person acknowledged an incident.
    AcknowledgedBy { incident: String, by: String },
    /// A person snoozed an incident.
    SnoozedBy { incident: String, by: String, until: Timestamp },
    /// An incident was resolved.
    Resolved { incident: String, detail: String },
}

/// What must happen by a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Awaited {
    Acknowledgement,
    RampEnd,
}

impl Event {
    /// The serialized name, with spaces.
    pub(crate) fn name(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        let name = value.as_object().and_then(|event| event.keys().next()).cloned();
        name.unwrap_or_default().replace('_', " ")
    }

    /// The order of events at the same instant.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Known(Known::Received {}) => 0,
            Self::Known(Known::Failed { .. }) => 1,
            Self::Known(Known::Quarantined { .. }) => 2,
            Self::Recorded(_) | Self::Known(Known::Acknowledged { .. }) => 3,
            Self::Known(Known::Unsent { .. }) => 4,
            Self::Known(Known::Opened { .. }) => 5,
            Self::Known(Known::Waiting { .. } | Known::Rings { .. }) => 6,
            Self::Known(Known::Mailed { .. } | Known::Rung { .. }) => 7,
            Self::Known(Known::AcknowledgedBy { .. } | Known::SnoozedBy { .. }) => 8,
            Self::Known(Known::Resolved { .. }) => 9,
            Self::Known(Known::Retry { .. }) => 10,
            Self::Known(Known::Due { .. }) => 11,
            Self::Known(Known::Starts { .. }) => 12,
            Self::Known(Known::Ends {}) => 13,
        }
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(event) => event.serialize(serializer),
            // Serde writes an event without fields as its name alone; here every event is an object.
            Self::Recorded(event) => match serde_json::to_value(event).map_err(serde::ser::Error::custom)? {
                Value::String(name) => json!({name: {}}).serialize(serializer),
                _ => event.serialize(serializer),
            },
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recorded(event) => event.fmt(f),
            Self::Known(event) => event.fmt(f),
        }
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Received {} => f.write_str("the webhook was accepted"),
            Self::Failed { detail, .. } => f.write_str(detail),
            Self::Retry { failures } => write!(f, "tried again, after {failures} failures"),
            Self::Quarantined { id, kind, reason, replayed_as } => {
                write!(f, "quarantined as {id} ({kind}): {reason}")?;
                replayed_as.as_ref().map_or(Ok(()), |id| write!(f, "; replayed as {id}"))
            }
            Self::Acknowledged { version, state, detail } => {
                write!(f, "version {version} acknowledged: {}: {detail}", state.word())
            }
            Self::Unsent { signals } => write!(f, "not known to be sent yet: {}", signals.join(", ")),
            Self::Due { of: Awaited::Acknowledgement } => {
                f.write_str("people are notified unless it is acknowledged by then")
            }
            Self::Due { of: Awaited::RampEnd } => {
                f.write_str("people are notified unless the end of its ramp is reported by then")
            }
            Self::Starts { status, request, sites } => {
                write!(f, "starts: {} of {sites} site(s), {}", show::request(request), show::word(status))
            }
            Self::Ends {} => f.write_str("ends"),
            Self::Opened { incident, detail: None } => write!(f, "{incident} opened"),
            Self::Opened { incident, detail: Some(detail) } => write!(f, "{incident} opened: {detail}"),
            Self::Waiting { incident, stage, send_at } => {
                write!(f, "a mail about {incident} ({stage}) waits to be sent at {send_at:.0}")
            }
            Self::Mailed { incident, stage } => write!(f, "SES accepted a mail about {incident} ({stage})"),
            Self::Rung { incident, stage, channel } => {
                write!(f, "{channel} accepted a message about {incident} ({stage})")
            }
            Self::Rings { incident, stage, channel, failures, error } => {
                write!(
                    f,
                    "{channel} has not accepted a message about {incident} ({stage}) yet, after {failures} failures"
                )?;
                error.as_ref().map_or(Ok(()), |error| write!(f, ": {error}"))
            }
            Self::AcknowledgedBy { incident, by } => write!(f, "{by} acknowledged {incident}"),
            Self::SnoozedBy { incident, by, until } => write!(f, "{by} has {incident} wait until {until:.0}"),
            Self::Resolved { incident, detail } => write!(f, "{incident} resolved: {detail}"),
        }
    }
}
