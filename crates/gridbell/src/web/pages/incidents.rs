//! `Incidents`: the problems of which people are notified.

use std::sync::Arc;

use anyhow::Result;
use maud::{Markup, html};
use pipeline::incident::{Incident, IncidentStatus};

use super::not_there;
use crate::{
    show::{self, Clockface, word},
    verbs::alert::ordered,
    web::{
        app::App,
        fields::Fields,
        page::{Page, Section},
        parts::{
            badge, csrf, dispatch_link, field, filters, full, head, holds, line, link, minute, name, off, only, paged,
            search, second, select, source_select, unreadable,
        },
    },
};

/// Incidents per page.
const PAGE: usize = 100;

/// How long an incident can be snoozed, and the words for it; `alert snooze` takes any time from 1m to 24h.
const SPANS: [(&str, &str); 6] = [
    ("15m", "15 minutes"),
    ("30m", "30 minutes"),
    ("1h", "an hour"),
    ("2h", "2 hours"),
    ("8h", "8 hours"),
    ("24h", "a day"),
];

pub(super) async fn list(app: &Arc<App>, fields: &Fields) -> Result<Page> {
    let clock = app.clock();
    let (listed, sources) = futures_util::join!(app.access.incidents(), app.sources());
    let mut listed = listed?;
    let open = listed.found.iter().filter(|incident| incident.status == IncidentStatus::Open).count();
    listed.found.retain(|incident| {
        (fields.get("open").is_none() || incident.status != IncidentStatus::Resolved)
            && fields.get("source").is_none_or(|source| source == incident.source())
            && holds(fields, [incident.incident.as_str(), &incident.detail])
    });
    let shown = ordered(listed.found);
    let list = paged(&shown, PAGE, "/incidents", fields, "page");
    let summary = format!("{} incidents, {open} open and not acknowledged", shown.len());
    let controls = html! {
        (source_select(&sources, fields))
        (search(fields, "a dispatch, a kind, a word"))
        (only(fields, "open", "not resolved"))
    };
    let main = html! {
        p { (summary) "." }
        (filters("/incidents", &controls))
        @if !shown.is_empty() {
            table.list {
                caption.visually-hidden { "Incidents: those that go on first" }
                (head(&["Incident", "Status", "Since", "Last", "Mails", "What"]))
                tbody { @for incident in list.shown { (row(incident, &clock)) } }
            }
        }
        (list.links)
        (unreadable(&listed.unreadable))
    };
    Ok(Page::new(Section::Incidents, "Incidents", summary, main))
}

fn row(incident: &Incident, clock: &Clockface) -> Markup {
    html! {
        tr.risky[incident.status == IncidentStatus::Open] {
            th scope="row" { (link("/incident", "name", &incident.incident, &line(&incident.incident))) }
            td data-label="Status" { (status(incident)) (snoozed(incident, clock)) }
            td data-label="Since" { (minute(clock, incident.opened_at)) }
            td data-label="Last" { (off(clock, incident.resolved_at.unwrap_or(incident.last_at))) }
            td data-label="Mails" { (incident.mails.len()) @if let Some(waiting) = &incident.waiting { ", next " (off(clock, waiting.send_at)) } }
            td data-label="What" { (line(&incident.detail)) }
        }
    }
}

fn status(incident: &Incident) -> Markup {
    let kind = match incident.status {
        IncidentStatus::Open => "bad",
        IncidentStatus::Acknowledged => "warn",
        IncidentStatus::Resolved => "past",
    };
    badge(kind, &word(&incident.status))
}

/// Until when an open incident waits, if it does.
fn snoozed(incident: &Incident, clock: &Clockface) -> Markup {
    let snoozed = incident.snoozed.as_ref();
    let waits = snoozed.filter(|_| incident.status == IncidentStatus::Open && incident.is_snoozed(clock.now));
    html! { @if let Some(snoozed) = waits { " snoozed until " (minute(clock, snoozed.until)) } }
}

