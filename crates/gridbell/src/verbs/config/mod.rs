//! `config`: gridbell.toml, checked and shipped.

mod apply;
mod check;
mod diff;
mod fleet;
mod history;
mod rollout;
#[cfg(test)]
mod rollout_tests;
mod shipped;

use std::path::PathBuf;

use anyhow::Result;

pub(crate) use apply::differences;
pub(crate) use fleet::names;

/// What can be done with gridbell.toml.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ConfigVerb {
    /// Reads the file, says what is wrong with it, and sums it up without secrets.
    #[command(after_help = "Example:\n  gridbell config check --config gridbell.toml")]
    Check {
        /// The configuration
        #[arg(long, value_name = "FILE", default_value = "gridbell.toml")]
        config: PathBuf,
        /// Print the summary as JSON
        #[arg(long)]
        json: bool,
    },
    /// Ships the file to a stack that runs: shows what changes, asks, and waits until every function runs with it.
    #[command(after_help = apply::EXAMPLES)]
    Apply(apply::Apply),
    /// Lists every version that was applied, and which one runs.
    #[command(after_help = "Examples:\n  gridbell config history\n  gridbell config history --json --stack gridbell")]
    History(history::History),
}

/// Does what is asked.
pub(crate) async fn run(verb: ConfigVerb) -> Result<()> {
    match verb {
        ConfigVerb::Check { config, json } => check::check(&config, json),
        ConfigVerb::Apply(apply) => apply.run().await,
        ConfigVerb::History(history) => history.run().await,
    }
}
