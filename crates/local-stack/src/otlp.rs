//! Spans from the functions' logs to a viewer: OTLP over HTTP with JSON, as every OpenTelemetry collector, Jaeger and
//! Tempo take it. <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, bail};
use reqwest::{Client, header::CONTENT_TYPE};
use serde::Deserialize;
use serde_json::{Value, json};
use stack_client::http_client;
use url::Url;

use crate::LogLine;

/// The most spans that wait for a viewer that does not answer; older ones are dropped.
const MAX_WAITING: usize = 10_000;

/// The time limit of a request.
const WITHIN: Duration = Duration::from_secs(5);

/// A span as a function logs it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Span {
    name: String,
    trace_id: String,
    span_id: String,
    #[serde(default)]
    parent_id: String,
    start_ns: String,
    end_ns: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    about: String,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
struct Line {
    span: Span,
}

/// Sends spans to a viewer.
#[derive(Debug)]
pub struct SpanExporter {
    http: Client,
    url: Url,
    waiting: Vec<(&'static str, Span)>,
}

impl SpanExporter {
    /// An exporter to an OTLP endpoint, such as `http://127.0.0.1:4318`; the path `/v1/traces` is added unless the URL
    /// ends so.
    ///
    /// # Errors The HTTP client cannot be set up.
    pub fn new(endpoint: &Url) -> Result<Self> {
        let mut url = endpoint.clone();
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&if path.ends_with("/v1/traces") { path } else { format!("{path}/v1/traces") });
        Ok(Self { http: http_client()?, url, waiting: Vec::new() })
    }

    /// Takes the spans out of the functions' lines; returns the other lines.
    pub fn take(&mut self, lines: Vec<LogLine>) -> Vec<LogLine> {
        let mut others = Vec::new();
        for line in lines {
            match serde_json::from_str::<Line>(&line.text) {
                Ok(Line { span }) => self.waiting.push((line.function, span)),
                Err(_) => others.push(line),
            }
        }
        let excess = self.waiting.len().saturating_sub(MAX_WAITING);
        self.waiting.drain(..excess);
        others
    }

    /// Sends the spans that wait. They go on waiting if that fails.
    ///
    /// # Errors The viewer does not answer, or refuses them.
    pub async fn send(&mut self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let body = request(&self.waiting).to_string();
        let post = self.http.post(self.url.clone()).header(CONTENT_TYPE, "application/json").timeout(WITHIN).body(body);
        let answer = post.send().await.with_context(|| format!("{} does not answer", self.url))?;
        if !answer.status().is_success() {
            bail!("{} answered {}: is it the OTLP endpoint for HTTP, usually port 4318?", self.url, answer.status());
        }
        self.waiting.clear();
        Ok(())
    }
}

/// An `ExportTraceServiceRequest` in JSON: one resource for each function.
fn request(spans: &[(&'static str, Span)]) -> Value {
    let mut functions: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (function, span) in spans {
        functions.entry(function).or_default().push(otlp(span));
    }
    let resource = |(function, spans): (&str, Vec<Value>)| {
        let attributes = [attribute("service.name", function), attribute("service.namespace", "gridbell")];
        let scope = json!({ "name": "gridbell", "version": env!("CARGO_PKG_VERSION") });
        json!({ "resource": { "attributes": attributes }, "scopeSpans": [{ "scope": scope, "spans": spans }] })
    };
    json!({ "resourceSpans": functions.into_iter().map(resource).collect::<Vec<_>>() })
}

fn otlp(span: &Span) -> Value {
    let named = [("gridbell.source", &span.source), ("gridbell.about", &span.about)];
    let attributes =
        named.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| attribute(name, value));
    let mut otlp = json!({
        "traceId": span.trace_id, "spanId": span.span_id, "name": span.name, "kind": kind(&span.name),
        "startTimeUnixNano": span.start_ns, "endTimeUnixNano": span.end_ns,
        "attributes": attributes.collect::<Vec<_>>(),
    });
    if !span.parent_id.is_empty() {
        otlp["parentSpanId"] = json!(span.parent_id);
    }
    if !span.error.is_empty() {
        otlp["status"] = json!({ "code": 2, "message": span.error });
    }
    otlp
}

/// The kinds of OTLP: 2 is a server, 3 a client, 4 a producer, 5 a consumer.
fn kind(name: &str) -> u32 {
    match name {
        "receive" | "acknowledge" => 2,
        "fetch" => 3,
        "publish" => 4,
        _ => 5,
    }
}

fn attribute(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

#[cfg(test)]
mod tests;
