//! A mail's sections, in the order in which a person needs them.

use std::fmt::Write as _;

use super::{
    Circumstances, advice,
    amount::{self, exact, rounded},
    case::{Case, Need, Phase, Place},
    content::{Body, Row, Section, row, verbatim},
    failed,
    times::{countdown, full, second},
    words::{MAX_NAME, command, sentence, tame},
};
use crate::{
    alerts::{
        channels::log::ChannelLog,
        condition::{Condition, GRIDBELL},
        incident::{Incident, IncidentStatus},
        occasion::Occasion,
    },
    job::clip,
};

/// The longest detail that is shown, in characters.
const MAX_DETAIL: usize = 2_000;

pub(super) fn sections(case: &Case<'_>, occasion: Occasion, circumstances: &Circumstances) -> Vec<Section> {
    let mut sections = vec![must_happen(case, occasion)];
    if occasion == Occasion::Resolved {
        sections.push(true_now(case, &circumstances.still_open));
    } else {
        sections.push(what_failed(case, occasion));
    }
    sections.push(what_to_do(case, occasion, circumstances));
    sections.push(notified(case, occasion, circumstances));
    sections.push(Section { title: "Technical details", body: Body::Rows(details(case, circumstances)) });
    sections
}

pub(crate) fn must_happen(case: &Case<'_>, occasion: Occasion) -> Section {
    let title = if occasion == Occasion::Resolved { "The dispatch" } else { "What must happen" };
    let Some(need) = case.need() else { return unknown(case, occasion) };
    let mut rows = vec![row("What", [what(case, &need)]), row("Where", places(&need))];
    rows.extend([row("From", instants(need.start, &need, case)), row("To", end(&need, case))]);
    rows.extend(need.measured_w.map(|watts| row("Measured", [format!("{} at the last report", rounded(watts))])));
    rows.push(real_or_test(case.is_test()));
    Section { title, body: Body::Rows(rows) }
}

fn unknown(case: &Case<'_>, occasion: Occasion) -> Section {
    let source = tame(case.incident.source());
    let lines = match (&case.incident.subject(), case.announces_dispatches()) {
        (Some(subject), true) => vec![
            format!("A dispatch of {source}: {}", clip(&tame(subject.as_str()), MAX_NAME)),
            "Its sites, amount and times are not known to gridbell.".to_owned(),
        ],
        _ if occasion == Occasion::Resolved => vec![format!("This was about {source}.")],
        _ if source == GRIDBELL => {
            vec!["This is about gridbell itself: dispatches of every source may be affected.".to_owned()]
        }
        (None, true) if matches!(case.incident.condition, Condition::Failing { .. }) => {
            vec![format!("A webhook of {source} could not be processed; it may announce a dispatch.")]
        }
        _ => vec![format!("No dispatch is known to be affected. This is about {source}.")],
    };
    let title = if occasion == Occasion::Resolved { "What it was about" } else { "What must happen" };
    let mut section = Section::lines(title, lines);
    if let Body::Lines(lines) = &mut section.body {
        lines.push(match (case.is_test(), case.incident.subject()) {
            (false, Some(_)) if case.record.is_none() => {
                "REAL, as far as gridbell knows: the source is production.".to_owned()
            }
            (test, _) => real_or_test(test).lines.concat(),
        });
    }
    section
}

fn what(case: &Case<'_>, need: &Need<'_>) -> String {
    let asked = match need.request {
        dispatch::Request::Unspecified => "the provider states no amount".to_owned(),
        request => amount::asked(request),
    };
    let all = if need.total > 1 && matches!(need.request, dispatch::Request::Reduce { .. }) { " in all" } else { "" };
    let state = match need.phase {
        Phase::Ahead => format!("starts {}", countdown(need.start, case.now)),
        Phase::Running => "runs now".to_owned(),
        Phase::Over => "is over".to_owned(),
        Phase::Withdrawn => "is withdrawn".to_owned(),
    };
    sentence(&format!("{asked}{all}; it {state}"))
}

fn places(need: &Need<'_>) -> Vec<String> {
    let mut lines: Vec<String> = need.sites.iter().map(place).collect();
    if need.total > need.sites.len() {
        lines.push(format!("and {} more", need.total - need.sites.len()));
    }
    if lines.is_empty() {
        lines.push("the provider names no site".to_owned());
    }
    lines
}

fn place(place: &Place<'_>) -> String {
    let mut line = place.name.clone();
    if let Some(external_id) = &place.external_id {
        let _ = write!(line, " ({external_id})");
    }
    if let Some(request) = place.request {
        let _ = write!(line, ": {}", amount::asked(request));
    }
    line
}

fn instants(at: jiff::Timestamp, need: &Need<'_>, case: &Case<'_>) -> Vec<String> {
    let first = format!("{}, {}", full(at, &need.zone), countdown(at, case.now));
    let others = need.other_zones.iter().map(|zone| zone.show(at, "%a %Y-%m-%d %H:%M:%S"));
    std::iter::once(first).chain(others).collect()
}

fn end(need: &Need<'_>, case: &Case<'_>) -> Vec<String> {
    need.end.map_or_else(|| vec!["not stated yet".to_owned()], |end| instants(end, need, case))
}

fn real_or_test(test: bool) -> Row {
    let words = if test { "TEST: no site has to curtail" } else { "REAL: production, no test" };
    row("Test or real", [words.to_owned()])
}

