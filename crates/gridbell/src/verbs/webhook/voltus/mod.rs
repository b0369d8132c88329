//! Voltus: webhooks are registered through its API, with a handshake.

mod client;

use std::time::Duration;

use anyhow::{Result, bail};
use dispatch::Subject;
use serde_json::{Value, json};

pub(super) use self::client::*;
use super::{
    Api, api, consent, follow,
    list::{List, without_end},
    register::Register,
    registrar::{self, Doing, Listing, Registrar},
    test::Test,
    try_it,
    unregister::Unregister,
};
use crate::{
    endpoint::{HookAddress, Opened},
    show,
};
use provider_server::times;

/// How often Voltus' dispatches are listed: its limit is a few hundred requests a minute.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Voltus' registrar.
pub(super) struct Voltus;

impl Registrar for Voltus {
    fn register<'a>(&'a self, _args: &'a Register, opened: &'a Opened, endpoint: &'a HookAddress) -> Doing<'a> {
        Box::pin(registers(opened, endpoint))
    }

    fn unregister<'a>(&'a self, args: &'a Unregister, opened: &'a Opened) -> Doing<'a> {
        Box::pin(unregisters(args, opened))
    }

    fn list<'a>(&'a self, args: &'a List, opened: &'a Opened) -> Doing<'a> {
        Box::pin(async move {
            // Without its token, webhooks can still be listed, but not which one is ours.
            let endpoint = args.endpoint(opened).await;
            args.show(opened, &rows(&list(&api(opened).await?).await?, endpoint.as_ref()))
        })
    }

    fn test<'a>(&'a self, args: &'a Test, opened: &'a Opened) -> Doing<'a> {
        Box::pin(tests(args, opened))
    }

    fn registered<'a>(&'a self, opened: &'a Opened) -> Doing<'a, Listing> {
        Box::pin(async move {
            let webhooks = list(&api(opened).await?).await?;
            let registered = webhooks.into_iter().map(|webhook| {
                let lacks = EVENTS.into_iter().filter(|event| !webhook.events.iter().any(|known| known == event));
                let (host, standing) = opened.standing(&webhook.url, None);
                registrar::Registered { what: webhook.id, host, standing, lacks: lacks.collect() }
            });
            Ok(Listing::Webhooks(registered.collect()))
        })
    }
}

async fn registers(opened: &Opened, endpoint: &HookAddress) -> Result<()> {
    let api = api(opened).await?;
    let says = match register(&api, endpoint).await? {
        Registered::Anew(id) => format!("Registered as {id}: {endpoint}"),
        Registered::Already(id) => format!("Registered already as {id}, nothing is changed: {endpoint}"),
    };
    show::line(&says)?;
    if opened.rotates() {
        show::line(
            "Two tokens open this source. Once this one works, unregister the old webhook by its id, and leave its hash out of gridbell.toml.",
        )?;
    }
    try_it(opened, "")
}

async fn unregisters(args: &Unregister, opened: &Opened) -> Result<()> {
    let api = api(opened).await?;
    let ids = if let Some(id) = &args.id {
        vec![id.clone()]
    } else {
        let endpoint = opened.endpoint(&args.hook.place).await?;
        let ours = list(&api).await?.into_iter().filter(|webhook| is_ours(webhook, &endpoint));
        ours.map(|webhook| webhook.id).collect()
    };
    if ids.is_empty() {
        bail!(
            "Voltus has no webhook that goes to this source; `gridbell webhook list {}` shows those that there are, --id names one",
            opened.name
        );
    }
    for id in ids {
        delete(&api, &id).await?;
        show::line(&format!("Unregistered {id}. No webhook of Voltus' comes to it any more."))?;
    }
    Ok(())
}

fn rows(listed: &[Webhook], endpoint: Option<&HookAddress>) -> Vec<Value> {
    let row = |webhook: &Webhook| {
        let ours = endpoint.map(|endpoint| is_ours(webhook, endpoint));
        let goes_to = match endpoint {
            Some(endpoint) if ours == Some(true) => endpoint.to_string(),
            _ => without_end(&webhook.url),
        };
        json!({"id": webhook.id, "ours": ours, "goes_to": goes_to, "for": webhook.events.join(", ")})
    };
    listed.iter().map(row).collect()
}

async fn tests(args: &Test, opened: &Opened) -> Result<()> {
    let api = api(opened).await?;
    if list(&api).await?.is_empty() {
        bail!("no webhook is registered with Voltus, so nothing would come: gridbell webhook register {}", opened.name);
    }
    let before = dispatches(&api).await?;
    let named = if opened.is_sandbox() {
        post_scenario(&api, &args.scenario, times::now()).await?;
        show::line(&format!("Voltus' sandbox plays the scenario {}.", args.scenario))?;
        None
    } else {
        let what = "Voltus would schedule a real self-test in production: a dispatch of ten minutes in a quarter of an hour, at all sites, marked test";
        consent(args.yes, what)?;
        self_test(&api, times::now()).await?
    };
    let id = match named {
        Some(id) => id,
        None => appears(&api, &before, args.wait).await?,
    };
    show::line(&format!("The dispatch is {id}."))?;
    follow::to_signal(opened, &Subject::dispatch(&opened.name, &id), args.wait).await
}

/// The first new dispatch.
async fn appears(api: &Api, before: &[String], within: Duration) -> Result<String> {
    let looking = async {
        loop {
            if let Some(new) = dispatches(api).await?.into_iter().find(|id| !before.contains(id)) {
                return Ok(new);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let found = tokio::time::timeout(within, looking).await;
    found.unwrap_or_else(|_| bail!("Voltus took the test, and lists no new dispatch within {} s", within.as_secs()))
}
