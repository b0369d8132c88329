//! Outputs: the courier delivers each signal to every output that wants it, in order per subject and output.
//!
//! What waits for an output is stored in a [`lane::Lane`], one for each output and subject, before its message leaves
//! the queue `signals`. One claim at a time delivers from a lane. A delayed message of the queue `outputs` tries again;
//! the sweep finds lanes whose message was lost.

pub(crate) mod acknowledged;
pub mod answer;
pub mod courier;
mod deliver;
pub mod event;
mod failed;
pub mod lane;
pub mod reach;
pub mod replay;
mod split;
pub mod state;
pub mod sweep;
