//! A minimal SQS reader: the JSON protocol over plain HTTP. The emulator needs no signature.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Client;
use serde_json::{Value, json};

use local_stack::REGION;

/// A queue.
#[derive(Debug, Clone)]
pub struct Queue {
    /// The HTTP client.
    pub http: Client,
    /// The stack's endpoint.
    pub endpoint: String,
    /// The queue's URL.
    pub url: String,
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
    /// Waits up to a second for messages; receives up to ten and deletes them.
    pub async fn take(&self) -> Result<Vec<Message>> {
        let messages = self.receive().await?;
        self.delete(&messages).await?;
        Ok(messages)
    }

    /// Waits up to a second for messages and receives up to ten. A message that is not deleted comes again.
    pub async fn receive(&self) -> Result<Vec<Message>> {
        let ask = json!({
            "QueueUrl": self.url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1,
            "MessageAttributeNames": ["All"], "MessageSystemAttributeNames": ["All"],
        });
        let answer = self.call("ReceiveMessage", &ask).await?;
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
            self.call("DeleteMessageBatch", &json!({"QueueUrl": self.url, "Entries": entries})).await?;
        }
        Ok(())
    }

    /// Whether no message is visible or in flight. Delayed messages do not count.
    pub async fn is_idle(&self) -> Result<bool> {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let answer = self.call("GetQueueAttributes", &json!({"QueueUrl": self.url, "AttributeNames": names})).await?;
        Ok(names.iter().all(|name| answer["Attributes"][name] == "0"))
    }

    async fn call(&self, action: &str, body: &Value) -> Result<Value> {
        let response = self
            .http
            .post(&self.endpoint)
            .timeout(Duration::from_secs(10))
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", format!("AmazonSQS.{action}"))
            .header(
                "authorization",
                format!("AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/sqs/aws4_request, SignedHeaders=host, Signature={}", "0".repeat(64)),
            )
            .header("x-amz-date", "20260101T000000Z")
            .body(body.to_string())
            .send()
            .await
            .with_context(|| format!("{action} is not answered"))?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status.is_success(), "{action} was refused with {status}: {text}");
        if text.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&text)?) }
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
