//! The page as HTML: no script, nothing to load, readable on a small phone, in light and dark mode.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::{IncidentAckOutcome, Known, Page, SHOWN};
use crate::{
    alerts::{
        group::AckLink,
        incident::{Acknowledged, Incident, IncidentStatus},
        mail::{self, Case, Circumstances, Mood, Section, escape, tame},
        occasion::Occasion,
    },
    config::Config,
    dispatches::record::SubjectRecord,
    job::clip,
};

/// The latest timeline events that are shown.
const STEPS: usize = 30;

/// The longest timeline event that is shown, in characters.
const MAX_STEP: usize = 300;

const HEAD: &str = "<meta name=\"robots\" content=\"noindex\">\
<style>input{font:inherit;padding:8px;width:100%;max-width:320px;box-sizing:border-box;margin:4px 0 12px}\
.note{border:2px solid #3a9a5b;border-radius:8px;padding:10px 12px;margin:12px 0;font-weight:600}\
label{font-weight:600}button.second{background:transparent;color:inherit}</style>";

pub(super) struct View<'c, 'l> {
    pub(super) config: &'c Config,
    pub(super) stack: Option<&'c str>,
    pub(super) link: &'l AckLink,
    pub(super) known: Vec<Known>,
    pub(super) now: Timestamp,
}

impl View<'_, '_> {
    /// The single incident; none if the link is of a list, or if the incident has a later occurrence.
    pub(super) fn known(&self) -> Option<&Known> {
        match (&self.known[..], self.link.incidents.len()) {
            ([known], 1) => Some(known),
            _ => None,
        }
    }

    fn case<'k>(&'k self, known: &'k Known) -> Case<'k> {
        Case { config: self.config, incident: &known.incident, record: known.record.as_ref(), now: self.now }
    }

    /// Whether the button *I have curtailed by hand* would change anything.
    pub(super) fn is_curtailable(&self) -> bool {
        self.known().is_some_and(|known| {
            let record = known.record.as_ref().filter(|record| !record.is_acknowledged());
            let is_dispatch = record.is_some_and(|record| record.state.published().is_some());
            is_dispatch && known.incident.status != IncidentStatus::Resolved && self.case(known).is_active()
        })
    }

    pub(super) fn page(&self, status: u16, outcome: &'static str, note: Option<&str>) -> Page {
        let mut body = String::new();
        if let Some(note) = note {
            let _ = writeln!(body, "<p class=\"note\" role=\"status\">{}</p>", escape(&tame(note)));
        }
        let (title, mood) = if let Some(known) = self.known() {
            let case = self.case(known);
            body.push_str(&self.single(&case));
            let occasion = occasion(&known.incident);
            (mail::subject(&case, occasion), mood(&case, occasion))
        } else {
            body.push_str(&self.list());
            (self.link.subject.clone(), Mood::Bad)
        };
        let _ = writeln!(
            body,
            "<p class=\"dim\">As of {}. Reload for the latest. This page can be read until {}.</p>",
            mail::second(self.now),
            minute(self.link.expires_at)
        );
        let title = tame(&title);
        let heading = title.strip_prefix("[gridbell] ").unwrap_or(&title);
        Page { status, body: mail::page(&title, heading, mood, HEAD, &body), outcome }
    }

    fn single(&self, case: &Case<'_>) -> String {
        let occasion = occasion(case.incident);
        let what =
            if occasion == Occasion::Resolved { mail::true_now(case, &[]) } else { mail::what_failed(case, occasion) };
        // The buttons below do the rest of what a mail asks for.
        let circumstances = Circumstances { stack: self.stack.map(str::to_owned), ..Circumstances::default() };
        let steps = mail::what_to_do(case, occasion, &circumstances);
        let mut html = mail::sections(&[mail::must_happen(case, occasion), what, steps]);
        html.push_str(&self.buttons(case.record));
        let timeline = timeline(case.incident, case.record);
        let rows = mail::Section::rows("Technical details", details(case.incident));
        html.push_str(&mail::sections(&[Section::lines("Timeline", timeline), rows]));
        html
    }

    /// The buttons with their effects, and who has acknowledged.
    fn buttons(&self, record: Option<&SubjectRecord>) -> String {
        let is_open = self.known.iter().any(Known::is_open) || self.link.incidents.len() > SHOWN;
        let mut html = String::from("<h2>Acknowledge</h2>\n");
        if let Some(by) = self.known().and_then(|known| known.incident.acknowledged.as_ref()) {
            let _ = writeln!(html, "<p>{}</p>", escape(&acknowledged_by(by)));
        }
        let (acknowledge, curtailed) =
            (is_open && self.link.used_at.is_none(), self.link.curtailed_at.is_none() && self.is_curtailable());
        if !acknowledge && !curtailed {
            let _ = writeln!(html, "<p>{}</p>", self.nothing_to_press(is_open));
            return html;
        }
        html.push_str(
            "<form method=\"post\" action=\"\"><label for=\"name\">Your name</label><br>\
             <input id=\"name\" name=\"name\" maxlength=\"80\" autocomplete=\"name\">\n",
        );
        if acknowledge {
            html.push_str(
                "<p><button class=\"button\" name=\"do\" value=\"acknowledge\">Acknowledge</button><br>\
                 Reminders and escalation stop; the others see that you take care. The sites are not touched.</p>\n",
            );
        }
        if let (true, Some(record)) = (curtailed, record) {
            let (epoch, version) = (record.state.epoch, record.state.version);
            let _ = writeln!(
                html,
                "<input type=\"hidden\" name=\"epoch\" value=\"{epoch}\"><input type=\"hidden\" name=\"version\" value=\"{version}\">\
                 <p><button class=\"button second\" name=\"do\" value=\"curtailed\">I have curtailed by hand</button><br>\
                 gridbell notes version {version} as accepted, with your name. A later version needs an answer of its own.</p>"
            );
        }
        html.push_str("</form>\n");
        html
    }

