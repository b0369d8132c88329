//! The canonical model: what a provider stated, the merged state, and the signals that publish a change.
//!
//! Data flows one way: [`Fact`] → [`State`] (a commutative, associative, idempotent merge) → [`Signal`]. The crate
//! [`signals`] defines the types of a signal's body. This crate knows no AWS, no clock and no I/O: every instant is an
//! argument, so a history can be replayed.

mod absorb;
mod active;
mod claims;
mod effective;
mod epoch;
mod fact;
mod merge;
mod parts;
mod payload;
mod quantity;
mod ramp;
mod signal;
pub mod text;
pub mod trace;

pub use absorb::{Absorbed, Contradiction, State, absorb};
pub use active::{ActiveDispatch, RampStart, TargetGroup, TargetHash, TargetHashes, feed_id};
pub use claims::TargetClaims;
pub use effective::{About, Claim, EffectiveTargets, Precedence, Segment, Window, effective, windows};
pub use epoch::Epoch;
pub use fact::{
    AccountEvent, DispatchFact, DispatchTerms, Fact, FactBody, FieldError, MeterData, Origin, PowerEvent, Rank, Targets,
};
pub use merge::{Dispatch, MergedDispatch};
pub use quantity::{MAX_TARGET_W, decimal, together, watt_hours_from_kwh, watts_from_kw};
pub use ramp::{Measured, Ramp, Ramps};
pub use signal::{Part, Publication, Signal, sendable};
pub use trace::TraceParent;
// Types that facts and signals share. The consumer's crate defines them.
pub use signals::{
    ActiveVersion, Effective, HeartbeatSignal, Interval, PowerEventKind, Program, Request, Status, Subject, Target,
    TestReason,
};
