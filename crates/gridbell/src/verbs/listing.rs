//! What every `list` does: opens the stack, says what could not be read, and shows the rest.

use anyhow::Result;
use serde::Serialize;
use serde_json::json;

use crate::{
    console::{Console, Which},
    endpoint::no_source,
    show::{self, Clockface, Output, Paint},
};

/// Incidents of gridbell itself stand under this source.
const ITSELF: &str = "gridbell";

/// A list that was asked for.
pub(crate) struct Listing {
    pub(crate) console: Console,
    pub(crate) clock: Clockface,
    output: Output,
}

impl Listing {
    /// Opens the stack. The clock is the one that the command line was read by.
    pub(crate) async fn open(output: Output, which: &Which, clock: Clockface) -> Result<Self> {
        Ok(Self { console: which.open().await?, clock, output })
    }

    /// Shows what was found under its name. Where that is nothing, of a source that there is not, it says so (exit status 2).
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
