//! The queues from outside: how much lies in them, and putting work into them once more.

use aws_sdk_sqs::{Client, types::QueueAttributeName};
use aws_types::SdkConfig;
use pipeline::ports::PortError;

use crate::client::unavailable;

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
}
