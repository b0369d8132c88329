//! Reads the configuration at the cold start with one signed `GetItem`. The receiver has no DynamoDB client, which
//! would be a third of its package; the other functions read the same way. The connection belongs to the SDK, so its
//! later calls reuse it.

use std::time::Duration;

use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        behavior_version::BehaviorVersion,
        orchestrator::{HttpRequest, HttpResponse, OrchestratorError},
        stalled_stream_protection::StalledStreamProtectionConfig,
    },
};
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use base64::{Engine, prelude::BASE64_STANDARD};
use pipeline::config::{Config, Permit};
use serde::Deserialize;
use serde_json::json;

use super::{
    CURRENT, KEY, PERMIT,
    stored::{FORMAT, unpacked},
};
use crate::{
    client::{timeouts, with_causes},
    signed::{Call, CallError, Signer},
};

/// How many attempts a function makes before it continues without a configuration.
const ATTEMPTS: u32 = 3;
/// Timeout of one attempt: the receiver must answer 503 within 10 s.
const ATTEMPT: Duration = Duration::from_secs(2);
/// The pause before the next attempt.
const PAUSE: Duration = Duration::from_millis(100);

/// Why a function has no configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No configuration has been applied yet.
    #[error("no configuration is applied: run `gridbell config apply`")]
    Nothing,
    /// The table does not answer.
    #[error("the configuration cannot be read: {0}")]
    Unavailable(String),
    /// The stored configuration cannot be used.
    #[error("version {number} of the configuration cannot be used: {reason}")]
    Unusable {
        /// The version.
        number: u64,
        /// What is wrong with it.
        reason: String,
    },
}

/// The configuration that a function runs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Its version.
    pub number: u64,
    /// SHA-256 of its JSON, in hex.
    pub digest: String,
    /// The configuration.
    pub config: Config,
}

/// Reads the current version from the table.
#[derive(Debug)]
pub struct Current {
    signer: Signer,
    table: String,
    operation: Operation<Signed, Answered, CallError>,
}

/// A request with signed headers.
#[derive(Debug)]
struct Signed {
    headers: Vec<(String, String)>,
    body: String,
}

/// An answer with any status.
#[derive(Debug)]
struct Answered {
    status: u16,
    body: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    item: Option<Item>,
}

#[derive(Deserialize)]
struct Item {
    number: Number,
    format: Number,
    digest: Option<Text>,
    json: Option<Bytes>,
}

#[derive(Deserialize)]
struct Number {
    #[serde(rename = "N")]
    value: String,
}

#[derive(Deserialize)]
struct Text {
    #[serde(rename = "S")]
    value: String,
}

#[derive(Deserialize)]
struct Bytes {
    #[serde(rename = "B")]
    value: String,
}

impl Current {
    /// Reads from that table.
    pub fn new(aws: &SdkConfig, table: impl Into<String>) -> Self {
        let signer = Signer::new(aws, "dynamodb");
        let url = signer.url().to_owned();
        let mut operation = Operation::builder()
            .service_name("dynamodb")
            .operation_name("GetItem")
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&url)
            .no_auth()
            .no_retry()
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            // The same timeouts as for all other calls, because connections are shared by timeouts.
            .timeout_config(
                timeouts().to_builder().operation_attempt_timeout(ATTEMPT).operation_timeout(ATTEMPT).build(),
            )
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Some(client) = aws.http_client() {
            operation = operation.http_client(client);
        }
        // A refusal also counts as an answer here: its body decides what it means.
        let answer = |response: &HttpResponse| Ok::<_, OrchestratorError<CallError>>(answered(response));
        let operation = operation.serializer(request).deserializer(answer).build();
        Self { signer, table: table.into(), operation }
    }

    /// Reads the current version.
    ///
    /// # Errors See [`ReadError`]. Temporary failures are tried three times.
    pub async fn read(&self) -> Result<Running, ReadError> {
        running(&self.item(CURRENT).await?)
    }

    /// Reads the permit of `gridbell verify`; none if there is none. It may have expired.
    ///
    /// # Errors See [`ReadError`]. Temporary failures are tried three times.
    pub async fn permit(&self) -> Result<Option<Permit>, ReadError> {
        permit(&self.item(PERMIT).await?)
    }

    async fn item(&self, key: &str) -> Result<String, ReadError> {
        let mut attempt = 1;
        loop {
            match self.get_item(key).await {
                Err(error) if error.is_passing() && attempt < ATTEMPTS => {
                    attempt += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                answer => return answer.map_err(|error| ReadError::Unavailable(error.to_string())),
            }
        }
    }

    async fn get_item(&self, key: &str) -> Result<String, CallError> {
        let unreachable = |reason: String| CallError::Unreachable { host: self.signer.url().to_owned(), reason };
        let key = json!({ KEY: { "S": key } });
        let body = json!({ "TableName": self.table, "Key": key, "ConsistentRead": true }).to_string();
        let headers = &[("content-type", "application/x-amz-json-1.0"), ("x-amz-target", "DynamoDB_20120810.GetItem")];
        let call = Call { action: "dynamodb:GetItem", headers, body };
        let mut signed = self.signer.signature("POST", self.signer.url(), &call).await?;
        signed.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let signed = Signed { headers: signed, body: call.body };
        let Answered { status, body } =
            Box::pin(self.operation.invoke(signed)).await.map_err(|error| unreachable(with_causes(error)))?;
        if status == 200 {
            return Ok(body);
        }
        Err(CallError::Refused { action: call.action.to_owned(), status, body })
    }
}

