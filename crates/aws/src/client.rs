//! One configuration and one HTTP client for all AWS services: each client of its own would build its TLS connector anew.

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

/// Until a connection stands.
const CONNECT: Duration = Duration::from_secs(2);
/// For one attempt.
const ATTEMPT: Duration = Duration::from_secs(5);
/// For a call with all its attempts: the receiver has 10 s to say 503 in, where a queue does not answer.
const CALL: Duration = Duration::from_secs(8);
const ATTEMPTS: u32 = 3;
/// A connection that was idle for longer is not used any more: AWS closes idle ones after a minute or more, which a frozen function
/// notices only with its next call. The SDK repeats a call that met a closed connection, but up to a second later.
const IDLE: Duration = Duration::from_secs(45);

/// Where AWS is, and who we are there.
#[derive(Clone)]
pub struct Access {
    /// The region.
    pub region: Region,
    /// Who we are.
    pub credentials: Credentials,
    /// Something else than AWS itself: an emulator.
    pub endpoint_url: Option<String>,
    /// Private authorities to trust, as PEM.
    pub extra_roots: Option<Vec<u8>>,
}

impl Access {
    /// An emulator, or AWS where there is no endpoint URL, with a static key.
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

/// How long a call may take.
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
        // What it watches for, an answer that trickles, the limits above end as well.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        // The key is that of the environment and never renewed: there is nothing to remember.
        .identity_cache(IdentityCache::no_cache())
        .http_client(https(access.extra_roots));
    config.set_endpoint_url(access.endpoint_url);
    config.build()
}

/// The HTTP client of all of them. It trusts Amazon's authorities and those that are given, as PEM.
pub fn https(extra_roots: Option<Vec<u8>>) -> SharedHttpClient {
    let builder = Builder::new().pool_idle_timeout(IDLE).tls_provider(Provider::Rustls(CryptoMode::Ring));
    let client = match trusting(extra_roots) {
        Some(context) => builder.tls_context(context).build_https(),
        None => builder.build_https(),
    };
    SharedHttpClient::new(OnFirstCall(client))
}

/// Whom TLS trusts: Amazon's authorities and those that are given.
fn trusting(extra_roots: Option<Vec<u8>>) -> Option<TlsContext> {
    let mut trusted = TrustStore::empty().with_native_roots(false).with_pem_certificate(crate::roots::AMAZON);
    if let Some(pem) = extra_roots {
        trusted.add_pem_certificate(pem);
    }
    // An error is reserved by the library: building a context from certificates that were read before does not fail.
    TlsContext::builder().with_trust_store(trusted).build().ok()
}

/// Sets TLS up with the first call. The library's own client also does in its check of the configuration of each service's
/// client, and throws the result away: 0.2 M instructions for each at a cold start.
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

/// What an AWS call said, as a port says it: the error and its causes. Nothing that was sent stands in it.
pub fn unavailable(port: &'static str, error: impl Into<BoxError>) -> PortError {
    PortError::Unavailable { port, reason: said(error) }
}

/// The error and its causes.
pub(crate) fn said(error: impl Into<BoxError>) -> String {
    let error = error.into();
    let causes = std::iter::successors(Some(&*error as &dyn std::error::Error), |error| error.source());
    let mut said: Vec<String> = causes.map(ToString::to_string).collect();
    said.dedup();
    said.join(": ")
}
