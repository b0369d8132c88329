//! The last step of the start: a real webhook gets its real answer.

use std::time::Duration;

use anyhow::{Result, bail};
use providers::Providers;
use reqwest::{Client, StatusCode};
use serde_json::Value;
use stack_client::Description;
use tokio::time::{Instant, sleep};

use super::token;

/// Waits until the receiver answers as it should: a provider's ping with 200 where there is a source of one that pings and whose
/// token is known, else a wrong token with the receiver's own 404.
pub(super) async fn wait(
    http: &Client,
    description: &Description,
    token_known: &dyn Fn(&str) -> bool,
    within: Duration,
) -> Result<()> {
    let mut known = description.sources.iter().filter(|(name, _)| token_known(name)).map(|(_, source)| source);
    let ping = |provider: &str| Providers::default().named(provider).ok()?.ping();
    let pinged = known.find_map(|source| Some((source, ping(&source.provider)?)));
    let (url, body, expected) = match pinged {
        Some((source, ping)) => (source.url.clone(), ping, StatusCode::OK),
        None => (format!("{}/hooks/nobody/{}", description.webhook_base, token::random()), "{}", StatusCode::NOT_FOUND),
    };
    let deadline = Instant::now() + within;
    loop {
        let last =
            match http.post(&url).header("content-type", "application/json").timeout(within).body(body).send().await {
                Ok(response) => {
                    let status = response.status();
                    let body = response.text().await.unwrap_or_default();
                    // The emulator answers 404 as well where it has no such route, in its own words.
                    if status == expected && (status == StatusCode::OK || is_receivers(&body)) {
                        return Ok(());
                    }
                    format!("{status} {}", body.chars().take(300).collect::<String>())
                }
                // The address holds a token, so it is left out.
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
