//! The queues.

use std::sync::Arc;

use aws_sdk_sqs::{
    Client,
    types::{MessageAttributeValue, QueueAttributeName, SendMessageBatchRequestEntry},
};
use aws_types::SdkConfig;
use dispatch::{Signal, fifo_id, sendable};
use futures_util::future::join_all;
use pipeline::{
    incident::Notice,
    ports::{Backlog, Depths, Intake, Outlet, PortError, SignalStream, Watched},
    pulse::{Inquiry, Probe},
    work::{Check, Failed, Work},
};
use serde::Serialize;

use crate::{
    client::{said, unavailable},
    gather::{Gather, Limits},
};

/// The most that one message carries, its attributes included (1 MiB).
const MAX_MESSAGE_BYTES: usize = 1_048_576;
/// The longest that SQS holds a message back.
const MAX_DELAY_S: u32 = 900;

/// What the body of one signal may be: the rest is room for its attributes' names, types and values.
pub const SIGNAL_LIMIT_BYTES: usize = MAX_MESSAGE_BYTES - 4_096;

/// The most entries of one batch call.
const MAX_BATCH: usize = 10;

/// The door into `deliveries`: all that the receiver can do.
#[derive(Debug, Clone)]
pub struct DeliveriesQueue {
    client: Client,
    url: String,
}

/// Entries of one queue that are sent at the same time share a call.
type Shared = Arc<Gather<SendMessageBatchRequestEntry, Result<(), String>>>;

/// The inner queues.
#[derive(Debug, Clone)]
pub struct InnerQueues {
    client: Client,
    urls: QueueUrls,
    checks: Shared,
}

/// Where the inner queues are. A function that does not send to one has no URL of it.
#[derive(Debug, Clone, Default)]
pub struct QueueUrls {
    /// `deliveries`.
    pub deliveries: Option<String>,
    /// `retries`.
    pub retries: Option<String>,
    /// `alerts`.
    pub alerts: Option<String>,
}

/// The queues that gridbell watches of itself.
#[derive(Debug, Clone)]
pub struct WatchedQueues {
    client: Client,
    urls: WatchedUrls,
}

/// Where the watched queues are.
#[derive(Debug, Clone)]
pub struct WatchedUrls {
    /// `deliveries`.
    pub deliveries: String,
    /// The dead letters of `retries`.
    pub retries_dead: String,
    /// The dead letters of `alerts`.
    pub alerts_dead: String,
}

/// The FIFO queue `signals`.
#[derive(Debug, Clone)]
pub struct SignalsQueue {
    client: Client,
    url: String,
    /// Of different subjects only.
    signals: Shared,
}

impl DeliveriesQueue {
    /// The queue with that URL.
    pub fn new(aws: &SdkConfig, url: impl Into<String>) -> Self {
        Self { client: Client::new(aws), url: url.into() }
    }
}

impl InnerQueues {
    /// The queues with those URLs.
    pub fn new(aws: &SdkConfig, urls: QueueUrls) -> Self {
        Self { client: Client::new(aws), urls, checks: shared() }
    }

    async fn send(
        &self,
        (port, url): (&'static str, Option<&String>),
        message: &impl Serialize,
        delay_s: u32,
    ) -> Result<(), PortError> {
        let broken = |reason: String| PortError::Broken { port, reason };
        let url = url.ok_or_else(|| broken("this function has no URL of the queue".to_owned()))?;
        let json = serde_json::to_string(message).map_err(|error| broken(error.to_string()))?;
        send(&self.client, (port, url), &json, delay_s).await
    }
}

impl WatchedQueues {
    /// The queues with those URLs.
    pub fn new(aws: &SdkConfig, urls: WatchedUrls) -> Self {
        Self { client: Client::new(aws), urls }
    }
}

impl SignalsQueue {
    /// The queue with that URL.
    pub fn new(aws: &SdkConfig, url: impl Into<String>) -> Self {
        Self { client: Client::new(aws), url: url.into(), signals: shared() }
    }
}

impl Intake for DeliveriesQueue {
    async fn take(&self, message: &str) -> Result<(), PortError> {
        send(&self.client, ("deliveries", &self.url), message, 0).await
    }
}

impl Outlet for InnerQueues {
    async fn work(&self, work: &Work, delay_s: u32) -> Result<(), PortError> {
        self.send(("deliveries", self.urls.deliveries.as_ref()), work, delay_s).await
    }

