//! `alert`: what people are notified of, and acknowledging it.

mod ack;
mod list;
mod snooze;
mod view;

use anyhow::Result;

pub(crate) use ack::acknowledge;
pub(crate) use list::ordered;

/// What can be done with incidents.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum AlertVerb {
    /// Lists incidents, the open ones first.
    #[command(after_help = list::EXAMPLES)]
    List(list::List),
    /// Acknowledges an incident: no more reminders of it, and no escalation.
    #[command(after_help = ack::EXAMPLES)]
    Ack(ack::Ack),
    /// Has an incident wait: no reminders and no escalation for a while, then again.
    #[command(after_help = snooze::EXAMPLES)]
    Snooze(snooze::Snooze),
}

/// Does what is asked.
pub(crate) async fn run(verb: AlertVerb) -> Result<()> {
    match verb {
        AlertVerb::List(list) => list.run().await,
        AlertVerb::Ack(ack) => ack.run().await,
        AlertVerb::Snooze(snooze) => snooze.run().await,
    }
}
