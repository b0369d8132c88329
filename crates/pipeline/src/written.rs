//! Conditional writes, as whoever wrote sees them: an answer that was lost looks as if another write had come first.

use std::fmt::Display;

use crate::{
    held::{Gate, Link},
    incident::Incident,
    poll::PollState,
    ports::{PortError, WriteError},
    record::Record,
};

/// How often a write may lose against others before the whole is left to be done again.
pub(crate) const MAX_TRIES: usize = 8;

/// What became of a conditional write.
#[derive(Debug)]
pub(crate) enum Written<T> {
    /// It stands there.
    Done,
    /// Another one came first: what stands there now, as far as the answer tells.
    Overtaken(Option<T>),
}

impl<T> Written<T> {
    /// Whether it stands there.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }
}

/// A row whose every write bears a name of its own.
pub(crate) trait NamesItsWrite {
    fn write(&self) -> &str;
}

macro_rules! names_its_write {
    ($($row:ty),+) => {$(
        impl NamesItsWrite for $row {
            fn write(&self) -> &str {
                &self.write
            }
        }
    )+};
}

names_its_write!(Record, Incident, Gate, Link, PollState);

/// Reads the answer to a conditional write. What stands there under this write's own name is this write.
pub(crate) fn written<T: NamesItsWrite>(own: &T, answer: Result<(), WriteError<T>>) -> Result<Written<T>, PortError> {
    match answer {
        Ok(()) => Ok(Written::Done),
        Err(WriteError::Lost(Some(stored))) if stored.write() == own.write() => Ok(Written::Done),
        Err(WriteError::Lost(stored)) => Ok(Written::Overtaken(stored.map(|stored| *stored))),
        Err(WriteError::Port(error)) => Err(error),
    }
}

/// After [`MAX_TRIES`]: that the others were faster each time.
pub(crate) fn always_overtaken(table: &'static str, key: impl Display) -> PortError {
    PortError::Unavailable { port: table, reason: format!("lost the write of {key} {MAX_TRIES} times in a row") }
}
