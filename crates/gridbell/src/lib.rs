//! The `gridbell` command line as a library, for its binary and the tests.

mod argument;
pub mod cli;
mod console;
pub mod demo;
mod endpoint;
mod progress;
mod show;
mod usage;
mod verbs;
pub mod web;
