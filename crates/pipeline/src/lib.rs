//! The use cases over small ports: receive, hydrate, retry, sweep, alert, acknowledge. One folder for each domain.
//!
//! No AWS, no clock, no randomness, no socket: each comes in through [`ports`], so that the same code runs on Lambda,
//! on the local stack and in the simulation.

// Modules that every domain uses.
pub use config;
mod fifo;
pub mod in_time;
pub mod job;
pub mod messages;
pub mod ports;
pub mod queues;
pub mod standard_webhooks;
pub mod trace;
mod update;
pub mod zone;

// The domains.
pub mod alerts;
pub mod deadlines;
pub mod dispatches;
pub mod health;
pub mod hydrate;
pub mod ingest;
pub mod outputs;
pub mod polling;
pub mod retrier;
pub mod retry;

// Stored types and texts for people, for the adapters.
pub use alerts::{conditions, group, incident, mail};
pub use dispatches::{record, timeline};