    fn nothing_to_press(&self, is_open: bool) -> &'static str {
        match (self.known.is_empty(), is_open) {
            (true, _) => "This incident is resolved. What began anew since has a mail of its own.",
            (false, true) => "The buttons of this page were used.",
            (false, false) if self.known.iter().all(|known| known.incident.status == IncidentStatus::Resolved) => {
                "The incident is resolved: there is nothing to acknowledge."
            }
            (false, false) => "No reminder and no escalation follows.",
        }
    }

    fn list(&self) -> String {
        let mut html = String::from("<h2>What it is about</h2>\n<ul>\n");
        let shown = self.link.incidents.iter().take(SHOWN);
        for (key, opened_at) in shown {
            let known = self.known.iter().find(|known| known.incident.incident == *key);
            let line = known.map(|known| format!("{}; {}", mail::listed(&self.case(known)), state(&known.incident)));
            let line = line.unwrap_or_else(|| "resolved already".to_owned());
            let key = clip(&tame(key), 200);
            let _ = writeln!(html, "<li>{}<br>{}, since {}</li>", escape(&line), escape(&key), minute(*opened_at));
        }
        let more = self.link.incidents.len().saturating_sub(SHOWN);
        if more > 0 {
            let _ = writeln!(html, "<li>and {more} more</li>");
        }
        html.push_str("</ul>\n");
        html.push_str(&self.buttons(None));
        html
    }
}

/// A page with only one sentence.
pub(super) fn notice(status: u16, outcome: &'static str, title: &str, words: &str) -> Page {
    let body = format!("<p>{}</p>\n", escape(&tame(words)));
    Page { status, body: mail::page(title, title, Mood::Test, HEAD, &body), outcome }
}

/// The result of pressing *Acknowledge*.
pub(super) fn acknowledged(outcomes: &[IncidentAckOutcome]) -> String {
    let noted = outcomes.iter().filter(|outcome| **outcome == IncidentAckOutcome::Noted).count();
    match (noted, outcomes) {
        (0, [IncidentAckOutcome::Already(before)]) => format!("Nothing was changed. {}", acknowledged_by(before)),
        (0, [_]) => "The incident is resolved already.".to_owned(),
        (0, _) => "All of it is resolved or was acknowledged before.".to_owned(),
        (_, [_]) => "Acknowledged. No reminder and no escalation follows.".to_owned(),
        (noted, all) => {
            format!("{noted} of {} are acknowledged. No reminder and no escalation follows.", all.len())
        }
    }
}

fn acknowledged_by(by: &Acknowledged) -> String {
    format!("Acknowledged by {} at {}.", tame(&by.by), mail::second(by.at))
}

fn occasion(incident: &Incident) -> Occasion {
    if incident.status == IncidentStatus::Resolved { Occasion::Resolved } else { Occasion::First }
}

fn mood(case: &Case<'_>, occasion: Occasion) -> Mood {
    mail::mood(case.is_test(), occasion)
}

fn state(incident: &Incident) -> String {
    match (&incident.acknowledged, incident.status) {
        (_, IncidentStatus::Resolved) => "resolved already".to_owned(),
        (Some(by), IncidentStatus::Acknowledged) => format!("acknowledged by {}", tame(&by.by)),
        _ => "no person has acknowledged it".to_owned(),
    }
}

/// The events of the dispatch and the incident, the earliest first.
fn timeline(incident: &Incident, record: Option<&SubjectRecord>) -> Vec<String> {
    let mut steps: Vec<(Timestamp, String)> = Vec::new();
    let history = record.map(|record| record.history.as_slice()).unwrap_or_default();
    steps.extend(history.iter().map(|step| (step.at, step.event.to_string())));
    steps.push((incident.opened_at, "the incident began".to_owned()));
    steps.extend(incident.mails.iter().map(|(stage, at)| (*at, format!("mail sent: {stage}"))));
    for log in &incident.channels {
        steps.extend(log.sent.iter().map(|(stage, at)| (*at, format!("{} notified: {stage}", log.channel))));
        let failing = log.waiting.as_ref().filter(|ring| ring.failures > 0);
        steps.extend(failing.map(|ring| (ring.since, format!("{} not reached yet", log.channel))));
    }
    steps.extend(incident.acknowledged.iter().map(|by| (by.at, format!("acknowledged by {}", by.by))));
    steps.extend(
        incident
            .snoozed
            .iter()
            .map(|one| (one.at, format!("{} has it wait until {}", one.by, mail::second(one.until)))),
    );
    steps.extend(incident.resolved_at.map(|at| (at, "the incident was resolved".to_owned())));
    steps.sort_by_key(|(at, _)| *at);
    let left_out = steps.len().saturating_sub(STEPS);
    let shown = steps.into_iter().skip(left_out);
    shown.map(|(at, step)| format!("{}: {}", mail::second(at), clip(&tame(&step), MAX_STEP))).collect()
}

fn details(incident: &Incident) -> Vec<mail::Row> {
    vec![
        mail::row("Incident", [clip(&tame(&incident.incident), 200)]),
        mail::row("Since", [minute(incident.opened_at)]),
        mail::row("Reported", [clip(&tame(&incident.detail), 2_000)]),
    ]
}

fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
