//! One file per verb.

pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod simulate;
pub(crate) mod up;
