//! Leap: the webhooks of both levels are registered through its API.

mod client;

use anyhow::{Result, bail};
use dispatch::Subject;
use serde_json::{Value, json};

pub(crate) use self::client::Level;
pub(super) use self::client::*;
use super::{
    api, consent, follow,
    list::List,
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

/// Longest line of Leap's report shown, in characters.
const MAX_REPORTED: usize = 2_000;

/// Leap's registrar.
pub(super) struct Leap;

impl Registrar for Leap {
    fn register<'a>(&'a self, args: &'a Register, opened: &'a Opened, endpoint: &'a HookAddress) -> Doing<'a> {
        Box::pin(registers(args, opened, endpoint))
    }

    fn unregister<'a>(&'a self, args: &'a Unregister, opened: &'a Opened) -> Doing<'a> {
        Box::pin(unregisters(args, opened))
    }

    fn list<'a>(&'a self, args: &'a List, opened: &'a Opened) -> Doing<'a> {
        Box::pin(async move {
            // Without its token, webhooks can still be listed, but not which one is ours.
            let endpoint = args.endpoint(opened).await;
            let api = api(opened).await?;
            let mut rows = Vec::new();
            for level in Level::BOTH {
                rows.extend(get(&api, level).await?.map(|set| row(level, &set, endpoint.as_ref())));
            }
            args.show(opened, &rows)
        })
    }

    fn test<'a>(&'a self, args: &'a Test, opened: &'a Opened) -> Doing<'a> {
        Box::pin(tests(args, opened))
    }

    fn registered<'a>(&'a self, opened: &'a Opened) -> Doing<'a, Listing> {
        Box::pin(async move {
            let api = api(opened).await?;
            let mut registered = Vec::new();
            for level in Level::BOTH {
                let Some(set) = get(&api, level).await? else { continue };
                let (host, standing) = opened.standing(&set.url, set.token());
                let what = format!("the {} webhook", level.name());
                registered.push(registrar::Registered { what, host, standing, lacks: Vec::new() });
            }
            Ok(Listing::Webhooks(registered))
        })
    }
}

/// The named levels; meters if none is named.
fn levels(named: &[Level]) -> &[Level] {
    if named.is_empty() { &[Level::Meter] } else { named }
}

async fn registers(args: &Register, opened: &Opened, endpoint: &HookAddress) -> Result<()> {
    let api = api(opened).await?;
    for level in levels(&args.level) {
        let name = level.name();
        let replace = |set: &Set| {
            consent(args.yes, &format!("Leap's {name} webhook goes to {} and would be replaced", set.shown()))
        };
        let says = match register(&api, *level, endpoint, replace).await? {
            Registered::Already => "was set already",
            Registered::Anew => "is set",
            Registered::Rotated => "is set with another token than before",
        };
        show::line(&format!("Leap's {name} webhook {says}: {}, the token in the header x-api-key", endpoint.url))?;
    }
    if opened.rotates() {
        show::line(
            "Two tokens open this source. Leave the old one's hash out of gridbell.toml once no notification brings it any more.",
        )?;
    }
    // Without a flag the test is a meter notification.
    try_it(opened, if levels(&args.level).contains(&Level::Meter) { "" } else { " --level group" })
}

async fn unregisters(args: &Unregister, opened: &Opened) -> Result<()> {
    let api = api(opened).await?;
    let endpoint = opened.endpoint(&args.hook.place).await?;
    for level in levels(&args.level) {
        let name = level.name();
        let foreign = |set: &Set| {
            consent(args.yes, &format!("Leap's {name} webhook goes to {}, which is not this source", set.shown()))
        };
        if !unregister(&api, *level, &endpoint, foreign).await? {
            bail!("Leap has no {name} webhook set");
        }
        show::line(&format!("Leap's {name} webhook is taken away."))?;
    }
    Ok(())
}

fn row(level: Level, set: &Set, endpoint: Option<&HookAddress>) -> Value {
    let goes_to = match endpoint {
        Some(endpoint) if set.goes_to(endpoint) => endpoint.url.to_string(),
        _ => set.shown(),
    };
    json!({"id": level.name(), "ours": endpoint.map(|endpoint| set.goes_to(endpoint)), "goes_to": goes_to, "for": format!("{} dispatches", level.name())})
}

async fn tests(args: &Test, opened: &Opened) -> Result<()> {
    let api = api(opened).await?;
    if get(&api, args.level).await?.is_none() {
        bail!(
            "Leap has no {} webhook set, so nothing would come: gridbell webhook register {}",
            args.level.name(),
            opened.name
        );
    }
    let event = uuid();
    let report = test(&api, args.level, &event, times::now()).await?;
    show::line("Leap sent a test notification and reports of our answer:")?;
    for line in &report.lines {
        show::line(&format!("  {}", dispatch::text::clip(line, MAX_REPORTED)))?;
    }
    if !report.status.is_some_and(|status| (200..300).contains(&status)) {
        bail!(
            "our hook did not take it: the report above says how it answered; look at `gridbell webhook list {}`",
            opened.name
        );
    }
    follow::to_signal(opened, &Subject::dispatch(&opened.name, &event), args.wait).await
}

/// A random UUID of version 4, for a new event.
fn uuid() -> String {
    let mut bytes = [0_u8; 16];
    // Without randomness the system is not secure, and this program cannot continue.
    if let Err(error) = getrandom::fill(&mut bytes) {
        panic!("the system gives no randomness: {error}");
    }
    let bits = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0b11 << 62) | (4 << 76) | (0b10 << 62);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        bits >> 96,
        bits >> 80 & 0xffff,
        bits >> 64 & 0xffff,
        bits >> 48 & 0xffff,
        bits & 0xffff_ffff_ffff
    )
}
