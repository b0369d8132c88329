//! `delivery`: what did not go through, and putting it in once more.

mod dead;
mod get;
mod list;
mod preview;
mod replay;
mod view;

use anyhow::Result;

use crate::console::Console;

pub use get::Contents;
pub(crate) use get::contents;
pub use preview::Preview;
pub use replay::Replayed;
pub(crate) use replay::{previews, replay};
pub(crate) use view::Chosen;
pub use view::{DeliveryKind, DeliveryView};

/// What can be done with deliveries.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum DeliveryVerb {
    /// Lists what fails and is being retried, what is quarantined, and dead letters, each with its reason.
    #[command(after_help = list::EXAMPLES)]
    List(list::List),
    /// Shows one of them with its raw body.
    #[command(after_help = get::EXAMPLES)]
    Get(get::Get),
    /// Puts deliveries in once more after a mend; shows first what would come of it.
    #[command(after_help = replay::EXAMPLES)]
    Replay(replay::Replay),
}

/// Does what is asked.
pub(crate) async fn run(verb: DeliveryVerb) -> Result<()> {
    match verb {
        DeliveryVerb::List(list) => list.run().await,
        DeliveryVerb::Get(get) => get.run().await,
        DeliveryVerb::Replay(replay) => replay.run().await,
    }
}

/// What lies in the dead-letter queues.
pub(crate) async fn dead_letters(console: &Console) -> Result<Vec<DeliveryView>> {
    Ok(dead::all(console).await?.iter().map(DeliveryView::from).collect())
}
