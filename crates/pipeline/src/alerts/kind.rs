//! What sort of thing people are notified of.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What sort of thing people are notified of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IncidentKind {
    /// A deadline is near, and no controller has acknowledged.
    DispatchAtRisk,
    /// What a webhook announced cannot be fetched.
    HydrationFailing,
    /// A body could not be read; it is kept.
    Quarantined,
    /// A type of event that gridbell does not know.
    UnknownEvent,
    /// A data centre did not reach its target.
    NotCompliant,
    /// A provider refuses the API key, or says that keys were rotated.
    Credentials,
    /// Polling found what no webhook brought.
    MissedDelivery,
    /// Something was given up; it is kept.
    DeadLetter,
    /// A provider's list cannot be read: what its webhooks do not bring is not seen.
    SourceDown,
}

impl IncidentKind {
    /// As it stands in subjects and on the command line.
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
        }
    }
}

impl fmt::Display for IncidentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
