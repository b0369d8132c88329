//! What the use cases rely on, asked of every implementation of a port: the simulator's, and the adapters over an emulator or over
//! AWS itself (`tests/contract.rs`). A check panics where the answer is another.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a check fails by panicking")]

mod asking;
mod configuration;
mod deliveries;
mod incidents;
mod queues;
mod reader;
mod resources;
mod samples;
mod tables;

pub use configuration::configurations;
pub use deliveries::{bodies, bookings, events, health, many_events, polls, quarantine, refusals};
pub use incidents::{groups_and_links, incidents, open_pages, waiting};
pub use queues::{delays, depths, fifo, mail, messages, redrive, shortened, unverified, verify_sender, visibility};
pub use reader::{Queue, Reader, SqsReader, Taken};
pub use resources::Resources;
pub use tables::{epoch, large, pages, records};
