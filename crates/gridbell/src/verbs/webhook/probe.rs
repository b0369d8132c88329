//! Checks from here that the receiver answers, before registering it at a provider.

use std::time::Duration;

use anyhow::{Result, bail};
use providers::Provider;
use reqwest::Client;

use crate::endpoint::{HookAddress, is_loopback};

/// Timeout, a cold start included.
const ANSWERS: Duration = Duration::from_secs(15);

/// Sends the provider's ping, if the provider has one. For the others no harmless post is known, so it sends a GET,
/// which a hook answers with 405 if the token is right, and with 404 if not.
///
/// # Errors
/// The receiver answers wrongly, or not at all.
pub(super) async fn probe(
    http: &Client,
    provider: &dyn Provider,
    endpoint: &HookAddress,
    api: Option<&url::Url>,
) -> Result<()> {
    if is_loopback(&endpoint.url) && api.is_some_and(|api| !is_loopback(api)) {
        bail!(
            "{endpoint} is reached from this machine alone, and {provider} calls from outside: give the address that it sees with --url"
        );
    }
    let (request, wanted) = match provider.ping() {
        Some(ping) => (http.post(endpoint.address()).body(ping), 200),
        None => (http.get(endpoint.address()), 405),
    };
    let request = request.header("content-type", "application/json").timeout(ANSWERS);
    match request.send().await {
        Ok(response) if response.status() == wanted => Ok(()),
        Ok(response) if response.status() == 404 => {
            bail!("{endpoint} answers 404: another token, another source, or no gridbell; nothing is registered")
        }
        Ok(response) => {
            bail!("{endpoint} answers {} where a receiver answers {wanted}; nothing is registered", response.status())
        }
        Err(error) => {
            let reason = if error.is_timeout() {
                "no answer in time".to_owned()
            } else {
                format!("{:#}", anyhow::Error::from(error.without_url()))
            };
            bail!("{endpoint} does not answer ({reason}); nothing is registered")
        }
    }
}
