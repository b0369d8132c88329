//! The kinds of incidents.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IncidentKind {
    /// A deadline is near, and no controller has acknowledged.
    DispatchAtRisk,
    /// A change that a webhook announced cannot be fetched.
    HydrationFailing,
    /// A body could not be read and is quarantined.
    Quarantined,
    /// A type of event that gridbell does not know.
    UnknownEvent,
    /// A data centre did not reach its load target.
    NotCompliant,
    /// A provider refuses the API key, or reports that keys were rotated.
    Credentials,
    /// Polling found a change that no webhook announced.
    MissedDelivery,
    /// A job was given up and is quarantined.
    DeadLetter,
    /// A provider's list cannot be read: gridbell does not see changes that no webhook announces.
    SourceDown,
    /// A channel takes no alerts: mail, SNS, PagerDuty or a webhook.
    ChannelFailing,
    /// An output takes no signals, or an event is kept that it never took.
    OutputFailing,
}

impl IncidentKind {
    /// The name in subjects and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DispatchAtRisk => "dispatch-at-risk",
            Self::HydrationFailing => "hydration-failing",
            Self::Quarantined => "quarantined",
            Self::UnknownEvent => "unknown-event",
            Self::NotCompliant => "not-compliant",
            Self::Credentials => "credentials",
            Self::MissedDelivery => "missed-delivery",
            Self::DeadLetter => "dead-letter",
            Self::SourceDown => "source-down",
            Self::ChannelFailing => "channel-failing",
            Self::OutputFailing => "output-failing",
        }
    }
}

impl fmt::Display for IncidentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
