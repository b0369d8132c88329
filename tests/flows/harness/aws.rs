//! An independent client of SQS, SSM and Lambda: plain JSON over HTTP. The emulator verifies no signature, so the
//! client makes none.

use anyhow::{Context, Result, ensure};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

/// An endpoint and a client.
#[derive(Debug, Clone)]
pub(crate) struct Aws {
    http: Client,
    endpoint: String,
}

impl Aws {
    pub(crate) fn new(http: Client, endpoint: &str) -> Self {
        Self { http, endpoint: endpoint.to_owned() }
    }

    async fn sqs(&self, action: &str, body: &Value) -> Result<Value> {
        self.call("sqs", &format!("AmazonSQS.{action}"), "1.0", body).await
    }

    async fn call(&self, service: &str, target: &str, version: &str, body: &Value) -> Result<Value> {
        let request = Self::signed(self.http.post(&self.endpoint), service)
            .header("content-type", format!("application/x-amz-json-{version}"))
            .header("x-amz-target", target)
            .body(body.to_string());
        read(target, request).await
    }

    fn signed(request: RequestBuilder, service: &str) -> RequestBuilder {
        let credential = format!("Credential=test/20260101/us-east-1/{service}/aws4_request");
        let signature = "0".repeat(64);
        request
            .timeout(super::SOON)
            .header(
                "authorization",
                format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature={signature}"),
            )
            .header("x-amz-date", "20260101T000000Z")
    }

    /// Calls a REST service. Returns null for an empty answer.
    pub(crate) async fn rest(&self, method: Method, service: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let what = format!("{method} {path}");
        let mut request = Self::signed(self.http.request(method, format!("{}{path}", self.endpoint)), service);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        read(&what, request).await
    }

    /// Enables or disables a function's event source mapping. Messages in flight are still processed.
    pub(crate) async fn enable_mapping(&self, function: &str, enabled: bool) -> Result<()> {
        let path = format!("/2015-03-31/event-source-mappings/?FunctionName={function}");
        let listed = self.rest(Method::GET, "lambda", &path, None).await?;
        let id = listed["EventSourceMappings"][0]["UUID"].as_str().context("the function has no mapping")?;
        let path = format!("/2015-03-31/event-source-mappings/{id}");
        self.rest(Method::PUT, "lambda", &path, Some(&json!({"Enabled": enabled}))).await.map(drop)
    }

    /// Verifies an address as a sender in SES, or removes it: then SES refuses every mail from it.
    pub(crate) async fn verify_sender(&self, address: &str, verified: bool) -> Result<()> {
        let path = "/v2/email/identities";
        let made = if verified {
            self.rest(Method::POST, "ses", path, Some(&json!({"EmailIdentity": address}))).await
        } else {
            self.rest(Method::DELETE, "ses", &format!("{path}/{address}"), None).await
        };
        made.map(drop)
    }

    /// Every item of a table.
    pub(crate) async fn items(&self, table: &str) -> Result<Vec<Value>> {
        let (mut items, mut from) = (Vec::new(), Value::Null);
        loop {
            let mut asked = json!({"TableName": table, "ConsistentRead": true});
            if from.is_object() {
                asked["ExclusiveStartKey"] = from;
            }
            let mut page = self.call("dynamodb", "DynamoDB_20120810.Scan", "1.0", &asked).await?;
            items.extend(page["Items"].as_array().cloned().context("no items")?);
            from = page["LastEvaluatedKey"].take();
            if !from.is_object() {
                return Ok(items);
            }
        }
    }

    /// Restores a table to those items.
    pub(crate) async fn restore(&self, table: &str, key: &str, items: &[Value]) -> Result<()> {
        for item in self.items(table).await? {
            let asked = json!({"TableName": table, "Key": {key: item[key]}});
            self.call("dynamodb", "DynamoDB_20120810.DeleteItem", "1.0", &asked).await?;
        }
        for item in items {
            let asked = json!({"TableName": table, "Item": item});
            self.call("dynamodb", "DynamoDB_20120810.PutItem", "1.0", &asked).await?;
        }
        Ok(())
    }

    /// The log lines of a function that match a filter pattern.
    pub(crate) async fn logged(&self, group: &str, pattern: &str) -> Result<Vec<String>> {
        let asked = json!({"logGroupName": group, "filterPattern": pattern});
        let answer = self.call("logs", "Logs_20140328.FilterLogEvents", "1.1", &asked).await?;
        let events = answer["events"].as_array().context("no events")?;
        Ok(events.iter().map(|event| event["message"].as_str().unwrap_or_default().to_owned()).collect())
    }

    /// Replaces a secret.
    pub(crate) async fn put_parameter(&self, name: &str, value: &str) -> Result<()> {
        let body = json!({"Name": name, "Value": value, "Type": "SecureString", "Overwrite": true});
        self.call("ssm", "AmazonSSM.PutParameter", "1.1", &body).await.map(drop)
    }

