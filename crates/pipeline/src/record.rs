//! A subject's row: its state and the signals that it still owes, in one item, written in one conditional write.

use dispatch::{Absorbed, Origin, Signal, State, Subject};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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
        let Absorbed { state, signals, .. } = absorbed;
        let (revision, mut outbox, mut history) = match known {
            Some(record) => (record.revision + 1, record.outbox.clone(), record.history.clone()),
            None => (1, Vec::new(), Vec::new()),
        };
        for signal in &signals {
            let what = format!("{} #{}", signal.kind, signal.sequence);
            history.push(Entry { at: step.now, delivery: step.delivery.to_owned(), what });
        }
        if history.len() > REMEMBERED_ENTRIES {
            history.drain(1..=history.len() - REMEMBERED_ENTRIES);
        }
        outbox.extend(signals);
        Self {
            subject: step.subject.clone(),
            revision,
            write: step.write,
            origin: origin.clone(),
            state,
            outbox,
            changed_at: step.now,
            history,
        }
    }
}

/// The circumstances of a change.
#[derive(Debug)]
pub struct Step<'a> {
    /// What changes.
    pub subject: &'a Subject,
    /// The delivery that brought it.
    pub delivery: &'a str,
    /// A name for this one write that no other write bears.
    pub write: String,
    /// When.
    pub now: Timestamp,
}
