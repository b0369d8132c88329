//! One file per verb.

pub(crate) mod alert;
pub(crate) mod config;
pub(crate) mod delivery;
pub(crate) mod demo;
pub(crate) mod dispatch;
pub(crate) mod doctor;
#[cfg(test)]
mod fixtures;
pub(crate) mod simulate;
pub(crate) mod up;
