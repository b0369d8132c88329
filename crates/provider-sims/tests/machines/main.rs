//! Tests of every provider's state machine, with a manual clock.

#![expect(clippy::expect_used, reason = "helpers of tests fail the test")]

mod bench;
mod leap;
mod misbehaviour;
mod nvgrid;
mod openvolt;
mod voltus;
