//! One mail for many incidents of one kind and source.

use dispatch::{Request, Subject};
use jiff::Timestamp;

use super::{
    Circumstances, Mail, advice, amount, as_html,
    case::{Case, Need, Phase},
    content::{self, Body, Section, row},
    failed, mood,
    subject::{brief_mark, happens, key, mark, remark, why},
    thread, times,
    words::{sentence, tame},
};
use crate::{
    alerts::{group::AlertGroup, incident::IncidentStatus, occasion::Occasion},
    config::Config,
    job::clip,
    zone::Zone,
};

/// The longest line that is shown, in characters.
const MAX_LINE: usize = 300;

/// The longest detail or key that is shown, in characters.
const MAX_DETAIL: usize = 160;

/// A list, or one mail of a longer list. It names each dispatch once, resolved ones separately.
#[derive(Debug)]
pub struct List<'a> {
    group: &'a AlertGroup,
    occasion: Occasion,
    /// The first and most urgent case.
    first: Option<Case<'a>>,
    lines: Vec<Line>,
    page: ListPage,
}

/// The number of a page, and of all pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListPage {
    /// From 1.
    pub number: usize,
    /// The number of pages.
    pub of: usize,
}

#[derive(Debug)]
struct Line {
    subject: Option<Subject>,
    key: String,
    what: String,
    why: Vec<String>,
    is_known: bool,
    is_over: bool,
    is_acknowledged: bool,
    /// The requested reduction in watts, if it is an amount.
    watts: Option<u64>,
}

impl<'a> List<'a> {
    /// The list of incidents whose mail is due, most urgent first.
    pub fn of(group: &'a AlertGroup, cases: &[Case<'a>], page: ListPage) -> Self {
        let occasion = Occasion::of(&group.occasion);
        let mut lines: Vec<Line> = Vec::new();
        for case in cases {
            let line = line(case, occasion);
            match lines.iter_mut().find(|known| known.subject.is_some() && known.subject == line.subject) {
                Some(known) => {
                    known.is_acknowledged &= line.is_acknowledged;
                    known.why.extend(line.why.into_iter().filter(|why| !known.why.contains(why)).collect::<Vec<_>>());
                }
                None => lines.push(line),
            }
        }
        let is_live = |case: &&Case<'_>| case.need().is_none_or(|need| need.is_active());
        let first = cases.iter().find(is_live).or(cases.first()).copied();
        Self { group, occasion, first, lines, page }
    }

    fn live(&self) -> usize {
        self.lines.iter().filter(|line| !line.is_over).count()
    }

    /// The mail's subject.
    pub fn subject(&self) -> String {
        let Self { group, page, .. } = self;
        let mark = mark(group.test);
        let source = tame(&group.source);
        let page = if page.of > 1 { format!(", list {} of {}", page.number, page.of) } else { String::new() };
        format!("{mark}{}{}{page} ({}, {source})", self.happens(&source), remark(self.occasion), group.kind)
    }

    /// The same for a phone: without the mark, the kind and the source.
    pub(crate) fn brief(&self) -> String {
        let source = tame(&self.group.source);
        format!("{}{}{}", brief_mark(self.group.test), self.happens(&source), remark(self.occasion))
    }

    fn happens(&self, source: &str) -> String {
        let all = counted(self.lines.len(), self.lines.iter().all(|line| line.subject.is_some()));
        let Some(first) = self.first.as_ref().filter(|_| self.occasion != Occasion::Resolved) else {
            return format!("Resolved: {all} of {source}");
        };
        let live = self.live();
        if live == 0 {
            return format!("TOO LATE for {all} of {source}: {}", why(first));
        }
        let live = counted(live, self.lines.iter().filter(|line| !line.is_over).all(|line| line.subject.is_some()));
        match first.need() {
            Some(need) if first.must_curtail() => {
                format!("CURTAIL{} for {live}, first {} {}: {}", self.amount(), need.place(18), need.when(), why(first))
            }
            Some(need) => format!("CHECK {live} of {source}, first {} {}: {}", need.place(18), need.when(), why(first)),
            None if self.lines.iter().all(|line| line.subject.is_some() && !line.is_known)
                && first.announces_dispatches() =>
            {
                format!("UNKNOWN: {live} of {source}, look in its portal now")
            }
            None => format!("{live}: {}", happens(first, "")),
        }
    }

    /// The sum of the reductions, if each states an amount.
    fn amount(&self) -> String {
        let live = self.lines.iter().filter(|line| !line.is_over);
        let watts = live.map(|line| line.watts).try_fold(0_u64, |sum, watts| sum.checked_add(watts?));
        watts.map(|watts| format!(" {}", amount::rounded(watts))).unwrap_or_default()
    }

    /// The mail; none if it has no recipient.
    pub fn compose(&self, config: &Config, circumstances: Circumstances) -> Option<Mail> {
        if circumstances.to.is_empty() {
            return None;
        }
        let (subject, sections) = (self.subject(), self.sections(&circumstances));
        Some(Mail {
            from: config.contacts.from.clone(),
            to: circumstances.to,
            text: content::text(&sections),
            html: as_html(&subject, mood(self.group.test, self.occasion), &sections),
            calendar: None,
            thread: thread(config, &self.group.group),
            subject,
        })
    }

    fn sections(&self, circumstances: &Circumstances) -> Vec<Section> {
        let resolved = self.occasion == Occasion::Resolved;
        let mut sections = Vec::new();
        let shown = |title, over: bool| {
            let items: Vec<String> =
                self.lines.iter().filter(|line| resolved || line.is_over == over).map(Line::shown).collect();
            (!items.is_empty()).then_some(Section { title, body: Body::Items(items) })
        };
        sections.extend(shown(if resolved { "What is true now" } else { "What must happen" }, false));
        if !resolved {
            sections.extend(shown("Over already", true));
            let failed = self.first.map(|first| failed::failed(&first, self.occasion));
            let of_all = |line: String| line.replace("this dispatch", "these dispatches");
            sections.extend(failed.map(|lines| Section::lines("What failed", lines.into_iter().map(of_all).collect())));
        }
        let steps = advice::of_list(self.first.as_ref(), self.occasion, circumstances);
        sections.push(Section { title: "What to do now", body: Body::Steps(steps) });
        let notified = vec![format!("This mail goes to {}.", circumstances.to.join(", "))];
        sections.push(Section::lines("Who is notified", notified));
        let test = if self.group.test { "TEST: no site has to curtail" } else { "REAL: production, no test" };
        let rows = vec![
            row("Test or real", [test.to_owned()]),
            row("Kind", [format!("{}, source {}", self.group.kind, tame(&self.group.source))]),
        ];
        sections.push(Section { title: "Technical details", body: Body::Rows(rows) });
        sections
    }
}

