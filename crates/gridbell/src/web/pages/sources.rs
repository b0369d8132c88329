//! `Sources`: whether each provider's webhooks arrive and go through, and how fast.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Result;
use aws::dynamo::{StoredJob, Wanted};
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use pipeline::{
    config::{Environment, Source},
    incident::IncidentStatus,
    polling::state::PollState,
    record::SubjectRecord,
    timeline::Event,
};

use super::{
    not_there, now,
    tests_of::{self, Testable},
};
use crate::{
    show::{self, Clockface},
    web::{
        app::{App, TestOf, lock},
        fields::{Fields, address},
        page::{Page, Section},
        parts::{badge, field, full, full_or, head, line, link, name, off},
    },
};

/// Period of the counted deliveries and changes.
const COUNTED: SignedDuration = SignedDuration::from_hours(24);

/// The health of a source.
struct Health {
    poll: Option<PollState>,
    /// When the latest delivery arrived that changed something or failed.
    last_delivery: Option<Timestamp>,
    /// From a webhook's arrival to its version, in milliseconds, of the last day; sorted.
    latencies_ms: Vec<i64>,
    failing: usize,
    quarantined: usize,
    incidents: usize,
}

/// When a delivery was accepted: its id contains the instant.
fn accepted_at(delivery: &str) -> Option<Timestamp> {
    let (seconds, nanoseconds) = uuid::Uuid::parse_str(delivery).ok()?.get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?).ok()
}

impl Health {
    fn words(&self) -> (&'static str, &'static str) {
        match &self.poll {
            Some(PollState { failing: Some(_), .. }) => ("bad", "its list cannot be read"),
            _ if self.incidents > 0 => ("bad", "has incidents"),
            _ if self.failing + self.quarantined > 0 => ("warn", "has failed deliveries"),
            _ if self.last_delivery.is_none() && self.poll.as_ref().is_none_or(|poll| poll.good_at.is_none()) => {
                ("past", "nothing came yet")
            }
            _ => ("good", "good"),
        }
    }

    fn latency(&self) -> String {
        let Some(most) = self.latencies_ms.last() else { return "–".to_owned() };
        let median = self.latencies_ms[self.latencies_ms.len() / 2];
        format!("median {median} ms, longest {most} ms ({} versions)", self.latencies_ms.len())
    }

    fn saw(&mut self, at: Timestamp) {
        self.last_delivery = self.last_delivery.max(Some(at));
    }

    /// Adds the deliveries in a record.
    fn read(&mut self, record: &SubjectRecord, since: Timestamp) {
        for event in &record.history {
            let Some(accepted) = event.delivery.as_deref().and_then(accepted_at) else { continue };
            self.saw(accepted);
            if accepted >= since && matches!(event.event, Event::Published { .. }) {
                self.latencies_ms
                    .push(event.at.duration_since(accepted).as_millis().try_into().unwrap_or(i64::MAX).max(0));
            }
        }
    }
}

/// The health of each configured source.
async fn healths(app: &App, names: &[String], clock: &Clockface) -> Result<BTreeMap<String, Health>> {
    let since = clock.now - COUNTED;
    let wanted = Wanted { since: Some(since), ..Wanted::default() };
    let (records, jobs, incidents) =
        futures_util::try_join!(app.access.dispatches(wanted), app.access.jobs(None), app.access.incidents())?;
    let mut healths = BTreeMap::new();
    for name in names {
        let poll = app.access.poll_state(name).await?;
        let (last_delivery, latencies_ms) = (None, Vec::new());
        healths.insert(
            name.clone(),
            Health { poll, last_delivery, latencies_ms, failing: 0, quarantined: 0, incidents: 0 },
        );
    }
    for record in &records.found {
        if let Some(health) = healths.get_mut(&record.origin.source) {
            health.read(record, since);
        }
    }
    for job in &jobs.found {
        let (source, at, fails) = match job {
            StoredJob::Failing(failing) => (&failing.source, failing.received_at, true),
            StoredJob::Quarantined(quarantined) => (&quarantined.source, quarantined.received_at, false),
        };
        let replayed = matches!(job, StoredJob::Quarantined(quarantined) if quarantined.replayed_as.is_some());
        if let Some(health) = healths.get_mut(source) {
            health.saw(at);
            health.failing += usize::from(fails);
            health.quarantined += usize::from(!fails && !replayed);
        }
    }
    for incident in incidents.found.iter().filter(|incident| incident.status != IncidentStatus::Resolved) {
        if let Some(health) = healths.get_mut(incident.source()) {
            health.incidents += 1;
        }
    }
    for health in healths.values_mut() {
        health.latencies_ms.sort_unstable();
    }
    Ok(healths)
}

