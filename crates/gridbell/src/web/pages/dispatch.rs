//! `Dispatch`: what one dispatch requests of which sites, its progress, and a form to answer for its controller.

use std::sync::Arc;

use anyhow::Result;
use dispatch::Subject;
use maud::{Markup, html};
use pipeline::{config::Config, record::SubjectRecord};

use super::{not_there, now, timeline, versions};
use crate::{
    show::{self, Clockface, word},
    verbs::dispatch::{DispatchView, Phase, steps},
    web::{
        app::App,
        fields::Fields,
        page::{Page, Section},
        parts::{badge, csrf, field, full, full_or, head, line, link, name, paged, second, unreadable},
    },
};

/// Sites per page.
const PAGE: usize = 100;

/// A controller's possible answers.
const ANSWERS: [(&str, &str); 3] = [
    ("accepted", "accepted: the sites will act"),
    ("completed", "completed: the sites have acted"),
    ("failed", "failed: the sites cannot act; this opens an incident at once"),
];

pub(super) async fn page(app: &Arc<App>, fields: &Fields) -> Result<Page> {
    let (clock, key) = (app.clock(), fields.text("key"));
    if key.is_empty() {
        return Ok(not_there("The address names no dispatch."));
    }
    let subject = Subject::from_stored(key);
    let (record, jobs, incidents) = futures_util::try_join!(
        app.access.record(key),
        app.access.jobs(Some(subject.source())),
        app.access.incidents()
    )?;
    // Without the configuration, the page only lacks what the operator has written about sites.
    let config = app.access.config().await.ok();
    let steps = steps(&subject, record.as_ref(), &jobs.found, &incidents.found);
    if steps.is_empty() {
        return Ok(not_there(&format!("Nothing is known of {}.", show::name(key))));
    }
    let view = record.as_ref().and_then(|record| DispatchView::whole(record, clock.now));
    let broken: Vec<String> = [jobs.unreadable, incidents.unreadable].concat();
    let main = html! {
        @match (&record, &view) {
            (Some(record), Some(view)) => { (of_dispatch(app, record, view, fields, config.as_ref(), &clock)) }
            _ => { p { "This is no dispatch, or none of its versions has been published." } }
        }
        (timeline::section(&steps, &clock))
        (unreadable(&broken))
    };
    let summary = view.as_ref().map_or_else(String::new, |view| {
        let risk = view.at_risk.as_ref().map(|risk| format!(", at risk: {risk}")).unwrap_or_default();
        format!("version {}, {}{risk}", view.version, word(&view.phase))
    });
    Ok(Page::new(Section::Now, key, summary, main))
}

fn of_dispatch(
    app: &App,
    record: &SubjectRecord,
    view: &DispatchView,
    fields: &Fields,
    config: Option<&Config>,
    clock: &Clockface,
) -> Markup {
    html! {
        @if let Some(risk) = &view.at_risk { p.alarm { strong { "At risk: " } (line(risk)) } }
        (facts(view, clock))
        @if matches!(view.phase, Phase::Running | Phase::Upcoming) { (answer(app, view)) }
        (sites(view, fields, config, clock))
        (versions::section(record, clock))
    }
}

fn facts(view: &DispatchView, clock: &Clockface) -> Markup {
    let test = view.test_reason.map(|reason| html! { (badge("test", "test")) " " (word(&reason)) });
    html! {
        dl.fields {
            (field("Phase", now::phase(view)))
            (field("Asks", html! { strong { (show::request(&view.request)) } " of " (view.sites) " site(s)" @if view.voluntary { ", voluntary" } }))
            (field("Starts", full(clock, view.start)))
            (field("Ends", full_or(clock, view.end, "open: until the provider states an end")))
            (field("Real", test.unwrap_or_else(|| html! { "yes" })))
            (field("Version", html! { (view.version) ", changed " (full(clock, view.changed_at)) }))
            (field("Controller", controller(view, clock)))
            (field("Signals", match view.unsent { 0 => "all sent".to_owned(), pending => format!("{pending} still to be sent") }))
            @if let Some(priority) = view.priority { (field("Priority", priority)) }
            @for program in view.programs.iter().flatten() {
                @let parts = [&program.name, &program.market, &program.kind, &program.timezone];
                (field("Program", parts.into_iter().flatten().map(|part| name(part)).collect::<Vec<_>>().join(", ")))
            }
            (field("Source", link("/source", "name", &view.source, &name(&view.source))))
        }
    }
}

