//! Tables: conditional writes that bring the old record along, kept as text so that whatever is stored must read back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pipeline::{
    held::{Gate, Link},
    incident::Incident,
    poll::PollState,
    record::Record,
    work::Work,
};
use serde::{Serialize, de::DeserializeOwned};

/// A table of one sort of row, whose revision goes up by one with each write.
#[derive(Debug)]
pub struct Table<T> {
    rows: BTreeMap<String, String>,
    of: std::marker::PhantomData<T>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), of: std::marker::PhantomData }
    }
}

/// A row of a table.
pub trait Row: Serialize + DeserializeOwned {
    /// Its key.
    fn key(&self) -> &str;
    /// Its revision.
    fn revision(&self) -> u64;
}

impl Row for Record {
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

impl Row for Gate {
    fn key(&self) -> &str {
        &self.gate
    }

    fn revision(&self) -> u64 {
        self.revision
    }
}

impl Row for Link {
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
    ///
    /// # Panics
    ///
    /// Where it does not read back.
    pub fn get(&self, key: &str) -> Option<T> {
        self.rows.get(key).map(|row| serde_json::from_str(row).expect("a row reads back"))
    }

    /// All rows, in the order of their keys.
    pub fn all(&self) -> Vec<T> {
        self.rows.keys().filter_map(|key| self.get(key)).collect()
    }

    /// Writes where the stored revision is the expected one (none: where nothing is stored), else says what stands there.
    ///
    /// # Panics
    ///
    /// Where the new revision does not follow the expected one: a later condition could then hold by accident.
    pub(crate) fn write(&mut self, row: &T, expected: Option<u64>) -> Result<(), Option<Box<T>>> {
        let stored = self.get(row.key());
        if stored.as_ref().map(Row::revision) != expected {
            return Err(stored.map(Box::new));
        }
        assert_eq!(row.revision(), expected.unwrap_or(0) + 1, "revisions of {} leave a gap", row.key());
        self.rows.insert(row.key().to_owned(), serde_json::to_string(row).expect("a row is JSON"));
        Ok(())
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
    /// When it will be made.
    pub next_at: Timestamp,
    /// What will be done.
    pub work: Work,
}

/// Work that was put aside.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// The work, with its body.
    pub work: Work,
    /// Why.
    pub reason: String,
}
