//! What would come of a replay, found out without doing it: the body is read and merged here, and nothing is written.

use std::collections::BTreeMap;

use anyhow::Result;
use aws::sqs::SIGNAL_LIMIT_BYTES;
use dispatch::{Contradiction, Epoch, Fact, Publication, Status, Subject, absorb};
use jiff::Timestamp;
use pipeline::{
    config::Config,
    ports::Dispatches,
    record::Record,
    work::{Task, Work},
};
use providers::{Delivery, Reading};
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
pub(super) struct Plan {
    pub(super) id: String,
    pub(super) source: String,
    /// Whether there is anything to put in.
    pub(super) possible: bool,
    /// What would come of it, a line for each thing that it is about.
    pub(super) outcome: Vec<String>,
}

/// Works it out.
pub(super) async fn plan(console: &Console, config: &Config, found: &Found, clock: &Clockface) -> Result<Plan> {
    let plan = |source: &str, possible, outcome| Plan {
        id: found.view.id.clone(),
        source: source.to_owned(),
        possible,
        outcome,
    };
    let Some(work) = &found.work else {
        let outcome = found.dead.as_ref().map(Dead::outcome);
        let (possible, what) = match outcome {
            Some(Some(outcome)) => (true, outcome),
            Some(None) => (false, "nothing would come of it; SQS drops it after 14 days".to_owned()),
            None => (false, "its body travels in the queue alone: wait for its next attempt".to_owned()),
        };
        return Ok(plan(&found.view.source, possible, vec![what]));
    };
    let stored = stored_body(console, work).await?;
    let reading = match read(config, work, stored, clock.now) {
        Ok(reading) => reading,
        Err(why) => return Ok(plan(&work.source, true, vec![format!("quarantined again: {why}")])),
    };
    let mut outcome: Vec<String> =
        reading.findings.iter().map(|finding| format!("people are notified again: {}", word_of(finding))).collect();
    let table = console.dispatches();
    for look in &reading.looks {
        let record = table.read(&look.subject).await.map_err(|error| console.refusal(error))?;
        outcome.push(of_look(&look.subject, record.as_ref(), clock));
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
    Ok(plan(&work.source, true, outcome))
}

fn read(config: &Config, work: &Work, stored: Option<String>, now: Timestamp) -> Result<Reading, String> {
    let (source, origin) = config
        .source(&work.source)
        .ok_or_else(|| format!("the configuration that runs knows no source {}", work.source))?;
    let provider = source.provider().ok_or("this gridbell does not know the provider")?;
    let body = match (&work.task, stored.map(Ok).or_else(|| work.body())) {
        (Task::Look(look), _) => return Ok(Reading { looks: vec![look.clone()], ..Reading::default() }),
        (_, Some(body)) => body.map_err(|error| error.to_string())?,
        (_, None) => return Ok(Reading::default()),
    };
    let delivery = Delivery { id: &work.delivery, received_at: now, origin: &origin };
    provider.parse(&delivery, &body).map_err(|unreadable| unreadable.to_string())
}

fn word_of(finding: &providers::Finding) -> String {
    let value = serde_json::to_value(finding).unwrap_or_default();
    match value.as_object().and_then(|finding| finding.iter().next()) {
        Some((kind, what)) => format!("{} {what}", kind.replace('_', " ")),
        None => word(finding),
    }
}

fn of_look(subject: &Subject, record: Option<&Record>, clock: &Clockface) -> String {
    let asks = format!("asks the provider about {subject}");
    let Some(record) = record else { return format!("{asks}, which is not known yet") };
    let version = record.state.version;
    match record.state.published() {
        None => format!("{asks}; version {version} is known"),
        Some((Status::Scheduled, statement)) => {
            let phase = word(&phase(Status::Scheduled, &statement, clock.now));
            format!("{asks}, which is {phase} (version {version}): published again only where it has changed")
        }
        Some((status, _)) => format!(
            "{asks}, which is {} since {}: it curtails again only if the provider authorized it anew since",
            word(&status),
            clock.second(record.changed_at)
        ),
    }
}

fn of_facts(subject: &Subject, record: Option<Record>, facts: Vec<Fact>, now: Timestamp) -> String {
    let known = record.as_ref().and_then(|record| record.state.published());
    let state = record.map(|record| record.state);
    let epoch = state.as_ref().map_or_else(|| Epoch::at(now), |state| state.epoch);
    let publication = Publication { epoch, now, limit_bytes: SIGNAL_LIMIT_BYTES };
    let Some(absorbed) = absorb(state, subject, facts, Contradiction::Ask, publication) else {
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
