//! Requests to a provider without a webhook: when its list is due, and how many requests are allowed.

pub mod budget;
pub mod poll;
pub mod state;