fn controller(view: &DispatchView, clock: &Clockface) -> Markup {
    match (&view.acknowledgement, view.due) {
        (Some(ack), _) => html! {
            (word(&ack.state)) " version " (ack.version) " at " (second(clock, ack.at))
            @if let Some(detail) = &ack.detail { ": " (line(detail)) }
        },
        (None, Some(at)) if at <= clock.now => html! { "silent; it had to acknowledge by " (full(clock, at)) },
        (None, Some(at)) => html! { "must acknowledge by " (full(clock, at)) },
        (None, None) => html! { "nothing is awaited of it" },
    }
}

/// The form for the controller's answer, given by a person. It is for the version that the person sees.
fn answer(app: &App, view: &DispatchView) -> Markup {
    html! {
        section aria-labelledby="answer" {
            h2 #answer { "Acknowledge" }
            form.act method="post" action="/dispatch/ack" {
                (csrf(app))
                input type="hidden" name="key" value=(view.key);
                input type="hidden" name="version" value=(view.version);
                fieldset {
                    legend { "Answer for the controller, for version " (view.version) }
                    @for (value, words) in ANSWERS {
                        label { input type="radio" name="state" value=(value) required; " " (words) }
                    }
                }
                label { span { "In your own words (optional)" } input name="detail" maxlength="500" autocomplete="off"; }
                button.primary type="submit" { "Acknowledge version " (view.version) }
            }
        }
    }
}

/// The sites of a page, with the operator's names and clocks.
fn sites(view: &DispatchView, fields: &Fields, config: Option<&Config>, clock: &Clockface) -> Markup {
    let targets = view.targets.as_deref().unwrap_or_default();
    let list = paged(targets, PAGE, "/dispatch", fields, "page");
    let described = |id: &str| config?.site(&view.source, id);
    let there = |id: &str| clock.elsewhere(described(id)?.timezone.as_deref()?);
    let elsewhere = list.shown.iter().any(|target| there(&target.id).is_some());
    let columns = ["Site", "Name", "Your id", "Asks", "There"];
    html! {
        section aria-labelledby="sites" {
            h2 #sites { "Sites" }
            table.list {
                caption.visually-hidden { "Sites of this dispatch" }
                (head(&columns[..if elsewhere { 5 } else { 4 }]))
                tbody {
                    @for target in list.shown {
                        @let own = described(&target.id).and_then(|site| site.name.as_deref());
                        tr {
                            th scope="row" { (link("/site", "key", &format!("{}/{}", view.source, target.id), &name(&target.id))) }
                            td data-label="Name" { (name(own.or(target.name.as_deref()).unwrap_or("–"))) }
                            td data-label="Your id" { (name(target.external_id.as_deref().unwrap_or("–"))) }
                            td data-label="Asks" { (target.request.as_ref().map_or_else(|| "its part of the whole".to_owned(), show::request)) }
                            @if elsewhere { td data-label="There" { (there(&target.id).map_or_else(|| "–".to_owned(), |there| local(view, &there))) } }
                        }
                    }
                }
            }
            (list.links)
        }
    }
}

/// From when to when, by the clock of a site.
fn local(view: &DispatchView, there: &Clockface) -> String {
    let end = view.end.map_or_else(|| "open".to_owned(), |end| there.minute_and_zone(end));
    format!("{} to {end}", there.minute_and_zone(view.start))
}
