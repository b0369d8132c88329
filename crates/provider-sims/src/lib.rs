#![doc = include_str!("../README.md")]

mod api;
pub mod bodies;
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
