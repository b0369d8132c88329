//! Leap: one webhook for meters and one for groups. A PUT replaces the existing one, so it is read and shown first.

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use super::super::api::Api;
use crate::endpoint::HookAddress;

/// The header of the token.
const HEADER: &str = "x-api-key";

/// The level of the notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Level {
    /// Notifications of single meters
    Meter,
    /// Notifications of market groups
    Group,
}

impl Level {
    pub(in super::super) const BOTH: [Self; 2] = [Self::Meter, Self::Group];

    pub(in super::super) fn name(self) -> &'static str {
        match self {
            Self::Meter => "meter",
            Self::Group => "group",
        }
    }

    fn path(self) -> String {
        format!("/dispatch/{}/webhook", self.name())
    }
}

/// The webhook of a level. The headers' values are never shown.
#[derive(Clone, PartialEq, Eq)]
pub(in super::super) struct Set {
    pub(in super::super) url: String,
    headers: Vec<(String, String)>,
}

impl Set {
    /// Its address, and the names of its headers.
    pub(in super::super) fn shown(&self) -> String {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        // The path may contain a token: of a foreign address, only the host is shown.
        let host = url::Url::parse(&self.url).map_or_else(|_| "?".to_owned(), |url| url.origin().ascii_serialization());
        let names = if names.is_empty() { "no headers".to_owned() } else { format!("headers {}", names.join(", ")) };
        format!("{host}/… with {names}")
    }

    pub(in super::super) fn goes_to(&self, endpoint: &HookAddress) -> bool {
        self.url.trim_end_matches('/') == endpoint.url.as_str().trim_end_matches('/')
            || self.url == endpoint.address().as_str()
    }

    /// The token in its header.
    pub(in super::super) fn token(&self) -> Option<&str> {
        self.headers.iter().find(|(name, _)| name == HEADER).map(|(_, value)| value.as_str())
    }

    fn is_exactly(&self, endpoint: &HookAddress) -> bool {
        self.url == endpoint.url.as_str() && self.headers == [(HEADER.to_owned(), endpoint.token.expose().to_owned())]
    }
}

impl std::fmt::Debug for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

/// The result of a registration.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Registered {
    Anew,
    /// It was already registered.
    Already,
    /// The same hook was registered with another token.
    Rotated,
}

/// The current webhook of a level.
pub(in super::super) async fn get(api: &Api, level: Level) -> Result<Option<Set>> {
    let answer = match api.call(Method::GET, &level.path(), None).await {
        Ok(answer) => answer,
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let Some(url) = answer["url"].as_str().filter(|url| !url.is_empty()) else { return Ok(None) };
    let header = |header: &Value| {
        let (name, value) = (header["name"].as_str()?, header["value"].as_str().unwrap_or_default());
        Some((name.to_ascii_lowercase(), value.to_owned()))
    };
    let headers = answer["headers"].as_array().into_iter().flatten().filter_map(header).collect();
    Ok(Some(Set { url: url.to_owned(), headers }))
}

/// Sets the webhook. If a foreign one would be lost, `replace` is called with its description.
pub(in super::super) async fn register(
    api: &Api,
    level: Level,
    endpoint: &HookAddress,
    replace: impl FnOnce(&Set) -> Result<()>,
) -> Result<Registered> {
    let before = get(api, level).await.context("nothing is changed: what is set now cannot be read")?;
    let came = match &before {
        Some(set) if set.is_exactly(endpoint) => return Ok(Registered::Already),
        Some(set) if set.goes_to(endpoint) => Registered::Rotated,
        Some(set) => {
            replace(set)?;
            Registered::Anew
        }
        None => Registered::Anew,
    };
    let body = json!({"url": endpoint.url, "headers": [{"name": HEADER, "value": endpoint.token.expose()}]});
    let put = api.call(Method::PUT, &level.path(), Some(&body)).await;
    if let Err(error) = &put
        && !error.is_in_doubt()
    {
        bail!("nothing is changed: {error}");
    }
    // Only reading it back shows whether the change took effect.
    let after = get(api, level).await;
    match (after, put) {
        (Ok(Some(set)), _) if set.goes_to(endpoint) => Ok(came),
        (Ok(set), put) => {
            let why = put.err().map_or_else(String::new, |error| format!("{error}; "));
            bail!(
                "{why}Leap says that {} is set at the {} level",
                set.map_or_else(|| "nothing".to_owned(), |set| set.shown()),
                level.name()
            )
        }
        (Err(error), put) => {
            let why = put.err().map_or_else(String::new, |error| format!("{error}; "));
            bail!("{why}it may be set or not, and cannot be read back: {error:#}; look with `gridbell webhook list`")
        }
    }
}

/// Removes the webhook of a level. If it is a foreign one, `foreign` is called first.
pub(in super::super) async fn unregister(
    api: &Api,
    level: Level,
    endpoint: &HookAddress,
    foreign: impl FnOnce(&Set) -> Result<()>,
) -> Result<bool> {
    let Some(set) = get(api, level).await? else { return Ok(false) };
    if !set.goes_to(endpoint) {
        foreign(&set)?;
    }
    match api.call(Method::DELETE, &level.path(), None).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_missing() => Ok(false),
        Err(error) => Err(error).with_context(|| {
            format!("the {} webhook may be set still; look with `gridbell webhook list`", level.name())
        }),
    }
}

/// Leap's report of how the receiver answered its test notification.
#[derive(Debug)]
pub(in super::super) struct Report {
    pub(in super::super) status: Option<u64>,
    pub(in super::super) lines: Vec<String>,
}

/// Makes Leap send a test notification with this event; returns its report.
pub(in super::super) async fn test(api: &Api, level: Level, event: &str, now: Timestamp) -> Result<Report> {
    let body = provider_sims::leap_integration_test(level == Level::Group, event, now);
    let answer = api.call_that_asks_us(&format!("{}/integration_test", level.path()), &body).await?;
    let line = |name: &str| match &answer[name] {
        Value::Null => None,
        Value::String(text) => Some(format!("{name}: {text}")),
        other => Some(format!("{name}: {other}")),
    };
    let lines = ["http_status", "sent_time", "received_time", "body", "error_message"].into_iter().filter_map(line);
    Ok(Report { status: answer["http_status"].as_u64(), lines: lines.collect() })
}
