//! The table `dispatches`: the state of each subject, and indexes over many subjects.

use dispatch::{ActiveDispatch, Epoch, Subject};
use jiff::Timestamp;

use super::{PortError, WriteError};
use crate::dispatches::record::SubjectRecord;

pub use crate::dispatches::record::Stamp;

/// An active subject, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveSubject {
    /// The key.
    pub subject: Subject,
    /// What it requests of which targets.
    pub active: ActiveDispatch,
}

/// A subject after a change, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The key.
    pub subject: Subject,
    /// The change.
    pub stamp: Stamp,
    /// What it requests of which targets; none if it is not active.
    pub active: Option<ActiveDispatch>,
}

/// A subject that a person may have to know of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueSubject {
    /// From when on.
    pub at: Timestamp,
    /// The subject.
    pub subject: Subject,
}

/// The table `dispatches`.
pub trait Dispatches {
    /// The epoch of the table. The first caller stores `now` as the epoch, on the condition that none is stored; each
    /// process reads it once.
    async fn epoch(&self, now: Timestamp) -> Result<Epoch, PortError>;
    /// The stored record, read consistently.
    async fn read(&self, subject: &Subject) -> Result<Option<SubjectRecord>, PortError>;
    /// Writes a record if `expected` is the stored revision (none: if nothing is stored).
    async fn write(&self, record: &SubjectRecord, expected: Option<u64>) -> Result<(), WriteError<SubjectRecord>>;
    /// Empties the outbox of that revision and increments the revision; false if another write came first.
    async fn sent(&self, subject: &Subject, revision: u64) -> Result<bool, PortError>;
    /// Subjects whose signals have been pending since before that instant.
    async fn unsent(&self, before: Timestamp) -> Result<Vec<Subject>, PortError>;
    /// Subjects that a person may have to know of before that instant ([`SubjectRecord::look_at`]), the most urgent
    /// first.
    async fn due(&self, before: Timestamp) -> Result<Vec<DueSubject>, PortError>;
    /// A source's subjects that are active and have not ended at that instant, the last to end first. Subjects written
    /// a moment ago may be missing; of thousands, so may those that end soonest.
    async fn active(&self, source: &str, at: Timestamp) -> Result<Vec<ActiveSubject>, PortError>;
    /// A source's dispatches and load targets changed since an instant, each after its latest change, without those
    /// that the caller knows already. Subjects written a moment ago may be missing.
    async fn changed(
        &self,
        source: &str,
        since: Timestamp,
        is_known: impl Fn(&Subject, Stamp) -> bool,
    ) -> Result<Vec<Changed>, PortError>;
}
