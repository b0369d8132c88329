//! The channels that ring besides mail: SNS, PagerDuty, and webhooks signed as Standard Webhooks defines it.

mod pagerduty;
mod sns;
mod webhook;

pub use sns::reach as reach_topic;

use std::{sync::OnceLock, time::Duration};

use aws_types::SdkConfig;
use pipeline::{
    alerts::channels::ChannelMessage,
    config::{Channel, Reference},
    ports::{ChannelError, Ringer},
};

use crate::{
    http::{Connections, HttpApiError, Limits, Outgoing, PostAnswer, PostError},
    secrets::{AwsKeys, Secret, Vault},
};

/// The timeout of a message, reading its secret included: the mails of the same invocation must not wait long.
const WITHIN: Duration = Duration::from_secs(3);

/// The longest part of an answer that is shown, in characters.
const MAX_SHOWN: usize = 200;

/// The channels. Without any configured, nothing is set up.
#[derive(Debug)]
pub struct Channels {
    aws: SdkConfig,
    extra_roots: Option<Vec<u8>>,
    clients: OnceLock<Clients>,
}

#[derive(Debug)]
struct Clients {
    /// For AWS.
    http: reqwest::Client,
    /// For the addresses in the configuration.
    outgoing: Outgoing,
    vault: Vault<AwsKeys>,
}

impl Channels {
    /// The channels, with the authorities to trust besides the public ones (PEM).
    pub fn new(aws: &SdkConfig, extra_roots: Option<Vec<u8>>) -> Self {
        Self { aws: aws.clone(), extra_roots, clients: OnceLock::new() }
    }

    fn clients(&self) -> Result<&Clients, ChannelError> {
        if let Some(clients) = self.clients.get() {
            return Ok(clients);
        }
        let clients = self.set_up().map_err(|error| ChannelError::Refused(error.to_string()))?;
        Ok(self.clients.get_or_init(|| clients))
    }

    fn set_up(&self) -> Result<Clients, HttpApiError> {
        let roots = self.extra_roots.as_deref();
        let limits = Limits { total: WITHIN, ..Limits::default() };
        let http = Connections::new(roots, limits)?.client();
        let vault = Vault::new(AwsKeys::new(&self.aws, http.clone()));
        Ok(Clients { http, outgoing: Outgoing::new(roots)?, vault })
    }
}

impl Clients {
    async fn secret(&self, reference: &Reference) -> Result<Secret, ChannelError> {
        self.vault
            .key(reference)
            .await
            .map_err(|error| ChannelError::Refused(format!("its secret cannot be read: {error}")))
    }
}

impl Ringer for Channels {
    async fn ring(&self, channel: &Channel, message: &ChannelMessage) -> Result<(), ChannelError> {
        let clients = self.clients()?;
        let rings = async {
            match channel {
                Channel::Sns { topic } => sns::publish(&self.aws, &clients.http, topic, message).await,
                Channel::PagerDuty { key, url } => {
                    let key = clients.secret(key).await?;
                    pagerduty::send(&clients.outgoing, url, &key, message).await
                }
                Channel::Webhook { url, secret } => {
                    let secret = clients.secret(secret).await?;
                    webhook::send(&clients.outgoing, url, &secret, message).await
                }
            }
        };
        tokio::time::timeout(WITHIN, rings)
            .await
            .unwrap_or_else(|_| Err(ChannelError::Unanswered(format!("no answer within {} s", WITHIN.as_secs()))))
    }
}

/// Whether a channel took a post, by its answer.
fn taken(answer: Result<PostAnswer, PostError>) -> Result<(), ChannelError> {
    let PostAnswer { status, body } = match answer {
        Ok(answer) => answer,
        Err(PostError::NotSent(reason)) => return Err(ChannelError::Refused(reason)),
        Err(PostError::Unanswered(reason)) => return Err(ChannelError::Unanswered(reason)),
    };
    let said = dispatch::text::brief(body.trim(), MAX_SHOWN);
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    match status {
        200..=299 => Ok(()),
        300..=399 => Err(ChannelError::Refused(format!("it answered {status}; gridbell follows no redirect"))),
        // It may have taken the message before it failed.
        500.. => Err(ChannelError::Unanswered(format!("it answered {status}{said}"))),
        _ => Err(ChannelError::Refused(format!("it answered {status}{said}"))),
    }
}
