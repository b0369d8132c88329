//! `Sites`: when each site is curtailed, until when, and which dispatch governs.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Result;
use aws::dynamo::Wanted;
use dispatch::{Segment, Window};
use maud::{Markup, html};
use pipeline::{config, record::SubjectRecord};

use super::{
    axis::{Axis, Marks},
    not_there,
};
use crate::{
    show::{self, Clockface},
    verbs::{
        dispatch::DispatchView,
        site::{Site, asks, brief, segment, sites},
    },
    web::{
        app::App,
        fields::Fields,
        page::{Page, Section},
        parts::{
            badge, dispatch_link, field, filters, head, holds, line, link, minute, name, off, only, paged, search,
            source_select, there, unreadable,
        },
    },
};

/// Sites per page.
const PAGE: usize = 100;

/// How many dispatches are named beside the one that governs.
const NAMED: usize = 20;

/// Hours on the axis of these pages.
const HOURS: i64 = 24;

/// The active dispatches and load targets, and which of them cannot be read.
async fn active(app: &App, source: Option<&str>, clock: &Clockface) -> Result<(Vec<SubjectRecord>, Vec<String>)> {
    let wanted =
        Wanted { source: source.map(str::to_owned), status: Some("scheduled".to_owned()), since: Some(clock.now) };
    let mut listed = app.access.dispatches(wanted).await?;
    listed.found.extend(app.access.active_others(source, &listed.found).await?);
    Ok((listed.found, listed.unreadable))
}

/// The sites that match the fields.
pub(super) fn filtered(mut sites: Vec<Site>, fields: &Fields) -> Vec<Site> {
    sites.retain(|site| {
        let names = [Some(&site.key), site.name.as_ref(), site.external_id.as_ref()].into_iter().flatten();
        let keys = site
            .windows
            .iter()
            .chain(&site.tests)
            .flat_map(|window| &window.segments)
            .map(|at| at.governed_by.as_str());
        fields.get("source").is_none_or(|source| source == site.source)
            && (fields.get("curtailed").is_none() || site.curtailed)
            && (fields.get("real").is_none() || !site.windows.is_empty())
            && holds(fields, names.map(String::as_str).chain(keys))
    });
    sites
}

pub(super) async fn list(app: &Arc<App>, fields: &Fields) -> Result<Page> {
    let clock = app.clock();
    let (active, sources) = futures_util::join!(active(app, fields.get("source"), &clock), app.sources());
    let (records, broken) = active?;
    let shown = filtered(sites(&app.access.config().await?, &records, clock.now)?, fields);
    let curtailed = shown.iter().filter(|site| site.curtailed).count();
    let list = paged(&shown, PAGE, "/sites", fields, "page");
    let controls = html! {
        (source_select(&sources, fields))
        (search(fields, "a site or a dispatch"))
        (only(fields, "curtailed", "curtailed now"))
        (only(fields, "real", "without tests"))
    };
    let summary = format!("{} sites, {curtailed} curtailed now", shown.len());
    let main = html! {
        p { (summary) "." }
        (filters("/sites", &controls))
        @if !shown.is_empty() { (axis_table(list.shown, &Axis::of(clock.now, HOURS), &marks(&records, &clock), &clock)) (list.links) }
        (unreadable(&broken))
    };
    Ok(Page::new(Section::Sites, "Sites", summary, main))
}

pub(super) async fn one(app: &Arc<App>, fields: &Fields) -> Result<Page> {
    let (clock, key) = (app.clock(), fields.text("key"));
    let source = key.split_once('/').map(|(source, _)| source);
    let (records, broken) = active(app, source, &clock).await?;
    let config = app.access.config().await?;
    let all = sites(&config, &records, clock.now)?;
    let Some(site) = all.into_iter().find(|site| site.key == key) else {
        return Ok(not_there(&format!("No active dispatch names a site {}.", show::name(key))));
    };
    let state = state(&site, &clock);
    let axis = Axis::of(clock.now, HOURS);
    let main = html! {
        p.lead { (state) }
        dl.fields {
            (field("Key", line(&site.key)))
            @if let Some(given) = &site.name { (field("Name", name(given))) }
            @if let Some(id) = &site.external_id { (field("Your id", name(id))) }
            (field("Source", link("/source", "name", &site.source, &name(&site.source))))
            @if let Some(described) = config.site(&site.source, &site.id) { (description(described, &clock)) }
        }
        (axis.hours(&clock))
        (axis.track([&site.windows, &site.tests], &marks(&records, &clock), &words(&site, &clock)))
        @for (windows, kind) in [(&site.windows, "Curtailed"), (&site.tests, "Test")] {
            @for (number, window) in windows.iter().enumerate() { (window_section(window, kind, number, site.timezone.as_deref(), &clock)) }
        }
        (unreadable(&broken))
    };
    let title = site.name.as_deref().unwrap_or(&site.key).to_owned();
    Ok(Page::new(Section::Sites, title, words(&site, &clock), main))
}

/// What the operator has written about a site.
fn description(site: &config::Site, clock: &Clockface) -> Markup {
    let now = site.timezone.as_deref().and_then(|zone| clock.elsewhere(zone));
    html! {
        @if let Some(zone) = &site.timezone {
            (field("Zone", html! { (name(zone)) @if let Some(there) = now { ", now " (there.minute_and_zone(clock.now)) } }))
        }
        @if let Some(phone) = &site.phone { (field("Phone", name(phone))) }
        @if let Some(text) = &site.instructions {
            (field("By hand", html! { @for one in text.lines() { (line(one)) br; } }))
        }
        @if let Some(url) = &site.runbook_url {
            (field("Runbook", html! { a href=(url) rel="noreferrer noopener" { (line(url)) } }))
        }
    }
}

