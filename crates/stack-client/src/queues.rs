//! The queues from outside: how much lies in them, and the dead letters, looked at and put back.

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

/// What lies in a queue; all of it roughly, as SQS counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Waiting to be taken.
    pub waiting: u64,
    /// In somebody's hands.
    pub in_hand: u64,
    /// Held back until their time.
    pub delayed: u64,
}

/// A message that a function failed on until SQS put it into a dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// As SQS calls it.
    pub id: String,
    /// As it was sent.
    pub body: String,
    /// When.
    pub sent_at: Timestamp,
    receipt: String,
}

impl DeadLetter {
    /// One that nobody holds.
    pub fn of(id: &str, body: &str, sent_at: Timestamp) -> Self {
        Self { id: id.to_owned(), body: body.to_owned(), sent_at, receipt: String::new() }
    }
}

/// How long dead letters are held while they are looked at, in seconds; they are let go before.
const HELD_S: i32 = 30;
/// How many of one queue are looked at.
const LOOKED_AT: usize = 500;
/// SQS hands out, and takes, so many at once.
const BATCH: usize = 10;

/// The queues.
#[derive(Debug, Clone)]
pub struct Queues(Client);

impl Queues {
    /// The service.
    pub fn new(aws: &SdkConfig) -> Self {
        Self(Client::new(aws))
    }

    /// What lies in the queue of that URL.
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

    /// The dead letters of that queue, up to 500. Looking does no harm: nothing is counted of them there.
    pub async fn dead_letters(&self, url: &str) -> Result<Vec<DeadLetter>, PortError> {
        let held = self.hold(url).await;
        if let Ok(letters) = &held {
            self.let_go(url, letters).await?;
        }
        held
    }

    /// Sends a dead letter's work, in this form, to the queue `to`, and takes the letter away then: whoever dies in between leaves
    /// it twice rather than not at all. False where it is not there any more.
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

    /// Takes them in hand until the queue hands out no more.
    async fn hold(&self, url: &str) -> Result<Vec<DeadLetter>, PortError> {
        let mut held: BTreeMap<String, DeadLetter> = BTreeMap::new();
        while held.len() < LOOKED_AT {
            let request = self.0.receive_message().queue_url(url).max_number_of_messages(10).visibility_timeout(HELD_S);
            // Waiting asks all of SQS' machines, so that an empty answer says that there are no more.
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
            // One that is not let go comes back by itself after half a minute.
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
