//! `dispatch timeline`: what happened to one dispatch, from everything stored about it.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use aws::dynamo::{Failing, QuarantinedJob, StoredJob};
use dispatch::Subject;
use jiff::Timestamp;
use pipeline::{
    alerts::channels::ChannelLog, conditions::Condition, incident::Incident, job::JobKind, ports::Dispatches,
    record::SubjectRecord, timeline::Event as Recorded,
};
use serde_json::json;

use super::step::{Awaited, Event, Known, Step};
use crate::{
    argument::Key,
    console::Which,
    show::{self, Clockface, Output, Paint},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  gridbell dispatch timeline voltus-prod/dkmq
  gridbell dispatch timeline nvgrid-prod/main/c-7 --utc
  gridbell dispatch timeline voltus-prod/dkmq --stack gridbell --json | jq -c '.steps[] | [.at, .event]'";

/// Arguments of `dispatch timeline`.
#[derive(Debug, clap::Args)]
pub(crate) struct TimelineArgs {
    /// Key of the dispatch, or any other subject
    #[arg(value_name = "KEY", value_parser = Key::shown_by("gridbell dispatch list --all"))]
    key: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    which: Which,
}

impl TimelineArgs {
    pub(super) async fn run(self) -> Result<()> {
        let console = self.which.open().await?;
        let clock = Clockface::now(self.output.utc);
        let subject = Subject::from_stored(self.key.as_str());
        let (dispatches, deliveries, incidents) = (console.dispatches(), console.deliveries(), console.incidents());
        let found = futures_util::try_join!(
            dispatches.read(&subject),
            deliveries.all(Some(subject.source())),
            incidents.all(false),
        );
        let (record, stored, incidents) = found.map_err(|error| console.refusal(error))?;
        for unreadable in stored.unreadable.iter().chain(&incidents.unreadable) {
            show::aside(&format!("cannot be read: {unreadable}"));
        }
        let steps = steps(&subject, record.as_ref(), &stored.found, &incidents.found);
        if steps.is_empty() {
            bail!(
                "nothing is known of {}: `gridbell dispatch list --all` names the dispatches that there are",
                show::name(&self.key)
            );
        }
        if self.output.json {
            return show::json(&json!({"key": self.key, "steps": steps}));
        }
        show::screen(&text(&steps, &clock, Paint::stdout()))
    }
}

/// All steps, oldest first; future ones last.
pub(crate) fn steps(
    subject: &Subject,
    record: Option<&SubjectRecord>,
    stored: &[StoredJob],
    incidents: &[Incident],
) -> Vec<Step> {
    let mut steps = record.map(of_record).unwrap_or_default();
    let deliveries: BTreeSet<String> = steps.iter().filter_map(|step| step.delivery.clone()).collect();
    for stored in stored {
        match stored {
            StoredJob::Failing(failing) if concerns(failing, subject, &deliveries) => steps.extend(of_failing(failing)),
            StoredJob::Quarantined(quarantined) if is_of(quarantined, subject, &deliveries) => {
                steps.push(of_quarantined(quarantined));
            }
            StoredJob::Failing(_) | StoredJob::Quarantined(_) => {}
        }
    }
    let known: BTreeSet<String> = steps.iter().filter_map(|step| step.delivery.clone()).collect();
    let about = |incident: &&Incident| match &incident.condition {
        Condition::Failing { key, .. } if known.contains(key) => true,
        condition => condition.subject().as_ref() == Some(subject),
    };
    steps.extend(incidents.iter().filter(about).flat_map(of_incident));
    steps.extend(known.iter().filter_map(|delivery| received(delivery)));
    steps.sort_by_key(|step| (step.at, step.event.rank()));
    steps
}

fn step(at: Timestamp, event: Known) -> Step {
    Step { at, delivery: None, event: Event::Known(event) }
}

/// When the delivery was accepted: its id contains the instant.
fn received(delivery: &str) -> Option<Step> {
    let (seconds, nanoseconds) = uuid::Uuid::parse_str(delivery).ok()?.get_timestamp()?.to_unix();
    let at = Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?).ok()?;
    Some(Step { delivery: Some(delivery.to_owned()), ..step(at, Known::Received {}) })
}

fn of_record(record: &SubjectRecord) -> Vec<Step> {
    let mut steps: Vec<Step> = record
        .history
        .iter()
        .map(|entry| {
            let ack = record.ack.as_ref().filter(|ack| ack.at == entry.at);
            let event = match (&entry.event, ack.and_then(|ack| ack.detail.clone())) {
                (Recorded::Acknowledged { version, state, by: None }, Some(detail)) => {
                    Event::Known(Known::Acknowledged { version: *version, state: *state, detail })
                }
                (event, _) => Event::Recorded(event.clone()),
            };
            Step { at: entry.at, delivery: entry.delivery.clone(), event }
        })
        .collect();
    if !record.outbox.is_empty() {
        let signals = record.outbox.iter().map(dispatch::Signal::id).collect();
        steps.push(step(record.changed_at, Known::Unsent { signals }));
    }
    let published = record.state.published();
    if let Some(due) = record.due.or(record.lapsed) {
        let of = if published.is_some() { Awaited::Acknowledgement } else { Awaited::RampEnd };
        steps.push(step(due, Known::Due { of }));
    }
    if let Some((status, terms)) = published {
        let (request, sites) = (terms.request, terms.targets.len());
        steps.push(step(terms.start, Known::Starts { status, request, sites }));
        steps.extend(terms.end.map(|end| step(end, Known::Ends {})));
    }
    steps
}

