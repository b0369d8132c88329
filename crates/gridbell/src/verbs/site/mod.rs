//! `site`: shows the combined curtailment of one site, meter or power feed by all active dispatches.

mod get;
mod list;
mod view;

use anyhow::Result;
use dispatch::Subject;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use pipeline::{ports::Dispatches, record::SubjectRecord};

#[cfg(test)]
pub(super) use self::list::text as listed;
use crate::console::Console;

pub(crate) use view::{Site, asks, brief, segment, sites};

/// How many reads run in parallel.
const AT_ONCE: usize = 16;

/// The verbs of `site`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum SiteVerb {
    /// List sites that are curtailed now or later, one row per site, however many dispatches overlap.
    #[command(after_help = list::EXAMPLES)]
    List(list::List),
    /// Show when one site is curtailed, until when, and which dispatch governs.
    #[command(after_help = get::EXAMPLES)]
    Get(get::Get),
}

/// Runs the verb.
pub(crate) async fn run(verb: SiteVerb) -> Result<()> {
    match verb {
        SiteVerb::List(list) => list.run().await,
        SiteVerb::Get(get) => get.run().await,
    }
}

/// The records of a source, or of all, that are active and not over, without those already known.
pub(crate) async fn active(
    console: &Console,
    source: Option<&str>,
    is_known: impl Fn(&Subject) -> bool,
    now: Timestamp,
) -> Result<Vec<SubjectRecord>> {
    let config = console.config().await?;
    let sources: Vec<&str> = config.sources.keys().map(String::as_str).collect();
    let table = console.dispatches();
    let mut subjects: Vec<Subject> = Vec::new();
    for name in sources.into_iter().filter(|name| source.is_none_or(|source| source == *name)) {
        let active = table.active(name, now).await.map_err(|error| console.refusal(error))?;
        subjects.extend(active.into_iter().map(|active| active.subject).filter(|subject| !is_known(subject)));
    }
    let table = &table;
    let reads = stream::iter(subjects).map(|subject| async move { table.read(&subject).await });
    let records: Vec<Option<SubjectRecord>> =
        reads.buffered(AT_ONCE).try_collect().await.map_err(|error| console.refusal(error))?;
    let records: Vec<SubjectRecord> = records.into_iter().flatten().collect();
    Ok(records)
}
