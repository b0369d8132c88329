//! `epoch`: shows the epoch of the published signals, and begins a new one after a restore.

mod begin;

use anyhow::Result;
use serde_json::json;

use crate::{console::Which, show};

/// The verbs of `epoch`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum EpochVerb {
    /// Show the epoch of the signals.
    #[command(after_help = "Examples:\n  gridbell epoch get\n  gridbell epoch get --json --stack gridbell")]
    Get(Get),
    /// Begin a new epoch after a restore of the dispatches table: publish every active dispatch again.
    #[command(after_help = begin::EXAMPLES)]
    Begin(begin::Begin),
}

/// Arguments of `epoch get`.
#[derive(Debug, clap::Args)]
pub(crate) struct Get {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    which: Which,
}

/// Runs the verb.
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
