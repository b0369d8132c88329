//! The providers' APIs, scripted by the id in a request; every request is recorded.

mod foreign;
mod reply;
mod server;

pub(crate) use foreign::Foreign;
pub(crate) use reply::{Gate, Reply};
pub(crate) use server::{LIST, Seen, Stub};
