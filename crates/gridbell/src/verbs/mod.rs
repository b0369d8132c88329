//! One file per verb.

pub(crate) mod alert;
pub(crate) mod config;
pub(crate) mod console;
pub(crate) mod cost;
pub(crate) mod delivery;
pub(crate) mod demo;
pub(crate) mod dispatch;
pub(crate) mod doctor;
pub(crate) mod epoch;
#[cfg(test)]
pub(crate) mod fixtures;
pub(crate) mod listing;
#[cfg(test)]
mod new_provider;
pub(crate) mod output;
pub(crate) mod providers;
pub(crate) mod site;
pub(crate) mod trigger;
pub(crate) mod up;
pub(crate) mod verify;
pub(crate) mod webhook;
