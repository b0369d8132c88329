//! A subject's row: its state and the signals that it still owes, in one item, written in one conditional write.

use dispatch::{Absorbed, Origin, Plan, Publication, Rank, Signal, State, Status, Subject};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{config::Deadlines, open_end::OpenEnd, ramping::Ramping, reported::Reported};

/// How many entries of a subject's story are kept.
const REMEMBERED_ENTRIES: usize = 64;

/// All that is stored of one subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
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
    /// When the state last changed.
    pub changed_at: Timestamp,
    /// What happened, oldest first.
    pub history: Vec<Entry>,
    /// By when it must be acknowledged; none where nothing is awaited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Due>,
    /// When a person is asked whether it is still on; none where it has an end, or is not on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_end: Option<OpenEnd>,
    /// What the controller answered last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack: Option<Ack>,
    /// When the controller last answered that it cannot act, whatever it answered since: a person was told of that, and perhaps not
    /// yet that it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<Timestamp>,
    /// What polling found and no webhook has told of since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<Missed>,
    /// What became of a load target.
    #[serde(default)]
    pub ramping: Ramping,
    /// Which fields that could not be read people were notified of.
    #[serde(default, skip_serializing_if = "Reported::is_empty")]
    pub reported: Reported,
}

/// A change that polling found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// When the first such change was found.
    pub found_at: Timestamp,
    /// Which signals it led to, such as `gridbell.dispatch.updated.v1 #2`.
    pub what: String,
    /// Whether a person was told that no webhook came.
    pub told: bool,
}

/// By when somebody must have acknowledged the current version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// When a person is told; after that, when somebody looks at the latest whether it is over.
    pub at: Timestamp,
    /// The version that a person was told of, or is about to be; 0: of none.
    pub told: u64,
    /// It is stored that a person is about to be told, and not yet that it is done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub telling: bool,
    /// When that was decided, by the clock of whoever did. What is told bears this instant, and that it is over a later one:
    /// another clock, or a slower invocation, must not make it begin anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_at: Option<Timestamp>,
}

impl Due {
    /// When it is over that a person was told.
    pub(crate) fn over_at(self, now: Timestamp) -> Timestamp {
        self.told_at.map_or(now, |told_at| over_at(told_at, now))
    }
}

/// When it is over what began at an instant that may be of another clock, one that is ahead.
pub(crate) fn over_at(began_at: Timestamp, now: Timestamp) -> Timestamp {
    now.max(began_at.saturating_add(SignedDuration::from_millis(1)).unwrap_or(Timestamp::MAX))
}

/// An incident without news for longer has ended by itself.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(48);

/// Stands for a version of an earlier epoch that a person was notified of: no version of this one, and not none.
const TOLD_BEFORE: u64 = u64::MAX;

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

/// One step of a subject's story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Through which delivery.
    pub delivery: String,
    /// What, in words.
    pub what: String,
}

