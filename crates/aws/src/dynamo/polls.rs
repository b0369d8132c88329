//! How the polling of a source stands, beside the deliveries.

use pipeline::poll::PollState;

use super::{
    item::{Item, instant, packed, unpacked},
    number, text,
};

/// The key of a source's item; no delivery's id holds a `#`.
pub(super) fn key(source: &str) -> String {
    format!("poll#{source}")
}

/// It expires never: a source has one, and it is as good as the last poll.
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
