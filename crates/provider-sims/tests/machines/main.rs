//! Every provider's machine, moved by a hand clock.

#![expect(clippy::expect_used, reason = "helpers of tests fail the test")]

mod bench;
mod leap;
mod misbehaviour;
mod nvgrid;
mod openvolt;
mod voltus;