impl Record {
    /// What follows from absorbing facts that a delivery brought: the next revision, owing what was owed plus what is new.
    pub fn following(known: Option<&Record>, origin: &Origin, absorbed: Absorbed, step: Step<'_>) -> Self {
        let Absorbed { state, signals, remarks, .. } = absorbed;
        let (revision, mut outbox, mut history) = match known {
            Some(record) => (record.revision + 1, record.outbox.clone(), record.history.clone()),
            None => (1, Vec::new(), Vec::new()),
        };
        // The parts of one version are one step of its story.
        for signal in signals.iter().filter(|signal| signal.part.is_none_or(|part| part.number == 1)) {
            let remark = remarks.get(&signal.sequence).map_or_else(String::new, |remark| format!(": {remark}"));
            let parts = signal.part.map_or_else(String::new, |part| format!(" in {} parts", part.of));
            let what = format!("{} #{}{parts}{}{remark}", signal.kind, signal.sequence, grounds(state.rank()));
            history.push(Entry { at: step.now, delivery: step.delivery.to_owned(), what });
        }
        let published = state.published();
        let due = match &published {
            // What was told of an earlier version is watched on: the incident is open.
            Some((Status::Scheduled, statement)) if !signals.is_empty() => Some(Due {
                at: step.deadlines.due_at(statement.start, step.received_at),
                told: known.and_then(|known| known.due).map_or(0, |due| due.told),
                telling: false,
                told_at: known.and_then(|known| known.due).and_then(|due| due.told_at),
            }),
            Some((Status::Scheduled, _)) => known.and_then(|known| known.due),
            // Whom a person was told of is watched until that is over.
            _ => known.and_then(|known| known.due.filter(|due| due.told > 0 || known.failed_at.is_some())),
        };
        let first_seen_at = history.first().map_or(step.now, |first| first.at);
        let known_open = known.and_then(|known| known.open_end);
        let open_end = OpenEnd::following(known_open, published.as_ref(), first_seen_at, step.now);
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
            open_end,
            ack: known.and_then(|known| known.ack.clone()),
            failed_at: known.and_then(|known| known.failed_at),
            missed: None,
            ramping: known.map(|known| known.ramping.clone()).unwrap_or_default(),
            reported: known.map(|known| known.reported.clone()).unwrap_or_default(),
        }
    }

    /// The same in a newer epoch, in which nothing is published and nothing acknowledged yet ([`State::in_epoch`]). None where it
    /// belongs to that epoch, or to a newer one.
    #[must_use]
    pub fn in_epoch(&self, publication: Publication, deadlines: Deadlines) -> Option<Self> {
        let (state, outbox) = self.state.in_epoch(&self.origin, &self.subject, &self.outbox, publication)?;
        let now = publication.now;
        let (epoch, count) = (publication.epoch, outbox.len());
        let what = format!("epoch {epoch} begins: sequences count from 1 again, {count} signal(s) to send");
        // The record may have forgotten that a person was notified: the watch resolves in any case what it finds well.
        let resolves = |at| Some(Due { at, told: TOLD_BEFORE, telling: false, told_at: None });
        let is_recent = now.duration_since(self.changed_at) < FORGOTTEN_AFTER;
        let (due, failed_at) = match state.published() {
            Some((Status::Scheduled, statement)) if !outbox.is_empty() => {
                let due_at = deadlines.due_at(statement.start, now);
                // What ends before anybody looks must not pass for notified.
                let ends_first = statement.end.is_some_and(|end| end <= due_at);
                let due = resolves(due_at).map(|due| Due { told: if ends_first { 0 } else { due.told }, ..due });
                (due, self.failed_at.or(Some(self.changed_at)))
            }
            Some(_) if is_recent => (resolves(now), self.failed_at.or(Some(self.changed_at))),
            _ => (self.due, self.failed_at),
        };
        let mut history = self.history.clone();
        history.push(Entry { at: now, delivery: String::new(), what });
        trim(&mut history);
        Some(Self { state, outbox, due, failed_at, ack: None, history, changed_at: now, ..self.clone() })
    }

    /// When the watch has to look at it next: what the index `due` holds.
    pub fn look_at(&self) -> Option<Timestamp> {
        let times = [self.due.map(|due| due.at), self.open_end.map(|open_end| open_end.ask_at)];
        times.into_iter().flatten().min()
    }

    /// What it wants of whom, where it is on.
    pub fn plan(&self) -> Option<Plan> {
        let mut plan = self.state.plan(self.origin.sandbox)?;
        if let (Some(ramp), Some(replaced)) = (&mut plan.ramp, &self.ramping.replaced) {
            ramp.running &= ramp.start > replaced.start;
        }
        Some(plan)
    }

    /// The next revision, which changes neither state nor outbox.
    #[must_use]
    pub fn noting(mut self, entry: impl Into<Option<Entry>>, write: String) -> Self {
        self.revision += 1;
        self.follows = Some(std::mem::replace(&mut self.write, write));
        self.history.extend(entry.into());
        trim(&mut self.history);
        self
    }

    /// Whether the controller has taken on the current version.
    pub fn is_acknowledged(&self) -> bool {
        self.ack.as_ref().is_some_and(|ack| ack.version == self.state.version && ack.state != AckState::Failed)
    }
}

/// Why a version was published, for people.
fn grounds(rank: Option<Rank>) -> String {
    match rank {
        Some(Rank::Pushed(_)) => ", as the webhook stated".to_owned(),
        Some(Rank::Fetched(at)) => format!(", as fetched at {at:.3}"),
        Some(Rank::Numbered(number, at)) => format!(", modification {number} as fetched at {at:.3}"),
        None => String::new(),
    }
}

/// The first entry and the latest are kept.
fn trim(history: &mut Vec<Entry>) {
    if let Some(excess) = history.len().checked_sub(REMEMBERED_ENTRIES) {
        history.drain(1..=excess);
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
