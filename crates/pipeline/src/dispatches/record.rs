//! A subject's row: its state and its outbox in one item, written in one conditional write.

use dispatch::{
    Absorbed, ActiveDispatch, Origin, Publication, Signal, State, Status, Subject, TraceParent, text::clip, trace,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use super::ack::{Ack, AckState};
use crate::{
    config::Deadlines,
    dispatches::{
        open_end,
        ramping::Ramping,
        sent::SentVersion,
        timeline::{Asked, Event, TimelineEvent, trim},
        unreadable::UnreadableFields,
    },
};

/// How many changes that no webhook announced are stored.
const REMEMBERED_CHANGES: usize = 16;

/// The longest description of one such change, in characters.
const MAX_CHANGE: usize = 300;

/// All that is stored of one subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubjectRecord {
    /// The key.
    pub subject: Subject,
    /// Incremented by every write; a conditional write compares it.
    pub revision: u64,
    /// The id of the latest write: a writer whose acknowledgement was lost recognises its own write by it.
    pub write: String,
    /// The write before this one, if known: a store that splits a record into several items cleans up after it.
    #[serde(skip)]
    pub follows: Option<String>,
    /// The source and provider that it comes from.
    pub origin: Origin,
    /// The merged state.
    pub state: State,
    /// Signals that are stored and not yet known to be sent, in order.
    pub outbox: Vec<Signal>,
    /// While signals are pending: the version that was sent before them; none if it was not active or a test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<SentVersion>,
    /// When the state, or the load target's replacement, last changed.
    pub changed_at: Timestamp,
    /// The timeline, oldest first.
    pub history: Vec<TimelineEvent>,
    /// By when it must be acknowledged, or the end of a ramp be reported; none if neither is awaited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// By when it had to be acknowledged, if the dispatch ended and no controller acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lapsed: Option<Timestamp>,
    /// When a mail first asks a person whether it is still active; none if it has an end or is not active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_end: Option<Timestamp>,
    /// The controller's latest answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack: Option<Ack>,
    /// Changes that polling found and no webhook has announced since, oldest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<Vec<MissedChange>>,
    /// What happened to a load target.
    #[serde(default)]
    pub ramping: Ramping,
    /// Fields that could not be read.
    #[serde(default, skip_serializing_if = "UnreadableFields::is_empty")]
    pub unreadable: UnreadableFields,
    /// The span that published the current version.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "trace::lenient")]
    pub traceparent: Option<TraceParent>,
}

/// A change that polling found and no webhook announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissedChange {
    /// When.
    pub found_at: Timestamp,
    /// The signals that it caused, such as `gridbell.dispatch.updated.v1 #2`.
    pub what: String,
}

impl SubjectRecord {
    /// The next revision after the facts of a delivery were absorbed: its outbox has the pending signals and the new
    /// ones.
    pub fn following(known: Option<&SubjectRecord>, origin: &Origin, absorbed: Absorbed, step: Step<'_>) -> Self {
        let Absorbed { state, signals, remarks, .. } = absorbed;
        let (revision, mut outbox, mut history) = match known {
            Some(record) => (record.revision + 1, record.outbox.clone(), record.history.clone()),
            None => (1, Vec::new(), Vec::new()),
        };
        let published = state.published();
        let asked = published.as_ref().map(|(_, terms)| Asked::from(terms));
        // The parts of one version are one event of its timeline.
        for signal in signals.iter().filter(|signal| signal.part.is_none_or(|part| part.number == 1)) {
            let event = Event::Published {
                signal: signal.kind.clone(),
                sequence: signal.sequence,
                parts: signal.part.map(|part| part.of),
                grounds: state.rank(),
                remark: remarks.get(&signal.sequence).cloned(),
                asked: asked.filter(|_| signal.sequence == state.version),
            };
            history.push(TimelineEvent::of(step.delivery, step.now, event));
        }
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
        let known_traceparent = known.and_then(|known| known.traceparent);
        let traceparent = if signals.is_empty() { known_traceparent } else { step.traceparent };
        outbox.extend(signals);
        let sent = known.filter(|_| !outbox.is_empty()).and_then(|known| known.sent_version(state.epoch));
        Self {
            subject: step.subject.clone(),
            revision,
            write: step.write,
            follows: known.map(|known| known.write.clone()),
            origin: origin.clone(),
            state,
            outbox,
            sent,
            changed_at: step.now,
            history,
            due,
            lapsed,
            open_end,
            ack: known.and_then(|known| known.ack.clone()),
            missed: None,
            ramping: known.map(|known| known.ramping.clone()).unwrap_or_default(),
            unreadable: known.map(|known| known.unreadable.clone()).unwrap_or_default(),
            traceparent,
        }
    }

    /// The same in a newer epoch, in which no version is published or acknowledged yet ([`State::in_epoch`]). None if
    /// it belongs to that epoch or to a newer one.
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
        let traceparent = if outbox.is_empty() { self.traceparent } else { publication.traceparent };
        Some(Self {
            state,
            outbox,
            sent: None,
            due,
            lapsed: None,
            ack: None,
            history,
            changed_at: now,
            traceparent,
            ..self.clone()
        })
    }

    /// From when on a person may have to be notified of it: the sort key of the index `due`. A missing end can wait
    /// until the deadline.
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

    /// The stamp of its latest change.
    pub fn stamp(&self) -> Stamp {
        Stamp { changed_at: self.changed_at, version: self.state.version }
    }

    /// What it requests of which targets, while it is active.
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

    /// Whether the controller has acknowledged the current version.
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
    /// When that delivery was received.
    pub received_at: Timestamp,
    /// By when a person must be notified.
    pub deadlines: Deadlines,
    /// A unique name of this write.
    pub write: String,
    /// When.
    pub now: Timestamp,
    /// The span that publishes it.
    pub traceparent: Option<TraceParent>,
}

/// Identifies a change of a subject; the greater of two is the later one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// When it changed.
    pub changed_at: Timestamp,
    /// How many versions were published by then.
    pub version: u64,
}
