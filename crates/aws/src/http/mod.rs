//! The providers' APIs over HTTPS: only the configured host, no redirects, no proxy, limited time and size.

mod address;
mod answer;
mod connections;
mod guard;
mod outgoing;

use std::time::Duration;

use pipeline::{
    config::{Config, Source},
    ports::{FetchError, ProviderApi},
};
use providers::{ApiRequest, Elements, KeyHeader, Method};
use reqwest::{
    Request, Response, Url,
    header::{ACCEPT, CONTENT_TYPE, HeaderValue, USER_AGENT},
};

pub(crate) use answer::{retry_after, unanswered_text as unanswered};
pub use connections::Connections;
pub(crate) use guard::Guard;
pub use guard::Reachable;
use jiff::SignedDuration;
pub use outgoing::{Outgoing, Post, PostAnswer, PostError};
use tokio::time::Instant;

use crate::secrets::{KeySource, Secret, Vault};

/// The limits of one request.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Timeout for connecting.
    pub connect: Duration,
    /// Timeout until the answer is complete.
    pub total: Duration,
    /// The maximum size of the answer's body.
    pub bytes: usize,
}

/// Twice a webhook: if a webhook fits, the answer about its dispatch must fit too.
const MAX_ANSWER_BYTES: usize = 2 * pipeline::job::MAX_BODY_BYTES;

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(2), total: Duration::from_secs(5), bytes: MAX_ANSWER_BYTES }
    }
}

/// The minimum timeout of a request, however little time is left.
const LEAST: Duration = Duration::from_millis(100);

/// The minimum time between two requests to a provider that answered, even with another key. A request that met a
/// dropped connection was most likely never read, so it is repeated at once ([`Connections`]).
const BETWEEN: Duration = Duration::from_millis(60);

/// The providers' APIs.
#[derive(Debug)]
pub struct HttpApi<K> {
    connections: Connections,
    vault: Vault<K>,
    limits: Limits,
}

/// The client for the providers' APIs cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum HttpApiError {
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// The client cannot be set up.
    #[error("the HTTP client cannot be set up")]
    Client(#[from] reqwest::Error),
}

impl<K: KeySource> HttpApi<K> {
    /// A client over these connections.
    pub fn new(connections: impl Into<Connections>, keys: K, limits: Limits) -> Self {
        Self { connections: connections.into(), vault: Vault::new(keys), limits }
    }

    async fn send_with_key<A>(
        &self,
        keyless: &KeylessRequest<'_>,
        key: &Secret,
        left: Duration,
        read: impl AsyncFnOnce(Result<Response, reqwest::Error>, Limits) -> Result<A, FetchError>,
    ) -> Result<A, FetchError> {
        let KeylessRequest { url, api_request, header, within } = keyless;
        let mut value = HeaderValue::try_from(format!("{}{}", header.prefix, key.expose()))
            .map_err(|_| FetchError::Key("the key holds characters that no header carries".to_owned()))?;
        value.set_sensitive(true);
        let mut request = http_request((*url).clone(), api_request);
        request.headers_mut().insert(header.name, value);
        *request.timeout_mut() = Some(left);
        let response = self.connections.send(request, api_request.idempotent, left).await;
        read(response, Limits { total: *within, ..self.limits }).await
    }

    /// Sends the request with the key of the source; if the provider refuses the key, sends it with a newer one.
    /// Reading the key has the same time limit as the answer.
    async fn send<A>(
        &self,
        ToAsk { name, source, request }: ToAsk<'_>,
        within: Duration,
        read: impl AsyncFn(Result<Response, reqwest::Error>, Limits) -> Result<A, FetchError>,
    ) -> Result<A, FetchError> {
        let began = Instant::now();
        let left = || within.saturating_sub(began.elapsed()).max(LEAST);
        let header = source.provider.key_header();
        let header = header.ok_or_else(|| FetchError::Answer("this provider has no API to ask".to_owned()))?;
        let url = &address::build(source, request).map_err(FetchError::Answer)?;
        let reference = source.api_key.as_ref();
        let reference = reference.ok_or_else(|| FetchError::Key("the source has no api_key".to_owned()))?;
        let key = tokio::time::timeout(within, self.vault.key(reference)).await;
        let key = key.map_err(|_| FetchError::Answer(format!("no API key within {} ms", within.as_millis())))?;
        let key = key.map_err(FetchError::Key)?;
        let keyless = &KeylessRequest { url, api_request: request, header, within };
        let refused = match self.send_with_key(keyless, &key, left(), &read).await {
            Err(refused @ FetchError::Refused { .. }) => refused,
            other => return other,
        };
        let other = tokio::time::timeout(left(), self.vault.other_than(&key, reference)).await;
        let Ok(Some(key)) = other else { return Err(refused) };
        tracing::info!(source.name = name, "the API key was refused; there is a new one");
        tokio::time::sleep(BETWEEN).await;
        self.send_with_key(keyless, &key, left(), &read).await
    }
}

/// A request and its source.
#[derive(Clone, Copy)]
struct ToAsk<'a> {
    name: &'a str,
    source: &'a Source,
    request: &'a ApiRequest,
}

/// A request without its key.
struct KeylessRequest<'a> {
    url: &'a Url,
    api_request: &'a ApiRequest,
    header: KeyHeader,
    /// The time limit of the whole call, including the key.
    within: Duration,
}

fn http_request(url: Url, api_request: &ApiRequest) -> Request {
    let method = match api_request.method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
    };
    let mut request = Request::new(method, url);
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("gridbell/", env!("CARGO_PKG_VERSION"))));
    if let Some(body) = &api_request.body {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.body_mut() = Some(body.to_string().into());
    }
    request
}

impl<K: KeySource> ProviderApi for HttpApi<K> {
    async fn fetch(
        &self,
        name: &str,
        source: &Source,
        request: &ApiRequest,
        within: SignedDuration,
    ) -> Result<String, FetchError> {
        let within = within.unsigned_abs().min(self.limits.total);
        self.send(ToAsk { name, source, request }, within, answer::read).await
    }

    async fn fetch_list(
        &self,
        name: &str,
        source: &Source,
        request: &ApiRequest,
        within: SignedDuration,
        list: Elements,
    ) -> Result<Elements, FetchError> {
        let within = within.unsigned_abs();
        // After a change of the key, the list starts from the beginning.
        self.send(ToAsk { name, source, request }, within, async |response, limits| {
            answer::read_list(response, limits, list.clone()).await
        })
        .await
    }
}

/// Checks each source's API settings, as far as the configuration shows: before an apply, and at the cold start.
pub fn check_all(config: &Config) -> Result<(), String> {
    for (name, source) in &config.sources {
        check(source).map_err(|problem| format!("source {name:?}: {problem}"))?;
    }
    Ok(())
}

/// Checks a source's API settings, as far as the configuration shows.
fn check(source: &Source) -> Result<(), String> {
    if let Some(base) = &source.api_url {
        address::base(base)?;
    }
    Ok(())
}
