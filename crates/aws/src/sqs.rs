//! The queues.

use std::sync::Arc;

use aws_sdk_sqs::{
    Client,
    types::{MessageAttributeValue, QueueAttributeName, SendMessageBatchRequestEntry},
};
use aws_types::SdkConfig;
use dispatch::{Signal, sendable};
use futures_util::future::join_all;
use pipeline::{
    messages::{Delayed, DelayedToCourier, MAX_DELAY_S, ToAlert, ToHydrate, to_json},
    ports::{Backlog, CourierQueue, Depths, IngestQueue, JobQueue, Lane, PortError, SignalStream, Watched, fifo_id},
};
use serde::Serialize;

use crate::{
    client::{unavailable, with_causes},
    gather::{Gather, Limits},
};

/// The maximum size of a message, including its attributes (1 MiB).
const MAX_MESSAGE_BYTES: usize = 1_048_576;

/// The maximum size of a signal's body: the rest is for the names, types and values of its attributes.
pub const SIGNAL_LIMIT_BYTES: usize = MAX_MESSAGE_BYTES - 4_096;

/// The maximum number of entries of a batch call.
const MAX_BATCH: usize = 10;

/// Sends to `deliveries`: the only thing that the receiver can do.
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
    retries: Shared,
}

/// The URLs of the inner queues. A function that does not send to a queue has no URL of it.
#[derive(Debug, Clone, Default)]
pub struct QueueUrls {
    /// `deliveries`.
    pub deliveries: Option<String>,
    /// `retries`.
    pub retries: Option<String>,
    /// `alerts`.
    pub alerts: Option<String>,
    /// `reviews`.
    pub reviews: Option<String>,
}

/// Reads the depths of queues.
#[derive(Debug, Clone)]
pub struct WatchedQueues {
    client: Client,
    urls: WatchedUrls,
}

/// The URLs of those queues. A function has no URL of a queue whose depth it does not read.
#[derive(Debug, Clone, Default)]
pub struct WatchedUrls {
    /// `deliveries`.
    pub deliveries: Option<String>,
    /// `signals`.
    pub signals: Option<String>,
    /// `reviews`.
    pub reviews: Option<String>,
    /// The dead letters of `retries`.
    pub retries_dead: Option<String>,
    /// The dead letters of `alerts` and `reviews`.
    pub alerts_dead: Option<String>,
    /// The dead letters of `outputs`.
    pub outputs_dead: Option<String>,
}

/// The queue `outputs`.
#[derive(Debug, Clone)]
pub struct OutputsQueue {
    client: Client,
    url: String,
    messages: Shared,
}

/// The FIFO queue `signals`.
#[derive(Debug, Clone)]
pub struct SignalsQueue {
    client: Client,
    url: String,
    /// Only signals of different subjects.
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
        Self { client: Client::new(aws), urls, retries: shared() }
    }

    async fn send(&self, queue: Queue<'_>, message: &impl Serialize, delay_s: u32) -> Result<(), PortError> {
        send(&self.client, queue, &written(queue.port, message)?, delay_s).await
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

impl OutputsQueue {
    /// The queue with that URL.
    pub fn new(aws: &SdkConfig, url: impl Into<String>) -> Self {
        Self { client: Client::new(aws), url: url.into(), messages: shared() }
    }
}

impl CourierQueue for OutputsQueue {
    async fn courier(&self, messages: &[DelayedToCourier]) -> Result<(), PortError> {
        let queue = Queue { port: "outputs", url: &self.url };
        let delayed = messages.iter().map(|DelayedToCourier { message, delay_s }| (message, *delay_s));
        send_delayed(&self.client, queue, &self.messages, delayed).await
    }
}

impl IngestQueue for DeliveriesQueue {
    async fn take(&self, message: &str) -> Result<(), PortError> {
        send(&self.client, Queue { port: "deliveries", url: &self.url }, message, 0).await
    }
}

impl JobQueue for InnerQueues {
    async fn deliver(&self, message: ToHydrate, delay_s: u32) -> Result<(), PortError> {
        self.send(Queue::known("deliveries", self.urls.deliveries.as_deref())?, &message, delay_s).await
    }

    async fn retry(&self, messages: &[Delayed]) -> Result<(), PortError> {
        const PORT: &str = "retries";
        if messages.is_empty() {
            return Ok(());
        }
        let queue = Queue::known(PORT, self.urls.retries.as_deref())?;
        let delayed = messages.iter().map(|Delayed { message, delay_s }| (message, *delay_s));
        send_delayed(&self.client, queue, &self.retries, delayed).await
    }

    async fn alert(&self, message: &ToAlert, lane: Lane, delay_s: u32) -> Result<(), PortError> {
        let queue = match lane {
            Lane::Urgent => Queue::known("alerts", self.urls.alerts.as_deref()),
            Lane::CanWait => Queue::known("reviews", self.urls.reviews.as_deref()),
        };
        self.send(queue?, message, delay_s).await
    }
}

impl SignalStream for SignalsQueue {
    fn limit_bytes(&self) -> usize {
        SIGNAL_LIMIT_BYTES
    }

    async fn publish(&self, signals: &[Signal]) -> Result<(), PortError> {
        // One after the other: a batch may succeed in part, and then a later version of a subject would overtake an
        // earlier one. So a batch never has two signals of one subject.
        for signal in signals {
            self.publish_one(signal).await?;
        }
        Ok(())
    }
}

impl Depths for WatchedQueues {
    async fn depth(&self, queue: Watched) -> Result<Backlog, PortError> {
        let url = match queue {
            Watched::Deliveries => &self.urls.deliveries,
            Watched::Signals => &self.urls.signals,
            Watched::Reviews => &self.urls.reviews,
            Watched::RetriesDead => &self.urls.retries_dead,
            Watched::AlertsDead => &self.urls.alerts_dead,
            Watched::OutputsDead => &self.urls.outputs_dead,
        };
        backlog(&self.client, Queue::known(queue.as_str(), url.as_deref())?).await
    }
}

async fn backlog(client: &Client, Queue { port, url }: Queue<'_>) -> Result<Backlog, PortError> {
    let names =
        [QueueAttributeName::ApproximateNumberOfMessages, QueueAttributeName::ApproximateNumberOfMessagesNotVisible];
    let request = client.get_queue_attributes().queue_url(url).set_attribute_names(Some(names.to_vec()));
    let answer = Box::pin(request.send()).await.map_err(|error| unavailable(port, error))?;
    let [waiting, in_hand] = names.map(|name| {
        let count = answer.attributes().and_then(|attributes| attributes.get(&name));
        count.and_then(|count| count.parse().ok())
    });
    // A missing count is not zero.
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
        send_shared(&self.client, Queue { port: PORT, url: &self.url }, &self.signals, entry, size).await
    }
}

