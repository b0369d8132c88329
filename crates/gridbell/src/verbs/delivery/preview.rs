//! A preview of a replay: it reads and merges the body here, and writes nothing.

use std::collections::BTreeMap;

use anyhow::Result;
use aws::sqs::SIGNAL_LIMIT_BYTES;
use dispatch::{Contradiction, Epoch, Fact, Publication, Status, Subject, absorb};
use jiff::Timestamp;
use pipeline::{
    config::Config,
    job::{Job, JobKind},
    ports::Dispatches,
    record::SubjectRecord,
};
use providers::{Delivery, Parsed};
use serde::Serialize;

use super::{
    dead::Dead,
    get::{Found, stored_body},
};
use crate::{
    console::Console,
    show::{Clockface, word},
    verbs::dispatch::phase,
};

/// What a replay would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// The delivery.
    pub id: String,
    /// Its source.
    pub source: String,
    /// Whether the delivery can be replayed.
    pub possible: bool,
    /// What the replay would do, one line for each subject.
    pub outcome: Vec<String>,
}

/// Computes the preview.
pub(super) async fn preview(console: &Console, config: &Config, found: &Found, clock: &Clockface) -> Result<Preview> {
    let preview = |source: &str, possible, outcome| Preview {
        id: found.view.id.clone(),
        source: source.to_owned(),
        possible,
        outcome,
    };
    let Some(job) = &found.job else {
        let outcome = found.dead.as_ref().map(Dead::outcome);
        let (possible, what) = match outcome {
            Some(Some(outcome)) => (true, outcome),
            Some(None) => (false, "nothing would come of it; SQS drops it after 14 days".to_owned()),
            None => (false, "its body travels in the queue alone: wait for its next attempt".to_owned()),
        };
        return Ok(preview(&found.view.source, possible, vec![what]));
    };
    let stored = stored_body(console, job).await?;
    let reading = match read(config, job, stored, clock.now) {
        Ok(reading) => reading,
        Err(why) => return Ok(preview(&job.source, true, vec![format!("quarantined again: {why}")])),
    };
    let mut outcome: Vec<String> = reading
        .diagnostics
        .iter()
        .map(|diagnostic| format!("people are notified again: {}", word_of(diagnostic)))
        .collect();
    let table = console.dispatches();
    for fetch in &reading.fetches {
        let record = table.read(&fetch.subject).await.map_err(|error| console.refusal(error))?;
        outcome.push(of_fetch(&fetch.subject, record.as_ref(), clock));
    }
    let mut facts: BTreeMap<Subject, Vec<Fact>> = BTreeMap::new();
    for fact in reading.facts {
        facts.entry(fact.subject.clone()).or_default().push(fact);
    }
    for (subject, facts) in facts {
        let record = table.read(&subject).await.map_err(|error| console.refusal(error))?;
        outcome.push(of_facts(&subject, record, facts, clock.now));
    }
    if outcome.is_empty() {
        outcome.push("nothing: its body says nothing that is published".to_owned());
    }
    Ok(preview(&job.source, true, outcome))
}

fn read(config: &Config, job: &Job, stored: Option<String>, now: Timestamp) -> Result<Parsed, String> {
    let (source, origin) = config
        .source(&job.source)
        .ok_or_else(|| format!("the configuration that runs knows no source {}", job.source))?;
    let provider = source.provider;
    let body = match (&job.kind, stored.map(Ok).or_else(|| job.body())) {
        (JobKind::Fetch(fetch), _) => return Ok(Parsed { fetches: vec![fetch.clone()], ..Parsed::default() }),
        (_, Some(body)) => body.map_err(|error| error.to_string())?,
        (_, None) => return Ok(Parsed::default()),
    };
    let delivery = Delivery { id: &job.delivery, received_at: now, origin: &origin };
    provider.parse(&delivery, &body).map_err(|unreadable| unreadable.to_string())
}

fn word_of(diagnostic: &providers::Diagnostic) -> String {
    let value = serde_json::to_value(diagnostic).unwrap_or_default();
    match value.as_object().and_then(|diagnostic| diagnostic.iter().next()) {
        Some((kind, what)) => format!("{} {what}", kind.replace('_', " ")),
        None => word(diagnostic),
    }
}

fn of_fetch(subject: &Subject, record: Option<&SubjectRecord>, clock: &Clockface) -> String {
    let asks = format!("asks the provider about {subject}");
    let Some(record) = record else { return format!("{asks}, which is not known yet") };
    let version = record.state.version;
    match record.state.published() {
        None => format!("{asks}; version {version} is known"),
        Some((Status::Scheduled, terms)) => {
            let phase = word(&phase(Status::Scheduled, &terms, clock.now));
            format!("{asks}, which is {phase} (version {version}): published again only where it has changed")
        }
        Some((status, _)) => format!(
            "{asks}, which is {} since {}: it curtails again only if the provider authorized it anew since",
            word(&status),
            clock.second(record.changed_at)
        ),
    }
}

fn of_facts(subject: &Subject, record: Option<SubjectRecord>, facts: Vec<Fact>, now: Timestamp) -> String {
    let known = record.as_ref().and_then(|record| record.state.published());
    let state = record.map(|record| record.state);
    let epoch = state.as_ref().map_or_else(|| Epoch::at(now), |state| state.epoch);
    let publication = Publication { epoch, now, limit_bytes: SIGNAL_LIMIT_BYTES, traceparent: None };
    let Some(absorbed) = absorb(state, subject, facts, Contradiction::Fetch, publication) else {
        return format!("{subject}: nothing");
    };
    if !absorbed.unsettled.is_empty() {
        let stands = known.map(|(status, _)| word(&status)).unwrap_or_default();
        return format!(
            "{subject}: contradicts what is known ({stands}), so the provider is asked and its answer holds"
        );
    }
    if absorbed.signals.is_empty() {
        return format!("{subject}: nothing new, nothing is published");
    }
    let signals: Vec<String> =
        absorbed.signals.iter().map(|signal| format!("{} #{}", signal.kind, signal.sequence)).collect();
    format!("{subject}: publishes {}", signals.join(", "))
}