fn request(signed: Signed) -> Result<HttpRequest, BoxError> {
    let mut request = http::Request::builder().method("POST").uri("/");
    for (name, value) in signed.headers {
        request = request.header(name, value);
    }
    Ok(request.body(SdkBody::from(signed.body))?.try_into()?)
}

fn answered(response: &HttpResponse) -> Answered {
    let bytes = response.body().bytes().unwrap_or_default();
    Answered { status: response.status().as_u16(), body: String::from_utf8_lossy(bytes).into_owned() }
}

/// Parses the permit in the answer.
fn permit(body: &str) -> Result<Option<Permit>, ReadError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Found {
        item: Option<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        permit: Text,
    }
    let unreadable = |error: serde_json::Error| ReadError::Unavailable(format!("the permit cannot be read: {error}"));
    let Some(item) = serde_json::from_str::<Found>(body).map_err(unreadable)?.item else { return Ok(None) };
    serde_json::from_str(&item.permit.value).map(Some).map_err(unreadable)
}

/// Parses the configuration in the answer.
fn running(body: &str) -> Result<Running, ReadError> {
    let unreadable = |error: serde_json::Error| ReadError::Unavailable(format!("the answer is none: {error}"));
    let Some(item) = serde_json::from_str::<Found>(body).map_err(unreadable)?.item else {
        return Err(ReadError::Nothing);
    };
    let count = |number: &Number| number.value.parse::<u64>().unwrap_or(u64::MAX);
    let number = count(&item.number);
    let unusable = |reason: String| ReadError::Unusable { number, reason };
    if count(&item.format) > FORMAT {
        return Err(unusable("it was written by a newer release of gridbell".to_owned()));
    }
    // After a first version was withdrawn, only its number remains.
    let (Some(json), Some(digest)) = (item.json, item.digest) else { return Err(ReadError::Nothing) };
    let packed = BASE64_STANDARD.decode(json.value).map_err(|error| unusable(error.to_string()))?;
    let json = unpacked(&packed).map_err(unusable)?;
    let (config, unknown) = Config::parse_known(&json).map_err(|error| unusable(error.to_string()))?;
    for key in unknown {
        tracing::warn!(config.key = key, "a key that this release does not know is ignored");
    }
    Ok(Running { number, digest: digest.value, config })
}

#[cfg(test)]
mod tests {
    use super::{super::stored::packed, *};

    fn item(format: &str, json: &str) -> String {
        let json = BASE64_STANDARD.encode(packed(json).unwrap());
        json!({"Item": {"version": {"S": "current"}, "number": {"N": "7"}, "format": {"N": format}, "digest": {"S": "d"}, "json": {"B": json}}})
            .to_string()
    }

    #[test]
    fn an_unknown_configuration_key_stops_no_cold_start() {
        let later =
            r#"{"sources":{"v":{"provider":"voltus","tokens":[],"color":"red"}},"seasons":{"a":{"kind":"http"}}}"#;
        assert_eq!(running(&item("1", later)).unwrap().config.sources["v"].provider.name(), "voltus");
        assert_eq!(Config::parse_known(later).unwrap().1, ["sources.v.color", "seasons"]);
        // The CLI is strict, because a person can fix the file.
        let strict = Config::parse(later).expect_err("unknown").to_string();
        assert!(strict.contains("sources.v.color"), "{strict}");
    }

    #[test]
    fn an_item_is_read_or_refused_by_its_format_version() {
        let read = running(&item("1", r#"{"sources":{}}"#)).unwrap();
        assert_eq!((read.number, read.digest.as_str(), read.config.sources.len()), (7, "d", 0));
        let refused = |body: &str, expected: &str| {
            let error = running(body).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        refused(&item("1", "{"), "version 7 of the configuration cannot be used");
        refused(&item("2", r#"{"sources":{}}"#), "newer release");
        refused("{}", "no configuration is applied: run `gridbell config apply`");
        refused(r#"{"Item":{"number":{"N":"1"},"format":{"N":"1"}}}"#, "no configuration is applied");
        refused("<html>", "cannot be read");
        let damaged = item("1", r#"{"sources":{}}"#).replacen(r#""B":"e"#, r#""B":"f"#, 1);
        refused(&damaged, "cannot be used");
    }
}
