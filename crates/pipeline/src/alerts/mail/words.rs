//! A mail's rows, in words.

use std::fmt::Write as _;

use dispatch::{DispatchTerms, Request, Status, Target, text::one_line};
use jiff::Timestamp;

use super::{Circumstances, advice_on};
use crate::{
    alerts::{
        incident::{Incident, IncidentStatus},
        occasion::Occasion,
    },
    job::clip,
    zone::Zone,
};

/// Sites listed by name before the rest is counted.
const LISTED_SITES: usize = 20;

/// How much of a name is shown, in characters.
const MAX_NAME: usize = 200;

/// Zones that an instant is shown in, beside UTC.
const MAX_ZONES: usize = 3;

/// A label and its lines.
pub(super) struct Row {
    pub(super) label: &'static str,
    pub(super) lines: Vec<String>,
    pub(super) shown: Shown,
}

/// How lines read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// As sentences of one thing.
    Lines,
    /// Each as a thing of its own.
    Items,
    /// Commands and addresses, to be copied.
    Verbatim,
}

pub(super) fn row(label: &'static str, lines: Vec<String>) -> Row {
    Row { label, lines, shown: Shown::Lines }
}

fn verbatim(label: &'static str, lines: Vec<String>) -> Row {
    Row { label, lines, shown: Shown::Verbatim }
}

pub(super) fn rows(
    incident: &Incident,
    occasion: Occasion,
    dispatch: Option<&(Status, DispatchTerms)>,
    test: bool,
    circumstances: &Circumstances,
) -> Vec<Row> {
    let mut rows = the_dispatch(incident, dispatch);
    rows.push(test_or_real(test));
    let what = if occasion == Occasion::Resolved { "Over" } else { "What failed" };
    rows.push(row(what, vec![tame(&incident.detail)]));
    rows.push(row(
        "What to do now",
        match occasion {
            Occasion::Resolved => vec!["Nothing: this is over.".to_owned()],
            _ => advice_on(incident).iter().map(|line| (*line).to_owned()).collect(),
        },
    ));
    if let Some(subject) = incident.subject() {
        rows.push(timeline(subject.as_str()));
    }
    rows.extend(taken_on(incident, occasion, circumstances));
    rows.push(row("About", vec![clip(&tame(&incident.about), MAX_NAME)]));
    rows.push(row("Kind", vec![format!("{}, source {}", incident.kind(), tame(incident.source()))]));
    rows.push(row("Since", vec![since(incident)]));
    rows
}

fn the_dispatch(incident: &Incident, dispatch: Option<&(Status, DispatchTerms)>) -> Vec<Row> {
    let Some((status, terms)) = dispatch else {
        let unknown = "not known: the provider announced it, but it could not be fetched";
        let row = incident.subject().map(|_| row("Sites, amount, times", vec![unknown.to_owned()]));
        return row.into_iter().collect();
    };
    let to = terms.end.map_or_else(|| vec!["not known yet".to_owned()], |end| instant(end, terms));
    vec![
        row("Sites", sites(terms)),
        row("By how much", vec![in_all(terms.request)]),
        row("From", instant(terms.start, terms)),
        row("To", to),
        row("State", vec![state(*status).to_owned()]),
    ]
}

fn state(status: Status) -> &'static str {
    match status {
        Status::Scheduled => "scheduled",
        Status::Cancelled => "cancelled",
        Status::Ended => "ended",
    }
}

pub(super) fn test_or_real(test: bool) -> Row {
    let words = if test { "TEST: nobody curtails for it" } else { "REAL, unless you know otherwise" };
    row("Test or real", vec![words.to_owned()])
}

fn since(incident: &Incident) -> String {
    second(incident.opened_at)
}

fn timeline(subject: &str) -> Row {
    verbatim("Its story", vec![format!("gridbell dispatch timeline {}", argument(subject))])
}

