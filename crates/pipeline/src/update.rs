//! One way to change a stored row: read it, decide, write on the condition that it has not changed since.
//!
//! A lost answer is handled like a write that came second. If the stored row has this write's own id, the write
//! succeeded.

use std::fmt::Display;

use dispatch::Subject;

use crate::{
    alerts::{channels::ChannelHealth, group::AlertGroup, incident::Incident},
    dispatches::record::SubjectRecord,
    outputs::{
        lane::{Lane, LaneKey},
        state::OutputState,
    },
    polling::state::PollState,
    ports::{Deliveries, Dispatches, Incidents, Outputs, PortError, WriteError},
};

/// How often a write may lose against others before the update fails.
const MAX_TRIES: usize = 16;

/// A row with a revision and a unique id for each write.
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

rows!(SubjectRecord, Incident, AlertGroup, ChannelHealth, PollState, Lane, OutputState);

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
    /// The state of each channel.
    ChannelRows over Incidents, str => ChannelHealth, "alerts", channel, write_channel
);
store!(
    /// The poll state of each source.
    PollStates over Deliveries, str => PollState, "deliveries", poll_state, write_poll_state
);
store!(
    /// What waits for an output of one subject.
    Lanes over Outputs, LaneKey => Lane, "outputs", lane, write_lane
);
store!(
    /// The state of each output.
    OutputStates over Outputs, str => OutputState, "outputs", output_state, write_output_state
);

/// The change of a row.
pub(crate) enum Change<Row, R> {
    /// No change.
    Keep(R),
    /// This row replaces it. Its revision follows that of the stored row.
    Write(Box<Row>, R),
}

/// The result of an update.
pub(crate) struct Updated<Row, R> {
    /// The written row; none if it was not changed.
    pub(crate) written: Option<Row>,
    /// What the decision returned.
    pub(crate) result: R,
}

/// Where an update begins.
pub(crate) enum From<Row> {
    /// Reads the row first.
    Stored,
    /// With this row, or with none: if another row is stored, the refused write returns it.
    Known(Option<Row>),
}

/// Changes a row. `decide` may run several times, each time with the current row.
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
            // The row is gone, or the answer does not contain it.
            Err(WriteError::Lost(None)) => store.read(key).await?,
            Err(WriteError::Port(error)) => return Err(error.into()),
        };
    }
    let reason = format!("lost the write of {key} {MAX_TRIES} times in a row");
    Err(PortError::Unavailable { port: S::TABLE, reason }.into())
}
