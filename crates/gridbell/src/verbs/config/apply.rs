//! `config apply`.

use std::{path::PathBuf, time::Duration};

use anyhow::{Result, bail};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{
    diff::{Change, changes},
    shipped::{Shipped, complete},
};
use crate::{
    config::Config,
    console::{Console, Place, StackInfo, Which},
    progress,
    show::{self, Paint},
};

pub(super) const EXAMPLES: &str = "\
What the file leaves open stays as it runs: the tokens of sources that name none, [acks], [contacts]. A new source without a
token gets one, whose address is printed once.

Examples:
  gridbell config apply --stack gridbell --profile duty --dry-run
  gridbell config apply --stack gridbell --profile duty
  gridbell config apply                                   to the local stack, which keeps its data";

/// An update of four functions takes a minute or two.
const UPDATING: Duration = Duration::from_mins(15);

/// How `config apply` is called.
#[derive(Debug, clap::Args)]
pub(crate) struct Apply {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "gridbell.toml")]
    config: PathBuf,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do it without asking
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Print what changes as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    which: Which,
}

impl Apply {
    pub(super) async fn run(self) -> Result<()> {
        let file = Config::load(&self.config)?;
        let console = Console::open(&self.which).await?;
        let stack = console.cloudformation().describe(&console.name).await.map_err(|error| console.refusal(error))?;
        let running = stack.config()?;
        let local = matches!(console.place, Place::Local { .. });
        let secrets = stack.parameters.get("SecretsPrefix").map(String::as_str);
        let shipped = complete(&file, &running, local, secrets)?;
        let mut changes = changes(&serde_json::to_value(&running)?, &serde_json::to_value(&shipped.config)?);
        let values = values(&stack, &shipped, &mut changes);
        if !self.json {
            show::screen(&text(&changes, Paint::stdout()))?;
        }
        let go = !changes.is_empty() && !self.dry_run;
        if go {
            show::consent(self.yes, &format!("the configuration of {} would change", console.name))?;
            ship(&console, &stack, &values).await?;
        }
        self.tell(&console, &shipped, &changes, go)
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
            (true, _) => show::line("this is what runs already"),
            (false, true) => show::line(&Paint::stdout().good(&format!("{} runs it", console.name))),
            (false, false) => show::line("nothing was changed"),
        }
    }
}

/// The parameters that get another value. The sender is one of its own, since a role names it.
fn values(stack: &StackInfo, shipped: &Shipped, changes: &mut Vec<Change>) -> Vec<(&'static str, String)> {
    let mut values = vec![("Config", shipped.json.clone())];
    let from = &shipped.config.contacts.from;
    if let Some(sender) = stack.parameters.get("MailFrom").filter(|sender| !lies_in(from, sender)) {
        changes.push(Change { key: "MailFrom".to_owned(), before: Some(sender.clone()), after: Some(from.clone()) });
        values.push(("MailFrom", from.clone()));
    }
    values
}

/// An identity is an address, or a domain with all that lies in it.
fn lies_in(address: &str, identity: &str) -> bool {
    address == identity || address.rsplit_once('@').is_some_and(|(_, domain)| domain == identity)
}

async fn ship(console: &Console, stack: &StackInfo, values: &[(&'static str, String)]) -> Result<()> {
    let progress = progress::for_people();
    let step = progress.step("configuration");
    step.at("hands it to CloudFormation");
    let cloudformation = console.cloudformation();
    match cloudformation.update_parameters(stack, values).await {
        Err(error) if error.is_no_change() => return Ok(()),
        other => other.map_err(|error| console.refusal(error))?,
    }
    let pause = if matches!(console.place, Place::Local { .. }) { 100 } else { 2_000 };
    let deadline = Instant::now() + UPDATING;
    loop {
        sleep(Duration::from_millis(pause)).await;
        let now = cloudformation.describe(&console.name).await.map_err(|error| console.refusal(error))?;
        match now.status.as_str() {
            "UPDATE_COMPLETE" | "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" => {
                step.done("the functions run with it");
                return Ok(());
            }
            "UPDATE_IN_PROGRESS" if Instant::now() < deadline => step.at("waits for the functions"),
            "UPDATE_IN_PROGRESS" => bail!(
                "the update still goes on after {} min; look at the stack in the console",
                UPDATING.as_secs() / 60
            ),
            status => bail!("the update failed ({status}): {}; what ran before runs on", now.reason),
        }
    }
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
