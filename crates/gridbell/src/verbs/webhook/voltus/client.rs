//! Voltus: register with a handshake, list, delete; a sandbox scenario, or a self-test on production.

use anyhow::{Context, Result, bail};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use super::super::api::Api;
use crate::endpoint::HookAddress;

const WEBHOOKS: &str = "/2022-04-15/webhooks";
const DISPATCHES: &str = "/2022-04-15/dispatches";

/// The events that webhooks are registered for.
pub(in super::super) const EVENTS: [&str; 2] = ["dispatch.create", "dispatch.update"];

/// A registered webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Webhook {
    pub(in super::super) id: String,
    pub(in super::super) url: String,
    pub(in super::super) events: Vec<String>,
}

/// The result of a registration.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Registered {
    Anew(String),
    /// The address was already registered.
    Already(String),
}

/// The webhooks of the key's account.
pub(in super::super) async fn list(api: &Api) -> Result<Vec<Webhook>> {
    let answer = api.call(Method::GET, WEBHOOKS, None).await?;
    let listed = answer["webhooks"].as_array().ok_or_else(|| api.strange(200, "no list of webhooks"))?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let one = |webhook: &Value| {
        let events = webhook["events"].as_array().into_iter().flatten();
        Some(Webhook {
            id: text(&webhook["id"])?,
            url: text(&webhook["url"])?,
            events: events.filter_map(|event| text(&event["name"])).collect(),
        })
    };
    listed
        .iter()
        .map(|webhook| one(webhook).ok_or_else(|| api.strange(200, "a webhook without id or url").into()))
        .collect()
}

/// Whether a listed address is the hook's. Voltus' samples show an address without its scheme.
pub(in super::super) fn is_ours(webhook: &Webhook, endpoint: &HookAddress) -> bool {
    let bare = |url: &str| url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/').to_owned();
    bare(&webhook.url) == bare(endpoint.address().as_str())
}

/// Registers the hook, unless it is registered. The receiver must have answered before.
pub(in super::super) async fn register(api: &Api, endpoint: &HookAddress) -> Result<Registered> {
    let ours = |listed: Vec<Webhook>| listed.into_iter().find(|webhook| is_ours(webhook, endpoint));
    if let Some(known) = ours(list(api).await?) {
        return Ok(Registered::Already(known.id));
    }
    let events = EVENTS.map(|name| json!({"name": name}));
    let body = json!({"url": endpoint.address(), "events": events});
    let answer = match api.call_that_asks_us(WEBHOOKS, &body).await {
        Ok(answer) => answer,
        Err(error) if error.is_in_doubt() => Value::String(error.to_string()),
        Err(error) => return Err(error).context("nothing is registered"),
    };
    if let Some(id) = answer["id"].as_str() {
        return Ok(Registered::Anew(id.to_owned()));
    }
    // Only the list shows whether it is registered after all.
    let why = answer.as_str().unwrap_or("the answer names no id").to_owned();
    match list(api).await.map(ours) {
        Ok(Some(made)) => Ok(Registered::Anew(made.id)),
        Ok(None) => bail!("nothing is registered, as the list shows: {why}"),
        Err(error) => bail!(
            "it may be registered or not: {why}; and the list cannot be read either: {error:#}; look with `gridbell webhook list` before you register again"
        ),
    }
}

/// Deletes a webhook.
pub(in super::super) async fn delete(api: &Api, id: &str) -> Result<()> {
    let plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if !plain {
        return Err(crate::usage::error(
            "an id is letters, digits, - and _; `gridbell webhook list` shows them".to_owned(),
        ));
    }
    match api.call(Method::DELETE, &format!("{WEBHOOKS}/{id}"), None).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_missing() => {
            bail!("there is no webhook {id}; `gridbell webhook list` shows those that there are")
        }
        Err(error) if error.is_in_doubt() => {
            Err(error).with_context(|| format!("{id} may be registered still; look with `gridbell webhook list`"))
        }
        Err(error) => Err(error).with_context(|| format!("{id} is registered still")),
    }
}

/// The ids of the dispatches of the last 24 hours.
pub(in super::super) async fn dispatches(api: &Api) -> Result<Vec<String>> {
    let answer = api.call(Method::GET, DISPATCHES, None).await?;
    let listed = answer["dispatches"].as_array().ok_or_else(|| api.strange(200, "no list of dispatches"))?;
    Ok(listed.iter().filter_map(|dispatch| dispatch["id"].as_str().map(str::to_owned)).collect())
}

/// Posts a scenario to the sandbox.
pub(in super::super) async fn post_scenario(api: &Api, name: &str, now: Timestamp) -> Result<()> {
    let scenario = provider_sims::voltus_scenario(name, now).ok_or_else(|| {
        let names: Vec<&str> = provider_sims::VOLTUS.exercises.iter().map(|known| known.name).collect();
        crate::usage::error(format!("there is no scenario {name}; there are {}", names.join(", ")))
    })?;
    api.call(Method::POST, "/2022-04-15/scenarios", Some(&scenario)).await.context("the scenario was not taken")?;
    Ok(())
}

/// Requests a self-test dispatch in production, of ten minutes, starting in 15 minutes; its id, if the answer has one.
pub(in super::super) async fn self_test(api: &Api, now: Timestamp) -> Result<Option<String>> {
    let at = |minutes| now.checked_add(SignedDuration::from_mins(minutes)).unwrap_or(now).to_string();
    let body = json!({"start_time": at(15), "end_time": at(25)});
    let answer = api
        .call(Method::POST, DISPATCHES, Some(&body))
        .await
        .context("no self-test was scheduled, as far as is known")?;
    let dispatch = answer["dispatches"].get(0).unwrap_or(&answer);
    Ok(dispatch["id"].as_str().map(str::to_owned))
}
