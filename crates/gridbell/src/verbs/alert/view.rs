//! An incident as people and scripts see it, without internal fields.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use pipeline::alerts::channels::ChannelLog;
use pipeline::incident::{Acknowledged, Incident, IncidentKind, IncidentStatus, Snoozed};
use serde::Serialize;

/// One incident.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct IncidentView {
    /// The id that `alert ack` expects.
    pub(crate) incident: String,
    pub(crate) kind: IncidentKind,
    pub(crate) source: String,
    /// The dispatch or load target, if it is about one.
    pub(crate) dispatch: Option<String>,
    pub(crate) about: String,
    pub(crate) status: IncidentStatus,
    pub(crate) opened_at: Timestamp,
    pub(crate) last_at: Timestamp,
    pub(crate) resolved_at: Option<Timestamp>,
    /// The person who acknowledged it, if any.
    pub(crate) acknowledged: Option<Acknowledged>,
    /// The person who snoozed it, and until when, if any.
    pub(crate) snoozed: Option<Snoozed>,
    pub(crate) detail: String,
    /// Sent mails: stage → when SES accepted the mail.
    pub(crate) mails: BTreeMap<String, Timestamp>,
    /// The recipients of these mails.
    pub(crate) notified: BTreeSet<String>,
    /// When the pending mail is sent.
    pub(crate) next_mail_at: Option<Timestamp>,
    /// The channels besides mail.
    pub(crate) channels: Vec<ChannelView>,
}

/// A channel besides mail, and what it got of an incident.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ChannelView {
    /// Its name for people.
    pub(crate) channel: String,
    /// Sent messages: stage → when the channel accepted the message.
    pub(crate) sent: BTreeMap<String, Timestamp>,
    /// The stages of the pending message.
    pub(crate) waiting: Vec<String>,
    /// Why it was not accepted yet.
    pub(crate) error: Option<String>,
}

impl ChannelView {
    fn of(log: &ChannelLog) -> Self {
        Self {
            channel: log.channel.to_string(),
            sent: log.sent.clone(),
            waiting: log.waiting.iter().flat_map(|ring| ring.stages.clone()).collect(),
            error: log.waiting.as_ref().and_then(|ring| ring.error.clone()),
        }
    }
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
            channels: incident.channels.iter().map(ChannelView::of).collect(),
        }
    }
}
