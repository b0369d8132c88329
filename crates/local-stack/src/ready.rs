//! The last step of the start: a real webhook gets its real answer.

use std::time::Duration;

use anyhow::{Result, bail};
use reqwest::{Client, StatusCode};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{state::Description, token};

/// The body that Voltus sends when a webhook is registered.
const VOLTUS_PING: &str = r#"{"event":{"name":""},"resource":""}"#;

/// Waits until the receiver answers correctly: 200 to a Voltus ping if there is such a source with a known token, else
/// the receiver's own 404 to a wrong token.
pub(super) async fn wait(
    http: &Client,
    description: &Description,
    token_known: &dyn Fn(&str) -> bool,
    within: Duration,
) -> Result<()> {
    let source = description.sources.iter().find(|(name, source)| source.provider == "voltus" && token_known(name));
    let (url, expected) = match source {
        Some((_, source)) => (source.url.clone(), StatusCode::OK),
        None => (format!("{}/hooks/nobody/{}", description.webhook_base, token::random()), StatusCode::NOT_FOUND),
    };
    let deadline = Instant::now() + within;
    loop {
        let last = match http
            .post(&url)
            .header("content-type", "application/json")
            .timeout(within)
            .body(VOLTUS_PING)
            .send()
            .await
        {
            Ok(response) => {
                let status = response.status();
                let body = response.text().await.unwrap_or_default();
                // Without such a route the emulator answers 404 too, but with another text.
                if status == expected && (status == StatusCode::OK || is_receivers(&body)) {
                    return Ok(());
                }
                format!("{status} {}", body.chars().take(300).collect::<String>())
            }
            // The URL contains a token, so it is not shown.
            Err(error) => error.without_url().to_string(),
        };
        if Instant::now() > deadline {
            bail!(
                "the stack is up, but a webhook is not answered with {expected} after {} s; the last answer: {last}",
                within.as_secs()
            );
        }
        sleep(Duration::from_millis(150)).await;
    }
}

fn is_receivers(body: &str) -> bool {
    serde_json::from_str::<Value>(body).is_ok_and(|body| body.pointer("/error/code").is_some())
}
