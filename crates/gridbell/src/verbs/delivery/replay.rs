//! `delivery replay`.

use std::fmt;

use anyhow::{Result, bail};
use aws::host::Host;
use jiff::Timestamp;
use pipeline::{
    job::Job,
    messages::ToHydrate,
    ports::{JobQueue, Random},
};
use serde::Serialize;
use serde_json::json;

use super::{
    get::{Found, find},
    preview::{Preview, preview},
    view::{Chosen, DeliveryKind},
};
use crate::{
    argument::Key,
    console::{Console, Which},
    show::{self, Clockface, Output, Paint},
};

pub(super) const EXAMPLES: &str = "\
A replay is a delivery of its own, with a new id: it is read, fetched and merged like any other, so it never curtails what is
over or cancelled. What has been replayed before is left out of a choice by filter. A dead letter that is no delivery (a deadline,
a condition of which people may have to be notified) goes back into its queue as it is.

Examples:
  gridbell delivery replay 0195f2c4-7a3e-7c55-9b1e-2f6f0a4d8e11 --dry-run
  gridbell delivery replay --source leap-prod --since 24h          shows, and asks
  gridbell delivery replay --kind dead-letter                      what lies in the dead-letter queues
  gridbell delivery replay --all --yes --stack gridbell            after a mend, without asking";

/// The prefix of the ids of scheduled retries.
const BOOKING: &str = "retry#";

/// Arguments of `delivery replay`.
#[derive(Debug, clap::Args)]
pub(crate) struct Replay {
    /// Id, as `delivery list` shows it; may be repeated
    #[arg(value_name = "ID", value_parser = Key::shown_by("gridbell delivery list"), conflicts_with_all = ["source", "kind", "since", "all"])]
    ids: Vec<String>,
    #[command(flatten)]
    chosen: Chosen,
    /// Replay everything that is quarantined
    #[arg(long)]
    all: bool,
    /// Show what each replay would do, without doing it; without a terminal, only this and --yes succeed
    #[arg(long)]
    dry_run: bool,
    /// Replay without asking
    #[arg(long, visible_alias = "no-dry-run", conflicts_with = "dry_run")]
    yes: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    which: Which,
}

impl Replay {
    pub(super) async fn run(self) -> Result<()> {
        let filtered = self.chosen.source.is_some() || self.chosen.kind.is_some() || self.chosen.since.is_some();
        if self.ids.is_empty() && !filtered && !self.all {
            return Err(crate::usage::error(
                "say which: an ID, a filter (--source, --kind, --since), or --all".to_owned(),
            ));
        }
        let clock = Clockface::now(self.output.utc);
        self.chosen.of(Vec::new(), clock.now)?;
        let console = self.which.open().await?;
        let works = planned(&console, &self.ids(&console, clock.now).await?, &clock).await?;
        let possible = works.iter().filter(|(preview, _)| preview.possible).count();
        if !self.output.json {
            show::screen(&text(&works, Paint::stdout()))?;
        }
        let goes = possible > 0 && !self.dry_run && (self.yes || (!self.output.json && show::can_ask()));
        if goes {
            show::consent(self.yes, &format!("{possible} would go in once more"))?;
        }
        let replayed = if goes { put_all_in(&console, &works, clock.now).await? } else { Vec::new() };
        self.tell(&works, &replayed, goes)?;
        if possible < works.len() && !self.ids.is_empty() {
            bail!("{} of {} cannot be replayed", works.len() - possible, works.len());
        }
        if replayed.is_empty() && !self.dry_run {
            bail!(if possible == 0 { "nothing was replayed" } else { "nothing was replayed; --yes does it" });
        }
        Ok(())
    }

    async fn ids(&self, console: &Console, now: Timestamp) -> Result<Vec<String>> {
        if !self.ids.is_empty() {
            return Ok(self.ids.clone());
        }
        // Failing deliveries are retried automatically, and dead letters need a fix first, so neither is a default.
        let kind = self.chosen.kind.unwrap_or(DeliveryKind::Quarantined);
        let chosen = Chosen { kind: Some(kind), ..self.chosen.clone() };
        let (views, _) = chosen.find(console, now).await?;
        Ok(views.into_iter().filter(|view| view.replayed_as.is_none()).map(|view| view.id).collect())
    }

