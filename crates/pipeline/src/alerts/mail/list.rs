//! One mail for many incidents of one cause.

use dispatch::DispatchTerms;
use jiff::Timestamp;

use super::{
    Circumstances, Mail, advice, happened, html, test_mark, thread,
    words::{self, Row, Shown, row, tame},
};
use crate::{
    alerts::{
        group::AlertGroup,
        incident::{Incident, IncidentStatus},
        occasion::Occasion,
    },
    config::Config,
    dispatches::record::SubjectRecord,
    job::clip,
};

/// How much of a line is shown, in characters.
const MAX_LINE: usize = 300;

/// How much of a detail is shown, in characters.
const MAX_DETAIL: usize = 160;

/// One incident of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it is about, what its dispatch asks for, what failed.
    pub text: String,
    /// Whether it is about a dispatch.
    pub dispatch: bool,
}

/// An incident whose mail is due.
pub fn line(incident: &Incident, record: Option<&SubjectRecord>) -> Line {
    let terms = record.and_then(|record| record.state.published()).map(|(_, terms)| terms);
    let by_now = match incident.status {
        IncidentStatus::Acknowledged => " (taken on meanwhile)",
        IncidentStatus::Open | IncidentStatus::Resolved => "",
    };
    let asks = terms.as_ref().map(asks).unwrap_or_default();
    let detail = clip(&tame(&incident.detail), MAX_DETAIL);
    Line {
        text: clip(&format!("{}{asks}: {detail}{by_now}", clip(&tame(&incident.about), MAX_DETAIL)), MAX_LINE),
        dispatch: incident.subject().is_some(),
    }
}

fn asks(terms: &DispatchTerms) -> String {
    let site = terms.targets.first().map_or_else(|| "no site named".to_owned(), words::name);
    let more = terms.targets.len().saturating_sub(1);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let minute = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M").to_string();
    let day = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
    let end = terms.end.map_or_else(
        || "open".to_owned(),
        |end| if day(end) == day(terms.start) { end.strftime("%H:%M").to_string() } else { minute(end) },
    );
    format!(", {}{more}, {}, {} to {end} UTC", clip(&site, 60), words::amount(terms.request), minute(terms.start))
}

/// Which of several mails holds a part of a long list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListPage {
    /// From 1 on.
    pub number: usize,
    /// How many there are.
    pub of: usize,
}

/// The subject of a list, which is one page of several.
pub fn list_subject(group: &AlertGroup, lines: &[Line], page: ListPage) -> String {
    let happened = happened(Occasion::of(&group.occasion));
    let count = lines.len();
    let what = match (lines.iter().all(|line| line.dispatch), count) {
        (true, 1) => "dispatch",
        (true, _) => "dispatches",
        (false, 1) => "incident",
        (false, _) => "incidents",
    };
    let ListPage { number, of } = page;
    let page = if of > 1 { format!(" ({number} of {of})") } else { String::new() };
    format!(
        "[gridbell] {}{happened}{} {}: {count} {what}{page}",
        test_mark(group.test),
        group.kind,
        tame(&group.source)
    )
}

/// The mail for what an alert group has collected; none where it has no recipient.
pub fn compose_list(
    config: &Config,
    group: &AlertGroup,
    lines: &[Line],
    subject: String,
    circumstances: Circumstances,
) -> Option<Mail> {
    if circumstances.to.is_empty() {
        return None;
    }
    let occasion = Occasion::of(&group.occasion);
    let over = occasion == Occasion::Resolved;
    let listed: Vec<String> = lines.iter().map(|line| line.text.clone()).collect();
    let what = Row { label: if over { "Over" } else { "What failed" }, lines: listed, shown: Shown::Items };
    let mut rows = vec![what, words::test_or_real(group.test)];
    let now = if over { &["Nothing: this is over."][..] } else { advice(group.kind) };
    rows.push(row("What to do now", now.iter().map(|line| (*line).to_owned()).collect()));
    rows.extend(words::take_all_on(&circumstances));
    rows.push(row("Kind", vec![format!("{}, source {}", group.kind, tame(&group.source))]));
    Some(Mail {
        from: config.contacts.from.clone(),
        to: circumstances.to,
        text: words::text(&rows),
        html: html::page(&subject, group.test, occasion, &rows, circumstances.link.as_deref()),
        calendar: None,
        thread: thread(config, &group.group),
        subject,
    })
}
