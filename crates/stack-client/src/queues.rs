//! The queues from outside: message counts, and dead letters, which can be read and sent again.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_sqs::{
    Client,
    types::{ChangeMessageVisibilityBatchRequestEntry, Message, MessageSystemAttributeName, QueueAttributeName},
};
use jiff::Timestamp;
use pipeline::ports::PortError;

use aws::client::unavailable;

const PORT: &str = "queues";

/// The number of messages in a queue; all counts of SQS are approximate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Visible messages.
    pub waiting: u64,
    /// Messages in flight.
    pub in_hand: u64,
    /// Delayed messages.
    pub delayed: u64,
}

/// A message that a function failed on until SQS moved it to a dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// SQS's message id.
    pub id: String,
    /// The body as it was sent.
    pub body: String,
    /// When it was sent.
    pub sent_at: Timestamp,
    receipt: String,
}

impl DeadLetter {
    /// A dead letter that was not received from SQS.
    pub fn of(id: &str, body: &str, sent_at: Timestamp) -> Self {
        Self { id: id.to_owned(), body: body.to_owned(), sent_at, receipt: String::new() }
    }
}

/// Visibility timeout of dead letters while they are read, in seconds; afterwards they are made visible at once.
const HELD_S: i32 = 30;
/// Most dead letters that are read from one queue.
const LOOKED_AT: usize = 500;
/// Most messages in one SQS request.
const BATCH: usize = 10;

/// The queues.
#[derive(Debug, Clone)]
pub struct Queues(Client);

impl Queues {
    /// A client for SQS.
    pub fn new(aws: &SdkConfig) -> Self {
        Self(Client::new(aws))
    }

    /// The message counts of the queue with that URL.
    pub async fn counts(&self, url: &str) -> Result<Counts, PortError> {
        let request = self
            .0
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesDelayed);
        let answer = Box::pin(request.send()).await.map_err(|error| unavailable(PORT, error))?;
        let count = |name: &QueueAttributeName| {
            let value = answer.attributes().and_then(|attributes| attributes.get(name));
            value.and_then(|value| value.parse().ok()).unwrap_or_default()
        };
        Ok(Counts {
            waiting: count(&QueueAttributeName::ApproximateNumberOfMessages),
            in_hand: count(&QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
            delayed: count(&QueueAttributeName::ApproximateNumberOfMessagesDelayed),
        })
    }

    /// The dead letters of that queue, up to 500. Reading is safe: that queue does not limit the receive count.
    pub async fn dead_letters(&self, url: &str) -> Result<Vec<DeadLetter>, PortError> {
        let held = self.hold(url).await;
        if let Ok(letters) = &held {
            self.let_go(url, letters).await?;
        }
        held
    }

    /// Sends `body` to the queue `to`, then deletes the dead letter: a crash in between leaves the work twice rather
    /// than not at all. False if the dead letter is gone.
    pub async fn put_back(&self, url: &str, id: &str, body: &str, to: &str) -> Result<bool, PortError> {
        let held = self.hold(url).await?;
        let (found, others): (Vec<_>, Vec<_>) = held.into_iter().partition(|letter| letter.id == id);
        self.let_go(url, &others).await?;
        let Some(letter) = found.into_iter().next() else { return Ok(false) };
        let send = self.0.send_message().queue_url(to).message_body(body).send();
        if let Err(error) = Box::pin(send).await {
            self.let_go(url, &[letter]).await?;
            return Err(unavailable(PORT, error));
        }
        let delete = self.0.delete_message().queue_url(url).receipt_handle(letter.receipt).send();
        Box::pin(delete).await.map(|_| true).map_err(|error| unavailable(PORT, error))
    }

    /// Receives dead letters until the queue returns no more.
    async fn hold(&self, url: &str) -> Result<Vec<DeadLetter>, PortError> {
        let mut held: BTreeMap<String, DeadLetter> = BTreeMap::new();
        while held.len() < LOOKED_AT {
            let request = self.0.receive_message().queue_url(url).max_number_of_messages(10).visibility_timeout(HELD_S);
            // With a wait time SQS queries all its servers, so an empty response means that no messages are left.
            let request =
                request.wait_time_seconds(1).message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
            let answer = Box::pin(request.send()).await.map_err(|error| unavailable(PORT, error))?;
            let came: Vec<DeadLetter> = answer.messages.unwrap_or_default().into_iter().filter_map(letter).collect();
            if came.is_empty() {
                break;
            }
            held.extend(came.into_iter().map(|letter| (letter.id.clone(), letter)));
        }
        Ok(held.into_values().collect())
    }

    async fn let_go(&self, url: &str, letters: &[DeadLetter]) -> Result<(), PortError> {
        for batch in letters.chunks(BATCH) {
            let mut request = self.0.change_message_visibility_batch().queue_url(url);
            for (number, letter) in batch.iter().enumerate() {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(number.to_string());
                let entry = entry.receipt_handle(&letter.receipt).visibility_timeout(0).build();
                request = request.entries(entry.map_err(|error| unavailable(PORT, error))?);
            }
            // If this fails, the message becomes visible by itself after half a minute.
            Box::pin(request.send()).await.map_err(|error| unavailable(PORT, error))?;
        }
        Ok(())
    }
}

fn letter(message: Message) -> Option<DeadLetter> {
    let sent = message.attributes.as_ref().and_then(|all| all.get(&MessageSystemAttributeName::SentTimestamp));
    let sent_at = sent.and_then(|sent| Timestamp::from_millisecond(sent.parse().ok()?).ok()).unwrap_or_default();
    Some(DeadLetter { id: message.message_id?, body: message.body?, sent_at, receipt: message.receipt_handle? })
}
