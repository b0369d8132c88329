//! Incidents as they are stored: what people are, were, or are about to be notified of.

use std::collections::{BTreeMap, BTreeSet};

use dispatch::Subject;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alerts::condition::{Condition, StageReport};

pub use crate::alerts::kind::IncidentKind;

/// What is stored of one incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// `<kind>/<what it is about>`.
    pub incident: String,
    /// Goes up by one with every write.
    pub revision: u64,
    /// Who wrote it last.
    pub write: String,
    /// What it is about, and what is read to judge it.
    pub condition: Condition,
    /// What it is about, as a person reads it.
    pub about: String,
    /// Open, acknowledged or resolved.
    pub status: IncidentStatus,
    /// Since when it lasts: the instant that its condition states.
    pub opened_at: Timestamp,
    /// When it was last written with news.
    pub last_at: Timestamp,
    /// When it was resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Timestamp>,
    /// Who acknowledged it, where a person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledged>,
    /// Until when no reminder and no escalation follows, where a person asked for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snoozed: Option<Snoozed>,
    /// How many steps of the escalation were notified of it.
    #[serde(default)]
    pub level: usize,
    /// The latest detail.
    pub detail: String,
    /// What was mailed: stage → when SES accepted the mail.
    #[serde(default)]
    pub mails: BTreeMap<String, Timestamp>,
    /// Who got any of these mails.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub notified: BTreeSet<String>,
    /// The mail that waits to be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
}

/// A mail that waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The alert group that sends it.
    pub group: String,
    /// Since when.
    pub since: Timestamp,
    /// When it is to be sent.
    pub send_at: Timestamp,
    /// What sorts it among others: when the dispatch starts, else the far future.
    pub sorts_by: Timestamp,
    /// The stages that it stands for.
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

    /// The dispatch or load target, where it is about one.
    pub fn subject(&self) -> Option<Subject> {
        self.condition.subject()
    }

    /// Whether a person has it wait, as of then.
    pub fn is_snoozed(&self, now: Timestamp) -> bool {
        self.snoozed.as_ref().is_some_and(|snoozed| snoozed.until > now)
    }

    /// Whether it is judged anew each minute: it is open, or has a mail to send.
    pub fn is_reviewed(&self) -> bool {
        self.status != IncidentStatus::Resolved || self.waiting.is_some()
    }
}

/// A person acknowledged an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Who, as far as is known.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A person has an incident wait: it is open, and calls again later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snoozed {
    /// Who, as far as is known.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// Whether an incident goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentStatus {
    /// It goes on.
    Open,
    /// It goes on, and a person has acknowledged it: no reminder and no escalation any more.
    Acknowledged,
    /// It is over.
    Resolved,
}

impl IncidentStatus {
    /// As it stands in the table and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }
}
