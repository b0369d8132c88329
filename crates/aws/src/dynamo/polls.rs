//! The polling state of a source, in the table `deliveries`.

use pipeline::polling::{budget::Shown, state::PollState};

use super::{
    item::{Item, instant, packed, unpacked},
    number, text,
};

/// The key of a source's item; no delivery's id contains a `#`.
pub(super) fn key(source: &str) -> String {
    format!("poll#{source}")
}

/// The key of the item with what a source's list showed.
pub(super) fn shown_key(source: &str) -> String {
    format!("shown#{source}")
}

pub(super) fn shown_to_item(shown: &Shown) -> Result<Item, String> {
    let attributes = [
        ("delivery", text(shown_key(&shown.source))),
        ("kind", text("shown")),
        ("source", text(&shown.source)),
        ("shown", packed(shown)?),
    ];
    Ok(attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

pub(super) fn shown_from_item(item: &Item) -> Result<Shown, String> {
    unpacked(item, "shown")
}

/// It never expires: each source has one, and the next poll needs it.
pub(super) fn to_item(state: &PollState) -> Result<Item, String> {
    let attributes = [
        ("delivery", text(key(&state.source))),
        ("kind", text("poll")),
        ("revision", number(state.revision)),
        ("source", text(&state.source)),
        ("began_at", instant(state.began_at)),
        ("state", packed(state)?),
    ];
    Ok(attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

pub(super) fn from_item(item: &Item) -> Result<PollState, String> {
    unpacked(item, "state")
}
