//! The `gridbell` command line as a library, for its binary and the tests.

mod argument;
pub mod cli;
mod console;
pub mod demo;
mod endpoint;
mod fixtures;
mod nvgrid;
pub mod progress;
pub mod queue;
mod show;
pub mod simulate;
mod usage;
mod verbs;
pub mod web;
