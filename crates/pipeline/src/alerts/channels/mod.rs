//! The channels that ring besides mail: SNS, PagerDuty, a webhook. What is sent there, and what is stored of it.

pub(crate) mod health;
pub(crate) mod log;
pub(crate) mod message;
mod pagerduty;
mod sns;
mod webhook;

#[cfg(test)]
mod tests;

pub use health::{ChannelHealth, MAIL};
pub use log::{ACKNOWLEDGED, ChannelLog, Ring};
pub use message::{ChannelMessage, DispatchReport, Report, Severity, State};
pub use pagerduty::{PAGERDUTY_MOST_BYTES, event as pagerduty_event};
pub use sns::{Publication, publication as sns_publication};
pub use webhook::body as webhook_body;

pub(crate) use message::Member;
