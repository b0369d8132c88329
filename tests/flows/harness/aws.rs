//! SQS, SSM and Lambda as an outsider asks for them: plain JSON over HTTP. The emulator verifies no signature, so none is made.

use anyhow::{Context, Result, ensure};
use reqwest::Client;
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
        let credential = format!("Credential=test/20260101/us-east-1/{service}/aws4_request");
        let response = self
            .http
            .post(&self.endpoint)
            .timeout(super::SOON)
            .header(
                "authorization",
                format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature={}", "0".repeat(64)),
            )
            .header("x-amz-date", "20260101T000000Z")
            .header("content-type", format!("application/x-amz-json-{version}"))
            .header("x-amz-target", target)
            .body(body.to_string())
            .send()
            .await
            .with_context(|| format!("{target} got no answer"))?;
        let status = response.status();
        let answer = response.text().await.with_context(|| format!("{target}: the answer broke off"))?;
        ensure!(status.is_success(), "{target}: {status}: {answer}");
        if answer.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&answer)?) }
    }

    /// Replaces a secret.
    pub(crate) async fn put_parameter(&self, name: &str, value: &str) -> Result<()> {
        let body = json!({"Name": name, "Value": value, "Type": "SecureString", "Overwrite": true});
        self.call("ssm", "AmazonSSM.PutParameter", "1.1", &body).await.map(drop)
    }

    /// Receives and deletes up to ten messages, with all of their attributes.
    pub(crate) async fn take(&self, queue: &str) -> Result<Vec<Value>> {
        let asked = json!({
            "QueueUrl": queue, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 2,
            "AttributeNames": ["All"], "MessageAttributeNames": ["All"],
        });
        let answer = self.sqs("ReceiveMessage", &asked).await?;
        let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
        for message in &messages {
            let receipt = &message["ReceiptHandle"];
            self.sqs("DeleteMessage", &json!({"QueueUrl": queue, "ReceiptHandle": receipt})).await?;
        }
        Ok(messages)
    }

    /// Takes a queue away.
    pub(crate) async fn delete_queue(&self, queue: &str) -> Result<()> {
        self.sqs("DeleteQueue", &json!({"QueueUrl": queue})).await.map(drop)
    }

    /// Has a function's queue read, or no more.
    pub(crate) async fn read_queue_of(&self, function: &str, read: bool) -> Result<()> {
        let mappings = format!("{}/2015-03-31/event-source-mappings", self.endpoint);
        let credential = "Credential=test/20260101/us-east-1/lambda/aws4_request";
        let authorization = format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature={}", "0".repeat(64));
        let send = |request: reqwest::RequestBuilder| {
            request.timeout(super::SOON).header("authorization", authorization.as_str()).send()
        };
        let url = format!("{mappings}/?FunctionName={function}");
        let listed: Value = send(self.http.get(url)).await?.error_for_status()?.json().await?;
        let mapping = &listed["EventSourceMappings"][0]["UUID"];
        let mapping = mapping.as_str().with_context(|| format!("no mapping of {function} in {listed}"))?;
        let request = self.http.put(format!("{mappings}/{mapping}")).json(&json!({"Enabled": read}));
        send(request).await?.error_for_status()?;
        Ok(())
    }

    /// How many messages a queue holds: visible, being worked on, and delayed.
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
}
