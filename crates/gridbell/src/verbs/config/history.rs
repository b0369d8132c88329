//! `config history`: lists every applied version, and marks the running one.

use anyhow::Result;
use serde_json::json;

use crate::{
    console::Which,
    show::{self, Clockface, Output},
};

/// Arguments of `config history`.
#[derive(Debug, clap::Args)]
pub(crate) struct History {
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    which: Which,
}

impl History {
    pub(super) async fn run(self) -> Result<()> {
        let clock = Clockface::now(self.output.utc);
        let console = self.which.open().await?;
        let table = console.configurations();
        let current = table.current().await.map_err(|error| console.refusal(error))?;
        let current = current.map(|current| current.number());
        let heads = table.history().await.map_err(|error| console.refusal(error))?;
        if self.output.json {
            let versions: Vec<_> = heads
                .iter()
                .map(|head| {
                    json!({
                        "number": head.number, "current": Some(head.number) == current, "at": head.at, "by": head.by,
                        "digest": head.digest,
                    })
                })
                .collect();
            return show::json(&json!({"stack": console.name, "versions": versions}));
        }
        if heads.is_empty() {
            return show::line("no configuration was applied yet");
        }
        let rows = heads.iter().map(|head| {
            let number =
                if Some(head.number) == current { format!("{} (runs)", head.number) } else { head.number.to_string() };
            vec![number, clock.off(head.at), head.by.clone(), head.digest.chars().take(12).collect()]
        });
        show::screen(&show::table(&["version", "applied", "by", "digest"], &["by"], rows))
    }
}
