//! `delivery get`.

use anyhow::{Result, bail};
use aws::dynamo::StoredJob;
use dispatch::text::clip;
use pipeline::{
    job::{Failure, Job, JobKind},
    ports::Deliveries,
};
use serde_json::{Value, json};

use super::{
    dead::{self, DEAD, Dead, Holds},
    view::{DeliveryKind, DeliveryView},
};
use crate::{
    argument::Key,
    console::{Console, Which},
    show::{self, Clockface, Output, Paint},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  gridbell delivery get 0195f2c4-7a3e-7c55-9b1e-2f6f0a4d8e11
  gridbell delivery get 0195f2c4-7a3e-7c55-9b1e-2f6f0a4d8e11 --raw > body.json    the provider's body, byte for byte";

/// How much of a body is shown, in characters.
const MAX_BODY: usize = 8_000;

/// Arguments of `delivery get`.
#[derive(Debug, clap::Args)]
pub(crate) struct Get {
    /// Id, as `delivery list` shows it
    #[arg(value_name = "ID", value_parser = Key::shown_by("gridbell delivery list"))]
    id: String,
    /// Print only the raw body
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    which: Which,
}

impl Get {
    pub(super) async fn run(self) -> Result<()> {
        let console = self.which.open().await?;
        let Contents { view, body, fetch, failures } = contents(&console, &self.id).await?;
        if self.raw {
            let Some(body) = body else {
                bail!("{} is no body but a request to the provider; leave out --raw", self.id)
            };
            // Byte for byte into a file or a pipe; cleaned at a terminal.
            return if show::is_seen() { show::screen(&body) } else { show::raw(body.as_bytes()) };
        }
        if self.output.json {
            let mut value = serde_json::to_value(&view)?;
            value["body"] = json!(body);
            value["look"] = json!(fetch);
            value["failures"] = json!(failures);
            return show::json(&value);
        }
        let clock = Clockface::now(self.output.utc);
        show::screen(&text(&view, (body.as_deref(), fetch.as_ref()), &clock, Paint::stdout()))
    }
}

/// What is stored under an id, with its body.
#[derive(Debug, Clone)]
pub struct Contents {
    /// The delivery.
    pub view: DeliveryView,
    /// The provider's body, or a dead letter's message; none for a request, and for a body that is only in the queue.
    pub body: Option<String>,
    /// The request to the provider, if it is one.
    pub fetch: Option<Value>,
    /// The failures, oldest first.
    pub failures: Vec<Failure>,
}

/// What is stored under an id, with its body.
///
/// # Errors
/// In one line: the id is unknown, its body cannot be read, or AWS refused.
pub(crate) async fn contents(console: &Console, id: &str) -> Result<Contents> {
    let Found { view, job, dead } = find(console, id).await?;
    let body = match (&job, &dead) {
        (Some(job), _) => match stored_body(console, job).await? {
            None => job.body().transpose()?,
            stored => stored,
        },
        (None, Some(dead)) => Some(dead.body().to_owned()),
        (None, None) => None,
    };
    let fetch = job.as_ref().and_then(|job| match &job.kind {
        JobKind::Fetch(fetch) => serde_json::to_value(fetch).ok(),
        _ => None,
    });
    Ok(Contents { view, body, fetch, failures: job.map(|job| job.failures).unwrap_or_default() })
}

/// The body of a job whose body came in parts; none for other jobs, and if a part is missing.
pub(super) async fn stored_body(console: &Console, job: &Job) -> Result<Option<String>> {
    let (JobKind::Stored(stored) | JobKind::Awaited(stored)) = &job.kind else { return Ok(None) };
    Ok(console.deliveries().body(stored).await.map_err(|error| console.refusal(error))?)
}

/// What is stored under an id.
pub(super) struct Found {
    pub(super) view: DeliveryView,
    /// The job, if available.
    pub(super) job: Option<Job>,
    /// The dead letter, if it is one.
    pub(super) dead: Option<Dead>,
}

/// Finds what is stored under an id, in the table or in a dead-letter queue.
pub(super) async fn find(console: &Console, id: &str) -> Result<Found> {
    if id.starts_with(DEAD) {
        let Some(dead) = dead::all(console).await?.into_iter().find(|dead| dead.id() == id) else {
            bail!(
                "there is no dead letter {}: `gridbell delivery list --kind dead-letter` names those that there are",
                show::name(id)
            );
        };
        let job = if let Holds::Job(job) = &dead.holds { Some((**job).clone()) } else { None };
        return Ok(Found { view: DeliveryView::from(&dead), job, dead: Some(dead) });
    }
    let table = console.deliveries();
    let Some(stored) = table.job(id).await.map_err(|error| console.refusal(error))? else {
        bail!(
            "nothing fails and nothing is quarantined under {}: what went through is not kept; `gridbell delivery list` names the rest",
            show::name(id)
        );
    };
    let job = match &stored {
        StoredJob::Quarantined(_) => {
            table.quarantined(id).await.map_err(|error| console.refusal(error))?.map(|quarantined| quarantined.job)
        }
        StoredJob::Failing(failing) => failing.kind.clone().map(|kind| Job {
            delivery: failing.delivery.clone(),
            source: failing.source.clone(),
            received_at: failing.received_at,
            attempt: u32::try_from(failing.attempt).unwrap_or(u32::MAX),
            failures: failing.failures.clone(),
            after: None,
            waits: None,
            traceparent: failing.traceparent,
            kind,
        }),
    };
    Ok(Found { view: DeliveryView::from(&stored), job, dead: None })
}

fn text(view: &DeliveryView, (body, fetch): (Option<&str>, Option<&Value>), clock: &Clockface, paint: Paint) -> String {
    let mut text = format!("{}\n", paint.bold(&view.id));
    let mut row = |name: &str, value: String| text.push_str(&show::field(name, 13, &value));
    row("source", view.source.clone());
    row("taken", format!("{}  ({})", clock.full(view.received_at), clock.off(view.received_at)));
    match (view.attempt, view.next_at) {
        (Some(attempt), Some(next)) => row("failing", format!("{attempt} times; tried again {}", clock.off(next))),
        _ if view.kind == DeliveryKind::DeadLetter => {
            row("lies in", format!("{}, sent {}", view.failure, clock.full(view.at)));
        }
        _ => row("quarantined", clock.full(view.at)),
    }
    row("reason", format!("{}: {}", view.failure, view.reason));
    if let Some(replayed) = &view.replayed_as {
        row("replayed", format!("as {replayed}"));
    }
    match (body, fetch) {
        (Some(body), _) => {
            text.push('\n');
            text.push_str(&clip(body, MAX_BODY));
            if body.len() > MAX_BODY {
                text.push_str("\n(cut; --raw prints all of it)");
            }
        }
        (None, Some(fetch)) => {
            text.push_str("\na request to the provider: ");
            text.push_str(&clip(&fetch.to_string(), MAX_BODY));
        }
        (None, None) => text.push_str("\nits body is too long to be kept here; it travels in the queue"),
    }
    text
}
