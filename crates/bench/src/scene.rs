//! The environment of the functions: stand-ins on loopback, variables, and fixed events.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, Result};
use bytes::Bytes;
use provider_sims::bodies::{self, Window};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::{
    stub::{Aws, CONFIG_TABLE, Gateway, SECRET_NAME, Voltus},
    tls::Authority,
};

/// The environment variables of a function.
pub(crate) type Variables = BTreeMap<String, String>;

/// The source of all webhooks.
const SOURCE: &str = "voltus-prod";
const TOKEN: &str = "b0d9f4a2c8e14f6fa37c1d52e86b9077";

/// The stand-ins for AWS and a provider, and the variables that point to them.
#[derive(Debug)]
pub(crate) struct Scene {
    /// The stand-in for AWS.
    pub(crate) aws: Aws,
    /// The stand-in for the provider.
    pub(crate) voltus: Voltus,
    /// The environment variables of every function.
    pub(crate) variables: Variables,
    folder: TempDir,
}

/// An output of a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputKind {
    /// An HTTP output that takes events.
    Http,
    /// An HTTP output that fails.
    Down,
    /// A FIFO queue.
    Fifo,
}

impl Scene {
    pub(crate) async fn set() -> Result<Self> {
        Self::with(&[]).await
    }

    /// A scene with a courier and these outputs.
    pub(crate) async fn with(outputs: &[OutputKind]) -> Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let authority = Authority::new(folder.path())?;
        let voltus = Voltus::new();
        let provider = format!("https://{}", authority.serve(voltus.routes()).await?);
        let gateway = format!("https://{}", authority.serve(Gateway::routes()).await?);
        let mut configuration = configuration(&provider);
        for (number, output) in outputs.iter().enumerate() {
            configuration["outputs"][format!("output-{number}")] = output.configured(&gateway);
        }
        let aws = Aws::new(&configuration.to_string(), authority.sessions())?;
        let endpoint = format!("https://{}", authority.serve(aws.routes()).await?);
        let mut variables = variables(&endpoint, &authority.file().display().to_string());
        if !outputs.is_empty() {
            variables.insert("GRIDBELL_OUTPUTS_TABLE".to_owned(), "outputs".to_owned());
            variables.insert("GRIDBELL_OUTPUTS_QUEUE_URL".to_owned(), queue_url("outputs"));
        }
        Ok(Self { aws, voltus, variables, folder })
    }

    /// The path of a file that is deleted with the scene.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Removes all messages from a queue and returns them.
    pub(crate) fn take(&self, queue: &str) -> Vec<String> {
        self.aws.take_messages(&queue_url(queue))
    }
}

impl OutputKind {
    fn configured(self, gateway: &str) -> Value {
        let http = |path: &str| json!({"http": {"url": format!("{gateway}{path}"), "secrets": [format!("ssm:{SECRET_NAME}")], "allow_private": true}});
        let target = match self {
            Self::Http => http("/up"),
            Self::Down => http("/down"),
            Self::Fifo => json!({"sqs": {"queue_url": queue_url("consumer.fifo")}}),
        };
        json!({"target": target})
    }
}

fn queue_url(name: &str) -> String {
    format!("https://sqs.us-east-1.amazonaws.com/000000000000/{name}")
}

/// The configuration in the table. One of four sources is polled.
fn configuration(provider: &str) -> Value {
    let hash = format!("{:x}", Sha256::digest(TOKEN));
    // The limit is high so that every webhook leads to a fetch: webhooks within a minute must not count as a burst.
    let source = |provider: &str, url: &str| json!({"provider": provider, "environment": "production", "api_url": url, "api_key": format!("ssm:/gridbell/{provider}-prod"), "tokens": [hash], "requests_a_minute": 60_000});
    let mut config = json!({
        "sources": {
            SOURCE: source("voltus", provider),
            "leap-prod": source("leap", "https://api.leap.energy/v2"),
            "openvolt-prod": source("openvolt", "https://api.openvolt.com"),
            "nvgrid-prod": {"provider": "nvgrid", "environment": "production", "tokens": [hash]},
        },
        "deadlines": {"lead_s": 600, "immediate_s": 60, "acknowledge": false},
        // A flush may come two seconds early, so the mail is sent without a pause.
        "contacts": {"email": ["grid-duty@example.com"], "from": "gridbell@example.com", "group_wait_s": 1},
        "acks": {"tokens": [hash]},
    });
    // Not polled: it has no stand-in here.
    config["sources"]["leap-prod"]["poll_s"] = json!(0);
    config
}

