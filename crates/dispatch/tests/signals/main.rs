//! The published signals: every row of the contract's table, complete signals, their schemas, their size.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod epoch;
mod golden;
mod made;
mod overlap;
mod rows;
mod schemas;
mod size;
