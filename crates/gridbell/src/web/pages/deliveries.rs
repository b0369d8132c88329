//! `Deliveries`: the deliveries that did not go through, with reason and body.

use std::sync::Arc;

use anyhow::Result;
use maud::{Markup, html};

use crate::{
    show::{Clockface, word},
    verbs::delivery::{Chosen, Contents, DeliveryKind, DeliveryView},
    web::{
        app::App,
        fields::{Fields, address},
        page::{Page, Section},
        parts::{
            badge, dispatch_link, field, filters, full, head, holds, line, link, minute, missing, name, off, paged,
            search, second, select, source_select, unreadable,
        },
    },
};

/// Deliveries per page.
const PAGE: usize = 100;

/// Longest body shown, in characters, as in `delivery get`.
const MAX_BODY: usize = 8_000;

pub(super) async fn list(app: &Arc<App>, fields: &Fields) -> Result<Page> {
    let clock = app.clock();
    let source = fields.get("source");
    let (jobs, dead, sources) = futures_util::join!(app.access.jobs(source), app.access.dead_letters(), app.sources());
    let jobs = jobs?;
    let mut views: Vec<DeliveryView> = jobs.found.iter().map(DeliveryView::from).collect();
    let failed = dead.as_ref().err().map(|error| missing("Dead letters", error));
    views.extend(dead.unwrap_or_default());
    let kind = fields.get("kind").and_then(|kind| KINDS.into_iter().find(|one| word(one) == kind));
    let chosen = Chosen { source: source.map(str::to_owned), kind, since: None };
    let mut views = chosen.of(views, clock.now)?;
    views.retain(|view| holds(fields, [view.id.as_str(), &view.reason, view.about.as_deref().unwrap_or_default()]));
    let waiting = views.iter().filter(|view| view.kind != DeliveryKind::Failing && view.replayed_as.is_none()).count();
    let failing = views.iter().filter(|view| view.kind == DeliveryKind::Failing).count();
    let summary = match views.len() {
        0 => "nothing fails, nothing is quarantined, and there are no dead letters".to_owned(),
        _ => format!("{failing} failing, {waiting} quarantined or dead letters that wait for a repair"),
    };
    let list = paged(&views, PAGE, "/deliveries", fields, "page");
    let kinds =
        [(String::new(), "all".to_owned())].into_iter().chain(KINDS.map(|kind| (word(&kind), words(kind).to_owned())));
    let controls = html! {
        (source_select(&sources, fields))
        (select("kind", "Kind", &kinds.collect::<Vec<_>>(), fields.text("kind")))
        (search(fields, "an id, a dispatch, a reason"))
    };
    let main = html! {
        p { (summary) "." }
        (filters("/deliveries", &controls))
        @if let Some(failed) = failed { (failed) }
        @if !views.is_empty() { (table(list.shown, &clock)) }
        (list.links)
        (unreadable(&jobs.unreadable))
    };
    Ok(Page::new(Section::Deliveries, "Deliveries", summary, main))
}

const KINDS: [DeliveryKind; 3] = [DeliveryKind::Failing, DeliveryKind::Quarantined, DeliveryKind::DeadLetter];

fn words(kind: DeliveryKind) -> &'static str {
    match kind {
        DeliveryKind::Failing => "failing",
        DeliveryKind::Quarantined => "quarantined",
        DeliveryKind::DeadLetter => "dead letter",
    }
}