impl Line {
    /// What must happen, why, and the key in brackets.
    fn shown(&self) -> String {
        let acknowledged = if self.is_acknowledged { ", acknowledged meanwhile" } else { "" };
        let said = clip(&format!("{}: {}", self.what, self.why.join("; ")), MAX_LINE);
        format!("{said} ({}{acknowledged})", self.key)
    }
}

/// A line of the page behind a list's link.
pub(crate) fn listed(case: &Case<'_>) -> String {
    line(case, Occasion::First).shown()
}

fn line(case: &Case<'_>, occasion: Occasion) -> Line {
    let incident = case.incident;
    let need = case.need();
    let what = match &need {
        Some(need) => asks(need, case.now),
        None if incident.subject().is_some() && case.announces_dispatches() => "Unknown dispatch".to_owned(),
        None => sentence(&tame(incident.source())).trim_end_matches('.').to_owned(),
    };
    Line {
        subject: incident.subject(),
        key: clip(&key(case), MAX_DETAIL),
        what,
        why: vec![clip(&tame(&incident.detail), MAX_DETAIL)],
        is_known: need.is_some(),
        is_over: occasion != Occasion::Resolved && need.as_ref().is_some_and(|need| !need.is_active()),
        is_acknowledged: incident.status == IncidentStatus::Acknowledged,
        watts: need.and_then(|need| match need.request {
            Request::Reduce { watts } => Some(watts),
            Request::Limit { .. } | Request::ReduceMax | Request::Unspecified => None,
        }),
    }
}

/// `5 kW at My Site +1, 08:50–09:00 PST (16:50–17:00 UTC), in 9 min`.
fn asks(need: &Need<'_>, now: Timestamp) -> String {
    let utc = if need.zone.is_utc() {
        String::new()
    } else {
        format!(" ({})", times::window(need.start, need.end, &Zone::utc(), now))
    };
    let state = match need.phase {
        Phase::Ahead => times::countdown(need.start, now),
        Phase::Running => "runs now".to_owned(),
        Phase::Over => "over".to_owned(),
        Phase::Withdrawn => "withdrawn".to_owned(),
    };
    format!("{}, {}{utc}, {state}", need.asks(60), need.window())
}

fn counted(count: usize, dispatches: bool) -> String {
    let what = match (dispatches, count) {
        (true, 1) => "dispatch",
        (true, _) => "dispatches",
        (false, 1) => "incident",
        (false, _) => "incidents",
    };
    format!("{count} {what}")
}
