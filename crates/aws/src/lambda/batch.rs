//! Batches of SQS messages. Records are parsed one by one, since one bad record would fail a typed batch.

use aws_lambda_events::event::sqs::SqsBatchResponse;
use pipeline::job::Message;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::Error;

/// A received batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The messages that could be read.
    pub messages: Vec<Message>,
    /// Ids of the messages that could not be read.
    pub unreadable: Vec<String>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "Records", borrow)]
    records: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    message_id: String,
}

#[derive(Deserialize)]
struct Bodied {
    body: String,
    #[serde(default)]
    attributes: serde_json::Value,
}

impl Bodied {
    /// The receive count of SQS; 1 if it is missing.
    fn receives(&self) -> u32 {
        self.attributes["ApproximateReceiveCount"].as_str().and_then(|count| count.parse().ok()).unwrap_or(1)
    }
}

/// Whether an event is a batch.
pub fn is_batch(event: &RawValue) -> bool {
    serde_json::from_str::<Event<'_>>(event.get()).is_ok()
}

/// Reads a batch.
pub fn records(event: &RawValue) -> Result<Batch, Error> {
    let event: Event<'_> = serde_json::from_str(event.get()).map_err(|_| "the event is no batch of messages")?;
    let mut batch = Batch::default();
    for record in event.records {
        // A record without a message id cannot be reported as failed, so the whole batch must fail, or SQS would delete
        // the message.
        let Named { message_id } = serde_json::from_str(record.get()).map_err(|_| "a record has no messageId")?;
        match serde_json::from_str::<Bodied>(record.get()) {
            Ok(bodied) => {
                let receives = bodied.receives();
                batch.messages.push(Message { id: message_id, body: bodied.body, receives });
            }
            Err(_) => batch.unreadable.push(message_id),
        }
    }
    Ok(batch)
}

/// Handles a batch and reports the failed messages.
pub(crate) async fn handle(
    event: &RawValue,
    job: impl AsyncFnOnce(Vec<Message>) -> Vec<String>,
) -> Result<SqsBatchResponse, Error> {
    let Batch { messages, unreadable: mut failed } = records(event)?;
    let total = messages.len() + failed.len();
    for id in &failed {
        tracing::error!(message.id = id, "a record without a readable body is left to be delivered again");
    }
    let began = Instant::now();
    failed.extend(Box::pin(job(messages)).await);
    tracing::info!(batch.messages = total, batch.failed = failed.len(), duration.ms = super::ms_since(began), "batch");
    answer(total, failed)
}

/// The answer to a batch of `total` messages with these failures. Lambda does not slow down on partial failures, so if
/// all messages failed, the invocation fails.
fn answer(total: usize, failed: Vec<String>) -> Result<SqsBatchResponse, Error> {
    if total > 0 && failed.len() >= total {
        return Err(format!("all {total} messages of the batch failed").into());
    }
    let mut response = SqsBatchResponse::default();
    for id in failed {
        response.add_failure(id);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wholly_failed_batch_fails_the_invocation() {
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert!(answer(2, ids(&["a", "b"])).is_err());
        let response = serde_json::to_value(answer(2, ids(&["b"])).unwrap()).unwrap();
        assert_eq!(response, serde_json::json!({"batchItemFailures": [{"itemIdentifier": "b"}]}));
        let response = serde_json::to_value(answer(2, Vec::new()).unwrap()).unwrap();
        assert_eq!(response, serde_json::json!({"batchItemFailures": []}));
        assert!(answer(0, Vec::new()).is_ok());
    }
}
