//! `config apply`.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use aws::{configuration::Stored, host::Host};
use pipeline::ports::Clock;
use serde_json::json;

use super::{
    diff::{Change, changes},
    fleet::Deployed,
    rollout::{self, Wanted, roll_out},
    shipped::{Allowed, Shipped, complete},
};
use crate::{
    console::{Console, Place, StackInfo, Which},
    progress,
    show::{self, Paint},
};
use config::{Config, file::File};

pub(super) const EXAMPLES: &str = "\
What the file leaves open stays as it runs: the tokens of sources that name none, [acks], [contacts]. A new source without a
token gets one, whose address is printed once.

A version of every function is published and says what it runs with; then all take over together. Where one does not run with it,
what ran before is restored. A parameter that a deployment has changed takes effect with the next apply.

Examples:
  gridbell config apply --stack gridbell --profile duty --dry-run
  gridbell config apply --stack gridbell --profile duty
  gridbell config apply --version 7                       what ran as version 7 (`gridbell config history`)
  gridbell config apply                                   to the local stack, which keeps its data";

/// Arguments of `config apply`.
#[derive(Debug, clap::Args)]
pub(crate) struct Apply {
    /// Configuration file
    #[arg(long, value_name = "FILE", default_value = "gridbell.toml")]
    config: PathBuf,
    /// Apply an earlier version instead of a file
    #[arg(long, value_name = "NUMBER", conflicts_with = "config")]
    version: Option<u64>,
    /// Show what would change, without changing anything
    #[arg(long)]
    dry_run: bool,
    /// Apply without asking
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Print the changes as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    which: Which,
}

