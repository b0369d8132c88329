//! `NvGrid`: registration over gRPC, by a description found at run time. It has no call that lists webhooks.

mod asking;
mod registrar;
mod site;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::SignedDuration;
use serde_json::json;

use self::{asking::ANSWERS, site::outline};
pub(super) use self::{
    asking::Asking,
    registrar::NvGrid,
    site::{Schedule, Status},
};
use super::{AboutHook, follow, try_it};
use crate::{
    endpoint::{HookAddress, Opened},
    show,
};
use nvgrid_client::{EVENTS, NvgridError};
use provider_server::fixtures;
use provider_server::times;
use stack_client::http_client;

/// Parses the name of a power event.
pub(super) fn event(name: &str) -> Result<String, String> {
    if EVENTS.contains(&name) { Ok(name.to_owned()) } else { Err(format!("there are {}", EVENTS.join(", "))) }
}

/// Registers the hook; the receiver has answered there before.
async fn register(asking: &Asking, opened: &Opened, endpoint: &HookAddress, events: &[String]) -> Result<()> {
    let mut client = asking.client(opened).await.context("nothing is registered")?;
    if let Err(error) = client.register(endpoint.address().as_str(), events).await {
        return Err(undone(&opened.name, error, "registered"));
    }
    let of = if events.is_empty() { "all power events".to_owned() } else { events.join(", ") };
    show::line(&format!("Registered for {of}: {endpoint}"))?;
    if opened.rotates() {
        show::line(
            "Two tokens open this source. Once this one works, unregister the address with the old one (--token), and leave its hash out of gridbell.toml.",
        )?;
    }
    show::line(&format!(
        "NvGrid has no call that lists webhooks: keep in mind that it is there. It goes away with: gridbell webhook unregister {}",
        opened.name
    ))?;
    // In production there is no test: a test event would pass for a real one.
    if opened.is_sandbox() { try_it(opened, "") } else { Ok(()) }
}

/// Unregisters the hook's address.
async fn unregister(asking: &Asking, opened: &Opened, endpoint: &HookAddress) -> Result<()> {
    let mut client = asking.client(opened).await.context("it is registered still, if it was")?;
    match client.unregister(endpoint.address().as_str()).await {
        Ok(()) => show::line(&format!("Unregistered {endpoint}. No webhook of NvGrid's comes to it any more.")),
        Err(error @ NvgridError::Refused { .. }) => Err(anyhow::anyhow!(
            "{error}: nothing is taken away; NvGrid takes away the very address that was registered, so say --url and --token if that was another"
        )),
        Err(error) => Err(undone(&opened.name, error, "unregistered")),
    }
}

/// Why the call failed, and what is registered now.
fn undone(source: &str, error: NvgridError, what: &str) -> anyhow::Error {
    if error.is_in_doubt() {
        return anyhow::anyhow!(
            "it may be {what} or not: {error}; NvGrid has no call that lists webhooks, so make sure with `gridbell webhook unregister {source}`, and begin anew"
        );
    }
    anyhow::Error::from(error).context(format!("nothing is {what}"))
}

/// Prints what is known, because there is no list.
async fn list(asking: &Asking, opened: &Opened, json: bool) -> Result<()> {
    let mut client = asking.client(opened).await?;
    let status = client.status().await?;
    if json {
        show::json(&json!({"webhooks": null, "status": status}))?;
    } else {
        show::line(&format!("What its status says of the feeds, by {}:", client.described_by()))?;
        show::screen(&outline(&status))?;
    }
    bail!(
        "NvGrid has no call that lists webhooks, so whether {0} is registered shows when an event comes (`gridbell delivery list --source {0}`); its DPS operator sees the registrations",
        opened.name
    )
}

/// Waits for an event: a rehearsal posts its own, otherwise it is the site's next one.
async fn test(asking: &Asking, hook: &AboutHook, opened: &Opened, wait: Duration) -> Result<()> {
    if !opened.is_sandbox() {
        show::line(
            "NvGrid sends no tests, and an event of our own would pass for a real one: its source is production.",
        )?;
        let mut client = asking.client(opened).await?;
        client.status().await?;
        show::line("The site takes the login and tells its status. A ramp at the site brings an event.")?;
        return follow::to_delivery(opened, times::now(), wait).await;
    }
    let endpoint = opened.endpoint(&hook.place).await?;
    let now = times::now();
    // The end of a successful ramp: after a start, gridbell would wait for its end.
    let mut body = fixtures::json("nvgrid/end_ramp_down.json")?;
    let correlation = format!("gridbell-test-{}", now.as_millisecond());
    let hour_later = now.checked_add(SignedDuration::from_hours(1)).unwrap_or(now);
    for (name, value) in
        [("correlation_id", &correlation), ("start_time", &now.to_string()), ("end_time", &hour_later.to_string())]
    {
        body[name] = json!(value);
    }
    let feed = body["feed_tag"].as_str().map(str::to_owned);
    let sent = http_client()?.post(endpoint.address()).json(&body).timeout(ANSWERS).send().await;
    let answer = sent
        .map_err(|error| anyhow::Error::from(error.without_url()))
        .with_context(|| format!("{endpoint} does not answer"))?;
    if !answer.status().is_success() {
        bail!("{endpoint} answers {}, where NvGrid counts 200 alone as taken", answer.status());
    }
    show::line(&format!(
        "NvGrid sends no tests, so gridbell sent an event as it would: end_ramp_down of {correlation}."
    ))?;
    follow::to_signal(opened, &dispatch::Subject::power(&opened.name, feed.as_deref(), &correlation), wait).await
}
