//! The table `dispatches`: a subject's state, and what its indexes tell of many.

use dispatch::{ActiveDispatch, Epoch, Subject};
use jiff::Timestamp;

use super::{PortError, WriteError};
use crate::dispatches::record::SubjectRecord;

pub use crate::dispatches::record::Stamp;

/// A subject that is on, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveSubject {
    /// The key.
    pub subject: Subject,
    /// What it wants of whom.
    pub active: ActiveDispatch,
}

/// A subject as a change left it, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The key.
    pub subject: Subject,
    /// Which change.
    pub stamp: Stamp,
    /// What it wants of whom; none where it is off.
    pub active: Option<ActiveDispatch>,
}

/// A subject of which a person may have to know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueSubject {
    /// From when on.
    pub at: Timestamp,
    /// Which.
    pub subject: Subject,
}

/// The table `dispatches`.
pub trait Dispatches {
    /// The epoch of the table. The first caller stores `now` as it, on the condition that none is stored; it is read once in the
    /// life of a process.
    async fn epoch(&self, now: Timestamp) -> Result<Epoch, PortError>;
    /// What stands there, read consistently.
    async fn read(&self, subject: &Subject) -> Result<Option<SubjectRecord>, PortError>;
    /// Writes a record where `expected` is the stored revision (none: where nothing is stored).
    async fn write(&self, record: &SubjectRecord, expected: Option<u64>) -> Result<(), WriteError<SubjectRecord>>;
    /// Empties the outbox of that revision and moves on to the next; false where another write came first.
    async fn sent(&self, subject: &Subject, revision: u64) -> Result<bool, PortError>;
    /// Subjects whose signals have been pending since before that instant.
    async fn unsent(&self, before: Timestamp) -> Result<Vec<Subject>, PortError>;
    /// Subjects of which a person may have to know before that instant ([`SubjectRecord::look_at`]), the most urgent first.
    async fn due(&self, before: Timestamp) -> Result<Vec<DueSubject>, PortError>;
    /// A source's subjects that are on and not over at that instant, the last to be over first. What was written a moment ago
    /// may be missing; of thousands, those that are over soonest may be.
    async fn active(&self, source: &str, at: Timestamp) -> Result<Vec<ActiveSubject>, PortError>;
    /// A source's dispatches and load targets that changed since an instant, each as its last change left it, without those that the
    /// caller knows already. What was written a moment ago may be missing.
    async fn changed(
        &self,
        source: &str,
        since: Timestamp,
        is_known: impl Fn(&Subject, Stamp) -> bool,
    ) -> Result<Vec<Changed>, PortError>;
}
