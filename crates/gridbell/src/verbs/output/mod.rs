//! `output`: shows where signals are delivered, tests an output, and replays what one did not take.

mod list;
mod replay;
mod test;
mod view;

use anyhow::{Context, Result};
use aws::{dynamo::OutputsTable, sqs::OutputsQueue};
use pipeline::config::Config;

use crate::console::Console;

pub use replay::{ReplayedSignal, SignalPreview};
pub(crate) use replay::{kept, previews as replay_previews, replay};
pub(crate) use test::{asks as test_asks, test, words as test_words};
pub use view::{OutputStatus, OutputView, SignalCount};
pub(crate) use view::{target, views, wants};

/// The verbs of `output`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum OutputVerb {
    /// List outputs: where each is, what it gets, whether it takes signals, what waits for it.
    #[command(after_help = list::EXAMPLES)]
    List(list::List),
    /// Let the courier send an output a test event now, and show the answer.
    #[command(after_help = test::EXAMPLES)]
    Test(test::Test),
    /// Deliver the signals that an output did not take after all; first show what each replay would do.
    #[command(after_help = replay::EXAMPLES)]
    Replay(replay::Replay),
}

/// Runs the verb.
pub(crate) async fn run(verb: OutputVerb) -> Result<()> {
    match verb {
        OutputVerb::List(list) => list.run().await,
        OutputVerb::Test(test) => test.run().await,
        OutputVerb::Replay(replay) => replay.run().await,
    }
}

/// What the courier of a stack reads.
pub(crate) struct CourierSide {
    /// The table `outputs`.
    pub(crate) table: OutputsTable,
    /// The queue `outputs`.
    pub(crate) queue: OutputsQueue,
}

impl CourierSide {
    /// # Errors
    /// In one line: the stack has no courier.
    pub(crate) fn of(console: &Console) -> Result<Self> {
        let parts = console.outputs().zip(console.outputs_queue());
        let (table, queue) = parts.with_context(|| {
            format!("{} has no courier, which delivers to outputs; deploy it with Courier=on", console.name)
        })?;
        Ok(Self { table, queue })
    }
}

/// Refuses a name that is no output of the configuration (exit status 2).
fn known(config: &Config, name: &str) -> Result<()> {
    if config.outputs.contains_key(name) {
        return Ok(());
    }
    let there = match config.outputs.keys().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => "it has none".to_owned(),
        names => format!("it has {}", names.join(", ")),
    };
    Err(crate::usage::error(format!("there is no output {} in this stack; {there}", crate::show::name(name))))
}