pub(super) async fn one(app: &Arc<App>, fields: &Fields) -> Result<Page> {
    let (clock, wanted) = (app.clock(), fields.text("name"));
    let listed = app.access.incidents().await?;
    let Some(incident) = listed.found.into_iter().find(|incident| incident.incident == wanted) else {
        return Ok(not_there(&format!("There is no incident {}.", show::name(wanted))));
    };
    let main = html! {
        p.lead { (status(&incident)) (snoozed(&incident, &clock)) " " (line(&incident.detail)) }
        @if incident.status == IncidentStatus::Open { (acknowledge(app, &incident)) (snooze(app, &incident)) }
        dl.fields {
            @if let Some(subject) = incident.subject() { (field("About", dispatch_link(subject.as_str()))) }
            @else { (field("About", line(&incident.about))) }
            (field("Kind", incident.kind().as_str()))
            (field("Source", name(incident.source())))
            (field("Since", full(&clock, incident.opened_at)))
            (field("Last news", full(&clock, incident.last_at)))
            @if let Some(at) = incident.resolved_at { (field("Resolved", full(&clock, at))) }
            @if let Some(by) = &incident.acknowledged { (field("Acknowledged", html! { "by " (name(&by.by)) " at " (second(&clock, by.at)) })) }
            @if let Some(by) = &incident.snoozed { (field("Snoozed", html! { "by " (name(&by.by)) " until " (second(&clock, by.until)) })) }
            @if !incident.notified.is_empty() { (field("Notified", incident.notified.iter().map(|to| name(to)).collect::<Vec<_>>().join(", "))) }
        }
        (mails(&incident, &clock))
        (channels(&incident, &clock))
    };
    let summary = format!("{}: {}", word(&incident.status), incident.detail);
    Ok(Page::new(Section::Incidents, &incident.incident, summary, main))
}

fn acknowledge(app: &App, incident: &Incident) -> Markup {
    let user = std::env::var("USER").unwrap_or_default();
    html! {
        section aria-labelledby="acknowledge" {
            h2 #acknowledge { "Acknowledge" }
            p { "This stops the reminders and the escalation of this incident. It tells nothing to the provider or the controller." }
            form.act method="post" action="/incident/ack" {
                (csrf(app))
                input type="hidden" name="incident" value=(incident.incident);
                label { span { "Your name" } input name="by" value=(name(&user)) required maxlength="200" autocomplete="name"; }
                button.primary type="submit" { "Acknowledge" }
            }
        }
    }
}

fn snooze(app: &App, incident: &Incident) -> Markup {
    let user = std::env::var("USER").unwrap_or_default();
    let spans = SPANS.map(|(value, words)| (value.to_owned(), words.to_owned()));
    html! {
        section aria-labelledby="snooze" {
            h2 #snooze { "Snooze" }
            p { "No reminder and no escalation follows until then. The incident stays open, and nobody counts as taking care of it." }
            form.act method="post" action="/incident/snooze" {
                (csrf(app))
                input type="hidden" name="incident" value=(incident.incident);
                (select("span", "For", &spans, "30m"))
                label { span { "Your name" } input name="by" value=(name(&user)) required maxlength="200" autocomplete="name"; }
                button type="submit" { "Snooze" }
            }
        }
    }
}

/// What the channels besides mail got.
fn channels(incident: &Incident, clock: &Clockface) -> Markup {
    html! {
        @if !incident.channels.is_empty() {
            section aria-labelledby="channels" {
                h2 #channels { "Other channels" }
                table.list {
                    (head(&["Channel", "Stage", "Sent"]))
                    tbody {
                        @for log in &incident.channels {
                            @for (stage, at) in &log.sent {
                                tr { th scope="row" { (name(&log.channel.to_string())) } td data-label="Stage" { (name(stage)) } td data-label="Sent" { (full(clock, *at)) } }
                            }
                            @if let Some(ring) = &log.waiting {
                                tr.ahead {
                                    th scope="row" { (name(&log.channel.to_string())) }
                                    td data-label="Stage" { (name(&ring.stages.join(", "))) }
                                    td data-label="Sent" { "waits: " (full(clock, ring.next_at)) @if let Some(error) = &ring.error { ": " (line(error)) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn mails(incident: &Incident, clock: &Clockface) -> Markup {
    html! {
        section aria-labelledby="mails" {
            h2 #mails { "Mails" }
            @if incident.mails.is_empty() && incident.waiting.is_none() { p { "None was sent." } } @else {
                table.list {
                    (head(&["Stage", "Sent"]))
                    tbody {
                        @for (stage, at) in &incident.mails { tr { th scope="row" { (name(stage)) } td data-label="Sent" { (full(clock, *at)) } } }
                        @if let Some(waiting) = &incident.waiting { @for report in &waiting.stages {
                            tr.ahead { th scope="row" { (name(&report.stage)) } td data-label="Sent" { "waits: " (full(clock, waiting.send_at)) } }
                        } }
                    }
                }
            }
        }
    }
}