    fn tell(&self, works: &[(Preview, Found)], replayed: &[Replayed], went: bool) -> Result<()> {
        if self.output.json {
            let previews: Vec<&Preview> = works.iter().map(|(preview, _)| preview).collect();
            return show::json(&json!({"dry_run": !went, "plans": previews, "replayed": replayed}));
        }
        if works.is_empty() {
            return show::line("nothing to replay");
        }
        if !went {
            return if self.dry_run { show::line("a dry run: nothing was replayed; --yes does it") } else { Ok(()) };
        }
        for one in replayed {
            show::line(&format!("{} {one}", Paint::stdout().good("✓")))?;
        }
        Ok(())
    }
}

/// A replayed delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// The id that was replayed.
    pub id: String,
    /// The id of the new delivery; the same id if the message was returned to its queue unchanged.
    pub delivery: String,
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, delivery } = self;
        if id == delivery {
            write!(f, "{id} went back into its queue")
        } else {
            write!(f, "{id} went in again as {delivery}")
        }
    }
}

/// What the replay of each would do.
///
/// # Errors
/// In one line: one of the ids is unknown, or AWS refused.
pub(crate) async fn previews(console: &Console, ids: &[String], clock: &Clockface) -> Result<Vec<Preview>> {
    Ok(planned(console, ids, clock).await?.into_iter().map(|(preview, _)| preview).collect())
}

/// Replays those that can be replayed.
///
/// # Errors
/// As for [`previews`].
pub(crate) async fn replay(console: &Console, ids: &[String], clock: &Clockface) -> Result<Vec<Replayed>> {
    let works = planned(console, ids, clock).await?;
    put_all_in(console, &works, clock.now).await
}

async fn planned(console: &Console, ids: &[String], clock: &Clockface) -> Result<Vec<(Preview, Found)>> {
    let config = console.config().await?;
    let mut works = Vec::with_capacity(ids.len());
    for id in ids {
        let found = find(console, id).await?;
        works.push((preview(console, &config, &found, clock).await?, found));
    }
    Ok(works)
}

async fn put_all_in(console: &Console, works: &[(Preview, Found)], now: Timestamp) -> Result<Vec<Replayed>> {
    let mut replayed = Vec::new();
    for (preview, found) in works.iter().filter(|(preview, _)| preview.possible) {
        let id = preview.id.clone();
        replayed.push(Replayed { delivery: put_in(console, &id, found, now).await?, id });
    }
    Ok(replayed)
}

/// Replays as a new delivery: received now, under a new id, without failures. Anything else is returned unchanged.
async fn put_in(console: &Console, id: &str, found: &Found, now: Timestamp) -> Result<String> {
    let Some(job) = &found.job else {
        if let Some(dead) = &found.dead {
            dead.put_back(console, None).await?;
        }
        return Ok(id.to_owned());
    };
    let delivery = Host.unique();
    let fresh = Job { delivery: delivery.clone(), received_at: now, attempt: 0, failures: Vec::new(), ..job.clone() };
    if let Some(dead) = &found.dead {
        dead.put_back(console, Some(&fresh)).await?;
        return Ok(delivery);
    }
    console.inner().deliver(ToHydrate::Job(fresh), 0).await.map_err(|error| console.refusal(error))?;
    // A scheduled retry is removed when its own attempt succeeds.
    if !id.starts_with(BOOKING) {
        console.deliveries().replayed(id, &delivery, now).await.map_err(|error| console.refusal(error))?;
    }
    Ok(delivery)
}

fn text(works: &[(Preview, Found)], paint: Paint) -> String {
    let rows = works.iter().map(|(preview, _)| {
        let outcome = show::stacked(preview.outcome.iter().map(String::as_str));
        let outcome = if preview.possible { outcome } else { paint.bad(&outcome) };
        vec![preview.id.clone(), preview.source.clone(), outcome]
    });
    if works.is_empty() {
        String::new()
    } else {
        show::table(&["delivery", "source", "what would come of it"], &["what would come of it"], rows)
    }
}
