//! The results of the demo, for people and for programs.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    gateway::Tally,
    observations::{Check, Line, Mail, Observations, Signal, What},
    scenario::Scenario,
};
use provider_server::{Simulators, times};

/// Everything observed, and every check.
#[derive(Debug)]
pub struct Report {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) signals: Vec<Signal>,
    pub(super) mails: Vec<Mail>,
    /// By subject, then by time.
    pub(super) timeline: Vec<(String, Vec<Line>)>,
    pub(super) checks: Vec<Check>,
    /// What the HTTP output was sent.
    pub(super) output: Tally,
}

impl Report {
    pub(super) fn new(
        observations: &Observations,
        scenarios: &[Scenario],
        simulators: &Simulators,
        output: Tally,
    ) -> Self {
        let seen = observations.observed();
        let mut lines = seen.timeline;
        lines.extend(fetches(simulators));
        lines.extend(seen.signals.iter().map(signal));
        let mut subjects: Vec<String> = scenarios.iter().flat_map(Scenario::subjects).collect();
        for line in &lines {
            if !subjects.contains(&line.subject) {
                subjects.push(line.subject.clone());
            }
        }
        lines.extend(seen.mails.iter().map(|mail| self::mail(mail, &subjects)));
        let of = |subject: String| {
            let mut own: Vec<Line> = lines.iter().filter(|line| line.subject == subject).cloned().collect();
            own.sort_by_key(|line| line.at);
            (subject, own)
        };
        let timeline = subjects.into_iter().map(of).filter(|(_, own)| !own.is_empty()).collect();
        Self {
            start: observations.start,
            end: times::now(),
            signals: seen.signals,
            mails: seen.mails,
            timeline,
            checks: seen.checks,
            output,
        }
    }

    /// The failed checks, one line each.
    pub fn failures(&self) -> Vec<String> {
        let failed = |check: &Check| {
            check.problem.as_ref().map(|problem| format!("{}: {}: {problem}", check.scenario, check.what))
        };
        self.checks.iter().filter_map(failed).collect()
    }

    /// The number of checks.
    pub fn checks(&self) -> usize {
        self.checks.len()
    }

    /// Seconds since the demo began.
    pub(super) fn since_start_s(&self, at: Timestamp) -> f64 {
        at.duration_since(self.start).as_secs_f64()
    }

    /// The whole report as one object.
    pub fn to_json(&self) -> Value {
        let failures = self.failures();
        let events: Vec<&Value> = self.signals.iter().map(|signal| &signal.event).collect();
        json!({
            "ok": failures.is_empty(),
            "start": self.start,
            "seconds": self.since_start_s(self.end),
            "failures": failures,
            "checks": self.checks,
            "signals": events,
            "mails": self.mails,
            "output": self.output,
            "timeline": self.timeline.iter().flat_map(|(_, lines)| lines).collect::<Vec<_>>(),
        })
    }
}

fn fetches(simulators: &Simulators) -> Vec<Line> {
    let mut lines = Vec::new();
    for provider in simulators.providers() {
        for seen in simulators.seen(provider) {
            for about in &seen.about {
                let text = format!("{} {}: {}", seen.method, seen.path, seen.status.unwrap_or_default());
                lines.push(Line { at: seen.at, subject: format!("{provider}-demo/{about}"), what: What::Fetch, text });
            }
        }
    }
    lines
}

fn signal(signal: &Signal) -> Line {
    let kind = super::show::short_kind(signal.text("type"));
    let text = format!("{} {kind}: {}", signal.text("sequence"), super::show::gist(&signal.event));
    Line { at: signal.arrived_at, subject: signal.text("subject").to_owned(), what: What::Signal, text }
}

/// Files a mail under the longest subject that the mail's own subject line names.
fn mail(mail: &Mail, subjects: &[String]) -> Line {
    let subject =
        subjects.iter().filter(|subject| mail.subject.contains(subject.as_str())).max_by_key(|subject| subject.len());
    Line {
        at: mail.seen_at,
        subject: subject.cloned().unwrap_or_default(),
        what: What::Mail,
        text: mail.subject.clone(),
    }
}
