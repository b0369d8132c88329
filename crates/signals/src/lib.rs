#![doc = include_str!("../README.md")]

mod ack;
mod active;
mod data;
mod envelope;
mod filter;
mod heartbeat;
mod request;
#[cfg(feature = "schema")]
mod schema;
mod signal_type;
mod subject;
mod text;

#[cfg(feature = "ack")]
pub use ack::{AckClient, AckError, AckOutcome};
pub use ack::{AckState, Acknowledgement};
pub use active::ActiveDispatches;
pub use data::{
    AccountSignal, Data, DispatchSignal, Effective, Interval, MAX_NAMED, MeterSignal, PowerEventKind, PowerSignal,
    Program, Status, Target, TargetEntry, TestReason,
};
pub use envelope::{Envelope, InvalidSignal, Version};
pub use filter::{Delivery, MissingVersion, VersionFilter};
pub use heartbeat::{ActiveVersion, HeartbeatSignal};
pub use request::Request;
#[cfg(feature = "schema")]
pub use schema::{acknowledgement_schema, envelope_schema, schemas};
pub use signal_type::{DispatchChange, SignalType};
pub use subject::Subject;
