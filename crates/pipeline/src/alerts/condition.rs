//! The conditions that people are notified of, by name, and the reports about them. [`super::conditions`] judges them.

use std::fmt;

use dispatch::Subject;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{alerts::kind::IncidentKind, queues::Watched};

/// The stage of an incident's first mail.
pub const FIRST_STAGE: &str = "first";

/// The source name of incidents about gridbell's own components.
pub const GRIDBELL: &str = "gridbell";

/// What an incident is about; it determines the evidence to read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// A job waits for its next attempt (`hydration-failing`).
    Failing {
        /// The source.
        source: String,
        /// [`crate::job::Job::key`]: a dispatch or another resource to fetch, or a delivery.
        key: String,
    },
    /// Not all parts of a version are sent (`hydration-failing`).
    PartsUnsent {
        /// The dispatch.
        dispatch: Subject,
    },
    /// The hydrator answers no heartbeat (`hydration-failing`).
    DeliveriesUnread,
    /// The provider refuses the API key (`credentials`).
    KeyRefused {
        /// The source.
        source: String,
    },
    /// The provider reports that API keys were rotated (`credentials`).
    KeysRotated {
        /// The source.
        source: String,
        /// The id of the provider's event.
        event: String,
    },
    /// A deadline passed, and no controller has acknowledged (`dispatch-at-risk`).
    NotAcknowledged {
        /// The dispatch.
        dispatch: Subject,
    },
    /// The controller answered `failed` (`dispatch-at-risk`).
    ControllerFailed {
        /// The dispatch.
        dispatch: Subject,
    },
    /// A dispatch has been active for a day, and the provider has stated no end (`dispatch-at-risk`).
    NoEnd {
        /// The dispatch.
        dispatch: Subject,
    },
    /// Polling found a change that no webhook announced (`missed-delivery`).
    MissedDelivery {
        /// The dispatch.
        dispatch: Subject,
    },
    /// A load target is missed, or the end of its ramp is not reported (`not-compliant`).
    NotCompliant {
        /// The load target.
        subject: Subject,
    },
    /// The provider's list cannot be read (`source-down`).
    SourceDown {
        /// The source.
        source: String,
    },
    /// A body or a field cannot be read and is quarantined (`quarantined`).
    Quarantined {
        /// The source.
        source: String,
        /// The dispatch or meter that it concerns; none: unknown.
        about: Option<Subject>,
    },
    /// Events of a type that gridbell does not know (`unknown-event`).
    UnknownEvent {
        /// The source.
        source: String,
    },
    /// A job was given up after days (`dead-letter`).
    GivenUp {
        /// The source.
        source: String,
        /// The dispatch, or the delivery.
        about: String,
    },
    /// Messages are in a dead-letter queue (`dead-letter`).
    DeadLetters {
        /// The queue.
        queue: Watched,
    },
    /// A channel takes no alerts (`channel-failing`). It is reported on the others.
    ChannelFailing {
        /// The channel's id, or `mail`.
        channel: String,
    },
    /// An output takes no signals, or an event is kept that it never took (`output-failing`).
    OutputFailing {
        /// The output.
        output: String,
    },
}

impl Condition {
    /// Whether it says that this channel fails.
    pub(crate) fn is_about_channel(&self, id: &str) -> bool {
        matches!(self, Self::ChannelFailing { channel } if channel == id)
    }

    /// The kind of its incident.
    pub fn kind(&self) -> IncidentKind {
        match self {
            Self::Failing { .. } | Self::PartsUnsent { .. } | Self::DeliveriesUnread => IncidentKind::HydrationFailing,
            Self::KeyRefused { .. } | Self::KeysRotated { .. } => IncidentKind::Credentials,
            Self::NotAcknowledged { .. } | Self::ControllerFailed { .. } | Self::NoEnd { .. } => {
                IncidentKind::DispatchAtRisk
            }
            Self::MissedDelivery { .. } => IncidentKind::MissedDelivery,
            Self::NotCompliant { .. } => IncidentKind::NotCompliant,
            Self::SourceDown { .. } => IncidentKind::SourceDown,
            Self::Quarantined { .. } => IncidentKind::Quarantined,
            Self::UnknownEvent { .. } => IncidentKind::UnknownEvent,
            Self::GivenUp { .. } | Self::DeadLetters { .. } => IncidentKind::DeadLetter,
            Self::ChannelFailing { .. } => IncidentKind::ChannelFailing,
            Self::OutputFailing { .. } => IncidentKind::OutputFailing,
        }
    }

    /// All conditions that can be about one dispatch or load target.
    pub fn all_about(subject: &Subject) -> [Self; 8] {
        let (source, dispatch) = (subject.source().to_owned(), subject.clone());
        [
            Self::NotAcknowledged { dispatch: dispatch.clone() },
            Self::ControllerFailed { dispatch: dispatch.clone() },
            Self::Failing { source: source.clone(), key: subject.to_string() },
            Self::PartsUnsent { dispatch: dispatch.clone() },
            Self::NoEnd { dispatch: dispatch.clone() },
            Self::MissedDelivery { dispatch: dispatch.clone() },
            Self::NotCompliant { subject: dispatch.clone() },
            Self::Quarantined { source, about: Some(dispatch) },
        ]
    }

