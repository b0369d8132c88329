//! `dispatch timeline`: one dispatch's story out of everything that is kept about it.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use aws::dynamo::{Failing, Kept, PutAside};
use dispatch::Subject;
use jiff::Timestamp;
use pipeline::{incident::Incident, ports::Dispatches, record::Record, work::Task};
use serde::Serialize;
use serde_json::json;

use crate::{
    argument::Key,
    console::{Console, Which},
    show::{self, Clockface, Output, Paint},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  gridbell dispatch timeline voltus-prod/dkmq
  gridbell dispatch timeline nvgrid-prod/main/c-7 --utc
  gridbell dispatch timeline voltus-prod/dkmq --stack gridbell --json | jq -r '.steps[] | [.at, .kind, .text] | @tsv'";

/// How `dispatch timeline` is called.
#[derive(Debug, clap::Args)]
pub(crate) struct Timeline {
    /// The dispatch's key, or any other subject
    #[arg(value_name = "KEY", value_parser = Key::shown_by("gridbell dispatch list --all"))]
    key: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    which: Which,
}

/// What sort of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Webhook,
    Failure,
    PutAside,
    Change,
    Owed,
    Incident,
    Mail,
    Retry,
    Deadline,
    Start,
    End,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Step {
    pub(super) at: Timestamp,
    pub(super) kind: Kind,
    pub(super) text: String,
    /// The delivery that brought it, where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delivery: Option<String>,
}

impl Timeline {
    pub(super) async fn run(self) -> Result<()> {
        let console = Console::open(&self.which).await?;
        let clock = Clockface::now(self.output.utc);
        let subject = Subject::from_stored(self.key.as_str());
        let (dispatches, deliveries, incidents) = (console.dispatches(), console.deliveries(), console.incidents());
        let found = futures_util::try_join!(
            dispatches.read(&subject),
            deliveries.all(Some(subject.source())),
            incidents.all(false),
        );
        let (record, kept, incidents) = found.map_err(|error| console.refusal(error))?;
        for unreadable in kept.unreadable.iter().chain(&incidents.unreadable) {
            show::aside(&format!("cannot be read: {unreadable}"));
        }
        let steps = steps(&subject, record.as_ref(), &kept.found, &incidents.found);
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

/// The story, oldest first; what lies ahead comes last.
pub(super) fn steps(subject: &Subject, record: Option<&Record>, kept: &[Kept], incidents: &[Incident]) -> Vec<Step> {
    let mut steps = record.map(of_record).unwrap_or_default();
    let deliveries: BTreeSet<String> = steps.iter().filter_map(|step| step.delivery.clone()).collect();
    for kept in kept {
        match kept {
            Kept::Failing(failing) if concerns(failing, subject, &deliveries) => steps.extend(of_failing(failing)),
            Kept::PutAside(aside) if is_of(aside, subject, &deliveries) => steps.push(of_put_aside(aside)),
            Kept::Failing(_) | Kept::PutAside(_) => {}
        }
    }
    let about =
        |incident: &&Incident| incident.dispatch.as_ref() == Some(subject) || incident.about == subject.as_str();
    steps.extend(incidents.iter().filter(about).flat_map(of_incident));
    let known: BTreeSet<String> = steps.iter().filter_map(|step| step.delivery.clone()).collect();
    steps.extend(known.iter().filter_map(|delivery| taken(delivery)));
    steps.sort_by_key(|step| (step.at, step.kind));
    steps
}

fn step(at: Timestamp, kind: Kind, text: impl Into<String>) -> Step {
    Step { at, kind, text: text.into(), delivery: None }
}

/// Our ids of deliveries hold the instant at which they were taken.
fn taken(delivery: &str) -> Option<Step> {
    let (seconds, nanoseconds) = uuid::Uuid::parse_str(delivery).ok()?.get_timestamp()?.to_unix();
    let at = Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?).ok()?;
    Some(Step {
        delivery: Some(delivery.to_owned()),
        ..step(at, Kind::Webhook, format!("delivery {delivery} was taken"))
    })
}

fn of_record(record: &Record) -> Vec<Step> {
    let mut steps: Vec<Step> = record
        .history
        .iter()
        .map(|entry| {
            let mut text = entry.what.clone();
            if let Some(ack) = record.ack.as_ref().filter(|ack| ack.at == entry.at)
                && let Some(detail) = &ack.detail
            {
                text = format!("{text}: {detail}");
            }
            let delivery = Some(entry.delivery.clone()).filter(|delivery| !delivery.is_empty());
            Step { delivery, ..step(entry.at, Kind::Change, text) }
        })
        .collect();
    if !record.outbox.is_empty() {
        let ids: Vec<String> = record.outbox.iter().map(dispatch::Signal::id).collect();
        steps.push(step(record.changed_at, Kind::Owed, format!("not known to be sent yet: {}", ids.join(", "))));
    }
    // Once a person was told, its instant is only when somebody looks again at the latest.
    if let Some(due) = record.due.filter(|due| due.told < record.state.version) {
        steps.push(step(due.at, Kind::Deadline, "unless it is acknowledged by then, a person is told".to_owned()));
    }
    if let Some((status, statement)) = record.state.published() {
        let word = show::word(&status);
        let sites = statement.targets.len();
        let asks = format!("{} of {sites} site(s), {word}", show::request(&statement.request));
        steps.push(step(statement.start, Kind::Start, format!("starts: {asks}")));
        steps.extend(statement.end.map(|end| step(end, Kind::End, "ends")));
    }
    steps
}

fn concerns(failing: &Failing, subject: &Subject, deliveries: &BTreeSet<String>) -> bool {
    let looks_at_it = matches!(&failing.task, Some(Task::Look(look)) if look.subject == *subject);
    looks_at_it || deliveries.contains(&failing.delivery)
}

fn of_failing(failing: &Failing) -> Vec<Step> {
    let delivery = Some(failing.delivery.clone());
    let failures = failing
        .troubles
        .iter()
        .map(|trouble| Step { delivery: delivery.clone(), ..step(trouble.at, Kind::Failure, trouble.detail.clone()) });
    let next = Step {
        delivery: delivery.clone(),
        ..step(failing.next_at, Kind::Retry, format!("tried again, after {} failures", failing.attempt))
    };
    failures.chain([next]).collect()
}

/// What was put aside of a look stands under the delivery and the look's key.
fn is_of(aside: &PutAside, subject: &Subject, deliveries: &BTreeSet<String>) -> bool {
    let (delivery, look) = aside.id.split_once('/').map_or((aside.id.as_str(), None), |(id, look)| (id, Some(look)));
    look == Some(subject.as_str()) || deliveries.contains(delivery)
}

fn of_put_aside(aside: &PutAside) -> Step {
    let replayed = aside.replayed_as.as_ref().map(|id| format!("; replayed as {id}")).unwrap_or_default();
    let delivery = aside.id.split('/').next().map(str::to_owned);
    let text = format!("put aside as {} ({}): {}{replayed}", aside.id, aside.kind, aside.reason);
    Step { delivery, ..step(aside.at, Kind::PutAside, text) }
}

fn of_incident(incident: &Incident) -> Vec<Step> {
    let name = &incident.incident;
    let mut steps = vec![step(incident.opened_at, Kind::Incident, format!("{name} opens"))];
    for (stage, mail) in &incident.mails {
        let (at, what) = match mail.sent_at {
            Some(at) => (at, "was mailed"),
            None => (mail.claimed_at, "is being mailed"),
        };
        steps.push(step(at, Kind::Mail, format!("{name} {what}, stage {stage}")));
    }
    if let Some(by) = &incident.acknowledged {
        steps.push(step(by.at, Kind::Incident, format!("{name} was taken on by {}", by.by)));
    }
    match incident.over_at {
        Some(at) => steps.push(step(at, Kind::Incident, format!("{name} is over: {}", incident.detail))),
        None if incident.count > 1 => {
            steps.push(step(incident.last_at, Kind::Incident, format!("{name}: {}", incident.detail)));
        }
        None => steps[0].text = format!("{name} opens: {}", incident.detail),
    }
    steps
}

pub(super) fn text(steps: &[Step], clock: &Clockface, paint: Paint) -> String {
    let rows = steps.iter().map(|step| {
        let word = show::word(&step.kind);
        let word = match step.kind {
            Kind::Failure | Kind::PutAside | Kind::Incident => paint.bad(&word),
            Kind::Mail | Kind::Owed | Kind::Deadline => paint.warn(&word),
            Kind::Change => paint.good(&word),
            Kind::Webhook | Kind::Retry | Kind::Start | Kind::End => word,
        };
        let time = if step.at > clock.now { clock.off(step.at) } else { String::new() };
        vec![clock.second(step.at), time, word, step.text.clone()]
    });
    show::table(&[clock.zone().as_str(), "", "step", "what"], &["what"], rows)
}
