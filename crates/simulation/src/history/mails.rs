//! Mails: one for each incident and stage; mails about tests are marked.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pipeline::{
    alerts::Occasion,
    incident::{Incident, IncidentStatus},
};

use super::{Broken, ProviderTimeline};

/// A sent mail.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) at: Timestamp,
    pub(super) subject: String,
    text: String,
}

/// The mails so far.
#[derive(Debug, Default)]
pub(super) struct Mails {
    pub(super) sent: Vec<Sent>,
    rows: BTreeMap<String, Incident>,
    claims: usize,
    /// How many events may have caused a mail to be sent twice.
    pub(super) repeats: usize,
}

impl Mails {
    pub(super) fn subjects(&self) -> impl Iterator<Item = &str> {
        self.sent.iter().map(|mail| mail.subject.as_str())
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &Incident> {
        self.rows.values()
    }

    /// Whether a mail reported the dispatch as at risk by then, alone or in a list.
    pub(super) fn at_risk_by(&self, limit: Timestamp, key: &str) -> bool {
        let listed = [format!(" ({key})"), format!(" ({key}, acknowledged meanwhile)")];
        self.sent.iter().filter(|mail| mail.at <= limit).any(|Sent { subject, text, .. }| {
            let happens = subject.contains("dispatch-at-risk") && !subject.contains("Resolved: ");
            happens && (names(subject, key) || listed.iter().any(|listed| text.contains(listed)))
        })
    }

    /// Checks a sent mail.
    pub(super) fn takes(
        &mut self,
        at: Timestamp,
        (subject, text): (&str, &str),
        stories: &[ProviderTimeline],
        excused: bool,
    ) -> Option<Broken> {
        self.sent.push(Sent { at, subject: subject.to_owned(), text: text.to_owned() });
        let sent = self.sent.len();
        // The alerter sends a mail twice if it dies, or cannot write, between sending and recording: better twice than
        // never.
        if sent > self.claims + self.repeats && !excused {
            let what = format!("{sent} mails for {} stages and {} troubles of the alerter", self.claims, self.repeats);
            return Some(Broken::new("one-mail-per-stage", "mails", what));
        }
        let story = stories.iter().find(|story| names(subject, &story.subject))?;
        let marked = subject.contains("[TEST]");
        // If the table could not be read, the mail says so, and that it may be a test.
        let at_risk =
            subject.contains("dispatch-at-risk") && !text.contains("Its sites, amount and times are not known");
        if (marked && story.test.is_none()) || (at_risk && !marked && story.test.is_some()) {
            return Some(Broken::new(
                "test-is-test",
                &story.subject,
                format!("{subject:?}, in truth {:?}", story.test),
            ));
        }
        None
    }

    /// The same occurrence of an incident as it was written before.
    pub(super) fn before(&self, row: &Incident) -> Option<&Incident> {
        self.rows.get(&row.incident).filter(|before| before.opened_at == row.opened_at)
    }

    /// A stage whose mail was sent does not wait again within the same incident.
    pub(super) fn written(&mut self, row: &Incident) -> Option<Broken> {
        let before = self.rows.get(&row.incident).filter(|before| before.opened_at == row.opened_at);
        let waited = before.and_then(|before| before.waiting.as_ref());
        for news in row.waiting.iter().flat_map(|waiting| &waiting.stages) {
            if waited.is_some_and(|waited| waited.stages.iter().any(|before| before.stage == news.stage)) {
                continue;
            }
            self.claims += 1;
            let stage = &news.stage;
            let of_the_clock = !matches!(Occasion::of(stage), Occasion::First | Occasion::Resolved);
            if row.status == IncidentStatus::Acknowledged && of_the_clock {
                let what = format!("it is acknowledged, and {stage:?} is to be mailed");
                return Some(Broken::new("acknowledged-is-quiet", &row.incident, what));
            }
            if before.is_some_and(|before| before.mails.contains_key(stage)) {
                let what = format!("the stage {stage:?} was mailed, and waits again");
                return Some(Broken::new("one-mail-per-stage", &row.incident, what));
            }
        }
        self.rows.insert(row.incident.clone(), row.clone());
        None
    }
}

/// Whether the mail's subject ends with the dispatch's key.
pub(super) fn names(subject: &str, key: &str) -> bool {
    subject.strip_suffix(')').is_some_and(|subject| subject.ends_with(&format!(", {key}")))
}
