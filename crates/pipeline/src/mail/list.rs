//! One mail for many incidents of one cause.

use dispatch::Statement;
use jiff::Timestamp;

use super::{
    Circumstances, Mail, advice, happened, html, test_mark, thread,
    words::{self, Row, Shown, row, tame},
};
use crate::{
    alert::Occasion,
    config::Config,
    held::{Gate, Held},
    incident::{Incident, IncidentStatus},
    record::Record,
    work::clip,
};

/// How much of a line is shown, in characters.
const MAX_LINE: usize = 300;

/// One incident of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it is about, what its dispatch asks for, what failed.
    pub text: String,
    /// Whether it is about a dispatch.
    pub dispatch: bool,
    /// The most urgent first: by start, those without one last.
    pub sorts_by: Timestamp,
}

/// A held incident as it stands now.
pub fn line(held: &Held, incident: Option<&Incident>, record: Option<&Record>) -> Line {
    let statement = record.and_then(|record| record.state.published()).map(|(_, statement)| statement);
    let over = Occasion::of(&held.stage) == Occasion::Over;
    let by_now = match incident.map(|incident| incident.status) {
        Some(IncidentStatus::Over) if !over => " (over meanwhile)",
        Some(IncidentStatus::Acknowledged) => " (taken on meanwhile)",
        Some(_) => "",
        None => " (over or begun anew meanwhile)",
    };
    let asks = statement.as_ref().map(asks).unwrap_or_default();
    Line {
        text: clip(&format!("{}{asks}: {}{by_now}", tame(&held.about), tame(&held.detail)), MAX_LINE),
        dispatch: incident.is_some_and(|incident| incident.dispatch.is_some()),
        sorts_by: statement.map_or(Timestamp::MAX, |statement| statement.start),
    }
}

fn asks(statement: &Statement) -> String {
    let site = statement.targets.first().map_or_else(|| "no site named".to_owned(), words::name);
    let more = statement.targets.len().saturating_sub(1);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let minute = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M").to_string();
    let day = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
    let end = statement.end.map_or_else(
        || "open".to_owned(),
        |end| if day(end) == day(statement.start) { end.strftime("%H:%M").to_string() } else { minute(end) },
    );
    format!(
        ", {}{more}, {}, {} to {end} UTC",
        clip(&site, 60),
        words::amount(statement.request),
        minute(statement.start)
    )
}

/// The subject of a list.
pub fn list_subject(gate: &Gate, lines: &[Line]) -> String {
    let happened = happened(Occasion::of(&gate.occasion));
    let count = u64::try_from(lines.len()).unwrap_or(u64::MAX).saturating_add(gate.unlisted);
    let what = match (lines.iter().all(|line| line.dispatch), count) {
        (true, 1) => "dispatch",
        (true, _) => "dispatches",
        (false, 1) => "incident",
        (false, _) => "incidents",
    };
    format!("[gridbell] {}{happened}{} {}: {count} {what}", test_mark(gate.test), gate.kind, tame(&gate.source))
}

/// The mail for what a gate has gathered; none where nobody is to be told.
pub fn compose_list(config: &Config, gate: &Gate, lines: &[Line], circumstances: Circumstances) -> Option<Mail> {
    if circumstances.to.is_empty() {
        return None;
    }
    let subject = list_subject(gate, lines);
    let occasion = Occasion::of(&gate.occasion);
    let over = occasion == Occasion::Over;
    let mut listed: Vec<String> = lines.iter().map(|line| line.text.clone()).collect();
    if gate.unlisted > 0 {
        listed.push(format!("and {} more, which stand in the table of alerts", gate.unlisted));
    }
    let what = Row { label: if over { "Over" } else { "What failed" }, lines: listed, shown: Shown::Items };
    let mut rows = vec![what, words::test_or_real(gate.test)];
    let now = if over { &["Nothing: this is over."][..] } else { advice(gate.kind) };
    rows.push(row("What to do now", now.iter().map(|line| (*line).to_owned()).collect()));
    rows.extend(words::take_all_on(&circumstances));
    rows.push(row("Kind", vec![format!("{}, source {}", gate.kind, tame(&gate.source))]));
    Some(Mail {
        from: config.contacts.from.clone(),
        to: circumstances.to,
        text: words::text(&rows),
        html: html::page(&subject, gate.test, occasion, &rows, circumstances.link.as_deref()),
        calendar: None,
        thread: thread(config, &gate.gate),
        subject,
    })
}
