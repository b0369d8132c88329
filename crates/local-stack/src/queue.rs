//! A reader of the local stack's queues, as a controller is one.

use anyhow::{Context, Result};
use reqwest::Client;
use serde_json::{Value, json};
use stack_client::Description;

use super::aws_api::AwsApi;

/// A queue.
#[derive(Debug, Clone)]
pub struct Queue {
    api: AwsApi,
    url: String,
}

/// A message.
#[derive(Debug)]
pub struct Message {
    /// The message id, the same at each delivery.
    pub id: String,
    /// The body as sent.
    pub body: String,
    /// Names and values of its message attributes.
    pub attributes: Vec<(String, String)>,
    /// System attributes, such as `MessageGroupId`.
    pub system: Value,
    receipt: String,
}

impl Queue {
    /// The stack's queue of that name, such as `signals`.
    ///
    /// # Errors
    /// The stack has no such queue, or its endpoint is no address.
    pub fn of(stack: &Description, name: &str, http: Client) -> Result<Self> {
        let url = stack.queues.get(name).with_context(|| format!("the stack has no queue {name}"))?.clone();
        let endpoint = stack.endpoint_url.parse().context("the stack's endpoint is no address")?;
        Ok(Self { api: AwsApi::new(http, endpoint, "test"), url })
    }

    /// Waits up to a second for messages; receives up to ten and deletes them.
    pub async fn take(&self) -> Result<Vec<Message>> {
        let messages = self.receive().await?;
        self.delete(&messages).await?;
        Ok(messages)
    }

    /// Waits up to a second for messages and receives up to ten. A message that is not deleted comes again.
    pub async fn receive(&self) -> Result<Vec<Message>> {
        let ask = json!({
            "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1,
            "MessageAttributeNames": ["All"], "MessageSystemAttributeNames": ["All"],
        });
        let answer = self.call("ReceiveMessage", ask).await?;
        Ok(answer["Messages"].as_array().into_iter().flatten().filter_map(message).collect())
    }

    /// Deletes these messages.
    pub async fn delete(&self, messages: &[Message]) -> Result<()> {
        let entries: Vec<Value> = messages
            .iter()
            .enumerate()
            .map(|(index, message)| json!({"Id": index.to_string(), "ReceiptHandle": message.receipt}))
            .collect();
        if !entries.is_empty() {
            self.call("DeleteMessageBatch", json!({"Entries": entries})).await?;
        }
        Ok(())
    }

    /// Whether no message is visible or in flight. Delayed messages do not count.
    pub async fn is_idle(&self) -> Result<bool> {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let answer = self.call("GetQueueAttributes", json!({"AttributeNames": names})).await?;
        Ok(names.iter().all(|name| answer["Attributes"][name] == "0"))
    }

    async fn call(&self, action: &str, mut body: Value) -> Result<Value> {
        body["QueueUrl"] = json!(self.url);
        self.api.json("sqs", &format!("AmazonSQS.{action}"), "1.0", &body).await
    }
}

fn message(message: &Value) -> Option<Message> {
    let attributes = message["MessageAttributes"].as_object().into_iter().flatten();
    Some(Message {
        id: message["MessageId"].as_str()?.to_owned(),
        body: message["Body"].as_str()?.to_owned(),
        attributes: attributes
            .filter_map(|(name, value)| Some((name.clone(), value["StringValue"].as_str()?.to_owned())))
            .collect(),
        system: message["Attributes"].clone(),
        receipt: message["ReceiptHandle"].as_str()?.to_owned(),
    })
}
