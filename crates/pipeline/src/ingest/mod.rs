//! HTTP requests from outside: webhooks and acknowledgements.

pub mod acknowledge;
pub mod plain;
pub mod receive;