    /// Receives and deletes up to ten messages, with all their attributes.
    pub(crate) async fn take(&self, queue: &str) -> Result<Vec<Value>> {
        let asked = json!({
            "QueueUrl": queue, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 2,
            "AttributeNames": ["All"], "MessageAttributeNames": ["All"],
        });
        let answer = self.sqs("ReceiveMessage", &asked).await?;
        let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
        if !messages.is_empty() {
            // In one call: a queue that is read slowly counts as unread.
            let entry = |(id, message): (usize, &Value)| json!({"Id": id.to_string(), "ReceiptHandle": message["ReceiptHandle"]});
            let entries: Vec<Value> = messages.iter().enumerate().map(entry).collect();
            let deleted = self.sqs("DeleteMessageBatch", &json!({"QueueUrl": queue, "Entries": entries})).await?;
            let failed = deleted["Failed"].as_array().map_or(0, Vec::len);
            ensure!(failed == 0, "{failed} messages were not deleted: {deleted}");
        }
        Ok(messages)
    }

    /// Creates a FIFO queue and returns its URL.
    pub(crate) async fn make_fifo(&self, name: &str) -> Result<String> {
        let asked = json!({"QueueName": name, "Attributes": {"FifoQueue": "true"}});
        let answer = self.sqs("CreateQueue", &asked).await?;
        Ok(answer["QueueUrl"].as_str().context("the queue has no URL")?.to_owned())
    }

    /// Creates a queue that gets what is published to a topic, and returns its URL.
    pub(crate) async fn subscribed_queue(&self, topic: &str) -> Result<String> {
        let answer = self.sqs("CreateQueue", &json!({"QueueName": topic})).await?;
        let queue = answer["QueueUrl"].as_str().context("the queue has no URL")?.to_owned();
        let (topic, endpoint) =
            ["sns", "sqs"].map(|service| format!("arn:aws:{service}:us-east-1:000000000000:{topic}")).into();
        let form = [
            ("Action", "Subscribe"),
            ("Version", "2010-03-31"),
            ("TopicArn", topic.as_str()),
            ("Protocol", "sqs"),
            ("Endpoint", endpoint.as_str()),
        ];
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Self::signed(self.http.post(&self.endpoint), "sns")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        let response = request.send().await.context("Subscribe got no answer")?;
        let (status, text) = (response.status(), response.text().await?);
        ensure!(status.is_success(), "Subscribe: {status} {text}");
        Ok(queue)
    }

    /// Sends a signal unchanged. `copy` makes equal ones differ, because SQS would deduplicate them.
    pub(crate) async fn send_signal(&self, queue: &str, event: &Value, copy: usize) -> Result<()> {
        let group = event["subject"].as_str().context("a signal without a subject")?;
        let id = format!("{copy}-{}", event["sequence"].as_str().unwrap_or_default());
        let asked = json!({
            "QueueUrl": queue, "MessageBody": event.to_string(), "MessageGroupId": group, "MessageDeduplicationId": id,
        });
        self.sqs("SendMessage", &asked).await.map(drop)
    }

    /// Deletes a queue.
    pub(crate) async fn delete_queue(&self, queue: &str) -> Result<()> {
        self.sqs("DeleteQueue", &json!({"QueueUrl": queue})).await.map(drop)
    }

    /// How many messages a queue has: visible, in flight, and delayed.
    pub(crate) async fn depth(&self, queue: &str) -> Result<[u64; 3]> {
        let answer = self.sqs("GetQueueAttributes", &json!({"QueueUrl": queue, "AttributeNames": ["All"]})).await?;
        let read = |name: &str| -> Result<u64> {
            let text = answer["Attributes"][name].as_str().with_context(|| format!("no {name} in {answer}"))?;
            Ok(text.parse()?)
        };
        Ok([
            read("ApproximateNumberOfMessages")?,
            read("ApproximateNumberOfMessagesNotVisible")?,
            read("ApproximateNumberOfMessagesDelayed")?,
        ])
    }

    /// Whether a dispatch's item has a deadline to come.
    pub(crate) async fn has_a_deadline(&self, table: &str, subject: &str) -> Result<bool> {
        let asked = json!({"TableName": table, "Key": {"subject": {"S": subject}}, "ConsistentRead": true});
        let item = self.call("dynamodb", "DynamoDB_20120810.GetItem", "1.0", &asked).await?;
        Ok(item["Item"]["due"].is_object())
    }
}

async fn read(what: &str, request: RequestBuilder) -> Result<Value> {
    let response = request.send().await.with_context(|| format!("{what} got no answer"))?;
    let status = response.status();
    let answer = response.text().await.with_context(|| format!("{what}: the answer broke off"))?;
    ensure!(status.is_success(), "{what}: {status}: {answer}");
    if answer.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&answer)?) }
}
