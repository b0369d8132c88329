//! PagerDuty's Events API v2.

use pipeline::{
    alerts::channels::{ChannelMessage, PAGERDUTY_MOST_BYTES, pagerduty_event},
    ports::ChannelError,
};

use super::{WITHIN, taken};
use crate::{
    http::{Outgoing, Post},
    secrets::Secret,
};

/// Sends an event for each incident of the message.
pub(super) async fn send(
    outgoing: &Outgoing,
    url: &str,
    key: &Secret,
    message: &ChannelMessage,
) -> Result<(), ChannelError> {
    for report in &message.alerts {
        let body = pagerduty_event(report, key.expose()).to_string();
        if body.len() > PAGERDUTY_MOST_BYTES {
            return Err(ChannelError::Refused(format!(
                "the event has {} bytes, more than PagerDuty takes",
                body.len()
            )));
        }
        taken(outgoing.post(&Post { url, headers: &[], body, within: WITHIN }).await)?;
    }
    Ok(())
}