    async fn failed(&self, failed: &Failed) -> Result<(), PortError> {
        self.send(("retries", self.urls.retries.as_ref()), failed, 0).await
    }

    async fn checks(&self, checks: &[(Check, u32)]) -> Result<(), PortError> {
        const PORT: &str = "retries";
        let broken = |reason: String| PortError::Broken { port: PORT, reason };
        let url =
            self.urls.retries.as_ref().ok_or_else(|| broken("this function has no URL of the queue".to_owned()))?;
        let sends = checks.iter().map(|(check, delay_s)| async move {
            let json = serde_json::to_string(check).map_err(|error| broken(error.to_string()))?;
            let body = sendable(&json);
            let size = body.len();
            let entry = SendMessageBatchRequestEntry::builder()
                .id("0")
                .message_body(body)
                .delay_seconds(i32::try_from((*delay_s).min(MAX_DELAY_S)).unwrap_or_default());
            let entry = entry.build().map_err(|error| unavailable(PORT, error))?;
            send_shared(&self.client, (PORT, url), &self.checks, entry, size).await
        });
        join_all(sends).await.into_iter().collect()
    }

    async fn probe(&self, probe: Probe, delay_s: u32) -> Result<(), PortError> {
        self.send(("deliveries", self.urls.deliveries.as_ref()), &probe, delay_s).await
    }

    async fn inquiry(&self, inquiry: Inquiry, delay_s: u32) -> Result<(), PortError> {
        self.send(("retries", self.urls.retries.as_ref()), &inquiry, delay_s).await
    }

    async fn notice(&self, notice: &Notice, delay_s: u32) -> Result<(), PortError> {
        self.send(("alerts", self.urls.alerts.as_ref()), notice, delay_s).await
    }
}

impl SignalStream for SignalsQueue {
    fn limit_bytes(&self) -> usize {
        SIGNAL_LIMIT_BYTES
    }

    async fn publish(&self, signals: &[Signal]) -> Result<(), PortError> {
        // One after the other: a batch may succeed in part, and then a later version of a subject would overtake an earlier.
        // So a batch never holds two of one subject.
        for signal in signals {
            self.publish_one(signal).await?;
        }
        Ok(())
    }

