//! Tables: conditional writes that bring the old record along, kept as text so that whatever is stored must read back.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::{
    conditions::NotedEvent,
    group::{AckLink, AlertGroup},
    incident::Incident,
    job::Job,
    polling::state::PollState,
    record::SubjectRecord,
    retry::state::RetryState,
};
use serde::{Serialize, de::DeserializeOwned};

/// A table of one sort of row, whose revision goes up by one with each write.
#[derive(Debug, Clone)]
pub struct Table<T> {
    rows: BTreeMap<String, T>,
    /// The keys written since somebody last asked.
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
    fn key(&self) -> &str;
    /// Its revision.
    fn revision(&self) -> u64;
}

impl Row for SubjectRecord {
    fn key(&self) -> &str {
        self.subject.as_str()
    }

    fn revision(&self) -> u64 {
        self.revision
    }
}

impl Row for Incident {
    fn key(&self) -> &str {
        &self.incident
    }

    fn revision(&self) -> u64 {
        self.revision
    }
}

impl Row for AlertGroup {
    fn key(&self) -> &str {
        &self.group
    }

    fn revision(&self) -> u64 {
        self.revision
    }
}

impl Row for AckLink {
    fn key(&self) -> &str {
        &self.link
    }

    fn revision(&self) -> u64 {
        self.revision
    }
}

#[expect(clippy::expect_used, reason = "a row that does not read back is a bug of the pipeline, to be shown at once")]
impl<T: Row> Table<T> {
    /// What stands under a key.
    pub fn get(&self, key: &str) -> Option<T> {
        self.rows.get(key).cloned()
    }

    /// All rows, in the order of their keys.
    pub fn all(&self) -> Vec<T> {
        self.rows.values().cloned().collect()
    }

    /// All rows, in the order of their keys.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &T> {
        self.rows.values()
    }

    /// The keys written since this was last asked.
    pub(crate) fn take_written(&mut self) -> Vec<String> {
        std::mem::take(&mut self.written)
    }

    /// Writes where the stored revision is the expected one (none: where nothing is stored), else says what stands there.
    ///
    /// # Panics
    ///
    /// Where the new revision does not follow the expected one (a later condition could then hold by accident), or where the row
    /// does not read back.
    pub(crate) fn write(&mut self, row: &T, expected: Option<u64>) -> Result<(), Option<Box<T>>> {
        let stored = self.rows.get(row.key());
        if stored.map(Row::revision) != expected {
            return Err(stored.cloned().map(Box::new));
        }
        assert_eq!(row.revision(), expected.unwrap_or(0) + 1, "revisions of {} leave a gap", row.key());
        self.put(row);
        Ok(())
    }

    /// Puts a row, whatever stands there.
    pub(crate) fn put(&mut self, row: &T) {
        let text = serde_json::to_string(row).expect("a row is JSON");
        let stored: T = serde_json::from_str(&text).expect("a row reads back");
        self.rows.insert(row.key().to_owned(), stored);
        self.written.push(row.key().to_owned());
    }
}

impl Row for PollState {
    fn key(&self) -> &str {
        &self.source
    }

    fn revision(&self) -> u64 {
        self.revision
    }
}

/// A booked attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Booking {
    /// The delivery whose attempt it is.
    pub chain: String,
    /// How the attempts stand.
    pub state: RetryState,
    /// What will be done.
    pub job: Job,
}

/// An event that people are notified of.
#[derive(Debug, Clone, PartialEq)]
pub struct Noted {
    /// It.
    pub event: NotedEvent,
    /// What is kept for a replay of it; without any left, it counts no more.
    pub kept: BTreeSet<String>,
    /// Nothing was kept for it: it counts for a day.
    pub alone: bool,
}

/// Work that is quarantined.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// The work, with its body.
    pub job: Job,
    /// Why.
    pub reason: String,
}
