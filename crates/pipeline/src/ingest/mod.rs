//! What comes in over HTTP: a webhook is admitted and queued.

pub mod plain;
pub mod receive;
