//! A subject's row: its state and the signals that it still owes, in one item, written in one conditional write.

use dispatch::{Absorbed, ActiveDispatch, Origin, Publication, Signal, State, Status, Subject};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    config::Deadlines,
    job::clip,
    open_end,
    ports::Stamp,
    ramping::Ramping,
    timeline::{Event, TimelineEvent, trim},
    unreadable::UnreadableFields,
};

/// How many changes that no webhook announced are remembered.
const REMEMBERED_CHANGES: usize = 16;

/// How much is said of one such change, in characters.
const MAX_CHANGE: usize = 300;

/// All that is stored of one subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubjectRecord {
    /// The key.
    pub subject: Subject,
    /// Goes up by one with every write: what a conditional write asks for.
    pub revision: u64,
    /// Who wrote it last: a lost acknowledgement is recognised by it as one's own success.
    pub write: String,
    /// The write that this one follows, where it is known: a store that keeps a record in several items tidies up after it.
    #[serde(skip)]
    pub follows: Option<String>,
    /// Where it comes from.
    pub origin: Origin,
    /// What is known.
    pub state: State,
    /// Signals that are decided and not yet known to be sent, in order.
    pub outbox: Vec<Signal>,
    /// When the state, or what became of it as a load target, last changed.
    pub changed_at: Timestamp,
    /// What happened, oldest first.
    pub history: Vec<TimelineEvent>,
    /// By when it must be acknowledged, or the end of a ramp be reported; none where nothing is awaited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// By when it had to be acknowledged, where its time passed and no controller did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lapsed: Option<Timestamp>,
    /// When a person is asked first whether it is still active; none where it has an end, or is not active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_end: Option<Timestamp>,
    /// What the controller answered last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack: Option<Ack>,
    /// What polling found and no webhook has announced since, oldest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<Vec<MissedChange>>,
    /// What became of a load target.
    #[serde(default)]
    pub ramping: Ramping,
    /// Fields that could not be read.
    #[serde(default, skip_serializing_if = "UnreadableFields::is_empty")]
    pub unreadable: UnreadableFields,
}

/// A change that polling found, and no webhook announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissedChange {
    /// When.
    pub found_at: Timestamp,
    /// Which signals it led to, such as `gridbell.dispatch.updated.v1 #2`.
    pub what: String,
}

/// A controller's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// To which version.
    pub version: u64,
    /// What it says.
    pub state: AckState,
    /// In the controller's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The person who answered instead of a controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// What a controller says of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AckState {
    /// It will act.
    Accepted,
    /// It has acted.
    Completed,
    /// It cannot act.
    Failed,
}

impl AckState {
    /// As it stands in the request.
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

impl SubjectRecord {
    /// What follows from absorbing facts that a delivery brought: the next revision, owing what was owed plus what is new.
    pub fn following(known: Option<&SubjectRecord>, origin: &Origin, absorbed: Absorbed, step: Step<'_>) -> Self {
        let Absorbed { state, signals, remarks, .. } = absorbed;
        let (revision, mut outbox, mut history) = match known {
            Some(record) => (record.revision + 1, record.outbox.clone(), record.history.clone()),
            None => (1, Vec::new(), Vec::new()),
        };
        // The parts of one version are one step of its history.
        for signal in signals.iter().filter(|signal| signal.part.is_none_or(|part| part.number == 1)) {
            let event = Event::Published {
                signal: signal.kind.clone(),
                sequence: signal.sequence,
                parts: signal.part.map(|part| part.of),
                grounds: state.rank(),
                remark: remarks.get(&signal.sequence).cloned(),
            };
            history.push(TimelineEvent::of(step.delivery, step.now, event));
        }
        let published = state.published();
        let (due, lapsed) = match &published {
            Some((Status::Scheduled, terms)) if !signals.is_empty() => {
                (Some(step.deadlines.due_at(terms.start, step.received_at)), None)
            }
            Some((Status::Scheduled, _)) => (known.and_then(|known| known.due), known.and_then(|known| known.lapsed)),
            _ => (None, None),
        };
        let first_seen_at = history.first().map_or(step.now, |first| first.at);
        let open_end = open_end::asks_from(published.as_ref(), first_seen_at);
        trim(&mut history);
        outbox.extend(signals);
        Self {
            subject: step.subject.clone(),
            revision,
            write: step.write,
            follows: known.map(|known| known.write.clone()),
            origin: origin.clone(),
            state,
            outbox,
            changed_at: step.now,
            history,
            due,
            lapsed,
            open_end,
            ack: known.and_then(|known| known.ack.clone()),
            missed: None,
            ramping: known.map(|known| known.ramping.clone()).unwrap_or_default(),
            unreadable: known.map(|known| known.unreadable.clone()).unwrap_or_default(),
        }
    }

