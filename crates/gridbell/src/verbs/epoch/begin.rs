//! `epoch begin`.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use aws::{host::Host, ports::AwsPorts};
use dispatch::Epoch;
use futures_util::{StreamExt, stream};
use pipeline::{health::sweep::Sweep, hydrate::publish, ports::Clock, trace::Hop};
use serde_json::json;
use stack_client::{Functions, Mapping};
use tokio::time::{Instant, sleep};

use crate::{
    console::{Console, Which},
    progress::{self, Step},
    show::{self, Paint},
    verbs::config,
};

pub(super) const EXAMPLES: &str = "\
After a restore the tables know less than the consumers, whose highest sequences belong to versions that the tables have
forgotten. A new epoch says so on every signal. The queues are not read meanwhile, and the functions are restarted; webhooks are
still accepted. Ask the providers to send again what they sent since an hour before the restored point; Voltus and Leap are polled.

Examples:
  gridbell epoch begin --stack gridbell --profile duty
  gridbell epoch begin --yes                              the local stack, without asking";

/// The queues that functions read.
const READ: [&str; 4] = ["deliveries", "retries", "alerts", "reviews"];

/// Longer than any invocation.
const IN_FLIGHT: Duration = Duration::from_secs(30);

/// Limit for Lambda to switch a mapping; it needs about a minute.
const SWITCHING: Duration = Duration::from_mins(5);

/// How many records are brought into the new epoch in parallel.
const AT_ONCE: usize = 8;

/// How often progress is checked.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Arguments of `epoch begin`.
#[derive(Debug, clap::Args)]
pub(crate) struct Begin {
    /// Begin without asking
    #[arg(long)]
    yes: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    which: Which,
}

impl Begin {
    pub(super) async fn run(self) -> Result<()> {
        let console = self.which.open().await?;
        let table = console.dispatches();
        let before = table.stored_epoch().await.map_err(|error| console.refusal(error))?;
        let what = format!("every active dispatch of {} would be published once more, under a new epoch", console.name);
        show::consent(self.yes, &what)?;
        let functions = console.functions();
        let queues: Vec<&str> = READ.iter().filter_map(|name| console.queue_name(name)).collect();
        let mappings = functions.mappings(&queues).await.map_err(|error| console.refusal(error))?;
        if mappings.is_empty() {
            bail!("no function reads the queues of {}: is it a stack of gridbell?", console.name);
        }
        let progress = progress::for_people();
        let step = progress.step("new epoch");
        let begun = begin(&console, &functions, &mappings, &*step).await;
        step.at("the queues are read again");
        switch(&functions, &mappings, true).await.with_context(|| {
            format!("the mappings of {} are disabled still: run this command once more", console.name)
        })?;
        let Begun { epoch, records, sending, left } = begun?;
        step.done(&format!("epoch {epoch}: {sending} dispatches are published once more"));
        if left > 0 {
            progress.note(&format!("{left} of them could not be sent yet: the sweep sends them, a hundred a minute"));
        }
        if self.json {
            let before = before.map(|epoch| epoch.to_string());
            return show::json(&json!({
                "before": before, "epoch": epoch.to_string(), "records": records, "published_again": sending, "unsent": left,
            }));
        }
        show::line(&Paint::stdout().good(&format!("{} publishes under epoch {epoch}", console.name)))
    }
}

/// The result.
struct Begun {
    epoch: Epoch,
    /// How many records were brought into the epoch.
    records: usize,
    /// How many subjects are published again.
    sending: usize,
    /// How many of those could not be sent yet.
    left: usize,
}

async fn begin(console: &Console, functions: &Functions, mappings: &[Mapping], step: &dyn Step) -> Result<Begun> {
    step.at("the queues are not read any more");
    switch(functions, mappings, false).await?;
    settle(console).await?;
    let epoch = console.dispatches().begin_epoch(Host.now()).await.map_err(|error| console.refusal(error))?;
    step.at("the functions are restarted");
    let stack = console.cloudformation().describe(&console.name).await.map_err(|error| console.refusal(error))?;
    config::renew(console, &stack, &format!("gridbell, epoch {epoch}"), step).await?;
    let (config, job_queue) = (console.config().await?, console.inner());
    let signals = console.signals();
    // A new handle, which has no epoch yet.
    let table = console.dispatches();
    let sweep =
        Sweep::<AwsPorts> { config: &config, table: &table, stream: &signals, job_queue: &job_queue, host: &Host };
    let records = table.all_records().await.map_err(|error| console.refusal(error))?;
    if let Some(unreadable) = records.unreadable.first() {
        bail!("{} records cannot be read, and belong to no epoch: {unreadable}", records.unreadable.len());
    }
    let total = records.found.len() as u64;
    let bring = records.found.into_iter().map(async |record| {
        let known = record.state.epoch;
        let record = sweep.in_current_epoch(record).await.map_err(|error| console.refusal(error))?;
        // The sweep sends only a hundred a minute, too slow for a near dispatch. It sends what cannot be sent here.
        let sent = publish(&table, &signals, &record, Hop::after(record.traceparent, &Host)).await;
        Ok::<_, anyhow::Error>((record.state.epoch > known, !record.outbox.is_empty(), sent.is_err()))
    });
    let mut brought = stream::iter(bring).buffer_unordered(AT_ONCE);
    let mut begun = Begun { epoch, records: 0, sending: 0, left: 0 };
    while let Some(one) = brought.next().await {
        let (is_new, sends, is_left) = one?;
        begun.records += usize::from(is_new);
        begun.sending += usize::from(sends);
        begun.left += usize::from(is_left);
        step.count(begun.records as u64, total);
    }
    Ok(begun)
}

async fn switch(functions: &Functions, mappings: &[Mapping], enabled: bool) -> Result<()> {
    for mapping in mappings {
        functions.enable(mapping, enabled).await?;
    }
    let queues: Vec<&str> = mappings.iter().map(Mapping::queue).collect();
    let wanted = if enabled { "Enabled" } else { "Disabled" };
    until(SWITCHING, async || {
        let now = functions.mappings(&queues).await?;
        Ok(now.iter().all(|mapping| mapping.state == wanted))
    })
    .await
}

/// Waits until no message is in flight, or no invocation can still run.
async fn settle(console: &Console) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < IN_FLIGHT {
        let mut in_hand = 0;
        for url in READ.iter().filter_map(|name| console.queues.get(*name)) {
            in_hand += console.counting().counts(url).await.map_err(|error| console.refusal(error))?.in_hand;
        }
        if in_hand == 0 {
            return Ok(());
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

async fn until(most: Duration, is_so: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !is_so().await? {
        if began.elapsed() > most {
            bail!(
                "AWS has not done it within {} minutes: look at the functions and run this command once more",
                most.as_secs() / 60
            );
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}
