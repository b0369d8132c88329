//! The use cases over small ports: receive, hydrate, retry, sweep, alert, acknowledge.
//!
//! No AWS, no clock, no randomness, no socket: each comes in through [`ports`], so that the same code runs on Lambda, on the
//! local stack and in a simulator.

pub mod budget;
pub mod conditions;
pub mod config;
pub mod group;
pub mod in_time;
pub mod incident;
pub mod job;
pub mod messages;
pub mod poll;
pub mod ports;
pub mod ramping;
pub mod record;
pub mod timeline;
pub mod token;
pub mod unreadable;
mod update;
pub mod zone;

pub mod acknowledge;
pub mod alert;
pub mod deadlines;
pub mod heartbeat;
pub mod hydrate;
pub mod mail;
mod open_end;
pub mod overlap_view;
pub mod plain;
pub mod receive;
pub mod retrier;
pub mod retry;
pub mod review;
pub mod sweep;