    /// The incident's key: `<kind>/<what it is about>`.
    pub fn incident(&self) -> String {
        format!("{}/{}", self.kind(), self.gathered_by())
    }

    fn gathered_by(&self) -> String {
        match self {
            Self::Failing { source, key } if is_of(source, key) => key.clone(),
            Self::Failing { source, key } => format!("{source}, delivery {key}"),
            Self::PartsUnsent { dispatch } => format!("{dispatch}/parts"),
            Self::DeliveriesUnread => Watched::Deliveries.to_string(),
            Self::KeyRefused { source } | Self::SourceDown { source } | Self::UnknownEvent { source } => source.clone(),
            Self::KeysRotated { source, event } => format!("{source}/rotated/{event}"),
            Self::NotAcknowledged { dispatch } | Self::MissedDelivery { dispatch } => dispatch.to_string(),
            Self::ControllerFailed { dispatch } => format!("{dispatch}/failed"),
            Self::NoEnd { dispatch } => format!("{dispatch}/open"),
            Self::NotCompliant { subject } => subject.to_string(),
            Self::Quarantined { source, about } => about.as_ref().map_or_else(|| source.clone(), ToString::to_string),
            Self::GivenUp { about, .. } => about.clone(),
            Self::DeadLetters { queue } => queue.to_string(),
            Self::ChannelFailing { channel } => channel.clone(),
            Self::OutputFailing { output } => output.clone(),
        }
    }

    /// The source.
    pub fn source(&self) -> &str {
        match self {
            Self::Failing { source, .. }
            | Self::KeyRefused { source }
            | Self::KeysRotated { source, .. }
            | Self::SourceDown { source }
            | Self::Quarantined { source, .. }
            | Self::UnknownEvent { source }
            | Self::GivenUp { source, .. } => source,
            Self::PartsUnsent { dispatch }
            | Self::NotAcknowledged { dispatch }
            | Self::ControllerFailed { dispatch }
            | Self::NoEnd { dispatch }
            | Self::MissedDelivery { dispatch } => dispatch.source(),
            Self::NotCompliant { subject } => subject.source(),
            Self::DeliveriesUnread
            | Self::DeadLetters { .. }
            | Self::ChannelFailing { .. }
            | Self::OutputFailing { .. } => GRIDBELL,
        }
    }

    /// The dispatch or load target, if it is about one: its record is part of the evidence.
    pub fn subject(&self) -> Option<Subject> {
        match self {
            Self::PartsUnsent { dispatch }
            | Self::NotAcknowledged { dispatch }
            | Self::ControllerFailed { dispatch }
            | Self::NoEnd { dispatch }
            | Self::MissedDelivery { dispatch } => Some(dispatch.clone()),
            Self::NotCompliant { subject } => Some(subject.clone()),
            Self::Quarantined { about, .. } => about.clone(),
            // An interval of a meter is no subject, but the meter is.
            Self::Failing { source, key } | Self::GivenUp { source, about: key } if is_of(source, key) => {
                Some(Subject::from_stored(key.split('?').next().unwrap_or(key).to_owned()))
            }
            _ => None,
        }
    }

    /// Whether a dispatch may depend on it: its hints go through the urgent queue.
    pub fn is_urgent(&self) -> bool {
        match self {
            Self::Failing { .. }
            | Self::PartsUnsent { .. }
            | Self::DeliveriesUnread
            | Self::NotAcknowledged { .. }
            | Self::ControllerFailed { .. }
            | Self::NotCompliant { .. }
            | Self::OutputFailing { .. } => true,
            Self::KeyRefused { .. }
            | Self::KeysRotated { .. }
            | Self::NoEnd { .. }
            | Self::MissedDelivery { .. }
            | Self::SourceDown { .. }
            | Self::Quarantined { .. }
            | Self::UnknownEvent { .. }
            | Self::GivenUp { .. }
            | Self::DeadLetters { .. }
            | Self::ChannelFailing { .. } => false,
        }
    }

    /// Whether a person must acknowledge its incident: reminders and escalation follow until then. The other conditions
    /// are events, or a question once a day.
    pub fn awaits_a_person(&self) -> bool {
        !matches!(
            self,
            Self::KeysRotated { .. }
                | Self::NoEnd { .. }
                | Self::MissedDelivery { .. }
                | Self::Quarantined { .. }
                | Self::UnknownEvent { .. }
                | Self::GivenUp { .. }
                | Self::PartsUnsent { .. }
        )
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.incident())
    }
}

/// Whether a key names a resource of that source, not a delivery.
fn is_of(source: &str, key: &str) -> bool {
    key.strip_prefix(source).is_some_and(|rest| rest.starts_with('/'))
}

/// One stage of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageReport {
    /// Its name.
    pub stage: String,
    /// What it is about, for people.
    pub about: String,
    /// What failed, in words.
    pub detail: String,
}

/// Something that happened once, stored under its condition and stage. A repetition updates its instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotedEvent {
    /// The condition that it belongs to.
    pub condition: Condition,
    /// When it last happened.
    pub at: Timestamp,
    /// The report to mail.
    pub news: StageReport,
}
