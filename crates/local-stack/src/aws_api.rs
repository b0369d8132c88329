//! The few AWS calls that set up a local stack, as plain HTTP. An emulator reads account and region from the credential
//! and verifies no signature, so requests are not signed. On purpose, every call fails against AWS itself.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::{Client, Method, RequestBuilder, Url, header};
use serde_json::{Value, json};

/// The region of the local stack.
pub const REGION: &str = "us-east-1";

/// The account that an emulator uses if the access key is not an account number.
const DEFAULT_ACCOUNT: &str = "000000000000";

/// A call that the endpoint refused.
#[derive(Debug, thiserror::Error)]
#[error("{operation} was refused with {status}: {answer}")]
pub(super) struct Refused {
    operation: String,
    status: reqwest::StatusCode,
    /// The body, which contains AWS's error code.
    pub(super) answer: String,
}

/// An AWS-compatible endpoint.
#[derive(Debug, Clone)]
pub(super) struct AwsApi {
    pub(super) http: Client,
    pub(super) endpoint: Url,
    access_key: String,
}

impl AwsApi {
    /// `endpoint` has no path. The access key from the environment is used on an endpoint that gridbell did not start.
    pub(super) fn new(http: Client, endpoint: Url, access_key: &str) -> Self {
        Self { http, endpoint, access_key: access_key.to_owned() }
    }

    /// The access key.
    pub(super) fn access_key(&self) -> &str {
        &self.access_key
    }

    /// The account of the access key.
    pub(super) fn account(&self) -> &str {
        let number = self.access_key.len() == 12 && self.access_key.bytes().all(|byte| byte.is_ascii_digit());
        if number { &self.access_key } else { DEFAULT_ACCOUNT }
    }

    /// The endpoint as a string without a slash at the end.
    pub(super) fn base(&self) -> &str {
        self.endpoint.as_str().trim_end_matches('/')
    }

    fn request(&self, method: Method, service: &str, path: &str) -> RequestBuilder {
        // Without a signature the date in the credential does not matter.
        let credential = format!("{}/20260101/{REGION}/{service}/aws4_request", self.access_key);
        self.http
            .request(method, format!("{}{path}", self.base()))
            .timeout(Duration::from_mins(1))
            .header(
                header::AUTHORIZATION,
                format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature={}", "0".repeat(64)),
            )
            .header("x-amz-date", "20260101T000000Z")
    }

    async fn send(&self, operation: &str, request: RequestBuilder) -> Result<String> {
        let response =
            request.send().await.with_context(|| format!("{} does not answer to {operation}", self.base()))?;
        let status = response.status();
        let answer = response.text().await.with_context(|| format!("the answer to {operation} broke off"))?;
        if status.is_success() {
            return Ok(answer);
        }
        let answer = answer.chars().take(600).collect();
        Err(Refused { operation: operation.to_owned(), status, answer }.into())
    }

    /// A call of the JSON protocol.
    pub(super) async fn json(&self, service: &str, target: &str, version: &str, body: &Value) -> Result<Value> {
        let request = self
            .request(Method::POST, service, "/")
            .header(header::CONTENT_TYPE, format!("application/x-amz-json-{version}"))
            .header("x-amz-target", target)
            .body(body.to_string());
        let answer = self.send(target, request).await?;
        if answer.is_empty() {
            Ok(Value::Null)
        } else {
            serde_json::from_str(&answer).with_context(|| format!("the answer to {target} is not JSON"))
        }
    }

    /// A `CloudFormation` call; the answer is XML.
    pub(super) async fn cloudformation(&self, action: &str, parameters: &[(String, String)]) -> Result<String> {
        let mut form = vec![("Action".to_owned(), action.to_owned()), ("Version".to_owned(), "2010-05-15".to_owned())];
        form.extend_from_slice(parameters);
        self.send(action, self.request(Method::POST, "cloudformation", "/").form(&form)).await
    }

    pub(super) async fn create_bucket(&self, bucket: &str) -> Result<()> {
        self.send("CreateBucket", self.request(Method::PUT, "s3", &format!("/{bucket}"))).await.map(drop)
    }