/// A queue, and its name in errors.
#[derive(Clone, Copy)]
struct Queue<'a> {
    port: &'static str,
    url: &'a str,
}

impl<'a> Queue<'a> {
    /// The queue, if this function has its URL.
    fn known(port: &'static str, url: Option<&'a str>) -> Result<Self, PortError> {
        let unknown = || PortError::Broken { port, reason: "this function has no URL of the queue".to_owned() };
        Ok(Self { port, url: url.ok_or_else(unknown)? })
    }
}

/// Limits a delay to the longest that SQS supports.
fn delay_seconds(delay_s: u32) -> i32 {
    #[expect(clippy::cast_possible_wrap, reason = "at most 900")]
    let delay_s = delay_s.min(MAX_DELAY_S) as i32;
    delay_s
}

fn written(port: &'static str, message: &impl Serialize) -> Result<String, PortError> {
    to_json(message).map_err(|error| PortError::Broken { port, reason: error.to_string() })
}

fn shared() -> Shared {
    Arc::new(Gather::new(Limits { items: MAX_BATCH, bytes: MAX_MESSAGE_BYTES }))
}

/// Sends messages with their delays, ten in a call.
async fn send_delayed<M: Serialize>(
    client: &Client,
    queue: Queue<'_>,
    gather: &Shared,
    messages: impl Iterator<Item = (M, u32)>,
) -> Result<(), PortError> {
    let sends = messages.map(|(message, delay_s)| async move {
        let json = written(queue.port, &message)?;
        let body = sendable(&json);
        let size = body.len();
        if size > MAX_MESSAGE_BYTES {
            return Err(too_large(queue.port, size));
        }
        let entry =
            SendMessageBatchRequestEntry::builder().id("0").message_body(body).delay_seconds(delay_seconds(delay_s));
        let entry = entry.build().map_err(|error| unavailable(queue.port, error))?;
        send_shared(client, queue, gather, entry, size).await
    });
    join_all(sends).await.into_iter().collect()
}

async fn send_shared(
    client: &Client,
    Queue { port, url }: Queue<'_>,
    gather: &Shared,
    entry: SendMessageBatchRequestEntry,
    bytes: usize,
) -> Result<(), PortError> {
    let answer = gather.send(entry, bytes, async |entries| send_batch(client, url, entries).await).await;
    let answer = answer.unwrap_or_else(|| Err("the call was given up".to_owned()));
    answer.map_err(|reason| PortError::Unavailable { port, reason })
}

/// The result of each entry, in their order.
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
        Err(error) => answers.fill(Err(with_causes(error))),
    }
    answers
}

async fn send(client: &Client, queue: Queue<'_>, json: &str, delay_s: u32) -> Result<(), PortError> {
    let Queue { port, url } = queue;
    let body = sendable(json);
    if body.len() > MAX_MESSAGE_BYTES {
        return Err(too_large(port, body.len()));
    }
    let mut request = client.send_message().queue_url(url).message_body(body);
    if delay_s > 0 {
        request = request.delay_seconds(delay_seconds(delay_s));
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
