//! Follows a test to its signal, in the stack's own tables.

use std::time::Duration;

use anyhow::{Result, bail};
use aws::dynamo::StoredJob;
use dispatch::Subject;
use jiff::Timestamp;
use pipeline::ports::Dispatches;

use crate::{endpoint::Opened, show};
use provider_server::times;

/// How often the tables are read.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Waits until the source publishes a signal about that subject; returns what was published.
pub(super) async fn to_signal(opened: &Opened, subject: &Subject, within: Duration) -> Result<()> {
    let table = opened.console.dispatches();
    let waiting = async {
        loop {
            let record = table.read(subject).await.map_err(|error| opened.console.refusal(error))?;
            if let Some(record) = record.filter(|record| record.outbox.is_empty() && !record.history.is_empty()) {
                return Ok::<_, anyhow::Error>(record);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    show::aside(&format!("waiting for the signal of {subject} …"));
    if let Ok(record) = tokio::time::timeout(within, waiting).await {
        let events: Vec<String> = record?.history.into_iter().map(|entry| entry.event.to_string()).collect();
        return show::line(&format!("Published for {subject}: {}", events.join(", ")));
    }
    let why = latest_failure(opened, Timestamp::MIN).await?;
    let why = why.unwrap_or_else(|| "no delivery of it has come".to_owned());
    bail!(
        "no signal of {subject} within {} s: {why}; `gridbell delivery list --source {}` shows more",
        within.as_secs(),
        opened.name
    )
}

/// Waits until a delivery received after `since` goes through; returns how.
pub(super) async fn to_delivery(opened: &Opened, since: Timestamp, within: Duration) -> Result<()> {
    let waiting = async {
        loop {
            let changed =
                opened.console.dispatches().last_changes().await.map_err(|error| opened.console.refusal(error))?;
            if changed.get(&opened.name).is_some_and(|at| *at > since) {
                return Ok::<_, anyhow::Error>(());
            }
            if let Some(failure) = latest_failure(opened, since).await? {
                bail!(
                    "a delivery came, and did not go through: {failure}; `gridbell delivery list --source {}` shows more",
                    opened.name
                );
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let most = match within.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    };
    show::aside(&format!("waiting up to {most} for the first delivery (Ctrl-C: leave it) …"));
    match tokio::time::timeout(within, waiting).await {
        Ok(came) => {
            came?;
            let after = times::now().duration_since(since).as_secs();
            show::line(&format!("The first delivery came after {after} s and went through: the hook works."))
        }
        Err(_) => bail!(
            "no delivery came within {} s; check the address that is registered, or wait longer with --wait",
            within.as_secs()
        ),
    }
}

/// The source's newest failure or quarantine since then, in words.
async fn latest_failure(opened: &Opened, since: Timestamp) -> Result<Option<String>> {
    let stored =
        opened.console.deliveries().all(Some(&opened.name)).await.map_err(|error| opened.console.refusal(error))?;
    let failures = stored.found.into_iter().map(|stored| match stored {
        StoredJob::Failing(failing) => {
            let why = failing.failures.last().map_or_else(String::new, |failure| failure.detail.clone());
            (failing.received_at, format!("delivery {} is being tried again: {why}", failing.delivery))
        }
        StoredJob::Quarantined(put) => {
            (put.received_at, format!("delivery {} was quarantined: {}", put.id, put.reason))
        }
    });
    Ok(failures.filter(|(at, _)| *at > since).max_by_key(|(at, _)| *at).map(|(_, text)| text))
}
