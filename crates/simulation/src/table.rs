//! Tables with conditional writes that return the old record. Each row passes through JSON, so that it must read back.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use pipeline::{
    alerts::channels::ChannelHealth,
    conditions::NotedEvent,
    group::{AckLink, AlertGroup},
    incident::Incident,
    job::Job,
    outputs::{lane::Lane, state::OutputState},
    polling::state::PollState,
    record::SubjectRecord,
    retry::state::RetryState,
};
use serde::{Serialize, de::DeserializeOwned};

/// A table of one type of row. Each write increases the row's revision by one.
#[derive(Debug, Clone)]
pub struct Table<T> {
    rows: BTreeMap<String, T>,
    /// The keys written since the last [`Table::take_written`].
    written: Vec<String>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), written: Vec::new() }
    }
}

/// A row of a table.
pub trait Row: Clone + Serialize + DeserializeOwned {
    /// Its key.
    fn key(&self) -> Cow<'_, str>;
    /// Its revision.
    fn revision(&self) -> u64;
}

impl Row for SubjectRecord {
    fn key(&self) -> Cow<'_, str> {
        self.subject.as_str().into()
    }

    fn revision(&self) -> u64 {
        self.revision
    }
}

impl Row for Incident {
    fn key(&self) -> Cow<'_, str> {
        self.incident.as_str().into()
    }

    fn revision(&self) -> u64 {
        self.revision
    }
}

impl Row for AlertGroup {
    fn key(&self) -> Cow<'_, str> {
        self.group.as_str().into()
    }

    fn revision(&self) -> u64 {
        self.revision
    }
}

impl Row for ChannelHealth {
    fn key(&self) -> Cow<'_, str> {
        self.channel.as_str().into()
    }

    fn revision(&self) -> u64 {
        self.revision
    }
}

impl Row for AckLink {
    fn key(&self) -> Cow<'_, str> {
        self.link.as_str().into()
    }

    fn revision(&self) -> u64 {
        self.revision
    }
}

#[expect(clippy::expect_used, reason = "a row that does not read back is a bug of the pipeline, to be shown at once")]
impl<T: Row> Table<T> {
    /// The row with that key.
    pub fn get(&self, key: &str) -> Option<T> {
        self.rows.get(key).cloned()
    }

    /// All rows, in key order.
    pub fn all(&self) -> Vec<T> {
        self.rows.values().cloned().collect()
    }

    /// All rows, in key order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &T> {
        self.rows.values()
    }

    /// The keys written since the last call.
    pub(crate) fn take_written(&mut self) -> Vec<String> {
        std::mem::take(&mut self.written)
    }

    /// Writes the row if the stored revision is the expected one (none: if nothing is stored); otherwise returns the
    /// stored row.
    ///
    /// # Panics
    ///
    /// If the new revision does not follow the expected one (a later condition could then hold by accident), or if the
    /// row does not read back.
    pub(crate) fn write(&mut self, row: &T, expected: Option<u64>) -> Result<(), Option<Box<T>>> {
        let stored = self.rows.get(row.key().as_ref());
        if stored.map(Row::revision) != expected {
            return Err(stored.cloned().map(Box::new));
        }
        assert_eq!(row.revision(), expected.unwrap_or(0) + 1, "revisions of {} leave a gap", row.key());
        self.put(row);
        Ok(())
    }

    /// Writes a row without a condition.
    pub(crate) fn put(&mut self, row: &T) {
        let text = serde_json::to_string(row).expect("a row is JSON");
        let stored: T = serde_json::from_str(&text).expect("a row reads back");
        self.rows.insert(row.key().into_owned(), stored);
        self.written.push(row.key().into_owned());
    }
}

impl Row for PollState {
    fn key(&self) -> Cow<'_, str> {
        self.source.as_str().into()
    }

    fn revision(&self) -> u64 {
        self.revision
    }
}

impl Row for Lane {
    fn key(&self) -> Cow<'_, str> {
        self.key.to_string().into()
    }

    fn revision(&self) -> u64 {
        self.revision
    }
}

impl Row for OutputState {
    fn key(&self) -> Cow<'_, str> {
        self.output.as_str().into()
    }

    fn revision(&self) -> u64 {
        self.revision
    }
}

/// A scheduled retry.
#[derive(Debug, Clone, PartialEq)]
pub struct Booking {
    /// The delivery that is retried.
    pub chain: String,
    /// The state of its retries.
    pub state: RetryState,
    /// The job to run.
    pub job: Job,
}

/// An event that people are notified of.
#[derive(Debug, Clone, PartialEq)]
pub struct Noted {
    /// The event.
    pub event: NotedEvent,
    /// The quarantined jobs of the event. When all are replayed, it no longer counts.
    pub quarantined: BTreeSet<String>,
    /// The event has no quarantined job: it counts for one day.
    pub alone: bool,
}

/// A quarantined job.
#[derive(Debug, Clone, PartialEq)]
pub struct Quarantined {
    /// The job, with its body.
    pub job: Job,
    /// The reason.
    pub reason: String,
}
