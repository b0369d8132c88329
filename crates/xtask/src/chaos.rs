//! `cargo xtask chaos`: starts a stack, damages it, checks the result, stops it.

#![expect(clippy::print_stdout, reason = "a command for developers: the report cleans the text of providers")]

mod gather;
mod harm;
mod report;
mod run;
mod schedule;
pub(crate) mod upgrade;
mod watch;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

use local_stack::progress;
use provider_server::times;

use run::{Options, Ran};

pub(crate) const EXAMPLES: &str = "\
Webhooks of every provider come in bursts, twice, late and in another order, with updates and cancels, while processes of the
functions are killed, the emulator is stopped and goes on, and the providers answer slowly, wrongly or not at all. It ends with
status 1 where anything that was accepted is not accounted for.

Examples:
  cargo xtask chaos
  cargo xtask chaos --webhooks 200 --seed 7 --history chaos.jsonl
  cargo xtask chaos --json | jq .losses";

/// The arguments of `chaos`.
#[derive(Debug, clap::Args)]
pub(crate) struct Chaos {
    /// Number of webhooks, including repetitions
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(10..=20_000))]
    webhooks: u32,
    /// Seed of every choice; which process a fault hits also depends on the machine [default: the time]
    #[arg(long)]
    seed: Option<u64>,
    /// Write every observed event as JSON lines
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

/// Starts a stack, damages it and prints the result.
pub(crate) async fn run(args: Chaos) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let progress = progress::on_stderr();
    let seed = args.seed.unwrap_or_else(|| times::now().as_second().unsigned_abs());
    progress.note(&format!("seed {seed}"));
    let options = Options { seed, webhooks: usize::try_from(args.webhooks)? };
    let ran = tokio::select! {
        ran = run::run(options, None, progress.as_ref()) => ran?,
        _ = tokio::signal::ctrl_c() => bail!("stopped before it was over"),
        _ = terminate.recv() => bail!("stopped before it was over"),
    };
    if let Some(file) = &args.history {
        std::fs::write(file, ran.jsonl()?).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    verdict(&ran, args.json)
}

/// Prints the result; an error if anything that was accepted is lost.
fn verdict(ran: &Ran, as_json: bool) -> Result<()> {
    if as_json {
        println!("{}", serde_json::to_string_pretty(&ran.report)?);
    } else {
        ran.report.show();
    }
    if ran.report.holds() {
        return Ok(());
    }
    let broken: Vec<String> = ran.report.broken.iter().map(ToString::to_string).collect();
    bail!("of what was accepted, not all is accounted for (seed {}):\n  {}", ran.report.seed, broken.join("\n  "))
}
