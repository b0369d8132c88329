//! A webhook, signed as Standard Webhooks defines it.

use pipeline::{
    alerts::channels::{ChannelMessage, webhook_body},
    ports::{ChannelError, Clock},
    standard_webhooks::{ID_HEADER, SIGNATURE_HEADER, SigningSecrets, TIMESTAMP_HEADER},
};

use super::{WITHIN, taken};
use crate::{
    host::Host,
    http::{Outgoing, Post},
    secrets::Secret,
};

/// Posts the message. Its id is the same for every attempt, the timestamp is of this one.
pub(super) async fn send(
    outgoing: &Outgoing,
    url: &str,
    secret: &Secret,
    message: &ChannelMessage,
) -> Result<(), ChannelError> {
    let secrets = SigningSecrets::parse(secret.expose()).map_err(|error| ChannelError::Refused(error.to_string()))?;
    let (timestamp_s, body) = (Host.now().as_second(), webhook_body(message));
    let signature = secrets.sign(&message.id, timestamp_s, body.as_bytes());
    let headers =
        [(ID_HEADER, message.id.clone()), (TIMESTAMP_HEADER, timestamp_s.to_string()), (SIGNATURE_HEADER, signature)];
    taken(outgoing.post(&Post { url, headers: &headers, body, within: WITHIN }).await)
}
