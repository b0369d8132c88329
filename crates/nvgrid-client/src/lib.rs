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

pub use channel::Endpoint;
pub use client::{Client, EVENTS};
pub use codec::Raw;
pub use description::{Description, Origin, from_json, to_json};
pub use error::NvgridError;
pub use session::Login;
