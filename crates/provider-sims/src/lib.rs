//! The providers, simulated: each one's documented API, its webhooks and its own rules of redelivery, as a state machine.
//!
//! Nothing in here waits, reads a clock or opens a socket. A [`Simulator`] takes requests ([`Simulator::handle`]), says which
//! webhooks are to be sent now ([`Simulator::due`]) and when to look again ([`Simulator::next`]), and is told how they were
//! answered ([`Simulator::answered`]). Whoever runs it owns the time: the CLI serves it over HTTP, tests move a hand clock.
//!
//! What a provider does not document is an assumption, and said where it is made.

mod api;
mod courier;
mod fault;
mod http;
mod ids;
mod leap;
mod limit;
mod log;
mod nvgrid;
mod openvolt;
mod plan;
mod rules;
mod script;
mod simulated;
mod simulator;
pub mod times;
mod voltus;

pub use api::Hook;
pub use courier::{Post, PostId, WebhookOutcome};
pub use fault::{Fault, Misbehaviour};
pub use http::{Reply, Request, Response};
pub use leap::{LEAP, integration_test as leap_integration_test};
pub use log::{LogEntry, PlayId, What};
pub use nvgrid::{NVGRID, PROTO as NVGRID_PROTO};
pub use openvolt::OPENVOLT;
pub use plan::Exercise;
pub use script::{Keys, Seen};
pub use simulated::{SIMULATED, Simulated, simulated};
pub use simulator::{PlayError, Publication, Simulator};
pub use voltus::{VOLTUS, scenario as voltus_scenario};
