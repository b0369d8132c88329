//! Simulated providers: the documented API, the webhooks and the redelivery rules of each, as a state machine.
//!
//! The state machine does not wait, read a clock or open a socket. A [`Simulator`] handles requests
//! ([`Simulator::handle`]), returns the webhooks to send now ([`Simulator::due`]) and the time of its next step
//! ([`Simulator::next`]), and receives their answers ([`Simulator::answered`]). The caller supplies the time: the CLI
//! serves it over HTTP, tests set the clock.
//!
//! Where a provider's documentation is silent, a comment states the assumption.

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
