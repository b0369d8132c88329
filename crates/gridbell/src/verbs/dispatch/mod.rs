//! `dispatch`: shows upcoming, running and past dispatches, and acknowledges one for its controller.

mod ack;
mod get;
mod list;
mod step;
#[cfg(test)]
mod tests;
mod timeline;
mod view;

use anyhow::{Result, bail};
use dispatch::Subject;
use pipeline::{ports::Dispatches, record::SubjectRecord};

#[cfg(test)]
pub(super) use self::list::text as listed;
use crate::{console::Console, show::name};

pub(crate) use ack::acknowledge;
pub(crate) use list::ordered;
pub(crate) use step::{Event, Known, Step};
pub(crate) use timeline::steps;
pub(crate) use view::{DispatchView, Phase, phase};

/// The verbs of `dispatch`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum DispatchVerb {
    /// List running and upcoming dispatches, most urgent first, and those that ended since yesterday.
    #[command(after_help = list::EXAMPLES)]
    List(list::List),
    /// Show one dispatch: what it requests of which sites, and its progress.
    #[command(after_help = get::EXAMPLES)]
    Get(get::Get),
    /// Show the timeline of a dispatch (or of a meter or a power event): every step, in order, with its reason.
    #[command(after_help = timeline::EXAMPLES)]
    Timeline(timeline::TimelineArgs),
    /// Acknowledge a dispatch as its controller would.
    #[command(after_help = ack::EXAMPLES)]
    Ack(ack::Ack),
}

/// Runs the verb.
pub(crate) async fn run(verb: DispatchVerb) -> Result<()> {
    match verb {
        DispatchVerb::List(list) => list.run().await,
        DispatchVerb::Get(get) => get.run().await,
        DispatchVerb::Timeline(timeline) => timeline.run().await,
        DispatchVerb::Ack(ack) => ack.run().await,
    }
}

/// The stored record of a subject.
pub(crate) async fn record(console: &Console, key: &str) -> Result<SubjectRecord> {
    let read = console.dispatches().read(&Subject::from_stored(key)).await;
    match read.map_err(|error| console.refusal(error))? {
        Some(record) => Ok(record),
        None => bail!("there is no dispatch {}: `gridbell dispatch list --all` names those that there are", name(key)),
    }
}
