//! Stand-ins for AWS and for a provider. They have state, so that a function's call affects the next, and they record
//! every call.

mod capacity;
mod expression;
mod gateway;
mod indexes;
mod provider;
mod tables;

use std::{
    collections::BTreeMap,
    io::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Result;
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::{Compression, write::ZlibEncoder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(crate) use capacity::Capacity;
pub(crate) use gateway::{Gateway, SECRET, SECRET_NAME};
pub(crate) use provider::Voltus;
use tables::{Refusal, Tables};

use crate::tls::Sessions;

/// A recorded call of a function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Call {
    /// The operation, such as `dynamodb:PutItem`.
    pub(crate) operation: String,
    /// Whether it was refused: its write condition failed.
    pub(crate) refused: bool,
    /// Whether it was a call to a FIFO queue, which costs more.
    pub(crate) fifo: bool,
    /// The consumed table capacity.
    pub(crate) capacity: Capacity,
    /// The size of the request's and the answer's bodies, in bytes.
    pub(crate) bytes: usize,
}

/// The table that the functions read at their cold start and never write.
pub(crate) const CONFIG_TABLE: &str = "config";

/// The AWS services that the functions call.
#[derive(Debug, Clone)]
pub(crate) struct Aws {
    state: Arc<Mutex<StubState>>,
    /// The answer to a read of the configuration.
    configuration: Arc<Value>,
    sessions: Arc<Sessions>,
}

#[derive(Debug, Default)]
struct StubState {
    calls: Vec<Call>,
    /// Queue URL → bodies of the waiting messages.
    queues: BTreeMap<String, Vec<String>>,
    tables: Tables,
    next_id: u64,
}

impl Aws {
    /// Creates the stand-in, with that configuration as the first version.
    pub(crate) fn new(configuration: &str, sessions: Arc<Sessions>) -> Result<Self> {
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
        packed.write_all(configuration.as_bytes())?;
        let item = json!({
            "version": { "S": "current" }, "number": { "N": "1" }, "format": { "N": "1" },
            "digest": { "S": format!("{:x}", Sha256::digest(configuration)) },
            "json": { "B": BASE64_STANDARD.encode(packed.finish()?) },
            "at": { "S": "2026-01-01T00:00:00Z" }, "by": { "S": "bench" },
        });
        Ok(Self { state: Arc::default(), configuration: Arc::new(json!({ "Item": item })), sessions })
    }

    /// The HTTP routes.
    pub(crate) fn routes(&self) -> Router {
        Router::new().fallback(call).layer(DefaultBodyLimit::disable()).with_state(self.clone())
    }

    /// Removes the recorded calls and returns them.
    pub(crate) fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.state().calls)
    }

    /// Removes all messages from a queue and returns them.
    pub(crate) fn take_messages(&self, queue_url: &str) -> Vec<String> {
        self.state().queues.remove(queue_url).unwrap_or_default()
    }

    /// Stores so many past dispatches.
    pub(crate) fn store_past(&self, count: usize) {
        self.state().tables.store_past(count);
    }

    /// Deletes all state.
    pub(crate) fn reset(&self) {
        *self.state() = StubState::default();
    }

    fn state(&self) -> MutexGuard<'_, StubState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn call(State(aws): State<Aws>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let operation = match target.split_once('.') {
        Some((service, operation)) => (service, operation),
        None if method == Method::POST && uri.path() == "/v2/email/outbound-emails" => ("SESv2", "SendEmail"),
        None => ("", uri.path()),
    };
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    if operation.1 == "GetItem" && request.get("TableName").and_then(Value::as_str) == Some(CONFIG_TABLE) {
        // In AWS the next call goes to another host, without an open connection or a session to resume.
        aws.sessions.forget();
        let headers = [("content-type", "application/x-amz-json-1.0"), ("connection", "close")];
        return (headers, aws.configuration.to_string()).into_response();
    }
    let mut state = aws.state();
    let answer = state.answer(operation, &request);
    let name = match operation.0 {
        "AmazonSQS" => "sqs",
        "DynamoDB_20120810" => "dynamodb",
        "AmazonSSM" => "ssm",
        "SESv2" => "ses",
        _ => "unknown",
    };
    let capacity = state.tables.take_consumed();
    let fifo =
        request.get("QueueUrl").and_then(Value::as_str).is_some_and(|url| url.rsplit('.').next() == Some("fifo"));
    let (status, answer, refused) = match answer {
        Ok(answer) => (StatusCode::OK, answer, false),
        Err(Refusal::Condition(old)) => {
            let mut answer = json!({
                "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
                "message": "The conditional request failed",
            });
            if let Some(old) = old {
                answer["Item"] = Value::Object(old);
            }
            (StatusCode::BAD_REQUEST, answer, true)
        }
        Err(Refusal::Invalid(error)) => {
            let message = format!("{error:#}");
            (StatusCode::BAD_REQUEST, json!({ "__type": "ValidationException", "message": message }), true)
        }
    };
    let (operation_name, answer) = (format!("{name}:{}", operation.1), answer.to_string());
    let bytes = body.len() + answer.len();
    state.calls.push(Call { operation: operation_name, refused, fifo, capacity, bytes });
    drop(state);
    let kind = if operation.0 == "AmazonSSM" { "application/x-amz-json-1.1" } else { "application/x-amz-json-1.0" };
    (status, [("content-type", kind)], answer).into_response()
}

