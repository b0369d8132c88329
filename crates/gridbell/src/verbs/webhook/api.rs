//! A provider's registration API: sends requests and interprets the answers.

use std::time::Duration;

use aws::secrets::Secret;
use pipeline::ingest::plain;
use providers::{KeyHeader, Provider};
use reqwest::{Client, Method, Response};
use serde_json::Value;
use url::Url;

/// Timeout of an ordinary answer.
const ANSWERS: Duration = Duration::from_secs(30);

/// Timeout of an answer for which the provider first calls the receiver.
const HANDSHAKE: Duration = Duration::from_secs(90);

/// Largest answer; real ones are short.
const MAX_BYTES: usize = 4 * 1_048_576;

/// A provider's API with its key.
#[derive(Debug, Clone)]
pub(super) struct Api {
    http: Client,
    provider: &'static dyn Provider,
    base: Url,
    key: Secret,
}

/// Why a request failed, in one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// No answer, or half of one: the request may have taken effect.
    #[error("{base} did not answer: {reason}; check the network and api_url")]
    Silent { base: String, reason: String },
    /// An unreadable answer: the request may have taken effect.
    #[error("{base} answered {status} with what cannot be understood: {reason}")]
    Strange { base: String, status: u16, reason: &'static str },
    /// The provider refused.
    #[error("{provider} answered {status}{said}: {meaning}")]
    Refused { provider: &'static dyn Provider, status: u16, said: String, meaning: String },
}

impl ApiError {
    /// Whether the request may have taken effect nevertheless.
    pub(super) fn is_in_doubt(&self) -> bool {
        match self {
            Self::Silent { .. } | Self::Strange { .. } => true,
            Self::Refused { status, .. } => *status >= 500,
        }
    }

    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
}

impl Api {
    pub(super) fn new(http: &Client, provider: &'static dyn Provider, base: Url, key: Secret) -> Self {
        Self { http: http.clone(), provider, base, key }
    }

    /// The base without a trailing slash.
    pub(super) fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Sends one request; returns the answer's JSON, or null if it has none.
    pub(super) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, ApiError> {
        self.within(ANSWERS, method, path, body).await
    }

    /// The same for a request during which the provider calls the receiver.
    pub(super) async fn call_that_asks_us(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        self.within(HANDSHAKE, Method::POST, path, Some(body)).await
    }

    async fn within(
        &self,
        span: Duration,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ApiError> {
        let request = self.http.request(method, format!("{}{path}", self.base())).timeout(span);
        let mut request = request.header("accept", "application/json");
        if let Some(KeyHeader { name, prefix }) = self.provider.key_header() {
            request = request.header(name, format!("{prefix}{}", self.key.expose()));
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| self.silent(error))?;
        let status = response.status();
        let waits = hint(&response);
        let coding = response.headers().get("content-encoding").and_then(|coding| coding.to_str().ok());
        let coding = coding.map(str::to_owned);
        let bytes = self.read(response).await?;
        let text = plain::text(&bytes);
        if status.is_success() {
            let compressed = plain::compression(&bytes, coding.as_deref()).is_some();
            let reason = if compressed { "it is compressed, which was not asked for" } else { "no JSON" };
            let strange = |_| self.strange(status.as_u16(), reason);
            return if text.trim().is_empty() { Ok(Value::Null) } else { serde_json::from_str(&text).map_err(strange) };
        }
        let said = said(&text).map_or_else(String::new, |said| format!(" ({said})"));
        let meaning = self.meaning(status.as_u16(), &waits);
        Err(ApiError::Refused { provider: self.provider, status: status.as_u16(), said, meaning })
    }

    async fn read(&self, mut response: Response) -> Result<Vec<u8>, ApiError> {
        let status = response.status().as_u16();
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.silent(error))? {
            text.extend_from_slice(&chunk);
            if text.len() > MAX_BYTES {
                return Err(self.strange(status, "more than 4 MiB"));
            }
        }
        Ok(text)
    }

    fn silent(&self, error: reqwest::Error) -> ApiError {
        let reason = if error.is_timeout() {
            "no answer in time".to_owned()
        } else {
            format!("{:#}", anyhow::Error::from(error.without_url()))
        };
        ApiError::Silent { base: self.base().to_owned(), reason }
    }

    pub(super) fn strange(&self, status: u16, reason: &'static str) -> ApiError {
        ApiError::Strange { base: self.base().to_owned(), status, reason }
    }

    fn meaning(&self, status: u16, waits: &str) -> String {
        match status {
            300..=399 => {
                "it points elsewhere, which is not followed since the key would go along; check api_url".to_owned()
            }
            400 => {
                "the request was not taken as it is; a missing key and a hook that does not answer give the same answer"
                    .to_owned()
            }
            401 | 403 => format!("the API key is not accepted; check that api_key is a key for {}", self.base()),
            404 => "there is no such thing there; check api_url".to_owned(),
            429 => format!("too many requests; {waits}"),
            500.. => "the provider has trouble; try again later".to_owned(),
            _ => "this is not expected".to_owned(),
        }
    }
}

/// When to try again, if the answer says it.
fn hint(response: &Response) -> String {
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let seconds = header("retry-after").or_else(|| header("x-ratelimit-reset"));
    seconds.map_or_else(|| "try again in a minute".to_owned(), |seconds| format!("try again in {seconds} s"))
}

/// The message of an error answer, on one line.
fn said(text: &str) -> Option<String> {
    let body: Value = serde_json::from_str(text).ok()?;
    let message = body["message"].as_str()?;
    let line: String = message.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect();
    (!line.is_empty()).then_some(line)
}
