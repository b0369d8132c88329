//! Stored incidents: what people are, were, or will be notified of.

use std::collections::{BTreeMap, BTreeSet};

use dispatch::Subject;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alerts::{
    channels::log::{Calls, ChannelLog},
    condition::{Condition, StageReport},
};

pub use crate::alerts::kind::IncidentKind;

/// The stored state of one incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// `<kind>/<what it is about>`.
    pub incident: String,
    /// Incremented by every write.
    pub revision: u64,
    /// The id of the latest write.
    pub write: String,
    /// What it is about; it determines the evidence to read.
    pub condition: Condition,
    /// What it is about, for people.
    pub about: String,
    /// Open, acknowledged or resolved.
    pub status: IncidentStatus,
    /// Since when it lasts, as its condition states.
    pub opened_at: Timestamp,
    /// When news was last written.
    pub last_at: Timestamp,
    /// When it was resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Timestamp>,
    /// The person who acknowledged it, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledged>,
    /// Until when a person snoozed it: no reminder and no escalation before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snoozed: Option<Snoozed>,
    /// How many escalation steps were notified of it.
    #[serde(default)]
    pub level: usize,
    /// The latest detail.
    pub detail: String,
    /// The mailed stages: stage → when SES accepted the mail.
    #[serde(default)]
    pub mails: BTreeMap<String, Timestamp>,
    /// The recipients of these mails.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub notified: BTreeSet<String>,
    /// The pending mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// The messages to each channel besides mail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<ChannelLog>,
}

/// A pending mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The alert group that sends it.
    pub group: String,
    /// Since when.
    pub since: Timestamp,
    /// When it is to be sent.
    pub send_at: Timestamp,
    /// The sort key among pending mails: when the dispatch starts, else the far future.
    pub sorts_by: Timestamp,
    /// The stages that it reports.
    pub stages: Vec<StageReport>,
}

impl Incident {
    /// The kind.
    pub fn kind(&self) -> IncidentKind {
        self.condition.kind()
    }

    /// The source.
    pub fn source(&self) -> &str {
        self.condition.source()
    }

    /// The dispatch or load target, if it is about one.
    pub fn subject(&self) -> Option<Subject> {
        self.condition.subject()
    }

    /// Whether it is snoozed at that instant.
    pub fn is_snoozed(&self, now: Timestamp) -> bool {
        self.snoozed.as_ref().is_some_and(|snoozed| snoozed.until > now)
    }

    /// Whether it is reviewed each minute: it is open, or has a mail or another message to send.
    pub fn is_reviewed(&self) -> bool {
        self.status != IncidentStatus::Resolved || self.waiting.is_some() || self.has_message_waiting()
    }

    /// Whether a message to a channel besides mail is pending.
    pub fn has_message_waiting(&self) -> bool {
        self.channels.iter().any(|log| log.waiting.is_some())
    }

    /// When people were last notified, by mail or on another channel.
    pub fn notified_at(&self) -> Option<Timestamp> {
        self.mails.values().chain(self.channels.iter().flat_map(|log| log.sent.values())).copied().max()
    }

    /// What it asks of its channels.
    pub(crate) fn calls(&self, now: Timestamp) -> Calls {
        match self.status {
            IncidentStatus::Resolved => Calls::Resolved,
            IncidentStatus::Acknowledged => Calls::Acknowledged,
            IncidentStatus::Open if self.is_snoozed(now) => Calls::Snoozed,
            IncidentStatus::Open => Calls::Ring,
        }
    }

    /// Makes the pending messages to its channels what it asks for now.
    pub(crate) fn settle_channels(&mut self, now: Timestamp) {
        let calls = self.calls(now);
        self.channels.iter_mut().for_each(|log| log.settle(calls, now));
    }
}

/// A person acknowledged an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Who, if known.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A person snoozed an incident: it is open, and reminds again later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snoozed {
    /// Who, if known.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// Whether an incident is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentStatus {
    /// It is open.
    Open,
    /// It is open and acknowledged: no reminder and no escalation.
    Acknowledged,
    /// It has ended.
    Resolved,
}

impl IncidentStatus {
    /// The name in the table and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }
}
