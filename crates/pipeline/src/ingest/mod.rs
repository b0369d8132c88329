//! What comes in over HTTP: webhooks and acknowledgements.

pub mod acknowledge;
pub mod plain;
pub mod receive;
