//! What every `list` shares: opens the stack, reports unreadable items, prints the others.

use anyhow::Result;
use serde::Serialize;
use serde_json::json;

use crate::{
    console::{Console, Which},
    endpoint::no_source,
    show::{self, Clockface, Output, Paint},
};

/// The source of gridbell's own incidents.
const ITSELF: &str = "gridbell";

/// A `list` in progress.
pub(crate) struct Listing {
    pub(crate) console: Console,
    pub(crate) clock: Clockface,
    output: Output,
}

impl Listing {
    /// Opens the stack. `clock` is the one that parsed the command line.
    pub(crate) async fn open(output: Output, which: &Which, clock: Clockface) -> Result<Self> {
        Ok(Self { console: which.open().await?, clock, output })
    }

    /// Prints the items under their name. If there are none and the source is unknown, fails (exit status 2).
    pub(crate) async fn show<T: Serialize>(
        &self,
        (name, found): (&str, &[T]),
        unreadable: &[String],
        source: Option<&str>,
        text: impl FnOnce(&[T], &Clockface, Paint) -> String,
    ) -> Result<()> {
        if let (true, Some(source)) = (found.is_empty(), source.filter(|source| *source != ITSELF)) {
            let config = self.console.config().await?;
            if !config.sources.contains_key(source) {
                return Err(no_source(&config, source));
            }
        }
        for unreadable in unreadable {
            show::aside(&format!("cannot be read: {unreadable}"));
        }
        if self.output.json {
            return show::json(&json!({name: found, "unreadable": unreadable}));
        }
        show::screen(&text(found, &self.clock, Paint::stdout()))
    }
}