    async fn backlog(&self) -> Result<Backlog, PortError> {
        backlog(&self.client, ("signals", &self.url)).await
    }
}

impl Depths for WatchedQueues {
    async fn depth(&self, queue: Watched) -> Result<Backlog, PortError> {
        let url = match queue {
            Watched::Deliveries => &self.urls.deliveries,
            Watched::RetriesDead => &self.urls.retries_dead,
            Watched::AlertsDead => &self.urls.alerts_dead,
        };
        backlog(&self.client, (queue.as_str(), url)).await
    }
}

async fn backlog(client: &Client, (port, url): (&'static str, &str)) -> Result<Backlog, PortError> {
    let names =
        [QueueAttributeName::ApproximateNumberOfMessages, QueueAttributeName::ApproximateNumberOfMessagesNotVisible];
    let request = client.get_queue_attributes().queue_url(url).set_attribute_names(Some(names.to_vec()));
    let answer = Box::pin(request.send()).await.map_err(|error| unavailable(port, error))?;
    let [waiting, in_hand] = names.map(|name| {
        let count = answer.attributes().and_then(|attributes| attributes.get(&name));
        count.and_then(|count| count.parse().ok())
    });
    // Nothing said is not nothing there.
    match (waiting, in_hand) {
        (Some(waiting), Some(in_hand)) => Ok(Backlog { waiting, in_hand }),
        _ => Err(PortError::Unavailable { port, reason: "the answer holds no counts".to_owned() }),
    }
}

impl SignalsQueue {
    async fn publish_one(&self, signal: &Signal) -> Result<(), PortError> {
        const PORT: &str = "signals";
        let mut attributes =
            vec![("type", signal.kind.clone()), ("source", signal.source.clone()), ("test", signal.test.to_string())];
        let parts = signal.part.map(|part| [("part", part.number.to_string()), ("parts", part.of.to_string())]);
        attributes.extend(parts.into_iter().flatten());
        let body = sendable(&signal.body);
        let size = body.len()
            + attributes.iter().map(|(name, value)| name.len() + value.len() + "String".len()).sum::<usize>();
        if size > MAX_MESSAGE_BYTES {
            return Err(too_large(PORT, size));
        }
        let mut entry = SendMessageBatchRequestEntry::builder()
            .id("0")
            .message_body(body)
            .message_group_id(fifo_id(signal.subject.as_str()))
            .message_deduplication_id(fifo_id(&signal.id()));
        for (name, value) in attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
            entry = entry.message_attributes(name, value.map_err(|error| unavailable(PORT, error))?);
        }
        let entry = entry.build().map_err(|error| unavailable(PORT, error))?;
        send_shared(&self.client, (PORT, &self.url), &self.signals, entry, size).await
    }
}

fn shared() -> Shared {
    Arc::new(Gather::new(Limits { items: MAX_BATCH, bytes: MAX_MESSAGE_BYTES }))
}

async fn send_shared(
    client: &Client,
    (port, url): (&'static str, &str),
    gather: &Shared,
    entry: SendMessageBatchRequestEntry,
    bytes: usize,
) -> Result<(), PortError> {
    let answer = gather.send(entry, bytes, async |entries| send_batch(client, url, entries).await).await;
    let answer = answer.unwrap_or_else(|| Err("the call was given up".to_owned()));
    answer.map_err(|reason| PortError::Unavailable { port, reason })
}

/// What became of each entry, in their order.
async fn send_batch(
    client: &Client,
    url: &str,
    mut entries: Vec<SendMessageBatchRequestEntry>,
) -> Vec<Result<(), String>> {
    let mut answers = vec![Ok(()); entries.len()];
    for (index, entry) in entries.iter_mut().enumerate() {
        entry.id = index.to_string();
    }
    let request = client.send_message_batch().queue_url(url).set_entries(Some(entries));
    match Box::pin(request.send()).await {
        Ok(answer) => {
            for refused in answer.failed() {
                if let Some(answer) = refused.id().parse().ok().and_then(|index: usize| answers.get_mut(index)) {
                    *answer = Err(format!("refused: {} {}", refused.code(), refused.message().unwrap_or_default()));
                }
            }
        }
        Err(error) => answers.fill(Err(said(error))),
    }
    answers
}

async fn send(client: &Client, (port, url): (&'static str, &str), json: &str, delay_s: u32) -> Result<(), PortError> {
    let body = sendable(json);
    if body.len() > MAX_MESSAGE_BYTES {
        return Err(too_large(port, body.len()));
    }
    let mut request = client.send_message().queue_url(url).message_body(body);
    if delay_s > 0 {
        request = request.delay_seconds(i32::try_from(delay_s.min(MAX_DELAY_S)).unwrap_or_default());
    }
    Box::pin(request.send()).await.map_err(|error| unavailable(port, error))?;
    Ok(())
}

fn too_large(port: &'static str, bytes: usize) -> PortError {
    PortError::Broken { port, reason: format!("a message of {bytes} bytes; SQS carries {MAX_MESSAGE_BYTES}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sqs_refuses_is_escaped_and_means_the_same() {
        let check = |text: &str| {
            let json = serde_json::to_string(text).unwrap();
            let sent = sendable(&json);
            assert!(sent.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)), "{sent}");
            assert_eq!(serde_json::from_str::<String>(&sent).unwrap(), text);
        };
        check("plain");
        check("\u{0}\u{1f}\u{7f}\u{ffff}\u{fffe}😀\\\u{ffff}");
    }
}
