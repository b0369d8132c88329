//! The served simulators: over HTTP, and over gRPC with the client of NvGrid.

#![expect(clippy::expect_used, reason = "helpers of tests fail the test")]

mod hostile;
mod http;
mod nvgrid;
mod receiver;
mod tls;
