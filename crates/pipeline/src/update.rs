//! One way to change a stored row: read it, decide, write on the condition that it is still the one that was read.
//!
//! An answer that was lost looks as if another write had come first. What stands there under this write's own name is this write.

use std::fmt::Display;

use dispatch::Subject;

use crate::{
    alerts::{group::AlertGroup, incident::Incident},
    dispatches::record::SubjectRecord,
    polling::state::PollState,
    ports::{Deliveries, Dispatches, Incidents, PortError, WriteError},
};

/// How often a write may lose against others before the whole is left to be done again.
const MAX_TRIES: usize = 16;

/// A row of which every write has a revision and a name of its own.
pub(crate) trait Row {
    fn revision(&self) -> u64;
    fn write(&self) -> &str;
}

macro_rules! rows {
    ($($row:ty),+) => {$(
        impl Row for $row {
            fn revision(&self) -> u64 {
                self.revision
            }

            fn write(&self) -> &str {
                &self.write
            }
        }
    )+};
}

rows!(SubjectRecord, Incident, AlertGroup, PollState);

/// Where rows of one kind are stored.
pub(crate) trait Store {
    type Key: Display + ?Sized;
    type Row: Row;
    const TABLE: &'static str;
    async fn read(&self, key: &Self::Key) -> Result<Option<Self::Row>, PortError>;
    async fn write(&self, row: &Self::Row, expected: Option<u64>) -> Result<(), WriteError<Self::Row>>;
}

macro_rules! store {
    ($(#[$doc:meta])* $name:ident over $port:ident, $key:ty => $row:ty, $table:literal, $read:ident, $write:ident) => {
        $(#[$doc])*
        pub(crate) struct $name<'a, P>(pub(crate) &'a P);

        impl<P: $port> Store for $name<'_, P> {
            type Key = $key;
            type Row = $row;
            const TABLE: &'static str = $table;

            async fn read(&self, key: &$key) -> Result<Option<$row>, PortError> {
                self.0.$read(key).await
            }

            async fn write(&self, row: &$row, expected: Option<u64>) -> Result<(), WriteError<$row>> {
                self.0.$write(row, expected).await
            }
        }
    };
}

store!(
    /// Subjects.
    Records over Dispatches, Subject => SubjectRecord, "dispatches", read, write
);
store!(
    /// Incidents.
    IncidentRows over Incidents, str => Incident, "alerts", read, write
);
store!(
    /// Alert groups.
    Groups over Incidents, str => AlertGroup, "alerts", group, write_group
);
store!(
    /// How the polling of each source stands.
    PollStates over Deliveries, str => PollState, "deliveries", poll_state, write_poll_state
);

/// What becomes of a row.
pub(crate) enum Change<Row, R> {
    /// It stays as it is.
    Keep(R),
    /// This takes its place. Its revision follows that of the row.
    Write(Box<Row>, R),
}

/// What came of an update.
pub(crate) struct Updated<Row, R> {
    /// What was written; none where the row stays as it was.
    pub(crate) written: Option<Row>,
    /// What the decision returned.
    pub(crate) result: R,
}

/// Where an update begins.
pub(crate) enum From<Row> {
    /// Reads the row first.
    Stored,
    /// With this row, or with none: what another write stored instead comes with the refusal.
    Known(Option<Row>),
}

/// Changes a row. `decide` may run several times, each time with the row as it is then.
pub(crate) async fn update<S: Store, R, E: std::convert::From<PortError>>(
    store: S,
    key: &S::Key,
    from: From<S::Row>,
    mut decide: impl AsyncFnMut(Option<S::Row>) -> Result<Change<S::Row, R>, E>,
) -> Result<Updated<S::Row, R>, E> {
    let mut known = match from {
        From::Stored => store.read(key).await?,
        From::Known(known) => known,
    };
    for _ in 0..MAX_TRIES {
        let expected = known.as_ref().map(S::Row::revision);
        let (next, result) = match decide(known).await? {
            Change::Keep(result) => return Ok(Updated { written: None, result }),
            Change::Write(next, result) => (next, result),
        };
        known = match store.write(&next, expected).await {
            Ok(()) => return Ok(Updated { written: Some(*next), result }),
            Err(WriteError::Lost(Some(stored))) if stored.write() == next.write() => {
                return Ok(Updated { written: Some(*next), result });
            }
            Err(WriteError::Lost(Some(stored))) => Some(*stored),
            // Nothing stands there any more, or the answer does not say what.
            Err(WriteError::Lost(None)) => store.read(key).await?,
            Err(WriteError::Port(error)) => return Err(error.into()),
        };
    }
    let reason = format!("lost the write of {key} {MAX_TRIES} times in a row");
    Err(PortError::Unavailable { port: S::TABLE, reason }.into())
}
