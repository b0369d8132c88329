//! The checker: checks each line as it comes, and the whole history at the end.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    About, Event, Line, Name, Numbered, ProviderTimeline, StreamStory, deadlines, end,
    mails::Mails,
    rings::{self, Rings},
    signals::Signals,
    traces::Traces,
};

/// The known circumstances of a history, which excuse some violations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent circumstance")]
pub struct Circumstances {
    /// A controller acknowledges and does not only read.
    pub acknowledges: bool,
    /// The controller neither reads nor acknowledges until the faults are healed.
    pub is_silent: bool,
    /// Our own services fail or processes die: until they work again, no time limit applies.
    pub ours_fail: bool,
    /// When the faults end.
    pub heals_at: Timestamp,
    /// How many seconds more than the contract's ten a mail may take, because queues wait for batches and calls are
    /// slow.
    #[serde(default)]
    pub slack_s: u32,
    /// How many channels ring besides mail.
    #[serde(default)]
    pub channels: usize,
    /// Whether test traffic rings too.
    #[serde(default)]
    pub ring_tests: bool,
}

/// A violated invariant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{invariant} does not hold of {subject}: {detail}")]
pub struct Broken {
    /// The invariant.
    pub invariant: &'static str,
    /// The subject, incident or queue that violates it.
    pub subject: String,
    /// What was observed.
    pub detail: String,
}

impl Broken {
    pub(super) fn new(invariant: &'static str, subject: &str, detail: impl Into<String>) -> Self {
        Self { invariant, subject: subject.to_owned(), detail: detail.into() }
    }
}

/// A webhook that the receiver answered with 2xx.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) at: Timestamp,
    pub(super) source: Name,
    pub(super) about: About,
    pub(super) body: String,
}

/// The observations so far.
#[derive(Debug)]
pub struct Checker {
    pub(super) circumstances: Circumstances,
    secrets: Vec<String>,
    pub(super) dispatches: Vec<ProviderTimeline>,
    pub(super) streams: Vec<StreamStory>,
    pub(super) accepted: Vec<Accepted>,
    pub(super) signals: Signals,
    traces: Traces,
    pub(super) mails: Mails,
    rings: Rings,
    /// Subject and version → when its acknowledgement was noted.
    pub(super) noted: BTreeMap<(String, Numbered), Timestamp>,
    /// Source and body.
    pub(super) quarantined: Vec<(String, String)>,
    /// Queue and body.
    pub(super) dead: Vec<(String, String)>,
    pub(super) left: Vec<String>,
    /// How many invocations timed out.
    pub(super) timed_out: i32,
    /// gridbell polls the providers' lists.
    pub(super) polls: bool,
    /// The history is complete; see [`Checker::complete`].
    pub(super) is_complete: bool,
}

impl Checker {
    /// A checker without observations. `secrets` must not appear in any signal or mail.
    pub fn new(circumstances: Circumstances, secrets: Vec<String>) -> Self {
        Self {
            circumstances,
            secrets,
            dispatches: Vec::new(),
            streams: Vec::new(),
            accepted: Vec::new(),
            signals: Signals::default(),
            traces: Traces::default(),
            mails: Mails::default(),
            rings: Rings::default(),
            noted: BTreeMap::new(),
            quarantined: Vec::new(),
            dead: Vec::new(),
            left: Vec::new(),
            timed_out: 0,
            polls: false,
            is_complete: false,
        }
    }

    /// gridbell polls the providers' lists: a dispatch must arrive even without a webhook.
    #[must_use]
    pub fn polling(self, polls: bool) -> Self {
        Self { polls, ..self }
    }

    /// The history is complete: it has everything that can send a mail twice, and goes on until every incident can be
    /// resolved. Then a failure of our own services is no excuse.
    #[must_use]
    pub fn complete(self) -> Self {
        Self { is_complete: true, ..self }
    }

    /// Checks the next line and returns the invariant that it violates.
    pub fn takes(&mut self, Line { at, event }: &Line) -> Option<Broken> {
        let at = *at;
        match event {
            Event::Dispatch { story } => self.dispatches.push(story.clone()),
            Event::Stream { story } => self.streams.push(story.clone()),
            Event::Answered { source, about, body, status } => {
                return self.answered(at, (source, *about), body, *status);
            }
            Event::Signal { body, .. } => {
                let broken = self.no_secret("a signal", body);
                let broken = broken.or_else(|| self.traces.leads(body, self.polls, self.is_complete));
                return broken.or_else(|| self.signals.takes(at, event, (&self.dispatches, &self.streams)).err());
            }
            Event::Began { traceparent, source, body } => self.traces.begins(traceparent, source, body.as_deref()),
            Event::Incident { row } => {
                let before = self.mails.before(row);
                let broken = rings::written(before, row, &self.dispatches, &self.circumstances);
                return broken.or_else(|| self.mails.written(row));
            }
            Event::Ring { channel, invocation, body } => {
                let accepted = rings::Accepted { channel, invocation: *invocation, body };
                let secret = self.no_secret(channel, &body.to_string());
                return secret.or_else(|| self.rings.takes(&accepted, &self.dispatches, &self.circumstances));
            }
            Event::Mail { subject, text, html } => {
                let secret = self.no_secret(subject, text).or_else(|| self.no_secret(subject, html));
                let excused = self.circumstances.ours_fail && !self.is_complete;
                return secret.or_else(|| self.mails.takes(at, (subject, text), &self.dispatches, excused));
            }
            Event::MailRepeats { invocation } => {
                self.mails.repeats += 1;
                self.rings.trouble(*invocation);
            }
            Event::TimeOut => self.timed_out = self.timed_out.saturating_add(1),
            Event::Noted { subject, version } => {
                self.noted.entry((subject.clone(), *version)).or_insert(at);
            }
            Event::Stored { subject, version } => return self.signals.stored(subject, *version),
            Event::Quarantined { source, body } => self.quarantined.push((source.clone(), body.clone())),
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

    /// Checks a text from elsewhere, such as a message or a log line, for secrets.
    pub fn no_secret(&self, place: &str, text: &str) -> Option<Broken> {
        let found = self.secrets.iter().any(|secret| text.contains(secret.as_str()));
        found.then(|| Broken::new("no-secret", place, "it contains a token or a key"))
    }

    /// Checks the finished history and returns every violation.
    pub fn ends(&self) -> Vec<Broken> {
        let mut found = end::check(self);
        found.extend(deadlines::check(self));
        found
    }

    /// How many webhooks were answered with 2xx.
    pub fn accepted(&self) -> usize {
        self.accepted.len()
    }
}

/// Checks a whole history.
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
