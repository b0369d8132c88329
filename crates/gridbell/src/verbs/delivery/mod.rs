//! `delivery`: shows deliveries that did not go through, and replays them.

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

/// The verbs of `delivery`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum DeliveryVerb {
    /// List failing deliveries that are retried, quarantined ones, and dead letters, each with its reason.
    #[command(after_help = list::EXAMPLES)]
    List(list::List),
    /// Show one of them with its raw body.
    #[command(after_help = get::EXAMPLES)]
    Get(get::Get),
    /// Replay deliveries after the cause is fixed; first show what each replay would do.
    #[command(after_help = replay::EXAMPLES)]
    Replay(replay::Replay),
}

/// Runs the verb.
pub(crate) async fn run(verb: DeliveryVerb) -> Result<()> {
    match verb {
        DeliveryVerb::List(list) => list.run().await,
        DeliveryVerb::Get(get) => get.run().await,
        DeliveryVerb::Replay(replay) => replay.run().await,
    }
}

/// All dead letters.
pub(crate) async fn dead_letters(console: &Console) -> Result<Vec<DeliveryView>> {
    Ok(dead::all(console).await?.iter().map(DeliveryView::from).collect())
}
