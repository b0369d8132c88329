//! A deterministic simulation in memory: every port of the pipeline with the semantics of the real service, driven by
//! one seed.
//!
//! A [`Simulation`] contains the queues, the tables, the outbox, the providers and the clock. An [`Invocation`] runs a
//! function: the pipeline's own code over the simulated ports, as a future that is polled until it is ready, or dropped
//! where a fault lets the process die. There are no threads, sockets or sleeps: the seed decides everything that the
//! real services leave open (the order of messages, the size of batches, whose turn it is), so a history can be
//! replayed.
//!
//! Time passes only through the milliseconds of a call, [`Simulation::advance`], and the waits of
//! [`Simulation::settle`].

mod check;
mod deliveries;
mod dispatches;
mod fault;
mod fifo;
mod functions;
pub mod history;
mod invocation;
mod lagging;
mod mapping;
mod ports;
mod provider;
mod query;
mod queue;
mod release;
mod restore;
mod rules;
mod run;
mod seed;
mod sim;
pub mod storm;
pub mod swarm;
mod table;
mod targets;
mod timers;

pub use check::{Stream, streams};
pub use fault::{Call, Times, Toxic};
pub use fifo::{Controller, Fifo, Sent};
pub use functions::{Function, PUBLIC_URL, Webhook};
pub use invocation::Invocation;
pub use ports::Rung;
pub use provider::{Fetch, Reply};
pub use queue::{Inner, Queued, Standard};
pub use run::{Ended, Settled};
pub use seed::Seed;
pub use sim::{Process, Simulation};
pub use table::{Booking, Noted, Quarantined, Table};
pub use targets::{Arrived, TargetReply};
