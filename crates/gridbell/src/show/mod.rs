//! How the verbs show things: tables that fit the terminal, times that a person reads, colours where they help.

mod amount;
mod ask;
mod paint;
mod table;
mod time;
mod wrap;

use std::io::Write;

pub(crate) use amount::{power, request};
pub(crate) use ask::{can_ask, consent};
pub(crate) use paint::Paint;
pub(crate) use table::table;
pub(crate) use time::{Clockface, countdown, instant_or_age};

/// How a verb that shows something is asked to.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
#[command(next_help_heading = "How to show it")]
pub(crate) struct Output {
    /// Print JSON: nothing cut, instants in UTC
    #[arg(long)]
    pub(crate) json: bool,
    /// Show times in UTC instead of the local zone
    #[arg(long)]
    pub(crate) utc: bool,
}

/// Prints a value as indented JSON.
pub(crate) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&serde_json::to_string_pretty(value)?)
}

/// Prints a text and ends its line. A reader that has left (`| head`) has seen enough.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout(), "{}", text.trim_end()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Says something beside the result, on standard error.
pub(crate) fn aside(text: &str) {
    // Where standard error is closed, there is nobody to tell.
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// A unit variant as it is serialised.
pub(crate) fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
