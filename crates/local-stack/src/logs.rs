//! The functions' logs, read from the endpoint's log groups.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};
use stack_client::{COURIER, FUNCTIONS};

use super::aws_api::AwsApi;

/// One line of a function's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The function, by the name of its binary.
    pub function: &'static str,
    /// The time in milliseconds since 1970.
    pub time_ms: i64,
    /// The line as written.
    pub text: String,
}

/// Reads every line once, continuing after the last one.
#[derive(Debug)]
pub(super) struct Logs {
    /// By function: the latest time that was read, and the lines of that millisecond.
    read: BTreeMap<&'static str, (i64, Vec<String>)>,
    /// Whether the stack has a courier, and thus its log.
    has_courier: bool,
}

impl Logs {
    /// The logs of a stack.
    pub(super) fn new(has_courier: bool) -> Self {
        Self { read: BTreeMap::new(), has_courier }
    }

    /// The new lines of all functions, the oldest first.
    pub(super) async fn next(&mut self, api: &AwsApi, stack: &str) -> Result<Vec<LogLine>> {
        let mut lines = Vec::new();
        for function in FUNCTIONS.into_iter().chain(self.has_courier.then_some(COURIER)) {
            let (since, seen) = self.read.entry(function).or_default();
            let mut page = Value::Null;
            loop {
                let mut body = json!({"logGroupName": format!("/{stack}/{function}"), "startTime": *since});
                if let (Value::String(_), Some(body)) = (&page, body.as_object_mut()) {
                    body.insert("nextToken".to_owned(), page.clone());
                }
                let answer = api.json("logs", "Logs_20140328.FilterLogEvents", "1.1", &body).await?;
                let events = answer.get("events").and_then(Value::as_array).into_iter().flatten();
                lines.extend(events.filter_map(|event| line(function, event)));
                page = answer.get("nextToken").cloned().unwrap_or_default();
                if !page.is_string() {
                    break;
                }
            }
            lines.retain(|line| line.function != function || line.time_ms > *since || !seen.contains(&line.text));
            if let Some(latest) = lines.iter().filter(|line| line.function == function).map(|line| line.time_ms).max() {
                if latest > *since {
                    seen.clear();
                }
                *since = latest;
                seen.extend(
                    lines
                        .iter()
                        .filter(|line| line.function == function && line.time_ms == latest)
                        .map(|line| line.text.clone()),
                );
            }
        }
        lines.sort_by_key(|line| line.time_ms);
        Ok(lines)
    }
}

fn line(function: &'static str, event: &Value) -> Option<LogLine> {
    let text = event.get("message")?.as_str()?.trim_end();
    // Skip Lambda's own lines around every invocation.
    if text.is_empty() || ["START ", "END ", "REPORT ", "INIT_START "].iter().any(|own| text.starts_with(own)) {
        return None;
    }
    Some(LogLine { function, time_ms: event.get("timestamp")?.as_i64()?, text: text.to_owned() })
}

impl std::fmt::Display for LogLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time = jiff::Timestamp::from_millisecond(self.time_ms).unwrap_or_default();
        write!(f, "{time:.3} {:<8} {}", self.function, self.text)
    }
}
