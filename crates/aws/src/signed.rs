//! Signed calls of AWS services without an SDK. An SDK takes minutes to build and adds a megabyte to a function, for
//! one or two calls of its hundreds.

use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_types::SdkConfig;

use crate::client::with_causes;

/// Timeout of one call.
const CALL: Duration = Duration::from_secs(5);

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There are no credentials.
    #[error("no credentials: {0}")]
    Credentials(String),
    /// The call could not be sent or got no answer.
    #[error("{host} does not answer: {reason}")]
    Unreachable {
        /// The called host.
        host: String,
        /// The reason.
        reason: String,
    },
    /// AWS refused the call.
    #[error("{action} was refused ({status}): {body}")]
    Refused {
        /// The called action.
        action: String,
        /// The answer's status.
        status: u16,
        /// The answer's body, with AWS's code and message.
        body: String,
    },
}

impl CallError {
    /// True if the same call may succeed soon.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Credentials(_) => false,
            Self::Unreachable { .. } => true,
            Self::Refused { status, body, .. } => *status >= 500 || *status == 429 || body.contains("Throttl"),
        }
    }
}

/// Signs calls of one service, in the configuration's region or on its endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Signer {
    aws: SdkConfig,
    name: &'static str,
    url: String,
}

/// The service, called over HTTP.
#[derive(Debug, Clone)]
pub struct Service {
    http: reqwest::Client,
    signer: Signer,
}

/// A call. The signature covers all its headers.
#[derive(Debug)]
pub struct Call<'a> {
    /// The action's name, for errors.
    pub action: &'a str,
    /// Headers in addition to the signature's.
    pub headers: &'a [(&'static str, &'a str)],
    /// The body, of the type in the `content-type` header.
    pub body: String,
}

/// An answer of a service.
#[derive(Debug)]
pub struct SignedResponse {
    /// The requested response header, if present.
    pub header: Option<String>,
    /// The body.
    pub body: String,
}

impl Service {
    /// The service of that name.
    pub fn new(http: reqwest::Client, aws: &SdkConfig, name: &'static str) -> Self {
        Self { http, signer: Signer::new(aws, name) }
    }

    /// Makes a call; returns the answer's body.
    pub async fn post(&self, call: &Call<'_>) -> Result<String, CallError> {
        self.send("POST", "", call).await
    }

    /// Makes a call of a REST API, to a path (and query) that needs no escape.
    pub async fn send(&self, method: &str, path: &str, call: &Call<'_>) -> Result<String, CallError> {
        self.exchange(method, path, call, CALL, "").await.map(|answer| answer.body)
    }

    /// Like [`Service::send`], with a timeout, and returns a header of the answer.
    pub async fn exchange(
        &self,
        method: &str,
        path: &str,
        call: &Call<'_>,
        within: Duration,
        header: &str,
    ) -> Result<SignedResponse, CallError> {
        let unreachable = |reason: String| CallError::Unreachable { host: self.signer.url.clone(), reason };
        let url = format!("{}{path}", self.signer.url);
        let signature = self.signer.signature(method, &url, call).await?;
        let method = reqwest::Method::from_bytes(method.as_bytes()).map_err(|error| unreachable(error.to_string()))?;
        let mut request = self.http.request(method, url).timeout(within).body(call.body.clone());
        for (name, value) in call.headers {
            request = request.header(*name, *value);
        }
        for (name, value) in signature {
            request = request.header(name, value);
        }
        let response = request.send().await.map_err(|error| unreachable(with_causes(error.without_url())))?;
        let status = response.status();
        let header = response.headers().get(header).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = response.text().await.map_err(|error| unreachable(with_causes(error.without_url())))?;
        if status.is_success() {
            return Ok(SignedResponse { header, body });
        }
        Err(CallError::Refused { action: call.action.to_owned(), status: status.as_u16(), body })
    }
}

impl Signer {
    /// The service with that name.
    pub(crate) fn new(aws: &SdkConfig, name: &'static str) -> Self {
        let region = region(aws);
        let url = if let Some(endpoint) = aws.endpoint_url() {
            format!("{}/", endpoint.trim_end_matches('/'))
        } else {
            let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
            format!("https://{name}.{region}.{suffix}/")
        };
        Self { aws: aws.clone(), name, url }
    }

    /// The base URL of its paths, with a slash at the end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The headers that sign a call to that URL, without the call's own headers.
    pub(crate) async fn signature(
        &self,
        method: &str,
        url: &str,
        call: &Call<'_>,
    ) -> Result<Vec<(String, String)>, CallError> {
        let refused = |reason: String| CallError::Credentials(reason);
        let provider = self.aws.credentials_provider().ok_or_else(|| refused("none are configured".to_owned()))?;
        let credentials = provider.provide_credentials().await.map_err(|error| refused(with_causes(error)))?;
        let identity = credentials.into();
        #[expect(clippy::disallowed_methods, reason = "a signature is valid for a few minutes of real time")]
        let now = SystemTime::now();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(region(&self.aws))
            .name(self.name)
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| refused(with_causes(error)))?
            .into();
        let headers = call.headers.iter().copied();
        let body = SignableBody::Bytes(call.body.as_bytes());
        let request = SignableRequest::new(method, url, headers, body).map_err(|error| refused(with_causes(error)))?;
        let (instructions, _) = sign(request, &parameters).map_err(|error| refused(with_causes(error)))?.into_parts();
        Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

fn region(aws: &SdkConfig) -> &str {
    aws.region().map_or("us-east-1", AsRef::as_ref)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_work_in_a_moment() {
        let refused = |status, body: &str| CallError::Refused { action: "a".to_owned(), status, body: body.to_owned() };
        for passing in [refused(503, ""), refused(429, ""), refused(400, r#"{"__type":"ThrottlingException"}"#)] {
            assert!(passing.is_passing(), "{passing}");
        }
        for lasting in
            [refused(400, r#"{"__type":"ParameterNotFound"}"#), refused(403, ""), CallError::Credentials(String::new())]
        {
            assert!(!lasting.is_passing(), "{lasting}");
        }
    }
}
