//! `alert`: what people are told, and taking it on.

mod list;

use anyhow::Result;

/// What can be done with incidents.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum AlertVerb {
    /// Lists incidents, the open ones first.
    #[command(after_help = list::EXAMPLES)]
    List(list::List),
}

/// Does what is asked.
pub(crate) async fn run(verb: AlertVerb) -> Result<()> {
    match verb {
        AlertVerb::List(list) => list.run().await,
    }
}
