//! `delivery get`.

use std::{fmt::Write as _, io::Write as _};

use anyhow::{Result, bail};
use aws::dynamo::Kept;
use pipeline::{
    ports::Deliveries,
    work::{Task, Work},
};
use serde_json::{Value, json};

use super::{
    dead::{self, DEAD, Dead, Holds},
    view::{Kind, View},
};
use crate::{
    console::{Console, Which},
    show::{self, Clockface, Output, Paint},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  gridbell delivery get 0195f2c4-7a3e-7c55-9b1e-2f6f0a4d8e11
  gridbell delivery get 0195f2c4-7a3e-7c55-9b1e-2f6f0a4d8e11 --raw > body.json    the provider's body, byte for byte";

/// How `delivery get` is called.
#[derive(Debug, clap::Args)]
pub(crate) struct Get {
    /// Its id, as `delivery list` shows it
    #[arg(value_name = "ID")]
    id: String,
    /// Print the raw body and nothing else
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    which: Which,
}

impl Get {
    pub(super) async fn run(self) -> Result<()> {
        let console = Console::open(&self.which).await?;
        let Found { view, work, dead } = find(&console, &self.id).await?;
        let body = match (&work, &dead) {
            (Some(work), _) => match stored_body(&console, work).await? {
                None => work.body().transpose()?,
                stored => stored,
            },
            (None, Some(dead)) => Some(dead.body().to_owned()),
            (None, None) => None,
        };
        if self.raw {
            let Some(body) = body else { bail!("{} is no body but a look at the provider; leave out --raw", self.id) };
            std::io::stdout().write_all(body.as_bytes())?;
            return Ok(());
        }
        let look = work.as_ref().and_then(|work| match &work.task {
            Task::Look(look) => serde_json::to_value(look).ok(),
            _ => None,
        });
        if self.output.json {
            let mut value = serde_json::to_value(&view)?;
            value["body"] = json!(body);
            value["look"] = json!(look);
            value["troubles"] = json!(work.map(|work| work.troubles).unwrap_or_default());
            return show::json(&value);
        }
        let clock = Clockface::now(self.output.utc);
        show::print(&text(&view, (body.as_deref(), look.as_ref()), &clock, Paint::stdout()))
    }
}

/// The body of work whose body came in parts; none of other work, and none where a part is missing.
pub(super) async fn stored_body(console: &Console, work: &Work) -> Result<Option<String>> {
    let (Task::Stored(stored) | Task::Awaited(stored)) = &work.task else { return Ok(None) };
    Ok(console.deliveries().body(stored).await.map_err(|error| console.refusal(error))?)
}

/// What is kept under an id.
pub(super) struct Found {
    pub(super) view: View,
    /// The work itself, as far as it is at hand.
    pub(super) work: Option<Work>,
    /// The dead letter, where it is one.
    pub(super) dead: Option<Dead>,
}

/// What is kept under an id, in the table or in a dead-letter queue.
pub(super) async fn find(console: &Console, id: &str) -> Result<Found> {
    if id.starts_with(DEAD) {
        let Some(dead) = dead::all(console).await?.into_iter().find(|dead| dead.id() == id) else {
            bail!(
                "there is no dead letter {id}: `gridbell delivery list --kind dead-letter` names those that there are"
            );
        };
        let work = if let Holds::Work(work) = &dead.holds { Some((**work).clone()) } else { None };
        return Ok(Found { view: View::from(&dead), work, dead: Some(dead) });
    }
    let table = console.deliveries();
    let Some(kept) = table.kept(id).await.map_err(|error| console.refusal(error))? else {
        bail!(
            "nothing fails and nothing was put aside under {id}: what went through is not kept; `gridbell delivery list` names the rest"
        );
    };
    let work = match &kept {
        Kept::PutAside(_) => {
            table.quarantined(id).await.map_err(|error| console.refusal(error))?.map(|quarantined| quarantined.work)
        }
        Kept::Failing(failing) => failing.task.clone().map(|task| Work {
            delivery: failing.delivery.clone(),
            source: failing.source.clone(),
            received_at: failing.received_at,
            attempt: u32::try_from(failing.attempt).unwrap_or(u32::MAX),
            troubles: failing.troubles.clone(),
            told: None,
            task,
        }),
    };
    Ok(Found { view: View::from(&kept), work, dead: None })
}

fn text(view: &View, (body, look): (Option<&str>, Option<&Value>), clock: &Clockface, paint: Paint) -> String {
    let mut text = format!("{}\n", paint.bold(&view.id));
    let mut row = |name: &str, value: String| {
        // Writing into memory does not fail.
        let _ = writeln!(text, "  {name:<11}{value}");
    };
    row("source", view.source.clone());
    row("taken", format!("{}  ({})", clock.full(view.received_at), clock.off(view.received_at)));
    match (view.attempt, view.next_at) {
        (Some(attempt), Some(next)) => row("failing", format!("{attempt} times; tried again {}", clock.off(next))),
        _ if view.kind == Kind::DeadLetter => row("lies in", format!("{}, sent {}", view.trouble, clock.full(view.at))),
        _ => row("put aside", clock.full(view.at)),
    }
    row("reason", format!("{}: {}", view.trouble, view.reason));
    if let Some(replayed) = &view.replayed_as {
        row("replayed", format!("as {replayed}"));
    }
    match (body, look) {
        (Some(body), _) => {
            let _ = write!(text, "\n{body}");
        }
        (None, Some(look)) => {
            let _ = write!(text, "\na look at the provider: {look}");
        }
        (None, None) => text.push_str("\nits body is too long to be kept here; it travels in the queue"),
    }
    text
}
