//! Asking a provider unasked: when its list is due, and how often it may be asked at all.

pub mod budget;
pub mod poll;
pub mod state;
