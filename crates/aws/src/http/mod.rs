//! The providers' APIs over HTTPS: nobody but the configured host, no redirect, no proxy, bounded in time and size.

mod address;
mod answer;

use std::{sync::Arc, time::Duration};

use pipeline::{
    config::Source,
    ports::{FetchError, ProviderApi},
};
use providers::{Ask, KeyHeader, Method, Provider};
use reqwest::{
    Client, RequestBuilder,
    header::{ACCEPT, CONTENT_TYPE, HeaderValue, USER_AGENT},
    redirect::Policy,
};

use crate::{
    roots,
    secrets::{KeySource, Reference, Secret, Vault},
};

/// What one request may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Until a connection stands.
    pub connect: Duration,
    /// Until the answer is whole.
    pub total: Duration,
    /// The answer's body.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(2), total: Duration::from_secs(5), bytes: 1_024 * 1_024 }
    }
}

/// A provider is never asked twice within this time, not even with another key.
const BETWEEN: Duration = Duration::from_millis(60);

/// The providers' APIs.
#[derive(Debug)]
pub struct HttpApi<K> {
    client: Client,
    vault: Vault<K>,
    limits: Limits,
}

/// The client for the providers' APIs cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum HttpApiError {
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// The client cannot be set up.
    #[error("the HTTP client cannot be set up")]
    Client(#[from] reqwest::Error),
}

/// A client that trusts the public authorities and, beside them, those in `extra_roots` (PEM).
pub fn client(extra_roots: Option<&[u8]>, limits: Limits) -> Result<Client, HttpApiError> {
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots::public(extra_roots))
        .with_no_client_auth();
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .connect_timeout(limits.connect)
        .timeout(limits.total)
        .build()?;
    Ok(client)
}

impl<K: KeySource> HttpApi<K> {
    /// The APIs, asked with that client.
    pub fn new(client: Client, keys: K, limits: Limits) -> Self {
        Self { client, vault: Vault::new(keys), limits }
    }

    async fn ask_with(&self, request: RequestBuilder, header: KeyHeader, key: &Secret) -> Result<String, FetchError> {
        let mut value = HeaderValue::try_from(format!("{}{}", header.prefix, key.expose()))
            .map_err(|_| FetchError::Key("the key holds characters that no header carries".to_owned()))?;
        value.set_sensitive(true);
        answer::read(request.header(header.name, value), self.limits).await
    }
}

impl<K: KeySource> ProviderApi for HttpApi<K> {
    async fn fetch(&self, name: &str, source: &Source, ask: &Ask) -> Result<String, FetchError> {
        let header = source.provider().and_then(Provider::key_header);
        let header = header.ok_or_else(|| FetchError::Answer("this provider has no API to ask".to_owned()))?;
        let url = address::build(source, ask).map_err(FetchError::Answer)?;
        let reference = source.api_key.as_deref().and_then(Reference::parse);
        let reference = reference
            .ok_or_else(|| FetchError::Key("the source has no api_key of the form ssm:/name or env:NAME".to_owned()))?;
        let request = || {
            let request = match ask.method {
                Method::Get => self.client.get(url.clone()),
                Method::Post => self.client.post(url.clone()),
            };
            let request = request
                .header(ACCEPT, "application/json")
                .header(USER_AGENT, concat!("gridbell/", env!("CARGO_PKG_VERSION")));
            match &ask.body {
                Some(body) => request.header(CONTENT_TYPE, "application/json").body(body.to_string()),
                None => request,
            }
        };
        let key = self.vault.key(&reference).await.map_err(FetchError::Key)?;
        let refused = match self.ask_with(request(), header, &key).await {
            Err(refused @ FetchError::Refused { .. }) => refused,
            other => return other,
        };
        let Some(key) = self.vault.other_than(&key, &reference).await else { return Err(refused) };
        tracing::info!(source.name = name, "the API key was refused; there is a new one");
        tokio::time::sleep(BETWEEN).await;
        self.ask_with(request(), header, &key).await
    }
}

/// Whether a source can be asked at all, as far as its configuration tells; said at the cold start.
pub fn check(source: &Source) -> Result<(), String> {
    if let Some(base) = &source.api_url {
        address::base(base)?;
    }
    match &source.api_key {
        Some(key) if Reference::parse(key).is_none() => {
            Err("api_key is no reference of the form ssm:/name or env:NAME".to_owned())
        }
        _ => Ok(()),
    }
}
