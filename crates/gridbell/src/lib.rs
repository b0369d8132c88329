//! gridbell's binary for people as a library: the configuration and the local stack, for the verbs, the demo and the tests.

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
