//! What the use cases rely on, asked of the real adapters: against the emulator in `tests/contract.rs`, and wherever else an
//! AWS-compatible endpoint answers. A check panics where the answer is another.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a check fails by panicking")]

mod queues;
mod resources;
mod samples;
mod tables;

pub use queues::{delays, depths, fifo, mail, messages, verify_sender};
pub use resources::Resources;
pub use tables::{bookings, gates_and_links, health, incidents, polls, quarantine, records};
