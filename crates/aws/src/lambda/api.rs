//! Requests of an HTTP API (payload format 2.0). Uses the event type of `lambda_http`, but not its `http::Request`:
//! that needs a well-formed URI, and a request with a bad path must not fail the invocation with a 500.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use lambda_http::{aws_lambda_events::apigw::ApiGatewayV2httpRequest, http::HeaderMap};
use percent_encoding::percent_decode_str;
use pipeline::ingest::receive::HttpAnswer;
use serde::Serialize;
use serde_json::value::RawValue;

/// The header of W3C Trace Context.
pub const TRACEPARENT: &str = "traceparent";

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayRequest {
    /// In upper case.
    pub method: String,
    /// The path's segments, decoded. One trailing slash is ignored; a second one adds an empty segment.
    pub segments: Vec<String>,
    headers: HeaderMap,
    /// The raw body.
    pub body: Vec<u8>,
}

/// Its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayResponse {
    /// The status.
    pub status_code: u16,
    /// By name.
    pub headers: BTreeMap<&'static str, String>,
    /// JSON.
    pub body: String,
    /// Always false.
    pub is_base64_encoded: bool,
}

impl From<HttpAnswer> for GatewayResponse {
    fn from(answer: HttpAnswer) -> Self {
        let mut response = Self::json(answer.status, answer.body);
        response.headers.extend(answer.header);
        response
    }
}

impl GatewayRequest {
    /// Parses an event; none if it is not a request.
    pub fn parse(event: &RawValue) -> Option<Self> {
        let event: ApiGatewayV2httpRequest = serde_json::from_str(event.get()).ok()?;
        let body = event.body.unwrap_or_default();
        // An HTTP API sends only valid base64. Invalid base64 is treated as an empty body: neither is JSON, so the
        // answer is the same.
        let body =
            if event.is_base64_encoded { BASE64_STANDARD.decode(body).unwrap_or_default() } else { body.into_bytes() };
        let path = event.raw_path.unwrap_or_default();
        Some(Self {
            method: event.request_context.http.method.as_str().to_ascii_uppercase(),
            segments: path.strip_suffix('/').unwrap_or(&path).split('/').skip(1).map(decoded).collect(),
            headers: event.headers,
            body,
        })
    }

    /// A header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The segments after `root`: the prefix of a stage or an emulator is ignored.
    pub fn below(&self, root: &str) -> Option<&[String]> {
        let root = self.segments.iter().position(|segment| segment == root)?;
        self.segments.get(root + 1..)
    }
}

impl GatewayResponse {
    /// An answer in JSON.
    pub fn json(status: u16, body: String) -> Self {
        Self {
            status_code: status,
            headers: BTreeMap::from([("content-type", "application/json".to_owned())]),
            body,
            is_base64_encoded: false,
        }
    }
}

fn decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}
