//! The targets of the outputs: HTTP, SQS and EventBridge.

mod aws_error;
mod events;
mod http;
mod sqs;

pub use sqs::region as queue_region;

use aws_types::SdkConfig;
use jiff::SignedDuration;
use pipeline::{
    config::{Config, OutputTarget},
    ports::{OutputTargets, ResponseAck, SendError, Sending},
};

use crate::{http::HttpApiError, secrets::KeySource};

/// The targets of the outputs.
#[derive(Debug)]
pub struct Targets<K> {
    http: http::HttpTargets<K>,
    sqs: sqs::SqsTargets,
    events: events::EventTargets,
}

impl<K: KeySource> Targets<K> {
    /// The targets. `keys` has the signing secrets; `client` calls AWS.
    pub fn new(
        aws: &SdkConfig,
        extra_roots: Option<&[u8]>,
        client: reqwest::Client,
        keys: K,
    ) -> Result<Self, HttpApiError> {
        Ok(Self {
            http: http::HttpTargets::new(extra_roots, keys)?,
            sqs: sqs::SqsTargets::new(aws),
            events: events::EventTargets::new(client, aws),
        })
    }
}

impl<K: KeySource> OutputTargets for Targets<K> {
    fn limit_bytes(&self, sending: Sending<'_>) -> Option<usize> {
        match &sending.output.target {
            OutputTarget::Eventbridge { .. } => Some(events::limit_bytes(sending.head)),
            OutputTarget::Http { .. } | OutputTarget::Sqs { .. } => None,
        }
    }

    async fn send(&self, sending: Sending<'_>, within: SignedDuration) -> Result<Option<ResponseAck>, SendError> {
        let within = within.unsigned_abs();
        match &sending.output.target {
            OutputTarget::Http { url, secrets, allow_private } => {
                let target = http::HttpTarget { url, secrets, allow_private: *allow_private };
                self.http.send(target, sending, within).await
            }
            OutputTarget::Sqs { queue_url } => self.sqs.send(queue_url, sending, within).await.map(|()| None),
            OutputTarget::Eventbridge { bus } => self.events.send(bus, sending, within).await.map(|()| None),
        }
    }
}

/// Checks each output, as far as the configuration shows: before an apply, and at the cold start.
pub fn check_all(config: &Config) -> Result<(), String> {
    for (name, output) in &config.outputs {
        if let OutputTarget::Http { url, secrets, allow_private } = &output.target {
            let target = http::HttpTarget { url, secrets, allow_private: *allow_private };
            target.check().map_err(|problem| format!("output {name:?}: {problem}"))?;
        }
    }
    Ok(())
}
