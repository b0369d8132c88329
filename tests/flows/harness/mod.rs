//! Helpers of the cases.

mod aws;
mod case;
mod cli;
mod clock;
pub(crate) mod config;
mod differs;
mod envelope;
mod mail;
mod signals;
mod test_stack;

use std::fmt::Write as _;

pub(crate) use self::{
    aws::Aws,
    case::{Case, cases},
    clock::{Checked, SOON, eventually, from_now, instant, now},
    differs::{holds, same, short},
    mail::{MailBox, RESOLVED, listed},
    signals::{Signal, Signals},
    test_stack::{Answer, TestStack, answer, cut_stack, damaged_stack, end, restored_stack, shared_stack},
};

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
