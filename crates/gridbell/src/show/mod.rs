//! Output of the verbs: tables that fit the terminal, readable times, colours.

mod amount;
mod ask;
mod marks;
mod out;
mod paint;
mod table;
mod time;
mod wrap;

pub(crate) use amount::{power, request};
pub(crate) use ask::{Unasked, can_ask, consent};
pub(crate) use marks::stacked;
pub(crate) use out::{
    Lines, ReaderLeft, aside, aside_is_seen, captured, error, is_seen, json, json_line, line, raw, screen, while_read,
};
pub(crate) use paint::Paint;
pub(crate) use table::table;
pub(crate) use time::{Clockface, countdown, instant, instant_or_age};

/// Longest name shown, in characters.
const MAX_NAME: usize = 200;

/// Longest field shown, in characters: a key may be 4,096 bytes long.
const MAX_FIELD: usize = 4_200;

/// The output options of a verb.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
#[command(next_help_heading = "How to show it")]
pub(crate) struct Output {
    /// Print JSON: nothing is cut, instants are in UTC
    #[arg(long)]
    pub(crate) json: bool,
    /// Show times in UTC instead of the local zone
    #[arg(long)]
    pub(crate) utc: bool,
}

/// A foreign name, which may have any length.
pub(crate) fn name(text: &str) -> String {
    dispatch::text::brief(text, MAX_NAME)
}

/// One line of a list of fields: name and value.
pub(crate) fn field(name: &str, width: usize, value: &str) -> String {
    format!("  {name:<width$}{}\n", marks::cleaned(value, MAX_FIELD))
}

/// A unit variant in its serialized form.
#[expect(clippy::expect_used, reason = "programs must not read an empty word instead")]
pub(crate) fn word(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).ok();
    value.and_then(|value| value.as_str().map(str::to_owned)).expect("only unit variants are passed")
}
