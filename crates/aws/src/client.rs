//! One configuration and one HTTP client for all AWS services: a client per service would build its own TLS connector.

use std::{fmt, time::Duration};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_sqs::config::IdentityCache;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        behavior_version::BehaviorVersion,
        connector_metadata::ConnectorMetadata,
        http::{HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
        runtime_components::RuntimeComponents,
        stalled_stream_protection::StalledStreamProtectionConfig,
    },
};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::{SdkConfig, region::Region};
use pipeline::ports::PortError;

/// Timeout for connecting.
const CONNECT: Duration = Duration::from_secs(2);
/// Timeout for one attempt.
const ATTEMPT: Duration = Duration::from_secs(5);
/// Timeout for a call with all its attempts. If a queue does not answer, the receiver must still answer 503 within 10
/// s.
const CALL: Duration = Duration::from_secs(8);
const ATTEMPTS: u32 = 3;
/// Idle connections are dropped after this time. AWS closes them after a minute or more, but a frozen function notices
/// that only with its next call. The SDK repeats a call that met a closed connection, but up to a second later.
const IDLE: Duration = Duration::from_secs(45);

/// The AWS endpoint and the credentials.
#[derive(Clone)]
pub struct Access {
    /// The region.
    pub region: Region,
    /// The credentials.
    pub credentials: Credentials,
    /// An emulator's endpoint instead of AWS.
    pub endpoint_url: Option<String>,
    /// Private authorities to trust, as PEM.
    pub extra_roots: Option<Vec<u8>>,
}

impl Access {
    /// Access with a static key, to an emulator or, without an endpoint URL, to AWS.
    pub fn new(endpoint_url: Option<&str>, region: &str, key_id: &str, secret: &str) -> Self {
        Self {
            region: Region::new(region.to_owned()),
            credentials: Credentials::new(key_id, secret, None, None, "given"),
            endpoint_url: endpoint_url.map(str::to_owned),
            extra_roots: None,
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("region", &self.region)
            .field("endpoint_url", &self.endpoint_url)
            .finish_non_exhaustive()
    }
}

/// The timeouts of every call.
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .read_timeout(ATTEMPT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(CALL)
        .build()
}

/// The configuration that every client of this process shares.
pub fn shared(access: Access) -> SdkConfig {
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(access.region)
        .credentials_provider(SharedCredentialsProvider::new(access.credentials))
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts())
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        // The timeouts above also end an answer that stalls.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        // The key comes from the environment and is never renewed, so there is nothing to cache.
        .identity_cache(IdentityCache::no_cache())
        .http_client(https(access.extra_roots));
    config.set_endpoint_url(access.endpoint_url);
    config.build()
}

/// The HTTP client of all services. It trusts Amazon's authorities and the given ones (PEM).
pub fn https(extra_roots: Option<Vec<u8>>) -> SharedHttpClient {
    let builder = Builder::new().pool_idle_timeout(IDLE).tls_provider(Provider::Rustls(CryptoMode::Ring));
    let client = match trusting(extra_roots) {
        Some(context) => builder.tls_context(context).build_https(),
        None => builder.build_https(),
    };
    SharedHttpClient::new(OnFirstCall(client))
}

/// The TLS roots: Amazon's authorities and the given ones.
fn trusting(extra_roots: Option<Vec<u8>>) -> Option<TlsContext> {
    let mut trusted = TrustStore::empty().with_native_roots(false).with_pem_certificate(crate::roots::AMAZON);
    if let Some(pem) = extra_roots {
        trusted.add_pem_certificate(pem);
    }
    // The library reserves this error: building a context from certificates that were already parsed does not fail.
    TlsContext::builder().with_trust_store(trusted).build().ok()
}

/// Sets TLS up at the first call. The library's own client also sets TLS up when it validates the configuration of each
/// service's client, and discards the result: 0.2 M instructions for each client at a cold start.
#[derive(Debug)]
struct OnFirstCall(SharedHttpClient);

impl HttpClient for OnFirstCall {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        self.0.http_connector(settings, components)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}

/// The error of an AWS call and its causes, as a port error. It contains no sent data.
pub fn unavailable(port: &'static str, error: impl Into<BoxError>) -> PortError {
    PortError::Unavailable { port, reason: with_causes(error) }
}

/// The error and its causes, as text.
pub(crate) fn with_causes(error: impl Into<BoxError>) -> String {
    let error = error.into();
    let causes = std::iter::successors(Some(&*error as &dyn std::error::Error), |error| error.source());
    let mut texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.dedup();
    texts.join(": ")
}
