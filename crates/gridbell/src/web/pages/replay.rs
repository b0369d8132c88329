//! The page before a replay: what it would do. Nothing is done until the button is pressed.

use std::sync::Arc;

use anyhow::Result;
use maud::html;

use super::not_there;
use crate::web::{
    app::App,
    fields::Fields,
    page::{Page, Section},
    parts::{badge, csrf, head, line, link, name},
};

pub(super) async fn page(app: &Arc<App>, fields: &Fields) -> Result<Page> {
    let ids = fields.all("id");
    if ids.is_empty() {
        return Ok(not_there("Tick the deliveries to replay, then press the button below the list."));
    }
    let previews = app.access.previews(&ids).await?;
    let possible = previews.iter().filter(|preview| preview.possible).count();
    let summary = format!("{possible} of {} can be replayed", previews.len());
    let main = html! {
        p { "A replay is a delivery of its own, with a new id. It is read, fetched and merged like any other, so it never curtails what is over or cancelled." }
        table.list {
            caption.visually-hidden { "What would come of the replay" }
            (head(&["Delivery", "Source", "What would come of it"]))
            tbody {
                @for preview in &previews {
                    tr {
                        th scope="row" { (link("/delivery", "id", &preview.id, &line(&preview.id))) }
                        td data-label="Source" { (name(&preview.source)) }
                        td data-label="What would come of it" {
                            @if !preview.possible { (badge("bad", "not possible")) " " }
                            ul.plain { @for outcome in &preview.outcome { li { (line(outcome)) } } }
                        }
                    }
                }
            }
        }
        form.act method="post" action="/replay" {
            (csrf(app))
            @for preview in previews.iter().filter(|preview| preview.possible) { input type="hidden" name="id" value=(preview.id); }
            @if possible > 0 { button.primary type="submit" { "Replay " (possible) } }
            a href="/deliveries" { "Leave it" }
        }
    };
    Ok(Page::new(Section::Deliveries, "Replay", summary, main))
}
