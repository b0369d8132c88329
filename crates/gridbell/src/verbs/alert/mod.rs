//! `alert`: lists incidents, acknowledges and snoozes them.

mod ack;
mod list;
mod snooze;
mod view;

use anyhow::Result;

pub(crate) use ack::acknowledge;
pub(crate) use list::ordered;
pub(crate) use snooze::{Snoozing, snooze, snooze_span};

/// The verbs of `alert`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum AlertVerb {
    /// List incidents, open ones first.
    #[command(after_help = list::EXAMPLES)]
    List(list::List),
    /// Acknowledge an incident: stop its reminders and its escalation.
    #[command(after_help = ack::EXAMPLES)]
    Ack(ack::Ack),
    /// Snooze an incident: pause its reminders and its escalation for a while.
    #[command(after_help = snooze::EXAMPLES)]
    Snooze(snooze::Snooze),
}

/// Runs the verb.
pub(crate) async fn run(verb: AlertVerb) -> Result<()> {
    match verb {
        AlertVerb::List(list) => list.run().await,
        AlertVerb::Ack(ack) => ack.run().await,
        AlertVerb::Snooze(snooze) => snooze.run().await,
    }
}