pub(crate) fn what_to_do(case: &Case<'_>, occasion: Occasion, circumstances: &Circumstances) -> Section {
    Section { title: "What to do now", body: Body::Steps(advice::steps(case, occasion, circumstances)) }
}

pub(crate) fn what_failed(case: &Case<'_>, occasion: Occasion) -> Section {
    Section::lines("What failed", failed::failed(case, occasion))
}

/// What is true now.
pub(crate) fn true_now(case: &Case<'_>, still_open: &[String]) -> Section {
    let mut lines = vec![sentence(&clip(&tame(&case.incident.detail), MAX_DETAIL))];
    lines.extend(case.need().map(|need| match (need.phase, need.end) {
        (Phase::Ahead, _) => format!("It is on: {}, {}.", need.window(), countdown(need.start, case.now)),
        (Phase::Running, Some(_)) => format!("It still runs: {}.", need.window()),
        (Phase::Running, None) => "It still runs; no end is stated.".to_owned(),
        (Phase::Over, _) => "It is over.".to_owned(),
        (Phase::Withdrawn, _) => "It is withdrawn.".to_owned(),
    }));
    if let (Some(by), true) = (&case.incident.acknowledged, case.incident.status != IncidentStatus::Open) {
        lines.push(format!("It was acknowledged by {} at {}.", tame(&by.by), second(by.at)));
    }
    if !still_open.is_empty() {
        lines.push(format!("Still open about this dispatch: {}.", still_open.join(", ")));
    }
    Section::lines("What is true now", lines)
}

/// Which other people were notified, and who will be.
fn notified(case: &Case<'_>, occasion: Occasion, circumstances: &Circumstances) -> Section {
    let incident = case.incident;
    let mut lines = vec![format!("This mail goes to {}.", circumstances.to.join(", "))];
    let before: Vec<&str> = incident
        .notified
        .iter()
        .map(String::as_str)
        .filter(|one| !circumstances.to.iter().any(|to| to == one))
        .collect();
    if !before.is_empty() {
        lines.push(format!("Notified before: {}.", before.join(", ")));
    }
    lines.extend(channels(incident));
    match (&incident.acknowledged, incident.status) {
        (Some(by), IncidentStatus::Acknowledged) => {
            lines.push(format!("Acknowledged by {} at {}.", tame(&by.by), second(by.at)));
        }
        _ if occasion != Occasion::Resolved && circumstances.awaited => {
            lines.push("No person has acknowledged it yet.".to_owned());
            let level = incident.level + usize::from(matches!(occasion, Occasion::Escalation(_)));
            let step = case.config.audience(incident.source()).steps().get(level);
            lines.extend(step.map(|step| {
                let at = incident.opened_at + jiff::SignedDuration::from_secs(i64::from(step.after_s));
                format!("If no person does, {} {}.", step.email.join(", "), is_notified(at, case.now))
            }));
        }
        _ => {}
    }
    Section::lines("Who is notified", lines)
}

/// The other channels, and which of them were not reached yet.
fn channels(incident: &Incident) -> Vec<String> {
    let named = |logs: Vec<&ChannelLog>| logs.iter().map(|log| log.channel.to_string()).collect::<Vec<_>>().join(", ");
    let (reached, others): (Vec<&ChannelLog>, Vec<_>) = incident.channels.iter().partition(|log| !log.sent.is_empty());
    let failing = others.into_iter().filter(|log| log.waiting.as_ref().is_some_and(|ring| ring.failures > 0));
    let failing: Vec<&ChannelLog> = failing.collect();
    let mut lines = Vec::new();
    if !reached.is_empty() {
        lines.push(format!("Notified as well: {}.", named(reached)));
    }
    if !failing.is_empty() {
        lines.push(format!("Not reached yet: {}.", named(failing)));
    }
    lines
}

fn is_notified(at: jiff::Timestamp, now: jiff::Timestamp) -> String {
    if at <= now { "is notified next".to_owned() } else { format!("is notified {}", countdown(at, now)) }
}

fn details(case: &Case<'_>, circumstances: &Circumstances) -> Vec<Row> {
    let incident = case.incident;
    let stack = circumstances.stack.as_deref();
    let mut rows = Vec::new();
    if let Some(subject) = incident.subject() {
        let version = case.record.map(|record| format!(", version {}", record.state.version)).unwrap_or_default();
        rows.push(row("Dispatch", [format!("{}{version}", clip(&tame(subject.as_str()), MAX_NAME))]));
        rows.push(verbatim("Timeline", command(&["dispatch", "timeline"], subject.as_str(), stack)));
    }
    if let Some(need) = case.need() {
        if let dispatch::Request::Limit { watts } = need.request {
            rows.push(row("Limit", [exact(watts)]));
        }
        if !need.zone.is_utc() {
            rows.push(row("Time zone", [need.zone.name.clone()]));
        }
        rows.extend(
            need.strange_zone.map(|zone| row("Zone", [format!("the program states {zone:?}, which is no time zone")])),
        );
    }
    rows.push(row("Reported", [clip(&tame(&incident.detail), MAX_DETAIL)]));
    rows.push(row("About", [clip(&tame(&incident.about), MAX_NAME)]));
    rows.push(row("Kind", [format!("{}, source {}", incident.kind(), tame(incident.source()))]));
    rows.push(row("Since", [second(incident.opened_at)]));
    rows.push(row("Incident", [clip(&tame(&incident.incident), MAX_NAME)]));
    rows
}
