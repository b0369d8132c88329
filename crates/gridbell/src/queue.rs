//! SQS as a reader needs it, in its JSON protocol over plain HTTP: the emulator asks for no signature.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Client;
use serde_json::{Value, json};

use local_stack::REGION;

/// A queue.
#[derive(Debug, Clone)]
pub struct Queue {
    /// The client that it is called with.
    pub http: Client,
    /// Of the stack.
    pub endpoint: String,
    /// Of the queue.
    pub url: String,
}

/// A message.
#[derive(Debug)]
pub struct Message {
    /// The queue's name for it, the same each time it is handed out.
    pub id: String,
    /// As it was sent.
    pub body: String,
    /// Names and values of its message attributes.
    pub attributes: Vec<(String, String)>,
    /// What the queue itself knows, `MessageGroupId` among it.
    pub system: Value,
    receipt: String,
}

impl Queue {
    /// Waits up to a second for messages, takes up to ten, and deletes them.
    pub async fn take(&self) -> Result<Vec<Message>> {
        let messages = self.receive().await?;
        self.delete(&messages).await?;
        Ok(messages)
    }

    /// Waits up to a second for messages and takes up to ten; what is not deleted comes again.
    pub async fn receive(&self) -> Result<Vec<Message>> {
        let ask = json!({
            "QueueUrl": self.url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1,
            "MessageAttributeNames": ["All"], "MessageSystemAttributeNames": ["All"],
        });
        let answer = self.call("ReceiveMessage", &ask).await?;
        Ok(answer["Messages"].as_array().into_iter().flatten().filter_map(message).collect())
    }

    /// Deletes them.
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

    /// Whether nothing waits in it now and nobody is at work on what was in it. What is delayed does not count.
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
