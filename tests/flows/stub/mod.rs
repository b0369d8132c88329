//! The providers' APIs as a test wants them: scripted by what a request is about, every request remembered.

mod foreign;
mod reply;
mod server;

pub(crate) use foreign::Foreign;
pub(crate) use reply::{Gate, Reply};
pub(crate) use server::{Seen, Stub};