/// The list is a form: the ticked deliveries are replayed, after a page with the previews.
fn table(views: &[DeliveryView], clock: &Clockface) -> Markup {
    html! {
        form method="get" action="/replay" {
            table.list {
                caption.visually-hidden { "Deliveries that did not go through, the latest first" }
                (head(&["Replay", "Delivery", "Source", "Taken", "State", "Reason"]))
                tbody {
                    @for view in views {
                        tr {
                            td data-label="Replay" { input type="checkbox" name="id" value=(view.id) aria-label={ "Replay " (line(&view.id)) }; }
                            th scope="row" { (link("/delivery", "id", &view.id, &line(&view.id))) }
                            td data-label="Source" { (name(&view.source)) }
                            td data-label="Taken" { (minute(clock, view.received_at)) }
                            td data-label="State" { (state(view, clock)) }
                            td data-label="Reason" { @if let Some(about) = &view.about { (dispatch_link(about)) ": " } (line(&view.reason)) }
                        }
                    }
                }
            }
            button type="submit" { "Preview the replay of those ticked" }
        }
    }
}

fn state(view: &DeliveryView, clock: &Clockface) -> Markup {
    match (view.kind, view.attempt, view.next_at) {
        (DeliveryKind::Failing, Some(attempt), Some(next)) => {
            html! { (badge("warn", "failing")) " attempt " (attempt + 1) " " (off(clock, next)) }
        }
        (DeliveryKind::DeadLetter, ..) => badge("bad", "dead letter"),
        _ if view.replayed_as.is_some() => badge("past", "quarantined, replayed since"),
        _ => badge("bad", "quarantined"),
    }
}

pub(super) async fn one(app: &Arc<App>, fields: &Fields) -> Result<Page> {
    let (clock, id) = (app.clock(), fields.text("id"));
    let contents = app.access.delivery(id).await?;
    let view = &contents.view;
    let main = html! {
        p.lead { (state(view, &clock)) " " (line(&view.reason)) }
        p { a.button href=(address("/replay", &[("id", id)])) { "Preview a replay" } }
        dl.fields {
            (field("Source", link("/source", "name", &view.source, &name(&view.source))))
            @if let Some(about) = &view.about { (field("About", dispatch_link(about))) }
            (field("Taken", full(&clock, view.received_at)))
            (field(if view.kind == DeliveryKind::Failing { "Failed last" } else { "Since" }, full(&clock, view.at)))
            (field("Failure", line(&view.failure)))
            @if let Some(next) = view.next_at { (field("Next attempt", full(&clock, next))) }
            @if let Some(replayed) = &view.replayed_as { (field("Replayed", html! { "as " code { (line(replayed)) } })) }
        }
        (failures(&contents, &clock))
        (body(&contents, id))
    };
    let summary = format!("{}: {}", words(view.kind), view.reason);
    Ok(Page::new(Section::Deliveries, id, summary, main))
}

fn failures(contents: &Contents, clock: &Clockface) -> Markup {
    html! {
        @if !contents.failures.is_empty() {
            section aria-labelledby="failures" {
                h2 #failures { "Attempts that failed" }
                table.list {
                    (head(&["When", "Kind", "What"]))
                    tbody { @for failure in &contents.failures {
                        tr { th scope="row" { (second(clock, failure.at)) } td data-label="Kind" { (word(&failure.kind)) } td data-label="What" { (line(&failure.detail)) } }
                    } }
                }
            }
        }
    }
}

fn body(contents: &Contents, id: &str) -> Markup {
    let (title, text) = match (&contents.body, &contents.fetch) {
        (Some(body), _) => ("Body", Some(body.clone())),
        (None, Some(fetch)) => ("Request to the provider", serde_json::to_string_pretty(fetch).ok()),
        (None, None) => ("Body", None),
    };
    html! {
        section aria-labelledby="body" {
            h2 #body { (title) }
            @match text {
                Some(text) => {
                    pre tabindex="0" role="region" aria-labelledby="body" { (dispatch::text::lines(&dispatch::text::clip(&text, MAX_BODY))) }
                    @if contents.body.is_some() {
                        p { a href=(address("/delivery/raw", &[("id", id)])) { "Save the exact bytes" }
                            @if text.chars().nth(MAX_BODY).is_some() { ": the above is cut" } }
                    }
                }
                None => { p { "It is too long to be stored here; it travels in the queue." } }
            }
        }
    }
}
