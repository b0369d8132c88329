//! The use cases over small ports: receive, hydrate, retry, sweep, alert, acknowledge.
//!
//! No AWS, no clock, no randomness, no socket: each comes in through [`ports`], so that the same code runs on Lambda, on the
//! local stack and in a simulator.

pub mod config;
pub mod held;
pub mod incident;
pub mod poll;
pub mod ports;
pub mod ramping;
pub mod record;
pub mod reported;
pub mod token;
pub mod work;
mod written;
pub mod zone;

pub mod acknowledge;
pub mod alert;
pub mod hydrate;
pub mod mail;
mod missed;
pub mod open_end;
mod overdue;
pub mod plain;
pub mod pulse;
pub mod receive;
pub mod retry;
pub mod sweep;
pub mod watch;
