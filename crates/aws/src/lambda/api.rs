//! Requests of an HTTP API (payload format 2.0). Read leniently: what a stranger sends must not fail the invocation, which the
//! API would turn into a 500.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use percent_encoding::percent_decode_str;
use pipeline::receive::Answer;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiRequest {
    /// In upper case.
    pub method: String,
    /// The path's segments, decoded, without empty ones at the end.
    pub segments: Vec<String>,
    /// By lower-case name; a repeated one is joined by commas.
    headers: BTreeMap<String, String>,
    /// The raw body.
    pub body: Vec<u8>,
}

/// Its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiResponse {
    /// The status.
    pub status_code: u16,
    /// By name.
    pub headers: BTreeMap<&'static str, String>,
    /// JSON.
    pub body: String,
    /// Always false.
    pub is_base64_encoded: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    request_context: Context,
    #[serde(default)]
    raw_path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
struct Context {
    http: Http,
}

#[derive(Deserialize)]
struct Http {
    method: String,
}

impl From<Answer> for ApiResponse {
    fn from(answer: Answer) -> Self {
        let mut response = Self::json(answer.status, answer.body);
        response.headers.extend(answer.header);
        response
    }
}

impl ApiRequest {
    /// Reads an event; none where it is no request.
    pub fn parse(event: &RawValue) -> Option<Self> {
        let wire: Wire = serde_json::from_str(event.get()).ok()?;
        let body = wire.body.unwrap_or_default();
        // What does not decode cannot come from an HTTP API; it is no JSON either, so an empty body gets the same answer.
        let body =
            if wire.is_base64_encoded { BASE64_STANDARD.decode(body).unwrap_or_default() } else { body.into_bytes() };
        let path = wire.raw_path.trim_end_matches('/');
        Some(Self {
            method: wire.request_context.http.method.to_ascii_uppercase(),
            segments: path.split('/').skip(1).map(decoded).collect(),
            headers: wire.headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect(),
            body,
        })
    }

    /// A header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The segments after the given one: a stage's or an emulator's prefix does not matter.
    pub fn below(&self, root: &str) -> Option<&[String]> {
        let root = self.segments.iter().position(|segment| segment == root)?;
        self.segments.get(root + 1..)
    }
}

impl ApiResponse {
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
