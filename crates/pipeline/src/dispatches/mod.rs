//! The stored data of a subject: its row and its timeline.

mod ack;
pub(crate) mod open_end;
pub mod ramping;
pub mod record;
pub mod sent;
pub mod timeline;
pub mod unreadable;
