//! The canonical model: what a provider stated, the one true state it merges into, and the signals that a change owes.
//!
//! Data runs one way: [`Fact`] → [`State`] (a commutative, associative, idempotent merge) → [`Signal`].
//! Nothing here knows AWS, a clock or I/O: every instant comes in as an argument, so a history can be replayed.

mod absorb;
mod fact;
mod merge;
mod payload;
mod quantity;
#[cfg(feature = "schema")]
mod schema;
mod signal;
mod subject;

pub use absorb::{Absorbed, Contradiction, State, absorb};
pub use fact::{
    AccountEvent, DispatchFact, Fact, Interval, MeterData, Origin, PowerEvent, PowerEventKind, Program, Rank, Says,
    Statement, Target, TestReason,
};
pub use merge::{Dispatch, View};
pub use quantity::{MAX_TARGET_W, Request, decimal, watt_hours_from_kwh, watts_from_kw};
#[cfg(feature = "schema")]
pub use schema::schemas;
pub use signal::{
    AccountSignal, DispatchSignal, MeterSignal, PowerSignal, SIGNAL_LIMIT_BYTES, Signal, Status, TargetEntry, fifo_id,
};
pub use subject::Subject;
