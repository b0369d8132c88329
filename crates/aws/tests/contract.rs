//! The same contract checks for the simulator and for the adapters. The adapters run over an AWS-compatible endpoint
//! that is already running, `GRIDBELL_TEST_ENDPOINT_URL=http://127.0.0.1:4566`, or over AWS itself,
//! `GRIDBELL_TEST_AWS_ACCOUNT=<the account's number>`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a check fails by panicking")]

#[path = "contract/real.rs"]
mod real;
#[path = "contract/simulated.rs"]
mod simulated;
