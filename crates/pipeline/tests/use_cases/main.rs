//! The use cases over the simulated world.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod alert;
mod common;
mod deadlines;
mod found_by_swarm;
mod hydrate;
mod mail;
mod messages;
mod oddities;
mod overrides;
mod pulse;
mod receive;
mod retry;
mod telling;
mod walk;
