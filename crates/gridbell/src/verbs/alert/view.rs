//! An incident as people and their scripts see it, without what gridbell itself needs to keep it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use pipeline::incident::{Acknowledged, Incident, IncidentKind, IncidentStatus, Snoozed};
use serde::Serialize;

/// One incident.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct IncidentView {
    /// What `alert ack` takes.
    pub(crate) incident: String,
    pub(crate) kind: IncidentKind,
    pub(crate) source: String,
    /// The dispatch or load target, where it is about one.
    pub(crate) dispatch: Option<String>,
    pub(crate) about: String,
    pub(crate) status: IncidentStatus,
    pub(crate) opened_at: Timestamp,
    pub(crate) last_at: Timestamp,
    pub(crate) resolved_at: Option<Timestamp>,
    /// Who acknowledged it, where a person did.
    pub(crate) acknowledged: Option<Acknowledged>,
    /// Who has it wait, and until when, where a person does.
    pub(crate) snoozed: Option<Snoozed>,
    pub(crate) detail: String,
    /// What was mailed: stage → when SES accepted the mail.
    pub(crate) mails: BTreeMap<String, Timestamp>,
    /// Who got any of these mails.
    pub(crate) notified: BTreeSet<String>,
    /// When the mail that waits is sent.
    pub(crate) next_mail_at: Option<Timestamp>,
}

impl IncidentView {
    pub(crate) fn of(incident: &Incident) -> Self {
        Self {
            incident: incident.incident.clone(),
            kind: incident.kind(),
            source: incident.source().to_owned(),
            dispatch: incident.subject().map(|subject| subject.to_string()),
            about: incident.about.clone(),
            status: incident.status,
            opened_at: incident.opened_at,
            last_at: incident.last_at,
            resolved_at: incident.resolved_at,
            acknowledged: incident.acknowledged.clone(),
            snoozed: incident.snoozed.clone(),
            detail: incident.detail.clone(),
            mails: incident.mails.clone(),
            notified: incident.notified.clone(),
            next_mail_at: incident.waiting.as_ref().map(|waiting| waiting.send_at),
        }
    }
}