/// Who has taken it on, or how that is done.
fn taken_on(incident: &Incident, occasion: Occasion, circumstances: &Circumstances) -> Option<Row> {
    if let (Some(by), true) = (&incident.acknowledged, incident.status != IncidentStatus::Open) {
        return Some(row("Taken on", vec![format!("{} by {}", second(by.at), tame(&by.by))]));
    }
    if occasion == Occasion::Resolved || !circumstances.awaited {
        return None;
    }
    let command = format!("gridbell alert ack {}", argument(&incident.incident));
    Some(verbatim("Take it on", vec![circumstances.link.clone().unwrap_or(command)]))
}

/// How all that a list holds is taken on.
pub(super) fn take_all_on(circumstances: &Circumstances) -> Option<Row> {
    let command = || "gridbell alert list, then gridbell alert ack <incident>".to_owned();
    let how = circumstances.awaited.then(|| circumstances.link.clone().unwrap_or_else(command));
    how.map(|how| verbatim("Take them on", vec![how]))
}

/// A word of a shell command, whatever a provider has named so.
fn argument(text: &str) -> String {
    let text = tame(text);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./%:@,+~".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

fn sites(terms: &DispatchTerms) -> Vec<String> {
    let mut lines: Vec<String> = terms.targets.iter().take(LISTED_SITES).map(site).collect();
    if terms.targets.len() > LISTED_SITES {
        lines.push(format!("and {} more", terms.targets.len() - LISTED_SITES));
    }
    if lines.is_empty() {
        lines.push("none named".to_owned());
    }
    lines
}

fn site(target: &Target) -> String {
    let mut line = name(target);
    if let Some(external_id) = target.external_id.as_ref().filter(|id| !id.is_empty()) {
        let _ = write!(line, " ({})", clip(&tame(external_id), MAX_NAME));
    }
    if let Some(request) = target.request {
        let _ = write!(line, ": {}", amount(request));
    }
    line
}

/// What a site calls itself.
pub(super) fn name(target: &Target) -> String {
    clip(&tame(target.name.as_deref().unwrap_or(&target.id)), MAX_NAME)
}

fn in_all(request: Request) -> String {
    match request {
        Request::Reduce { .. } | Request::Limit { .. } => format!("{} in all", amount(request)),
        Request::ReduceMax | Request::Unspecified => amount(request),
    }
}

pub(super) fn amount(request: Request) -> String {
    match request {
        Request::Reduce { watts } => format!("reduce by {}", kilowatts(watts)),
        Request::Limit { watts } => format!("draw at most {}", kilowatts(watts)),
        Request::ReduceMax => "reduce as much as you can".to_owned(),
        Request::Unspecified => "an amount that the provider does not name".to_owned(),
    }
}

fn kilowatts(watts: u64) -> String {
    match watts % 1_000 {
        0 => format!("{} kW", watts / 1_000),
        rest => format!("{}.{rest:03} kW", watts / 1_000),
    }
}

/// In UTC, to the second.
pub(super) fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// UTC, then the zone of each program; a name that is not understood is said to be none.
fn instant(at: Timestamp, terms: &DispatchTerms) -> Vec<String> {
    let mut lines = vec![second(at)];
    for program in &terms.programs {
        let Some(name) = program.timezone.as_deref().filter(|name| !name.trim().is_empty()) else { continue };
        let line = match Zone::of(name, program.market.as_deref()) {
            Some(zone) if zone.is_utc() => continue,
            Some(zone) => format!("{} ({})", zone.show(at, "%Y-%m-%d %H:%M:%S"), zone.name),
            None => format!("(the program's zone, {:?}, is no time zone)", clip(&tame(name), 40)),
        };
        if lines.len() <= MAX_ZONES && !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// Columns, the labels to the left.
pub(super) fn text(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.label.len()).max().unwrap_or_default() + 2;
    let mut text = String::new();
    for row in rows {
        for (index, line) in row.lines.iter().enumerate() {
            let label = if index == 0 { format!("{}:", row.label) } else { String::new() };
            let _ = writeln!(text, "{label:width$}{line}");
        }
    }
    text
}

/// What others wrote, on one line and as it reads: a line break must forge no row and no header, and no invisible mark must
/// turn what stands beside it around.
pub(crate) fn tame(text: &str) -> String {
    one_line(text).into_owned()
}