fn concerns(failing: &Failing, subject: &Subject, deliveries: &BTreeSet<String>) -> bool {
    let looks_at_it = matches!(&failing.kind, Some(JobKind::Fetch(fetch)) if fetch.subject == *subject);
    looks_at_it || deliveries.contains(&failing.delivery)
}

fn of_failing(failing: &Failing) -> Vec<Step> {
    let failures = failing.failures.iter().map(|failure| {
        let (kind, detail) = (failure.kind, failure.detail.clone());
        step(failure.at, Known::Failed { kind, detail })
    });
    let next = step(failing.next_at, Known::Retry { failures: failing.attempt });
    let delivery = Some(failing.delivery.clone());
    failures.chain([next]).map(|step| Step { delivery: delivery.clone(), ..step }).collect()
}

/// A quarantined request is stored under the delivery and the request's key.
fn is_of(quarantined: &QuarantinedJob, subject: &Subject, deliveries: &BTreeSet<String>) -> bool {
    let (delivery, fetch) =
        quarantined.id.split_once('/').map_or((quarantined.id.as_str(), None), |(id, fetch)| (id, Some(fetch)));
    fetch == Some(subject.as_str()) || deliveries.contains(delivery)
}

fn of_quarantined(quarantined: &QuarantinedJob) -> Step {
    let QuarantinedJob { id, kind, reason, replayed_as, .. } = quarantined.clone();
    let delivery = id.split('/').next().map(str::to_owned);
    Step { delivery, ..step(quarantined.at, Known::Quarantined { id, kind, reason, replayed_as }) }
}

/// A stage counts as mailed once SES has accepted its mail; until then the mail is pending.
fn of_incident(incident: &Incident) -> Vec<Step> {
    let name = || incident.incident.clone();
    // Only the latest detail is stored: of a resolved incident, why it was resolved.
    let detail = incident.resolved_at.is_none().then(|| incident.detail.clone());
    let mut steps = vec![step(incident.opened_at, Known::Opened { incident: name(), detail })];
    let mailed =
        |(stage, at): (&String, &Timestamp)| step(*at, Known::Mailed { incident: name(), stage: stage.clone() });
    steps.extend(incident.mails.iter().map(mailed));
    if let Some(waiting) = &incident.waiting {
        let waits = |stage: &String| {
            step(waiting.since, Known::Waiting { incident: name(), stage: stage.clone(), send_at: waiting.send_at })
        };
        steps.extend(waiting.stages.iter().map(|news| waits(&news.stage)));
    }
    steps.extend(incident.channels.iter().flat_map(|log| of_channel(&incident.incident, log)));
    if let Some(by) = &incident.acknowledged {
        steps.push(step(by.at, Known::AcknowledgedBy { incident: name(), by: by.by.clone() }));
    }
    if let Some(by) = &incident.snoozed {
        steps.push(step(by.at, Known::SnoozedBy { incident: name(), by: by.by.clone(), until: by.until }));
    }
    if let Some(at) = incident.resolved_at {
        steps.push(step(at, Known::Resolved { incident: name(), detail: incident.detail.clone() }));
    }
    steps
}

/// What a channel besides mail got of an incident, and what it will get.
fn of_channel(incident: &str, log: &ChannelLog) -> Vec<Step> {
    let (incident, channel) = (|| incident.to_owned(), || log.channel.to_string());
    let sent = log
        .sent
        .iter()
        .map(|(stage, at)| step(*at, Known::Rung { incident: incident(), stage: stage.clone(), channel: channel() }));
    let waits = log.waiting.iter().flat_map(|ring| {
        let (failures, error) = (ring.failures, ring.error.clone());
        let rings = move |stage: &String| {
            let (incident, stage, channel, error) = (incident(), stage.clone(), channel(), error.clone());
            step(ring.since, Known::Rings { incident, stage, channel, failures, error })
        };
        ring.stages.iter().map(rings)
    });
    sent.chain(waits).collect()
}

pub(super) fn text(steps: &[Step], clock: &Clockface, paint: Paint) -> String {
    let rows = steps.iter().map(|step| {
        let name = step.event.name();
        let name = match &step.event {
            Event::Recorded(_) => paint.good(&name),
            Event::Known(event) => match event {
                Known::Failed { .. } | Known::Quarantined { .. } | Known::Opened { .. } => paint.bad(&name),
                Known::Unsent { .. }
                | Known::Due { .. }
                | Known::Waiting { .. }
                | Known::Mailed { .. }
                | Known::Rung { .. }
                | Known::Rings { .. }
                | Known::SnoozedBy { .. } => paint.warn(&name),
                Known::Acknowledged { .. } | Known::AcknowledgedBy { .. } | Known::Resolved { .. } => paint.good(&name),
                Known::Received {} | Known::Retry { .. } | Known::Starts { .. } | Known::Ends {} => name,
            },
        };
        let time = if step.at > clock.now { clock.off(step.at) } else { String::new() };
        vec![clock.second(step.at), time, name, step.event.to_string()]
    });
    show::table(&[clock.zone().as_str(), "", "step", "what"], &["what"], rows)
}
