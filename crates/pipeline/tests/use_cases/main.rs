//! The use cases over the simulated world.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod alert;
mod common;
mod deadlines;
mod hydrate;
mod mail;
mod messages;
mod oddities;
mod overrides;
mod power;
mod pulse;
mod receive;
mod retry;
mod sites;
mod telling;
mod walk;