fn marks(records: &[SubjectRecord], clock: &Clockface) -> BTreeMap<String, Marks> {
    let views: Vec<_> = records.iter().filter_map(|record| DispatchView::of(record, clock.now)).collect();
    Marks::of(&views)
}

/// Whether any dispatch that names the site is at risk.
pub(super) fn is_at_risk(site: &Site, marks: &BTreeMap<String, Marks>) -> bool {
    let segments = site.windows.iter().chain(&site.tests).flat_map(|window| &window.segments);
    let mut keys = segments.flat_map(|at| [&at.governed_by].into_iter().chain(&at.with));
    keys.any(|key| marks.get(key.as_str()).is_some_and(|marks| marks.at_risk))
}

/// A table of sites on a time axis: one row each.
pub(super) fn axis_table(sites: &[Site], axis: &Axis, marks: &BTreeMap<String, Marks>, clock: &Clockface) -> Markup {
    html! {
        table.timeline {
            caption.visually-hidden { "Sites: the curtailed ones first, then the next to be" }
            thead { tr { th scope="col" { "Site" } th.hours scope="col" { span.visually-hidden { "Timeline" } (axis.hours(clock)) } th scope="col" { "Now and next" } } }
            tbody {
                @for site in sites {
                    tr {
                        th scope="row" {
                            (link("/site", "key", &site.key, &name(site.name.as_deref().unwrap_or(&site.key))))
                            @if site.name.is_some() { small { (line(&site.key)) } }
                        }
                        td.drawn { (axis.track([&site.windows, &site.tests], marks, &words(site, clock))) }
                        td data-label="Now and next" {
                            @if is_at_risk(site, marks) { (badge("bad", "at risk")) " " }
                            (state(site, clock)) (governs(site, clock))
                        }
                    }
                }
            }
        }
        p.legend { span.key.governs { "governs" } span.key.with { "overlaps" } span.key.risk { "at risk" } span.key.test { "test" } }
    }
}

/// The state of a site now, and what is next.
fn state(site: &Site, clock: &Clockface) -> Markup {
    let zone = site.timezone.as_deref();
    html! {
        @match (site.curtailed, site.next()) {
            (true, Some((Window { until: Some(until), .. }, _))) => { (badge("on", "curtailed")) " until " (minute(clock, *until)) " (" (off(clock, *until)) ")" (there(clock, zone, *until)) }
            (true, _) => { (badge("on", "curtailed")) " until the provider states an end" }
            (false, Some((window, false))) => { (badge("past", "free")) " until " (minute(clock, window.from)) " (" (off(clock, window.from)) ")" (there(clock, zone, window.from)) }
            (false, Some((window, true))) => { (badge("test", "test")) " at " (minute(clock, window.from)) " (" (off(clock, window.from)) ")" }
            (false, None) => { (badge("past", "free")) }
        }
    }
}

fn governs(site: &Site, clock: &Clockface) -> Markup {
    let Some((at, later)) = site
        .next()
        .and_then(|(window, _)| Some((segment(window, clock.now)?, site.windows.len() + site.tests.len() - 1)))
    else {
        return html! {};
    };
    html! {
        br; (asks(at.request)) " by " (governing(at))
        @if later > 0 { br; (later) " more later" }
    }
}

/// The dispatch that governs, and the number of overlapping ones.
fn governing(at: &Segment) -> Markup {
    html! {
        (link("/dispatch", "key", at.governed_by.as_str(), &line(brief(&at.governed_by))))
        @if !at.with.is_empty() { " with " (at.with.len()) " other(s)" }
    }
}

/// The same in words only, for people who do not see the drawing.
fn words(site: &Site, clock: &Clockface) -> String {
    let each =
        site.windows.iter().map(|window| (window, "curtailed")).chain(site.tests.iter().map(|window| (window, "test")));
    let each = each.take(NAMED).map(|(window, kind)| {
        let until = window.until.map_or_else(|| "open".to_owned(), |until| clock.minute(until));
        let most = window.segments.iter().map(|segment| segment.with.len() + 1).max().unwrap_or(1);
        let overlap = if most > 1 { format!(", up to {most} dispatches overlap") } else { String::new() };
        format!("{kind} {} to {until}{overlap}", clock.minute(window.from))
    });
    each.collect::<Vec<_>>().join("; ")
}

fn window_section(window: &Window, kind: &str, number: usize, zone: Option<&str>, clock: &Clockface) -> Markup {
    let id = format!("{}-{number}", kind.to_lowercase());
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (kind) " " (minute(clock, window.from)) " to "
                @match window.until { Some(until) => { (minute(clock, until)) } None => { "open" } } }
            table.list {
                (head(&["From", "Until", "Governed by", "Asks", "With"]))
                tbody {
                    @for at in &window.segments {
                        tr {
                            th scope="row" { (minute(clock, at.from)) (there(clock, zone, at.from)) }
                            td data-label="Until" { @match at.until { Some(until) => { (minute(clock, until)) (there(clock, zone, until)) } None => { "open" } } }
                            td data-label="Governed by" { (dispatch_link(at.governed_by.as_str())) }
                            td data-label="Asks" { (asks(at.request)) }
                            td data-label="With" {
                                @for key in at.with.iter().take(NAMED) { (dispatch_link(key.as_str())) " " }
                                @if at.with.len() > NAMED { "and " (at.with.len() - NAMED) " more" }
                                @if at.with.is_empty() { "–" }
                            }
                        }
                    }
                }
            }
        }
    }
}
