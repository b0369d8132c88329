//! A subject's row and what happened to it, and the controller's acknowledgement.

pub mod acknowledge;
pub(crate) mod open_end;
pub mod ramping;
pub mod record;
pub mod timeline;
pub mod unreadable;
