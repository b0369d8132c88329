//! `Now`: running and upcoming dispatches, those at risk, and each site on a time axis.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Result;
use aws::dynamo::Wanted;
use jiff::SignedDuration;
use maud::{Markup, html};
use pipeline::{config::Config, incident::IncidentStatus, record::SubjectRecord};

use super::{
    axis::{Axis, Marks},
    sites::{axis_table, filtered, is_at_risk},
};
use crate::{
    show::{self, Clockface, word},
    verbs::{
        dispatch::{DispatchView, Phase, ordered},
        site::{Site, sites},
    },
    web::{
        app::App,
        fields::{Fields, address},
        page::{Page, Section},
        parts::{
            badge, dispatch_link, filters, head, holds, line, minute, name, off, only, paged, search, select,
            source_select, unreadable,
        },
    },
};

/// How long past dispatches stay in the list, as in `dispatch list`.
const SHOWN_AFTERWARDS: SignedDuration = SignedDuration::from_hours(24);

/// How many sites are named for a dispatch at risk.
const NAMED_SITES: usize = 3;

/// Rows per page of each list.
const PAGE: usize = 50;

/// How many dispatches at risk are shown at the top; the list has them all.
const AT_RISK: usize = 20;

pub(super) async fn page(app: &Arc<App>, fields: &Fields) -> Result<Page> {
    let clock = app.clock();
    let wanted = Wanted {
        source: fields.get("source").map(str::to_owned),
        status: None,
        since: Some(clock.now - SHOWN_AFTERWARDS),
    };
    let (listed, incidents, sources) =
        futures_util::join!(app.access.dispatches(wanted), app.access.incidents(), app.sources());
    let (mut listed, incidents) = (listed?, incidents?);
    listed.found.extend(app.access.active_others(fields.get("source"), &listed.found).await?);
    let all: Vec<DispatchView> = listed.found.iter().filter_map(|record| DispatchView::of(record, clock.now)).collect();
    let open = incidents.found.iter().filter(|incident| incident.status != IncidentStatus::Resolved).count();
    let (counts, marks) = (Counts::of(&all, open), Marks::of(&all));
    let views: Vec<DispatchView> = ordered(all.into_iter().filter(|view| takes(view, fields)).collect());
    let config = app.access.config().await?;
    let all_sites = sites(&config, &listed.found, clock.now)?;
    let main = html! {
        (counts.shown())
        (at_risk(&views, &listed.found, &config, &clock))
        (filters("/now", &controls(&sources, fields)))
        (sites_section(all_sites, &marks, fields, &clock))
        (dispatches(&views, fields, &clock))
        (unreadable(&listed.unreadable))
    };
    Ok(Page::new(Section::Now, "Now", counts.words(), main))
}

/// The numbers at the top of the page.
struct Counts {
    at_risk: usize,
    running: usize,
    upcoming: usize,
    incidents: usize,
}

impl Counts {
    fn of(views: &[DispatchView], incidents: usize) -> Self {
        let count = |is: &dyn Fn(&DispatchView) -> bool| views.iter().filter(|view| is(view)).count();
        Self {
            at_risk: count(&|view| view.at_risk.is_some()),
            running: count(&|view| view.phase == Phase::Running),
            upcoming: count(&|view| view.phase == Phase::Upcoming),
            incidents,
        }
    }

    fn words(&self) -> String {
        let Self { at_risk, running, upcoming, incidents } = self;
        format!("{at_risk} at risk, {running} running, {upcoming} upcoming, {incidents} open incidents")
    }

    fn shown(&self) -> Markup {
        let one = |count: usize, words: &str, kind: &str, to: &str| {
            html! {
                li { a class={ "count " (if count > 0 { kind } else { "" }) } href=(to) { strong { (count) } " " (words) } }
            }
        };
        html! {
            ul.counts aria-label="At a glance" {
                (one(self.at_risk, "at risk", "bad", "/now?risk=1"))
                (one(self.running, "running", "on", "/now?phase=running"))
                (one(self.upcoming, "upcoming", "", "/now?phase=upcoming"))
                (one(self.incidents, "open incidents", "warn", "/incidents?open=1"))
            }
        }
    }
}

fn takes(view: &DispatchView, fields: &Fields) -> bool {
    fields.get("phase").is_none_or(|phase| phase == word(&view.phase))
        && (fields.get("risk").is_none() || view.at_risk.is_some())
        && (fields.get("real").is_none() || !view.test)
        && holds(fields, [view.key.as_str()])
}

fn controls(sources: &[String], fields: &Fields) -> Markup {
    let options = |all: &[(&str, &str)]| -> Vec<(String, String)> {
        all.iter().map(|(value, words)| ((*value).to_owned(), (*words).to_owned())).collect()
    };
    let phases = [
        ("", "all"),
        ("running", "running"),
        ("upcoming", "upcoming"),
        ("over", "over"),
        ("ended", "ended"),
        ("cancelled", "cancelled"),
    ];
    let hours = [("6", "6 hours"), ("", "12 hours"), ("24", "a day"), ("72", "3 days")];
    html! {
        (source_select(sources, fields))
        (select("phase", "Phase", &options(&phases), fields.text("phase")))
        (select("hours", "Time shown", &options(&hours), fields.text("hours")))
        (search(fields, "a dispatch's key"))
        (only(fields, "risk", "at risk only"))
        (only(fields, "real", "without tests"))
    }
}