impl Apply {
    pub(super) async fn run(self) -> Result<()> {
        let console = self.which.open().await?;
        let stack = console.cloudformation().describe(&console.name).await.map_err(|error| console.refusal(error))?;
        let before = console.configurations().current().await.map_err(|error| console.refusal(error))?;
        let running = match &before {
            Some(Stored::Applied(version)) => Config::parse(&version.json)?,
            _ => Config::parse(r#"{"sources":{}}"#)?,
        };
        let shipped = self.wanted(&console, &stack, &running).await?;
        sendable(&stack, &shipped.config.contacts.from)?;
        deliverable(&stack, &shipped.config, matches!(console.place, Place::Local { .. }))?;
        let changes = changes(&serde_json::to_value(&running)?, &serde_json::to_value(&shipped.config)?);
        if !self.json {
            show::screen(&text(&changes, Paint::stdout()))?;
        }
        let mut went = false;
        if !self.dry_run {
            let fleet = Deployed::new(&console, &stack);
            if changes.is_empty() {
                went = catch_up(&fleet, before.as_ref()).await?;
            } else {
                show::consent(self.yes, &format!("the configuration of {} would change", console.name))?;
                ship(&fleet, before.as_ref(), &shipped.json).await?;
                went = true;
            }
        }
        self.tell(&console, &shipped, &changes, went)
    }

    /// The configuration to apply: the file completed from the running one, or an earlier version unchanged.
    async fn wanted(&self, console: &Console, stack: &StackInfo, running: &Config) -> Result<Shipped> {
        let Some(number) = self.version else {
            let local = matches!(console.place, Place::Local { .. });
            return complete(File::load(&self.config)?.config, running, Allowed::of(stack, local));
        };
        let version = console.configurations().version(number).await.map_err(|error| console.refusal(error))?;
        let Some(version) = version else {
            bail!("there is no version {number}: `gridbell config history` lists those that there are");
        };
        Ok(Shipped { config: Config::parse(&version.json)?, json: version.json, made: Vec::new() })
    }

    fn tell(&self, console: &Console, shipped: &Shipped, changes: &[Change], went: bool) -> Result<()> {
        let url =
            |(name, token): &(String, String)| (name.clone(), format!("{}/hooks/{name}/{token}", console.webhook_base));
        let made: Vec<(String, String)> = shipped.made.iter().filter(|_| went).map(url).collect();
        if self.json {
            let made: serde_json::Map<_, _> = made.into_iter().map(|(name, url)| (name, json!(url))).collect();
            return show::json(&json!({"stack": console.name, "applied": went, "changes": changes, "new_hooks": made}));
        }
        for (name, url) in &made {
            show::line(&format!("{name} has a token of its own now; this is shown once: {url}"))?;
        }
        match (changes.is_empty(), went) {
            (true, false) => show::line("this is what runs already"),
            (_, true) => show::line(&Paint::stdout().good(&format!("{} runs it", console.name))),
            (false, false) => show::line("nothing was changed"),
        }
    }
}

/// Refuses a sender that the functions may not use: their role names the sender, and only a deployment changes a role.
fn sendable(stack: &StackInfo, from: &str) -> Result<()> {
    if let Some(sender) = stack.parameters.get("MailFrom").filter(|sender| !lies_in(from, sender)) {
        bail!(
            "contacts.from: the functions may send as {sender} alone, and {from} is another; deploy the stack with MailFrom={from} first"
        );
    }
    Ok(())
}

/// Refuses outputs where no courier would deliver to them, and a courier that would deliver to none: in both cases
/// signals would wait in their queue.
fn deliverable(stack: &StackInfo, config: &Config, local: bool) -> Result<()> {
    let has_courier = stack.outputs.contains_key("CourierFunctionName");
    let remedy = |courier: &str| match local {
        true => "start `gridbell up` again with this configuration".to_owned(),
        false => format!("deploy the stack with Courier={courier} first"),
    };
    match config.outputs.keys().next() {
        Some(output) if !has_courier => {
            bail!("outputs.{output}: the stack has no courier, which delivers to outputs; {}", remedy("on"))
        }
        None if has_courier => {
            bail!("outputs: there are none, and the stack has a courier, which takes the signals; {}", remedy("off"))
        }
        _ => Ok(()),
    }
}

/// Whether an SES identity covers an address; it is an address, or a domain with its subdomains.
fn lies_in(address: &str, identity: &str) -> bool {
    address == identity || address.rsplit_once('@').is_some_and(|(_, domain)| domain == identity)
}

/// The number of keys that differ between a file, completed as for an apply, and the running configuration.
pub(crate) fn differences(file: &Path, running: &Config, stack: &StackInfo, local: bool) -> Result<usize> {
    let shipped = complete(File::load(file)?.config, running, Allowed::of(stack, local))?;
    Ok(changes(&serde_json::to_value(running)?, &serde_json::to_value(&shipped.config)?).len())
}

async fn ship(fleet: &Deployed<'_>, before: Option<&Stored>, json: &str) -> Result<()> {
    let progress = progress::for_people();
    let step = progress.step("configuration");
    let by = std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned());
    let number = roll_out(fleet, before, Wanted { json, at: Host.now(), by: &by }, &*step).await?;
    step.done(&format!("every function runs with version {number}"));
    Ok(())
}

/// Restarts functions that an interrupted apply left with the previous configuration.
async fn catch_up(fleet: &Deployed<'_>, before: Option<&Stored>) -> Result<bool> {
    let Some(Stored::Applied(current)) = before else { return Ok(false) };
    let progress = progress::for_people();
    let step = progress.step("configuration");
    let behind = rollout::catch_up(fleet, current, &*step).await?;
    step.done(&match behind.as_slice() {
        [] => format!("every function runs with version {}", current.number),
        behind => format!("brought to version {}: {}", current.number, behind.join(", ")),
    });
    Ok(!behind.is_empty())
}

fn text(changes: &[Change], paint: Paint) -> String {
    let lines = changes.iter().map(|Change { key, before, after }| match (before, after) {
        (Some(before), Some(after)) => format!("{} {key}: {before} → {after}", paint.warn("~")),
        (None, Some(after)) => format!("{} {key}: {after}", paint.good("+")),
        (Some(before), None) => format!("{} {key}: {before}", paint.bad("-")),
        (None, None) => String::new(),
    });
    let lines: Vec<String> = lines.collect();
    show::stacked(lines.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_lies_in_an_address_or_in_a_domain() {
        assert!(lies_in("a@b.example", "a@b.example") && lies_in("a@b.example", "b.example"));
        assert!(!lies_in("a@b.example", "c.example") && !lies_in("a@xb.example", "b.example"));
    }
}