    /// The same in a newer epoch, in which nothing is published and nothing acknowledged yet ([`State::in_epoch`]). None where it
    /// belongs to that epoch, or to a newer one.
    #[must_use]
    pub fn in_epoch(&self, publication: Publication, deadlines: Deadlines) -> Option<Self> {
        let (state, outbox) = self.state.in_epoch(&self.origin, &self.subject, &self.outbox, publication)?;
        let now = publication.now;
        let due = match state.published() {
            Some((Status::Scheduled, terms)) if !outbox.is_empty() => Some(deadlines.due_at(terms.start, now)),
            Some(_) => None,
            None => self.due,
        };
        let mut history = self.history.clone();
        let event = Event::EpochBegan { epoch: publication.epoch, signals: outbox.len() };
        history.push(TimelineEvent::new(now, event));
        trim(&mut history);
        Some(Self { state, outbox, due, lapsed: None, ack: None, history, changed_at: now, ..self.clone() })
    }

    /// From when on a person may have to know of it: what the index `due` holds. That it has no end can wait for its deadline.
    pub fn look_at(&self) -> Option<Timestamp> {
        self.due.or(self.open_end)
    }

    /// The same with one more change that polling found.
    #[must_use]
    pub(crate) fn with_missed(mut self, known: Option<&Self>, what: &str, now: Timestamp) -> Self {
        let mut changes = known.and_then(|known| known.missed.clone()).unwrap_or_default();
        changes.push(MissedChange { found_at: now, what: clip(what, MAX_CHANGE) });
        let excess = changes.len().saturating_sub(REMEMBERED_CHANGES);
        changes.drain(..excess);
        self.missed = Some(changes);
        self
    }

    /// Which change left it as it is.
    pub fn stamp(&self) -> Stamp {
        Stamp { changed_at: self.changed_at, version: self.state.version }
    }

    /// What it wants of whom, where it is on.
    pub fn active(&self) -> Option<ActiveDispatch> {
        let mut active = self.state.active(self.origin.sandbox)?;
        if let (Some(ramp), Some(replaced)) = (&mut active.ramp, &self.ramping.replaced) {
            ramp.running &= ramp.start > replaced.start;
        }
        Some(active)
    }

    /// The next revision, which changes neither state nor outbox.
    #[must_use]
    pub fn noting(mut self, event: impl Into<Option<TimelineEvent>>, write: String) -> Self {
        self.revision += 1;
        self.follows = Some(std::mem::replace(&mut self.write, write));
        self.history.extend(event.into());
        trim(&mut self.history);
        self
    }

    /// Whether the controller has taken on the current version.
    pub fn is_acknowledged(&self) -> bool {
        self.answered(|state| state != AckState::Failed)
    }

    /// Whether the controller answered that it cannot act on the current version.
    pub fn has_failed(&self) -> bool {
        self.answered(|state| state == AckState::Failed)
    }

    fn answered(&self, is: impl FnOnce(AckState) -> bool) -> bool {
        self.ack.as_ref().is_some_and(|ack| ack.version == self.state.version && is(ack.state))
    }
}

/// The circumstances of a change.
#[derive(Debug)]
pub struct Step<'a> {
    /// What changes.
    pub subject: &'a Subject,
    /// The delivery that brought it.
    pub delivery: &'a str,
    /// When that delivery was taken.
    pub received_at: Timestamp,
    /// By when a person must be told.
    pub deadlines: Deadlines,
    /// A name for this one write that no other write bears.
    pub write: String,
    /// When.
    pub now: Timestamp,
}
