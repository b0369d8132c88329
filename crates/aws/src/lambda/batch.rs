//! Batches of SQS messages. Records are read one by one: a typed batch fails whole over one bad record.

use aws_lambda_events::event::sqs::SqsBatchResponse;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Error;

/// A batch as it came in.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Id and body of each message that could be read.
    pub messages: Vec<(String, String)>,
    /// Ids of those that could not.
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
}

/// Reads a batch; none where the event is none.
pub fn records(event: &RawValue) -> Option<Result<Batch, Error>> {
    let event: Event<'_> = serde_json::from_str(event.get()).ok()?;
    let mut batch = Batch::default();
    for record in event.records {
        // Without its name a message cannot be reported: only failing the batch keeps it from being deleted.
        let Ok(Named { message_id }) = serde_json::from_str(record.get()) else {
            return Some(Err("a record without a messageId".into()));
        };
        match serde_json::from_str(record.get()) {
            Ok(Bodied { body }) => batch.messages.push((message_id, body)),
            Err(_) => batch.unreadable.push(message_id),
        }
    }
    Some(Ok(batch))
}

impl Batch {
    /// How many messages came in.
    pub fn len(&self) -> usize {
        self.messages.len() + self.unreadable.len()
    }

    /// Whether none came in.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The answer to a batch of `total` messages of which those failed. Lambda does not slow down on partial failures, so where
/// all failed the invocation does.
pub(crate) fn answer(total: usize, failed: Vec<String>) -> Result<SqsBatchResponse, Error> {
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
    fn a_batch_that_failed_whole_fails_the_invocation_and_one_that_failed_in_part_does_not() {
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert!(answer(2, ids(&["a", "b"])).is_err());
        let response = serde_json::to_value(answer(2, ids(&["b"])).unwrap()).unwrap();
        assert_eq!(response, serde_json::json!({"batchItemFailures": [{"itemIdentifier": "b"}]}));
        let response = serde_json::to_value(answer(2, Vec::new()).unwrap()).unwrap();
        assert_eq!(response, serde_json::json!({"batchItemFailures": []}));
        assert!(answer(0, Vec::new()).is_ok());
    }
}
