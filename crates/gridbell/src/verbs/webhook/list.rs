//! `webhook list`.

use anyhow::Result;
use serde_json::Value;

use super::{AboutHook, nvgrid, registrar};
use crate::{
    endpoint::{HookAddress, Opened},
    show,
};

/// Arguments of `webhook list`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    hook: AboutHook,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) asking: nvgrid::Asking,
}

impl List {
    pub(super) async fn run(self) -> Result<()> {
        let opened = self.hook.about.open().await?;
        self.asking.is_for(opened.provider)?;
        registrar::of(&opened).list(&self, &opened).await
    }

    /// The source's own hook, if known.
    pub(super) async fn endpoint(&self, opened: &Opened) -> Option<HookAddress> {
        opened.endpoint(&self.hook.place).await.ok()
    }

    /// Shows what is registered.
    pub(super) fn show(&self, opened: &Opened, rows: &[Value]) -> Result<()> {
        if self.json {
            return show::json(&rows);
        }
        if rows.is_empty() {
            return show::line(&format!("{} has no webhook registered", opened.provider));
        }
        let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let ours = |row: &Value| match row["ours"].as_bool() {
            Some(true) => "this source",
            Some(false) => "another",
            None => "?",
        };
        let rows =
            rows.iter().map(|row| vec![text(row, "id"), ours(row).to_owned(), text(row, "goes_to"), text(row, "for")]);
        show::screen(&show::table(&["id", "whose", "goes to", "for"], &["goes to", "for"], rows))
    }
}

/// An address without its last segment, which may be a token.
pub(super) fn without_end(url: &str) -> String {
    url.rsplit_once('/').map_or_else(|| url.to_owned(), |(before, _)| format!("{before}/…"))
}
