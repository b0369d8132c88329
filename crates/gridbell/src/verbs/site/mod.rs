//! `site`: what all active dispatches together mean for one site, meter or power feed.

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

/// Reads under way at once.
const AT_ONCE: usize = 16;

/// What can be asked about sites.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum SiteVerb {
    /// Lists the sites that are curtailed or will be, each in one row, however many dispatches overlap there.
    #[command(after_help = list::EXAMPLES)]
    List(list::List),
    /// Shows when one site is curtailed, until when, and which dispatch says how much.
    #[command(after_help = get::EXAMPLES)]
    Get(get::Get),
}

/// Does what is asked.
pub(crate) async fn run(verb: SiteVerb) -> Result<()> {
    match verb {
        SiteVerb::List(list) => list.run().await,
        SiteVerb::Get(get) => get.run().await,
    }
}

/// The records of a source, or of all, that are on and not over, but for those that are known already.
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
