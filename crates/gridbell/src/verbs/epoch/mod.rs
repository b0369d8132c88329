//! `epoch`: under which numbering signals are published, and a new one after a restore.

mod begin;

use anyhow::Result;
use serde_json::json;

use crate::{console::Which, show};

/// What can be done with the epoch of a stack.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum EpochVerb {
    /// Shows the epoch that signals bear.
    #[command(after_help = "Examples:\n  gridbell epoch get\n  gridbell epoch get --json --stack gridbell")]
    Get(Get),
    /// Begins a new epoch, after the table of dispatches was restored: every active dispatch is published once more.
    #[command(after_help = begin::EXAMPLES)]
    Begin(begin::Begin),
}

/// How `epoch get` is called.
#[derive(Debug, clap::Args)]
pub(crate) struct Get {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    which: Which,
}

/// Does what is asked.
pub(crate) async fn run(verb: EpochVerb) -> Result<()> {
    match verb {
        EpochVerb::Get(get) => get.run().await,
        EpochVerb::Begin(begin) => begin.run().await,
    }
}

impl Get {
    async fn run(self) -> Result<()> {
        let console = self.which.open().await?;
        let epoch = console.dispatches().stored_epoch().await.map_err(|error| console.refusal(error))?;
        let text = epoch.map(|epoch| epoch.to_string());
        if self.json {
            return show::json(&json!({"epoch": text}));
        }
        show::line(text.as_deref().unwrap_or("none yet: the first signal begins it"))
    }
}
