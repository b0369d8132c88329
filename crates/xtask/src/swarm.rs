//! `cargo xtask swarm`: simulated histories from seeds; every step is checked.

#![expect(clippy::print_stdout, reason = "a command for developers: it prints no text of providers")]

use std::{
    fs,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use simulation::swarm::{self, FaultKind, Options, Report};

/// The swarm commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Swarm {
    /// Run seeds until one violates an invariant.
    Run(Run),
    /// Run a storm: thousands of dispatches announced in a minute, with AWS's service times, checked against goals.
    Storm(crate::storm::Storm),
}

/// The arguments of `cargo xtask swarm run`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask swarm run --seeds 100000\n  cargo xtask swarm run --seed 4711\n  cargo xtask swarm run --seed 4711 --without crash --history 4711.jsonl"
)]
pub(crate) struct Run {
    /// Number of seeds
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Run this seed and show its timeline
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// Leave out a kind of fault, to see which of them matter
    #[arg(long, value_name = "KIND", value_parser = kind)]
    without: Vec<FaultKind>,
    /// Write the seed's history as JSON lines
    #[arg(long, value_name = "FILE", requires = "seed")]
    history: Option<PathBuf>,
}

fn kind(name: &str) -> Result<FaultKind, String> {
    let known = || FaultKind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
    FaultKind::parse(name).ok_or_else(|| format!("known are {}", known()))
}

/// Runs a swarm command.
pub(crate) fn run(verb: Swarm) -> Result<()> {
    let args = match verb {
        Swarm::Run(args) => args,
        Swarm::Storm(args) => return crate::storm::run(&args),
    };
    match args.seed {
        Some(seed) => replay(seed, &args),
        None => play(&args),
    }
}

fn replay(seed: u64, args: &Run) -> Result<()> {
    let report = swarm::run(seed, &Options { record: true, without: args.without.clone(), saboteur: None });
    if let Some(file) = &args.history {
        fs::write(file, report.jsonl()).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    println!("{}", swarm::timeline(&report.history).trim_end());
    verdict(&report)?;
    println!("seed {seed} holds: {} signals, {} mails, {} steps", report.signals, report.mails, report.steps);
    Ok(())
}

/// Runs seeds on all cores and stops at the first that fails.
fn play(args: &Run) -> Result<()> {
    let bar = ProgressBar::new(args.seeds);
    let style = "{bar:40} {human_pos}/{human_len} seeds, {per_sec}, {eta} left";
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    let (next, steps) = (AtomicU64::new(0), AtomicU64::new(0));
    let failed: Mutex<Option<Report>> = Mutex::new(None);
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= args.seeds || failed.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
                return;
            }
            let options = Options { without: args.without.clone(), ..Options::default() };
            let report = swarm::run(args.from.wrapping_add(number), &options);
            steps.fetch_add(report.steps, Ordering::Relaxed);
            bar.inc(1);
            if report.violation.is_some() {
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(report);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let (took, per_second) = (bar.elapsed(), bar.per_sec());
    bar.finish_and_clear();
    if let Some(report) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return verdict(&report);
    }
    let steps = steps.into_inner();
    println!(
        "{} seeds from {} on hold: {steps} steps in {took:.1?}, {per_second:.0} seeds a second",
        args.seeds, args.from
    );
    Ok(())
}

fn verdict(report: &Report) -> Result<()> {
    let Some(violation) = &report.violation else { return Ok(()) };
    let seed = report.seed;
    bail!("seed {seed}: {violation}\nreplay it: cargo xtask swarm run --seed {seed}")
}
