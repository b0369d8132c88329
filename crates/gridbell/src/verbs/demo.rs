//! `demo`: starts the stack, plays the scenarios, prints the results, stops the stack.

use anyhow::{Result, bail};

use super::{
    console,
    up::{self, Ending},
};
use crate::{
    demo::{self, Gateway, Played},
    progress::{self, Progress},
    show,
    web::Serving,
};
use local_stack::{Stack, Workspace};

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gridbell demo\n  gridbell demo --keep        and look around afterwards: gridbell dispatch list"
)]
pub(crate) struct Demo {
    /// Leave everything running afterwards, until Ctrl-C
    #[arg(long)]
    pub(crate) keep: bool,
    /// Print all results as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Runs the demo and prints its results.
pub(crate) async fn run(args: Demo) -> Result<()> {
    let mut ending = Ending::listen()?;
    let progress = progress::for_people();
    let (played, console) = tokio::select! {
        played = play(args.keep, progress.as_ref()) => played?,
        () = ending.asked() => bail!("stopped before the demo was over"),
    };
    let Played { report, stack, simulators, gateway } = played;
    if args.json {
        let mut object = report.to_json();
        if args.keep {
            object["stack"] = serde_json::to_value(stack.description())?;
        }
        show::json(&object)?;
    } else {
        report.show()?;
    }
    if args.keep {
        if !args.json {
            up::show(stack.description(), stack.state_file(), console.as_ref())?;
        }
        if show::while_read().is_ok() {
            ending.asked().await;
        }
    }
    progress.note("taking everything down");
    drop(console);
    let folder = stack.folder().to_owned();
    stack.shutdown().await?;
    drop((simulators, gateway));
    let failures = report.failures();
    if failures.is_empty() {
        return Ok(());
    }
    bail!(
        "{} of {} checks failed; the logs are in {}:\n  {}",
        failures.len(),
        report.checks(),
        folder.display(),
        failures.join("\n  ")
    )
}

async fn play(keep: bool, progress: &dyn Progress) -> Result<(Played, Option<Serving>)> {
    let (mut options, simulators) = demo::prepare().await?;
    let gateway = Gateway::start().await?;
    gateway.receives(&mut options);
    if keep {
        options.state = Some(Workspace::find()?.own().join("stack.json"));
    }
    let stack = Stack::up(options, progress).await?;
    let console = console::beside(&stack, progress).await;
    if let Some(Serving { url, .. }) = &console {
        progress.note(&format!("watch it in the web console: {url}"));
    }
    Ok((demo::play(stack, simulators, gateway, progress).await?, console))
}
