//! The world in memory: every port of the pipeline with the semantics of the real service, driven by one seed.
//!
//! A [`Simulation`] holds the queues, the tables, the outbox, the providers and the clock. A function's run is an [`Invocation`]: the
//! pipeline's own code over the ports of that world, a future that is polled until it is ready or dropped where a fault says
//! that the process dies. No thread, no socket, no sleep: the seed decides every choice that the real services leave open
//! (which message comes first, how a batch is cut, whose turn it is), so a history can be replayed.
//!
//! Time passes only by the milliseconds that a call takes, by [`Simulation::advance`], and while [`Simulation::settle`] waits for what is
//! delayed.

mod check;
mod deliveries;
mod dispatches;
mod fault;
mod fifo;
mod functions;
pub mod history;
mod invocation;
mod lagging;
mod ports;
mod provider;
mod query;
mod queue;
mod release;
mod rules;
mod run;
mod seed;
mod sim;
pub mod storm;
pub mod swarm;
mod table;
mod timers;

pub use check::{Stream, streams};
pub use fault::{Call, Times, Toxic};
pub use fifo::{Controller, Fifo, Sent};
pub use functions::{Function, PUBLIC_URL, Webhook};
pub use invocation::Invocation;
pub use provider::{Fetch, Reply};
pub use queue::{Inner, Queued, Standard};
pub use run::{Ended, Settled};
pub use seed::Seed;
pub use sim::{Process, Simulation};
pub use table::{Booking, Kept, Noted, Table};