pub(super) async fn list(app: &Arc<App>) -> Result<Page> {
    let clock = app.clock();
    let config = app.access.config().await?;
    let names: Vec<String> = config.sources.keys().cloned().collect();
    let healths = healths(app, &names, &clock).await?;
    let ill = healths.values().filter(|health| health.words().0 == "bad").count();
    let summary = format!("{} sources, {ill} with problems", healths.len());
    let main = html! {
        p { (summary) "." }
        table.list {
            caption.visually-hidden { "Sources" }
            (head(&["Source", "Provider", "Health", "Last delivery", "Accepted to published, last day", "Failing", "Quarantined", "Open incidents"]))
            tbody {
                @for (source, health) in &healths {
                    @if let Some(configured) = config.sources.get(source) { (row(source, configured, health, &clock)) }
                }
            }
        }
    };
    Ok(Page::new(Section::Sources, "Sources", summary, main))
}

fn row(source: &str, configured: &Source, health: &Health, clock: &Clockface) -> Markup {
    let (kind, words) = health.words();
    html! {
        tr.risky[kind == "bad"] {
            th scope="row" { (link("/source", "name", source, &name(source))) }
            td data-label="Provider" { (name(configured.provider.name())) @if configured.environment == Environment::Sandbox { " " (badge("test", "sandbox")) } }
            td data-label="Health" { (badge(kind, words)) }
            td data-label="Last delivery" { @match health.last_delivery { Some(at) => { (off(clock, at)) } None => { "none" } } }
            td data-label="Accepted to published" { (health.latency()) }
            td data-label="Failing" { (health.failing) }
            td data-label="Quarantined" { (health.quarantined) }
            td data-label="Open incidents" { (health.incidents) }
        }
    }
}

pub(super) async fn one(app: &Arc<App>, fields: &Fields) -> Result<Page> {
    let (clock, source) = (app.clock(), fields.text("name"));
    let config = app.access.config().await?;
    let Some(configured) = config.sources.get(source) else {
        return Ok(not_there(&format!("There is no source {} in this stack.", show::name(source))));
    };
    let healths = healths(app, &[source.to_owned()], &clock).await?;
    let Some(health) = healths.get(source) else { return Ok(not_there("There is no such source.")) };
    let (kind, words) = health.words();
    let run = lock(&app.tests).get(&TestOf::Source(source.to_owned())).cloned();
    let tested = Testable {
        action: "/source/test",
        field: "source",
        name: source,
        what: "The provider sends a test, which is followed to its signal.",
        button: "Test this source",
    };
    let main = html! {
        p.lead { (badge(kind, words)) }
        dl.fields {
            (field("Provider", name(configured.provider.name())))
            (field("Environment", if configured.environment == Environment::Sandbox { "sandbox: all of it is marked test" } else { "production" }))
            @if let Some(url) = &configured.api_url { (field("API", line(url))) }
            (field("Last delivery", full_or(&clock, health.last_delivery, "none is known")))
            (field("Accepted to published, last day", health.latency()))
            (polling(health.poll.as_ref(), &clock))
            (field("Dispatches", html! { a href=(now::of_source(source)) { "Now" } }))
            (field("Deliveries", html! { a href=(address("/deliveries", &[("source", source)])) { (health.failing) " failing, " (health.quarantined) " quarantined" } }))
            (field("Incidents", html! { a href=(address("/incidents", &[("source", source), ("open", "1")])) { (health.incidents) " open" } }))
        }
        (tests_of::section(app, &tested, run.as_ref(), &clock))
    };
    Ok(Page::new(Section::Sources, source, words, main))
}

fn polling(poll: Option<&PollState>, clock: &Clockface) -> Markup {
    html! {
        @match poll {
            None => { (field("Polling", "it has not been polled")) }
            Some(poll) => {
                (field("Polled", full(clock, poll.began_at)))
                @if let Some(good) = poll.good_at { (field("Last good list", full(clock, good))) }
                @if let Some(failing) = &poll.failing {
                    (field("Error", html! { (line(&failing.last.detail)) ", " (failing.count) " time(s) since " (full(clock, failing.since)) }))
                }
                @if let Some(doubts) = &poll.doubts { (field("Unreadable in its list", line(&doubts.detail))) }
            }
        }
    }
}
