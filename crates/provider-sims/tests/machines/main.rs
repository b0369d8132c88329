//! Tests of every provider's state machine, with a manual clock.

#![expect(clippy::expect_used, reason = "a failed helper fails the test")]

mod bench;
mod leap;
mod misbehaviour;
mod nvgrid;
mod openvolt;
mod voltus;
