//! What is stored of a subject: its row, and what happened to it.

mod ack;
pub(crate) mod open_end;
pub mod ramping;
pub mod record;
pub mod timeline;
pub mod unreadable;
