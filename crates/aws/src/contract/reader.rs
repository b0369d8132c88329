//! The reading side of the queues, which the ports do not have, and the passing of time.

#![expect(async_fn_in_trait, reason = "the callers are generic: the compiler checks Send where the types are known")]

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_sqs::{Client, types::MessageSystemAttributeName};
use aws_types::SdkConfig;
use jiff::Timestamp;
use pipeline::ports::Clock;

use super::Resources;
use crate::host::Host;

/// A queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// Messages that are received too often move to `retries`.
    Deliveries,
    /// Jobs that failed.
    Retries,
    /// Urgent hints for the alerter.
    Alerts,
    /// Hints that can wait for a minute.
    Reviews,
    /// The outgoing FIFO queue.
    Signals,
}

/// A received message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// The handle with which it is deleted.
    pub handle: String,
    /// The body.
    pub body: String,
    /// How often it was received, including this time.
    pub receives: u32,
    /// The message group, in the FIFO queue.
    pub group: Option<String>,
    /// The deduplication id, in the FIFO queue.
    pub deduplication: Option<String>,
    /// The message attributes, in the FIFO queue.
    pub attributes: BTreeMap<String, String>,
}

/// A reader of the queues.
pub trait Reader {
    /// How long a received message stays hidden, in seconds.
    const VISIBILITY_S: u64;
    /// How often a message of `deliveries` is received before it is redriven.
    const MAX_RECEIVES: u32;
    /// The current time.
    fn now(&self) -> Timestamp;
    /// Lets time pass.
    async fn pass(&self, seconds: u64);
    /// Receives a message that becomes visible within a second; it is hidden from then on.
    async fn receive(&self, queue: Queue) -> Option<Taken>;
    /// Deletes a message.
    async fn delete(&self, queue: Queue, taken: &Taken);
}

/// Receives and deletes the next message.
///
/// # Panics None arrives within some seconds.
pub(super) async fn next<R: Reader>(reader: &R, queue: Queue) -> Taken {
    for _ in 0..5 {
        if let Some(taken) = reader.receive(queue).await {
            reader.delete(queue, &taken).await;
            return taken;
        }
    }
    panic!("no message in {queue:?}");
}

/// A reader of SQS.
#[derive(Debug)]
pub struct SqsReader<'r> {
    client: Client,
    resources: &'r Resources,
}

impl<'r> SqsReader<'r> {
    /// A reader of those queues.
    pub fn new(aws: &SdkConfig, resources: &'r Resources) -> Self {
        Self { client: Client::new(aws), resources }
    }

    fn url(&self, queue: Queue) -> &str {
        let inner = &self.resources.inner;
        let inner = match queue {
            Queue::Deliveries => &inner.deliveries,
            Queue::Retries => &inner.retries,
            Queue::Alerts => &inner.alerts,
            Queue::Reviews => &inner.reviews,
            Queue::Signals => return &self.resources.signals,
        };
        inner.as_deref().expect("a queue")
    }
}

impl Reader for SqsReader<'_> {
    const VISIBILITY_S: u64 = Resources::VISIBILITY_S;
    const MAX_RECEIVES: u32 = Resources::MAX_RECEIVES;

    fn now(&self) -> Timestamp {
        Host.now()
    }

    async fn pass(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    async fn receive(&self, queue: Queue) -> Option<Taken> {
        let request = self
            .client
            .receive_message()
            .queue_url(self.url(queue))
            .max_number_of_messages(1)
            .wait_time_seconds(1)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All);
        let answer = Box::pin(request.send()).await.expect("an answer");
        let message = answer.messages.unwrap_or_default().into_iter().next()?;
        let system = message.attributes.unwrap_or_default();
        let of = |name: MessageSystemAttributeName| system.get(&name).cloned();
        let attributes = message.message_attributes.unwrap_or_default().into_iter();
        Some(Taken {
            handle: message.receipt_handle.expect("a handle"),
            body: message.body.expect("a body"),
            receives: of(MessageSystemAttributeName::ApproximateReceiveCount)?.parse().expect("a number"),
            group: of(MessageSystemAttributeName::MessageGroupId),
            deduplication: of(MessageSystemAttributeName::MessageDeduplicationId),
            attributes: attributes.filter_map(|(name, value)| Some((name, value.string_value?))).collect(),
        })
    }

    async fn delete(&self, queue: Queue, taken: &Taken) {
        let request = self.client.delete_message().queue_url(self.url(queue)).receipt_handle(&taken.handle);
        Box::pin(request.send()).await.expect("deleted");
    }
}
