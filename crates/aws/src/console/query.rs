//! AWS's query protocol, signed: a form out, XML back. `CloudFormation`'s SDK would take minutes to build for two calls.

use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_types::SdkConfig;

use crate::client::said;

/// For one call.
const CALL: Duration = Duration::from_secs(20);

/// Why a call brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// Nobody to call as.
    #[error("no credentials: {0}")]
    Credentials(String),
    /// The call could not be made or got no answer.
    #[error("{host} does not answer: {reason}")]
    Unreachable {
        /// Who was called.
        host: String,
        /// What happened.
        reason: String,
    },
    /// AWS said no.
    #[error("{action} was refused ({status}): {body}")]
    Refused {
        /// What was asked.
        action: String,
        /// The answer's status.
        status: u16,
        /// The answer, XML that holds AWS's `Code` and `Message`.
        body: String,
    },
}

/// One service.
#[derive(Debug, Clone)]
pub struct Query {
    http: reqwest::Client,
    aws: SdkConfig,
    service: &'static str,
    version: &'static str,
    url: String,
}

impl Query {
    /// The service of that name, its API of that version, in the configuration's region (or on its endpoint).
    pub fn new(http: reqwest::Client, aws: &SdkConfig, service: &'static str, version: &'static str) -> Self {
        let region = region(aws);
        let url = if let Some(endpoint) = aws.endpoint_url() {
            format!("{}/", endpoint.trim_end_matches('/'))
        } else {
            let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
            format!("https://{service}.{region}.{suffix}/")
        };
        Self { http, aws: aws.clone(), service, version, url }
    }

    /// Calls an action; the answer is XML.
    pub async fn call(&self, action: &str, parameters: &[(String, String)]) -> Result<String, QueryError> {
        let unreachable = |reason: String| QueryError::Unreachable { host: self.url.clone(), reason };
        let body = form(action, self.version, parameters);
        let mut request = self.http.post(&self.url).timeout(CALL).header("content-type", FORM).body(body.clone());
        for (name, value) in self.signature(&body).await? {
            request = request.header(name, value);
        }
        let response = request.send().await.map_err(|error| unreachable(said(error.without_url())))?;
        let status = response.status();
        let body = response.text().await.map_err(|error| unreachable(said(error.without_url())))?;
        if status.is_success() {
            return Ok(body);
        }
        Err(QueryError::Refused { action: action.to_owned(), status: status.as_u16(), body })
    }

    async fn signature(&self, body: &str) -> Result<Vec<(String, String)>, QueryError> {
        let refused = |reason: String| QueryError::Credentials(reason);
        let provider = self.aws.credentials_provider().ok_or_else(|| refused("none are configured".to_owned()))?;
        let credentials = provider.provide_credentials().await.map_err(|error| refused(said(error)))?;
        let identity = credentials.into();
        #[expect(clippy::disallowed_methods, reason = "a signature holds for a few minutes of real time")]
        let now = SystemTime::now();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(region(&self.aws))
            .name(self.service)
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| refused(said(error)))?
            .into();
        let headers = [("content-type", FORM)].into_iter();
        let request = SignableRequest::new("POST", &self.url, headers, SignableBody::Bytes(body.as_bytes()))
            .map_err(|error| refused(said(error)))?;
        let (instructions, _) = sign(request, &parameters).map_err(|error| refused(said(error)))?.into_parts();
        Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

fn region(aws: &SdkConfig) -> &str {
    aws.region().map_or("us-east-1", AsRef::as_ref)
}

fn form(action: &str, version: &str, parameters: &[(String, String)]) -> String {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    let own = [("Action", action), ("Version", version)];
    let all = own.into_iter().chain(parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let pairs = all.map(|(name, value)| {
        format!("{}={}", utf8_percent_encode(name, NON_ALPHANUMERIC), utf8_percent_encode(value, NON_ALPHANUMERIC))
    });
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_carries_json_and_spaces() {
        let value = ("Parameters.member.1.ParameterValue".to_owned(), r#"{"a": "b&c"}"#.to_owned());
        assert_eq!(
            form("UpdateStack", "2010-05-15", &[value]),
            "Action=UpdateStack&Version=2010%2D05%2D15&Parameters%2Emember%2E1%2EParameterValue=%7B%22a%22%3A%20%22b%26c%22%7D"
        );
    }
}
