//! `config`: checks and applies gridbell.toml.

mod apply;
mod check;
mod diff;
mod fleet;
mod history;
mod outputs;
mod renewal;
mod rollout;
#[cfg(test)]
mod rollout_tests;
mod shipped;

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    console::{Console, StackInfo},
    progress::Step,
};

pub(crate) use apply::differences;
#[cfg(test)]
pub(super) use check::sum;
pub(crate) use fleet::names;

/// The verbs of `config`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ConfigVerb {
    /// Read the file, show all mistakes at once, and summarize it without secrets.
    #[command(after_help = check::EXAMPLES)]
    Check {
        /// Configuration file
        #[arg(long, value_name = "FILE", default_value = "gridbell.toml")]
        config: PathBuf,
        /// Also report what only a deployment needs: keys in SSM, a token for each source, [acks], [contacts]
        #[arg(long)]
        deploy: bool,
        /// Folder made by `sam build`, or template of a release: also check that its functions run on the target processor
        #[arg(long, value_name = "PATH")]
        build: Option<PathBuf>,
        /// Target processor [default: the template's]
        #[arg(long, value_name = "NAME", requires = "build", value_parser = ["x86_64", "arm64"])]
        architecture: Option<String>,
        /// Print the summary as JSON
        #[arg(long)]
        json: bool,
    },
    /// Apply the file to a running stack: show the changes, ask, and wait until every function runs with it.
    #[command(after_help = apply::EXAMPLES)]
    Apply(apply::Apply),
    /// List every applied version, and mark the running one.
    #[command(after_help = "Examples:\n  gridbell config history\n  gridbell config history --json --stack gridbell")]
    History(history::History),
}

/// Replaces the processes of all functions of a stack; `why` is shown in Lambda's console.
pub(crate) async fn renew(console: &Console, stack: &StackInfo, why: &str, step: &dyn Step) -> Result<()> {
    Ok(renewal::all(&fleet::Deployed::new(console, stack), why, step).await?)
}

/// Runs the verb.
pub(crate) async fn run(verb: ConfigVerb) -> Result<()> {
    match verb {
        ConfigVerb::Check { config, deploy, build, architecture, json } => {
            if let Some(folder) = build {
                check::built(&folder, architecture.as_deref())?;
            }
            check::check(&config, deploy, json)
        }
        ConfigVerb::Apply(apply) => apply.run().await,
        ConfigVerb::History(history) => history.run().await,
    }
}
