//! `dispatch`: what is coming, what is on, what became of it, and answering for a controller.

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

/// What can be done with dispatches.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum DispatchVerb {
    /// Lists what is running and coming, the most urgent first, and what is over since yesterday.
    #[command(after_help = list::EXAMPLES)]
    List(list::List),
    /// Shows one dispatch: what is asked of which sites, and how far it is.
    #[command(after_help = get::EXAMPLES)]
    Get(get::Get),
    /// Shows the timeline of a dispatch (or of a meter, a power event): every step, in order, with its reason.
    #[command(after_help = timeline::EXAMPLES)]
    Timeline(timeline::TimelineArgs),
    /// Acknowledges a dispatch, as its controller would.
    #[command(after_help = ack::EXAMPLES)]
    Ack(ack::Ack),
}

/// Does what is asked.
pub(crate) async fn run(verb: DispatchVerb) -> Result<()> {
    match verb {
        DispatchVerb::List(list) => list.run().await,
        DispatchVerb::Get(get) => get.run().await,
        DispatchVerb::Timeline(timeline) => timeline.run().await,
        DispatchVerb::Ack(ack) => ack.run().await,
    }
}

/// The stored record of a key.
pub(crate) async fn record(console: &Console, key: &str) -> Result<SubjectRecord> {
    let read = console.dispatches().read(&Subject::from_stored(key)).await;
    match read.map_err(|error| console.refusal(error))? {
        Some(record) => Ok(record),
        None => bail!("there is no dispatch {}: `gridbell dispatch list --all` names those that there are", name(key)),
    }
}
