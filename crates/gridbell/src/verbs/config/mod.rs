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
#[cfg(test)]
pub(super) use check::sum;
pub(crate) use fleet::names;

/// What can be done with gridbell.toml.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ConfigVerb {
    /// Reads the file, says what is wrong with it, and sums it up without secrets.
    #[command(after_help = check::EXAMPLES)]
    Check {
        /// The configuration
        #[arg(long, value_name = "FILE", default_value = "gridbell.toml")]
        config: PathBuf,
        /// What `sam build` made: whether its functions run on the processor that they will have
        #[arg(long, value_name = "FOLDER")]
        build: Option<PathBuf>,
        /// That processor [default: the template's]
        #[arg(long, value_name = "NAME", requires = "build", value_parser = ["x86_64", "arm64"])]
        architecture: Option<String>,
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
        ConfigVerb::Check { config, build, architecture, json } => {
            if let Some(folder) = build {
                check::built(&folder, architecture.as_deref())?;
            }
            check::check(&config, json)
        }
        ConfigVerb::Apply(apply) => apply.run().await,
        ConfigVerb::History(history) => history.run().await,
    }
}