impl StubState {
    fn answer(&mut self, operation: (&str, &str), request: &Value) -> Result<Value, Refusal> {
        match operation {
            ("AmazonSQS", "SendMessage") => {
                let url = text(request, "QueueUrl")?;
                let id = self.keep(url, request)?;
                Ok(json!({ "MessageId": id }))
            }
            ("AmazonSQS", "SendMessageBatch") => {
                let url = text(request, "QueueUrl")?;
                let entries = request.get("Entries").and_then(Value::as_array).cloned().unwrap_or_default();
                let sent = entries
                    .iter()
                    .map(|entry| Ok(json!({ "Id": text(entry, "Id")?, "MessageId": self.keep(url, entry)? })))
                    .collect::<Result<Vec<_>, Refusal>>()?;
                Ok(json!({ "Successful": sent, "Failed": [] }))
            }
            ("AmazonSQS", "GetQueueAttributes") => {
                let waiting = self.queues.get(text(request, "QueueUrl")?).map_or(0, Vec::len).to_string();
                let attributes = json!({
                    "ApproximateNumberOfMessages": waiting, "ApproximateNumberOfMessagesNotVisible": "0",
                });
                Ok(json!({ "Attributes": attributes }))
            }
            ("DynamoDB_20120810", "GetItem") => Ok(self.tables.get(request)?),
            ("DynamoDB_20120810", "PutItem") => self.tables.put(request),
            ("DynamoDB_20120810", "UpdateItem") => self.tables.update(request),
            ("DynamoDB_20120810", "DeleteItem") => self.tables.delete(request),
            ("DynamoDB_20120810", "BatchExecuteStatement") => self.tables.statements(request),
            ("DynamoDB_20120810", "Query") => Ok(self.tables.query(request)?),
            ("AmazonSSM", "GetParameter") => {
                let name = text(request, "Name")?;
                let value = if name == SECRET_NAME { SECRET } else { "secret" };
                Ok(json!({ "Parameter": { "Name": name, "Type": "SecureString", "Value": value, "Version": 1 } }))
            }
            ("SESv2", "SendEmail") => Ok(json!({ "MessageId": self.id() })),
            (service, operation) => Err(anyhow::anyhow!("{service} {operation} is not played here").into()),
        }
    }

    fn keep(&mut self, queue_url: &str, message: &Value) -> Result<String, Refusal> {
        let body = text(message, "MessageBody")?;
        self.queues.entry(queue_url.to_owned()).or_default().push(body.to_owned());
        Ok(self.id())
    }

    fn id(&mut self) -> String {
        self.next_id += 1;
        format!("{:032x}", self.next_id)
    }
}

fn text<'a>(request: &'a Value, name: &str) -> Result<&'a str, Refusal> {
    let text = request.get(name).and_then(Value::as_str);
    text.ok_or_else(|| Refusal::Invalid(anyhow::anyhow!("no {name}")))
}