/// The variables that Lambda and the template set. The credentials have the length of a role's.
fn variables(endpoint: &str, authority: &str) -> Variables {
    let mut variables: Variables = [
        ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/gridbell/bench"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/01/01/[$LATEST]0123456789abcdef0123456789abcdef"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "ASIAQAAAAAAAAAAAAAAA"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ("AWS_ENDPOINT_URL", endpoint),
        ("SSL_CERT_FILE", authority),
        ("GRIDBELL_LOG", "info"),
        ("GRIDBELL_DISPATCHES_TABLE", "dispatches"),
        ("GRIDBELL_DELIVERIES_TABLE", "deliveries"),
        ("GRIDBELL_ALERTS_TABLE", "alerts"),
        ("GRIDBELL_CONFIG_TABLE", CONFIG_TABLE),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    variables.insert("AWS_SESSION_TOKEN".to_owned(), "IQoJb3JpZ2luX2VjEXAMPLE".repeat(40));
    for queue in ["deliveries", "retries", "alerts", "reviews", "signals", "retries_dead", "alerts_dead"] {
        let fifo = if queue == "signals" { ".fifo" } else { "" };
        let name = format!("GRIDBELL_{}_QUEUE_URL", queue.to_ascii_uppercase());
        variables.insert(name, queue_url(&format!("{queue}{fifo}")));
    }
    variables
}

/// The provider's webhook about a dispatch.
pub(crate) fn webhook(event: &str, dispatch: &str) -> Bytes {
    post(SOURCE, &bodies::voltus::webhook(event, dispatch).to_string())
}

/// Leap's webhook about a market group with so many meters.
pub(crate) fn group(event: &str, meters: usize) -> Bytes {
    let meter = |index: usize| {
        let hash = format!("{:x}", Sha256::digest(index.to_string()));
        format!("{}-{}-{}-{}-{}", &hash[..8], &hash[8..12], &hash[12..16], &hash[16..20], &hash[20..32])
    };
    let slot = bodies::leap::slot(event, 8, &Window::new("2030-06-05T00:00:00Z", "2030-06-05T01:00:00Z"));
    let meters: Vec<String> = (0..meters).map(meter).collect();
    let group = bodies::leap::group("g-1", &meters, &[bodies::leap::of_group(slot)]);
    post("leap-prod", &bodies::leap::group_notification(&[group]).to_string())
}

/// A webhook as the HTTP API passes it to the function.
fn post(source: &str, body: &str) -> Bytes {
    let path = format!("/hooks/{source}/{TOKEN}");
    let event = json!({
        "version": "2.0",
        "routeKey": "ANY /hooks/{proxy+}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {
            "accept": "*/*", "accept-encoding": "gzip", "content-length": body.len().to_string(),
            "content-type": "application/json", "host": "abcdefghij.execute-api.us-east-1.amazonaws.com",
            "user-agent": "Go-http-client/2.0", "x-amzn-trace-id": "Root=1-65a1b2c3-0123456789abcdef01234567",
            "x-forwarded-for": "203.0.113.7", "x-forwarded-port": "443", "x-forwarded-proto": "https"
        },
        "requestContext": {
            "accountId": "000000000000", "apiId": "abcdefghij", "domainName": "abcdefghij.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "abcdefghij",
            "http": {"method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "Go-http-client/2.0"},
            "requestId": "JKJaXmPLvHcESHA=", "routeKey": "ANY /hooks/{proxy+}", "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000", "timeEpoch": 1_767_225_600_000_u64
        },
        "pathParameters": {"proxy": format!("{source}/{TOKEN}")},
        "body": body,
        "isBase64Encoded": false
    });
    Bytes::from(event.to_string())
}

/// Messages as an event source mapping passes them to the function.
pub(crate) fn batch(queue: &str, bodies: &[String]) -> Bytes {
    let records: Vec<Value> = bodies
        .iter()
        .enumerate()
        .map(|(index, body)| {
            json!({
                "messageId": format!("059f36b4-87a3-44ab-83d2-{index:012}"),
                "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a".repeat(8),
                "body": body,
                "attributes": {
                    "ApproximateReceiveCount": "1", "SentTimestamp": "1767225600000", "SenderId": "AROAQAAAAAAAAAAAAAAAA:receiver",
                    "ApproximateFirstReceiveTimestamp": "1767225600010"
                },
                "messageAttributes": {},
                "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
                "eventSource": "aws:sqs",
                "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{queue}"),
                "awsRegion": "us-east-1"
            })
        })
        .collect();
    Bytes::from(json!({ "Records": records }).to_string())
}

/// The event of the schedule, every minute.
pub(crate) fn sweep() -> Bytes {
    Bytes::from_static(br#"{"sweep":true}"#)
}
