//! A dispatch as people and scripts see it: the stored record, evaluated at one instant.

use dispatch::{DispatchTerms, Origin, Program, Request, Status, Target, TestReason};
use jiff::{SignedDuration, Timestamp};
use pipeline::{
    incident::{Acknowledged, Incident, IncidentStatus},
    record::{Ack, SubjectRecord},
};
use serde::Serialize;

use crate::show::{self, word};

/// A signal pending in the outbox for longer is stuck: signals are usually sent within a second, at the latest by the
/// next sweep.
const UNSENT_AFTER: SignedDuration = SignedDuration::from_secs(90);

/// The phase of a dispatch at the current time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// It has started and has not ended.
    Running,
    /// It starts later.
    Upcoming,
    /// Its end has passed.
    Over,
    /// The provider closed it.
    Ended,
    /// The provider withdrew it.
    Cancelled,
}

/// The phase at the given instant.
pub(crate) fn phase(status: Status, terms: &DispatchTerms, now: Timestamp) -> Phase {
    match status {
        Status::Cancelled => Phase::Cancelled,
        Status::Ended => Phase::Ended,
        Status::Scheduled if terms.start > now => Phase::Upcoming,
        Status::Scheduled if terms.end.is_some_and(|end| end <= now) => Phase::Over,
        Status::Scheduled => Phase::Running,
    }
}

/// One dispatch.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DispatchView {
    pub(crate) key: String,
    pub(crate) provider: String,
    pub(crate) source: String,
    pub(crate) id: Option<String>,
    /// The number of published versions.
    pub(crate) version: u64,
    /// The last published status.
    pub(crate) status: Status,
    /// The phase at the current time.
    pub(crate) phase: Phase,
    pub(crate) test: bool,
    pub(crate) test_reason: Option<TestReason>,
    pub(crate) voluntary: bool,
    pub(crate) priority: Option<u32>,
    pub(crate) start: Timestamp,
    pub(crate) end: Option<Timestamp>,
    pub(crate) request: Request,
    /// The number of targets.
    pub(crate) sites: usize,
    pub(crate) changed_at: Timestamp,
    /// The last answer of a controller, to any version.
    pub(crate) acknowledgement: Option<Ack>,
    /// Whether that answer acknowledges the current version.
    pub(crate) acknowledged: bool,
    /// The person who acknowledged the dispatch's incident, if any; says nothing about the controller.
    pub(crate) acknowledged_by_person: Option<Acknowledged>,
    /// The deadline of the acknowledgement; none where none is expected.
    pub(crate) due: Option<Timestamp>,
    /// The number of signals pending in the outbox.
    pub(crate) unsent: usize,
    /// Why the dispatch may not reach its site; none if all is well.
    pub(crate) at_risk: Option<String>,
    /// The sites or meters; only if a single dispatch is requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) targets: Option<Vec<Target>>,
    /// The calling programs; only if a single dispatch is requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) programs: Option<Vec<Program>>,
    /// The provider's other fields; only if a single dispatch is requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<serde_json::Map<String, serde_json::Value>>,
}

impl DispatchView {
    /// None if the record is not of a dispatch, or of one that was never published.
    pub(crate) fn of(record: &SubjectRecord, now: Timestamp) -> Option<Self> {
        let (status, terms) = record.state.published()?;
        let Origin { source, provider, .. } = record.origin.clone();
        let phase = phase(status, &terms, now);
        Some(Self {
            key: record.subject.to_string(),
            provider,
            source,
            id: record.state.dispatch_id().map(str::to_owned),
            version: record.state.version,
            status,
            phase,
            test: terms.test_reason.is_some(),
            test_reason: terms.test_reason,
            voluntary: terms.voluntary,
            priority: terms.priority,
            start: terms.start,
            end: terms.end,
            request: terms.request,
            sites: terms.targets.len(),
            changed_at: record.changed_at,
            acknowledgement: record.ack.clone(),
            acknowledged: record.is_acknowledged(),
            acknowledged_by_person: None,
            due: record.due.or(record.lapsed),
            unsent: record.outbox.len(),
            at_risk: at_risk(record, phase, now),
            targets: None,
            programs: None,
            details: None,
        })
    }

    /// The view with everything the provider stated.
    pub(crate) fn whole(record: &SubjectRecord, now: Timestamp) -> Option<Self> {
        let (_, DispatchTerms { targets, programs, details, .. }) = record.state.published()?;
        let view = Self::of(record, now)?;
        Some(Self { targets: Some(targets.to_vec()), programs: Some(programs), details: Some(details), ..view })
    }

    /// The view with the person who acknowledged an unresolved incident about it.
    pub(crate) fn with_person(self, incidents: &[Incident]) -> Self {
        let about = |incident: &&Incident| {
            incident.status == IncidentStatus::Acknowledged
                && incident.subject().is_some_and(|subject| subject.as_str() == self.key)
        };
        let by = incidents.iter().filter(about).filter_map(|incident| incident.acknowledged.clone());
        let acknowledged_by_person = by.max_by_key(|by| by.at);
        Self { acknowledged_by_person, ..self }
    }

    /// The answer of a controller, or of a person instead, in a few words.
    pub(crate) fn ack_words(&self) -> String {
        match &self.acknowledgement {
            None => "-".to_owned(),
            Some(ack) if ack.version == self.version => format!("{}{}", word(&ack.state), by_hand(ack)),
            Some(ack) => format!("{}{} #{} only", word(&ack.state), by_hand(ack), ack.version),
        }
    }

    /// Why the dispatch may not reach its site, and who takes care of it.
    pub(crate) fn risk_words(&self) -> Option<String> {
        let risk = self.at_risk.as_ref()?;
        Some(match &self.acknowledged_by_person {
            Some(person) => format!("{risk}; {} takes care", show::name(&person.by)),
            None => risk.clone(),
        })
    }
}

/// The person who answered instead of a controller.
pub(super) fn by_hand(ack: &Ack) -> String {
    ack.by.as_ref().map(|by| format!(" by hand, {}", show::name(by))).unwrap_or_default()
}

fn at_risk(record: &SubjectRecord, phase: Phase, now: Timestamp) -> Option<String> {
    if !record.outbox.is_empty() && now.duration_since(record.changed_at) > UNSENT_AFTER {
        return Some("its signal could not be sent to the queue yet".to_owned());
    }
    if !matches!(phase, Phase::Running | Phase::Upcoming) || record.is_acknowledged() {
        return None;
    }
    match record.due.or(record.lapsed) {
        _ if record.has_failed() => Some("the controller answered that it cannot act".to_owned()),
        Some(due) if due <= now => Some("no controller acknowledged it in time".to_owned()),
        _ => None,
    }
}
