//! Indexes of the table `dispatches` that show a write late, as DynamoDB's do.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use pipeline::record::SubjectRecord;

use crate::{Simulation, sim::State};

/// The writes that the indexes do not show yet.
#[derive(Debug, Default)]
pub(crate) struct Lagging {
    /// The longest delay.
    most_ms: u64,
    /// By key: until when the indexes show the previous row, oldest first; none if there was no row.
    before: BTreeMap<String, VecDeque<(Timestamp, Option<SubjectRecord>)>>,
}

impl Lagging {
    /// The table was replaced.
    pub(crate) fn forget(&mut self) {
        self.before.clear();
    }
}

impl Simulation {
    /// The indexes show each write up to this many milliseconds late.
    pub fn lag_indexes(&self, most_ms: u64) {
        self.with(|state| state.lagging.most_ms = most_ms);
    }
}

impl State {
    /// Records that the row of that key is about to be written.
    pub(crate) fn lag(&mut self, key: &str) {
        if self.lagging.most_ms == 0 {
            return;
        }
        let late_ms = self.seed.up_to(self.lagging.most_ms);
        let until = self.now + SignedDuration::from_millis(i64::try_from(late_ms).unwrap_or(i64::MAX));
        let (before, now) = (self.dispatches.get(key), self.now);
        let shown = self.lagging.before.entry(key.to_owned()).or_default();
        shown.retain(|(until, _)| *until > now);
        shown.push_back((until, before));
    }

    /// The rows as the indexes show them.
    pub(crate) fn indexed(&self) -> impl Iterator<Item = &SubjectRecord> {
        self.dispatches.rows().filter_map(|row| {
            let late = self.lagging.before.get(row.subject.as_str()).into_iter().flatten();
            match late.into_iter().find(|(until, _)| *until > self.now) {
                Some((_, before)) => before.as_ref(),
                None => Some(row),
            }
        })
    }
}
