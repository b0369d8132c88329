//! `alert`: what people are told, and taking it on.

mod ack;
mod list;

use anyhow::Result;

/// What can be done with incidents.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum AlertVerb {
    /// Lists incidents, the open ones first.
    #[command(after_help = list::EXAMPLES)]
    List(list::List),
    /// Takes an incident on: no more reminders of it.
    #[command(after_help = ack::EXAMPLES)]
    Ack(ack::Ack),
}

/// Does what is asked.
pub(crate) async fn run(verb: AlertVerb) -> Result<()> {
    match verb {
        AlertVerb::List(list) => list.run().await,
        AlertVerb::Ack(ack) => ack.run().await,
    }
}
