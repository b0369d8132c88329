//! Whoever looks: every line as it comes, then once more in the end.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    About, Event, Line, Name, Numbered, ProviderTimeline, StreamStory, deadlines, end, mails::Mails, signals::Signals,
};

/// What is known of a history beforehand, and what excuses it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Circumstances {
    /// A controller acknowledges, rather than only read.
    pub acknowledges: bool,
    /// The controller says and reads nothing until all is well.
    pub is_silent: bool,
    /// Our own services fail, processes die: until they work again, time is not promised.
    pub ours_fail: bool,
    /// From here on nothing goes wrong.
    pub heals_at: Timestamp,
    /// How much longer than the contract's ten seconds a mail may take, in seconds: where queues wait for batches, and calls are slow.
    #[serde(default)]
    pub slack_s: u32,
}

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{invariant} does not hold of {subject}: {detail}")]
pub struct Broken {
    /// Which invariant.
    pub invariant: &'static str,
    /// Of what: a subject, an incident, a queue.
    pub subject: String,
    /// What was seen.
    pub detail: String,
}

impl Broken {
    pub(super) fn new(invariant: &'static str, subject: &str, detail: impl Into<String>) -> Self {
        Self { invariant, subject: subject.to_owned(), detail: detail.into() }
    }
}

/// A webhook that was answered 2xx.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) at: Timestamp,
    pub(super) source: Name,
    pub(super) about: About,
    pub(super) body: String,
}

/// What was seen so far.
#[derive(Debug)]
pub struct Checker {
    pub(super) circumstances: Circumstances,
    secrets: Vec<String>,
    pub(super) dispatches: Vec<ProviderTimeline>,
    pub(super) streams: Vec<StreamStory>,
    pub(super) accepted: Vec<Accepted>,
    pub(super) signals: Signals,
    pub(super) mails: Mails,
    /// Subject and version → when its acceptance was noted.
    pub(super) noted: BTreeMap<(String, Numbered), Timestamp>,
    /// Source and body.
    pub(super) kept: Vec<(String, String)>,
    /// Queue and body.
    pub(super) dead: Vec<(String, String)>,
    pub(super) left: Vec<String>,
    /// Invocations whose time was up.
    pub(super) timed_out: i32,
    /// The providers' lists are read.
    pub(super) polls: bool,
    /// Nothing is hidden from it.
    pub(super) is_complete: bool,
}

impl Checker {
    /// Nothing was seen yet. `secrets` may stand in no signal and no mail.
    pub fn new(circumstances: Circumstances, secrets: Vec<String>) -> Self {
        Self {
            circumstances,
            secrets,
            dispatches: Vec::new(),
            streams: Vec::new(),
            accepted: Vec::new(),
            signals: Signals::default(),
            mails: Mails::default(),
            noted: BTreeMap::new(),
            kept: Vec::new(),
            dead: Vec::new(),
            left: Vec::new(),
            timed_out: 0,
            polls: false,
            is_complete: false,
        }
    }

    /// The providers' lists are read now and then: what they say must arrive without any webhook.
    #[must_use]
    pub fn polling(self, polls: bool) -> Self {
        Self { polls, ..self }
    }

    /// Nothing is hidden: whatever makes a mail go out twice is told of, and the history goes on until every incident can be
    /// over. Then it is no excuse that our own services fail.
    #[must_use]
    pub fn complete(self) -> Self {
        Self { is_complete: true, ..self }
    }

    /// Takes the next line; says what does not hold from there on.
    pub fn takes(&mut self, Line { at, event }: &Line) -> Option<Broken> {
        let at = *at;
        match event {
            Event::Dispatch { story } => self.dispatches.push(story.clone()),
            Event::Stream { story } => self.streams.push(story.clone()),
            Event::Answered { source, about, body, status } => {
                return self.answered(at, (source, *about), body, *status);
            }
            Event::Signal { body, .. } => {
                let secret = self.no_secret("a signal", body);
                return secret.or_else(|| self.signals.takes(at, event, (&self.dispatches, &self.streams)).err());
            }
            Event::Incident { row } => return self.mails.written(row),
            Event::Mail { subject, text, html } => {
                let secret = self.no_secret(subject, text).or_else(|| self.no_secret(subject, html));
                let excused = self.circumstances.ours_fail && !self.is_complete;
                return secret.or_else(|| self.mails.takes(at, (subject, text), &self.dispatches, excused));
            }
            Event::MailRepeats => self.mails.repeats += 1,
            Event::TimeOut => self.timed_out = self.timed_out.saturating_add(1),
            Event::Noted { subject, version } => {
                self.noted.entry((subject.clone(), *version)).or_insert(at);
            }
            Event::Stored { subject, version } => return self.signals.stored(subject, *version),
            Event::Kept { source, body } => self.kept.push((source.clone(), body.clone())),
            Event::Dead { queue, body } => self.dead.push((queue.clone(), body.clone())),
            Event::Left { still } => self.left.push(still.clone()),
        }
        None
    }

    fn answered(
        &mut self,
        at: Timestamp,
        (source, about): (&Name, About),
        body: &str,
        status: Option<u16>,
    ) -> Option<Broken> {
        let status = status?;
        if about == About::Forged {
            let what = || format!("a wrong token was answered {status}");
            return (status != 404).then(|| Broken::new("only-authentic-requests", source, what()));
        }
        if (200..300).contains(&status) {
            self.accepted.push(Accepted { at, source: source.clone(), about, body: body.to_owned() });
        }
        None
    }

    /// Says what does not hold of a text that stands somewhere else: a message, a line of a log.
    pub fn no_secret(&self, place: &str, text: &str) -> Option<Broken> {
        let held = self.secrets.iter().any(|secret| text.contains(secret.as_str()));
        held.then(|| Broken::new("no-secret", place, "it holds a token or a key"))
    }

    /// When nothing more is to be done: all that does not hold.
    pub fn ends(&self) -> Vec<Broken> {
        let mut found = end::fetch(self);
        found.extend(deadlines::fetch(self));
        found
    }

    /// How many webhooks were answered 2xx.
    pub fn accepted(&self) -> usize {
        self.accepted.len()
    }
}

/// Judges a whole history.
pub fn judge<'l>(
    lines: impl IntoIterator<Item = &'l Line>,
    circumstances: Circumstances,
    secrets: Vec<String>,
) -> Vec<Broken> {
    let mut checker = Checker::new(circumstances, secrets);
    let mut found: Vec<Broken> = lines.into_iter().filter_map(|line| checker.takes(line)).collect();
    found.extend(checker.ends());
    found
}