    pub(super) async fn put_object(&self, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<()> {
        let request = self
            .request(Method::PUT, "s3", &format!("/{bucket}/{key}"))
            .header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
            .body(bytes);
        self.send("PutObject", request).await.map(drop)
    }

    /// The keys of a bucket's objects; up to a thousand, far more than deployments of one local stack.
    pub(super) async fn objects(&self, bucket: &str) -> Result<Vec<String>> {
        let path = format!("/{bucket}?list-type=2");
        let answer = self.send("ListObjectsV2", self.request(Method::GET, "s3", &path)).await?;
        let document = roxmltree::Document::parse(&answer).context("the answer to ListObjectsV2 is not XML")?;
        let keys = document.descendants().filter(|node| node.tag_name().name() == "Key");
        Ok(keys.filter_map(|key| key.text().map(str::to_owned)).collect())
    }

    pub(super) async fn delete_object(&self, bucket: &str, key: &str) -> Result<()> {
        self.send("DeleteObject", self.request(Method::DELETE, "s3", &format!("/{bucket}/{key}"))).await.map(drop)
    }

    pub(super) async fn delete_bucket(&self, bucket: &str) -> Result<()> {
        self.send("DeleteBucket", self.request(Method::DELETE, "s3", &format!("/{bucket}"))).await.map(drop)
    }

    /// Puts a `SecureString`; returns false if one with that name exists and `overwrite` is not set.
    pub(super) async fn put_secret(&self, name: &str, value: &str, overwrite: bool) -> Result<bool> {
        let body = json!({"Name": name, "Value": value, "Type": "SecureString", "Overwrite": overwrite});
        match self.json("ssm", "AmazonSSM.PutParameter", "1.1", &body).await {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .downcast_ref::<Refused>()
                    .is_some_and(|refused| refused.answer.contains("ParameterAlreadyExists")) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn delete_secret(&self, name: &str) -> Result<()> {
        self.json("ssm", "AmazonSSM.DeleteParameter", "1.1", &json!({"Name": name})).await.map(drop)
    }

    /// Makes `address` a sender that SES accepts. It may exist already.
    pub(super) async fn create_email_identity(&self, address: &str) -> Result<()> {
        let body = json!({"EmailIdentity": address}).to_string();
        let request = self
            .request(Method::POST, "ses", "/v2/email/identities")
            .header(header::CONTENT_TYPE, "application/json")
            .body(body);
        match self.send("CreateEmailIdentity", request).await {
            Err(error)
                if error.downcast_ref::<Refused>().is_none_or(|refused| !refused.answer.contains("AlreadyExists")) =>
            {
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// Creates an SNS topic. It may exist already.
    pub(super) async fn create_topic(&self, name: &str) -> Result<()> {
        let form = [("Action", "CreateTopic"), ("Version", "2010-03-31"), ("Name", name)];
        self.send("CreateTopic", self.request(Method::POST, "sns", "/").form(&form)).await.map(drop)
    }

    pub(super) async fn enable_ttl(&self, table: &str, attribute: &str) -> Result<()> {
        let body =
            json!({"TableName": table, "TimeToLiveSpecification": {"Enabled": true, "AttributeName": attribute}});
        self.json("dynamodb", "DynamoDB_20120810.UpdateTimeToLive", "1.0", &body).await.map(drop)
    }

    /// A function's environment variables.
    pub(super) async fn function_environment(&self, function: &str) -> Result<Vec<(String, String)>> {
        let path = format!("/2015-03-31/functions/{function}/configuration");
        let answer = self.send("GetFunctionConfiguration", self.request(Method::GET, "lambda", &path)).await?;
        let answer: Value =
            serde_json::from_str(&answer).context("the answer to GetFunctionConfiguration is not JSON")?;
        let variables =
            answer.pointer("/Environment/Variables").and_then(Value::as_object).cloned().unwrap_or_default();
        Ok(variables
            .into_iter()
            .filter_map(|(name, value)| value.as_str().map(|value| (name, value.to_owned())))
            .collect())
    }
}