/// The dispatches at risk, which need a person first.
fn at_risk(views: &[DispatchView], records: &[SubjectRecord], config: &Config, clock: &Clockface) -> Markup {
    let risky: Vec<&DispatchView> = views.iter().filter(|view| view.at_risk.is_some()).collect();
    let places = |view: &DispatchView| {
        let record = records.iter().find(|record| record.subject.as_str() == view.key);
        record.map(|record| places(record, config)).unwrap_or_default()
    };
    html! {
        @if !risky.is_empty() {
            section.risks aria-labelledby="risks" {
                h2 #risks { "At risk" }
                ul {
                    @for view in risky.iter().take(AT_RISK) {
                        li {
                            p { strong { (show::request(&view.request)) " at " (places(view)) } ", "
                                @if view.start > clock.now { "starts " } @else { "began " }
                                (minute(clock, view.start)) " (" (off(clock, view.start)) ")"
                                @if view.test { " " (badge("test", "test")) } }
                            p { (dispatch_link(&view.key)) ": " (line(view.at_risk.as_deref().unwrap_or_default()))
                                @if let Some(due) = view.due { "; due " (minute(clock, due)) " (" (off(clock, due)) ")" } }
                        }
                    }
                }
                @if risky.len() > AT_RISK { p { a href="/now?risk=1" { "All " (risky.len()) } } }
            }
        }
    }
}

/// The names of a dispatch's sites, the operator's own first, as many as a person reads.
fn places(record: &SubjectRecord, config: &Config) -> String {
    let Some((_, terms)) = record.state.published() else { return String::new() };
    let named = terms.targets.iter().take(NAMED_SITES);
    let own = |id: &str| config.site(&record.origin.source, id)?.name.as_deref();
    let named = named.map(|target| name(own(&target.id).or(target.name.as_deref()).unwrap_or(&target.id)));
    let named: Vec<String> = named.collect();
    match terms.targets.len().saturating_sub(NAMED_SITES) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

type AllMarks = BTreeMap<String, Marks>;

fn sites_section(all: Vec<Site>, marks: &AllMarks, fields: &Fields, clock: &Clockface) -> Markup {
    let hours = match fields.number("hours") {
        0 => 12,
        hours => i64::try_from(hours.min(24 * 7)).unwrap_or(12),
    };
    let axis = Axis::of(clock.now, hours);
    let mut shown = filtered(all, fields);
    shown.retain(|site| fields.get("risk").is_none() || is_at_risk(site, marks));
    let list = paged(&shown, PAGE, "/now", fields, "sites");
    html! {
        section aria-labelledby="sites" {
            h2 #sites { "Sites" }
            @if shown.is_empty() { p { "No site is curtailed, and none will be as far as is known." } }
            @else { (axis_table(list.shown, &axis, marks, clock)) (list.links) }
        }
    }
}

fn dispatches(views: &[DispatchView], fields: &Fields, clock: &Clockface) -> Markup {
    let list = paged(views, PAGE, "/now", fields, "page");
    html! {
        section aria-labelledby="dispatches" {
            h2 #dispatches { "Dispatches" }
            @if views.is_empty() { p { "There are none." } } @else {
                table.list {
                    caption.visually-hidden { "Dispatches: running first, then the next to start, then those that are over" }
                    (head(&["Dispatch", "Starts", "Ends", "Phase", "Asks", "Sites", "Version", "Controller", "Risk"]))
                    tbody { @for view in list.shown { (row(view, clock)) } }
                }
                (list.links)
            }
        }
    }
}

fn row(view: &DispatchView, clock: &Clockface) -> Markup {
    html! {
        tr.risky[view.at_risk.is_some()] {
            th scope="row" { (dispatch_link(&view.key)) }
            td data-label="Starts" { (minute(clock, view.start)) }
            td data-label="Ends" { @match view.end { Some(end) => { (minute(clock, end)) } None => { "open" } } }
            td data-label="Phase" { (phase(view)) " " (next(view, clock)) }
            td data-label="Asks" { (show::request(&view.request)) @if view.test { " " (badge("test", "test")) }
                @if let Some(priority) = view.priority { " P" (priority) } }
            td data-label="Sites" { (view.sites) }
            td data-label="Version" { (view.version) }
            td data-label="Controller" { (name(&view.ack_words())) }
            td data-label="Risk" { (view.at_risk.as_deref().unwrap_or("–")) }
        }
    }
}

/// The phase as a badge.
pub(super) fn phase(view: &DispatchView) -> Markup {
    let kind = match view.phase {
        Phase::Running => "on",
        Phase::Upcoming => "coming",
        Phase::Over | Phase::Ended | Phase::Cancelled => "past",
    };
    badge(kind, &word(&view.phase))
}

/// When the next event happens, or when the dispatch was over.
fn next(view: &DispatchView, clock: &Clockface) -> Markup {
    match (view.phase, view.end) {
        (Phase::Upcoming, _) => off(clock, view.start),
        (Phase::Running, Some(end)) => html! { "ends " (off(clock, end)) },
        (Phase::Running, None) => html! { "began " (off(clock, view.start)) },
        (Phase::Over | Phase::Ended, Some(end)) => off(clock, end),
        (Phase::Over | Phase::Ended, None) | (Phase::Cancelled, _) => off(clock, view.changed_at),
    }
}

/// The address of a source's page.
pub(super) fn of_source(source: &str) -> String {
    address("/now", &[("source", source)])
}
