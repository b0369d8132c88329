//! A gRPC client of `NvGrid`: login, registration, status and schedule.
//!
//! The field numbers of its messages are not public. They are read at run time, from the files of the DPS install or
//! from the server's reflection; this code contains only the documented names.

mod channel;
mod client;
mod codec;
mod description;
mod error;
mod reflection;
mod session;

#[cfg(test)]
mod tests;

pub(crate) use channel::Endpoint;
pub(crate) use client::{Client, EVENTS};
pub(crate) use codec::Raw;
pub(crate) use description::{Description, Origin, from_json, to_json};
pub(crate) use error::NvgridError;
pub(crate) use session::Login;
