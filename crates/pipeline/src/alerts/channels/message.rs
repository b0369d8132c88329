//! A message to a channel: one line for a phone, and the same as JSON for programs.

use dispatch::Request;
use jiff::Timestamp;
use serde::Serialize;

use super::log::ACKNOWLEDGED;
use crate::{
    alerts::{
        condition::Condition,
        group::AlertGroup,
        incident::{Incident, IncidentKind},
        mail::{self, Case, List, ListPage},
        occasion::{Occasion, RESOLVED},
    },
    config::{Channel, TokenHash},
    job::clip,
};

/// The most characters of the line for a phone: one SMS.
const MOST_CHARACTERS: usize = 140;

/// The longest detail and key, in characters.
const MAX_DETAIL: usize = 500;
const MAX_KEY: usize = 300;

/// Sites that a report names; the others are counted.
const SITES: usize = 10;

/// One message to one channel, about one incident or several.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChannelMessage {
    /// The same for every attempt to send it.
    pub id: String,
    /// What to do, where, by when: 140 characters at most.
    pub text: String,
    /// When it was composed.
    pub time: Timestamp,
    /// Whether all of it is test traffic.
    pub test: bool,
    /// The highest severity of its reports.
    pub severity: Severity,
    /// A report for each incident, the most urgent first.
    pub alerts: Vec<Report>,
}

/// What is reported of an incident.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// `<kind>/<what it is about>`.
    pub incident: String,
    /// Since when this occurrence of it lasts.
    pub occurrence: Timestamp,
    /// The stages that this message reports.
    pub stages: Vec<String>,
    /// Its state.
    pub state: State,
    /// The kind.
    pub kind: IncidentKind,
    /// The source.
    pub source: String,
    /// Whether it is test traffic; null: not known.
    pub test: Option<bool>,
    /// How much depends on it.
    pub severity: Severity,
    /// What to do, where, by when: 140 characters at most.
    pub text: String,
    /// What failed; of a resolved one, what is true now.
    pub detail: String,
    /// The dispatch or load target, as far as it is known.
    pub dispatch: Option<DispatchReport>,
    /// The person who acknowledged it.
    pub acknowledged_by: Option<String>,
    /// The page on which a person acknowledges it.
    pub link: Option<String>,
    /// PagerDuty's deduplication key: one for each occurrence.
    #[serde(skip)]
    pub deduplication: String,
}

/// A dispatch in a report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DispatchReport {
    /// Its key.
    pub key: String,
    /// What is asked of all sites together.
    pub request: Option<Request>,
    /// Its start.
    pub start: Option<Timestamp>,
    /// Its end, if stated.
    pub end: Option<Timestamp>,
    /// The names of its first sites.
    pub sites: Vec<String>,
    /// How many sites there are.
    pub sites_total: usize,
}

/// The state of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is open.
    Firing,
    /// A person has acknowledged it.
    Acknowledged,
    /// It is resolved.
    Resolved,
}

/// How much depends on an incident, in PagerDuty's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A test.
    Info,
    /// Something to look at.
    Warning,
    /// A part of gridbell, or its access to a provider, fails.
    Error,
    /// A dispatch may be missed.
    Critical,
}

impl Severity {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }

    fn of(condition: &Condition, test: bool) -> Self {
        match condition {
            _ if test => Self::Info,
            condition if condition.is_urgent() => Self::Critical,
            condition if condition.awaits_a_person() => Self::Error,
            _ => Self::Warning,
        }
    }
}

impl State {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }

    fn of(stages: &[String]) -> Self {
        let has = |stage: &str| stages.iter().any(|one| one == stage);
        match (has(RESOLVED), has(ACKNOWLEDGED)) {
            (true, _) => Self::Resolved,
            (_, true) => Self::Acknowledged,
            _ => Self::Firing,
        }
    }
}

/// An incident in a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member<'a> {
    pub(crate) case: Case<'a>,
    /// The stages to report.
    pub(crate) stages: &'a [String],
    /// The occurrence under which the channel knows it.
    pub(crate) known_as: Timestamp,
    /// Whether it may be a test, because its record cannot be read.
    pub(crate) may_be_test: bool,
    pub(crate) link: Option<&'a str>,
}

/// The occasion of stages, by which messages are grouped.
pub(crate) fn occasion(stages: &[String]) -> Occasion {
    let occasions = stages.iter().map(|stage| Occasion::of(stage));
    occasions.max_by_key(|occasion| occasion.weight()).unwrap_or(Occasion::First)
}

/// The message about some incidents; none if there are none.
pub(crate) fn message(channel: &Channel, group: &AlertGroup, members: &[Member<'_>]) -> Option<ChannelMessage> {
    let first = members.first()?;
    let alerts: Vec<Report> = members.iter().map(report).collect();
    let text = if let [only] = &alerts[..] {
        only.text.clone()
    } else {
        let cases: Vec<Case<'_>> = members.iter().map(|member| member.case).collect();
        short(&List::of(group, &cases, ListPage { number: 1, of: 1 }).brief())
    };
    let parts = alerts.iter().map(|one| format!("{} {} {}", one.incident, one.occurrence, one.stages.join(",")));
    let id = TokenHash::of(&format!("{}\n{}", channel.id(), parts.collect::<Vec<_>>().join("\n"))).to_hex();
    Some(ChannelMessage {
        id: format!("alert-{}", &id[..32]),
        text,
        time: first.case.now,
        test: group.test,
        severity: alerts.iter().map(|one| one.severity).max().unwrap_or(Severity::Warning),
        alerts,
    })
}

fn report(member: &Member<'_>) -> Report {
    let Member { case, stages, known_as, may_be_test, link } = *member;
    let (incident, test, state) = (case.incident, case.is_test(), State::of(stages));
    Report {
        incident: incident.incident.clone(),
        occurrence: incident.opened_at,
        stages: stages.to_vec(),
        state,
        kind: incident.kind(),
        source: incident.source().to_owned(),
        test: (!may_be_test || test).then_some(test),
        severity: Severity::of(&incident.condition, test),
        text: text(&case, stages, state),
        detail: clip(&mail::tame(&incident.detail), MAX_DETAIL),
        dispatch: dispatch(&case),
        acknowledged_by: incident.acknowledged.as_ref().map(|by| clip(&mail::tame(&by.by), MAX_KEY)),
        link: link.map(str::to_owned),
        deduplication: deduplication(incident, known_as),
    }
}

fn deduplication(incident: &Incident, known_as: Timestamp) -> String {
    format!("gridbell-{}", TokenHash::of(&format!("{} {known_as}", incident.incident)).to_hex())
}

fn text(case: &Case<'_>, stages: &[String], state: State) -> String {
    if state == State::Acknowledged {
        let by = case.incident.acknowledged.as_ref().map_or("a person", |by| by.by.as_str());
        return short(&format!("Acknowledged by {}", mail::tame(by)));
    }
    short(&mail::brief(case, occasion(stages)))
}

fn short(text: &str) -> String {
    clip(text, MOST_CHARACTERS - 1)
}

fn dispatch(case: &Case<'_>) -> Option<DispatchReport> {
    let subject = case.incident.subject()?;
    let key = clip(&mail::tame(subject.as_str()), MAX_KEY);
    let Some(facts) = case.facts(SITES) else {
        return Some(DispatchReport { key, request: None, start: None, end: None, sites: Vec::new(), sites_total: 0 });
    };
    let mail::Facts { request, start, end, sites, sites_total } = facts;
    Some(DispatchReport { key, request: Some(request), start: Some(start), end, sites, sites_total })
}
