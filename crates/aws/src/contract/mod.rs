//! Checks of what the use cases rely on, for every implementation of a port: the simulator's, and the adapters over an
//! emulator or AWS itself (`tests/contract.rs`). A check panics if the answer differs.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a check fails by panicking")]

mod configuration;
mod deliveries;
mod helpers;
mod incidents;
mod outputs;
mod queues;
mod reader;
mod resources;
mod samples;
mod tables;

pub use configuration::configurations;
pub use deliveries::{bodies, bookings, events, health, many_events, polls, quarantine, refusals};
pub use incidents::{groups_and_links, incidents, open_pages, waiting};
pub use outputs::{event_texts, outputs};
pub use queues::{delays, depths, fifo, mail, messages, redrive, shortened, unverified, verify_sender, visibility};
pub use reader::{Queue, Reader, SqsReader, Taken};
pub use resources::Resources;
pub use samples::record;
pub use tables::{epoch, large, pages, records};
