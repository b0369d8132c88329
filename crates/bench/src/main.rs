//! Measures the cost of a start, an invocation and a delivery. `cargo run --release -p bench` prints the results;
//! BENCHMARKS.md explains them.

mod artifacts;
mod clock;
mod gate;
mod instance;
mod load;
mod measure;
mod report;
mod runtime_api;
mod scene;
mod stub;
mod table;
mod tls;
mod top;

use std::{
    fmt::Display,
    io::{Write, stdout},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Result, ensure};
use clap::{Args, Parser, Subcommand};

use crate::{
    artifacts::Artifact,
    measure::{active, calls, instructions, start},
    scene::Scene,
};

/// Measure the functions and compare them with the smallest possible function.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    compare: Compare,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Measure the cost of a webhook at a given number of other active dispatches.
    Active(Active),
    /// Count AWS calls and what they consume: the same in every profile.
    Calls(Calls),
    /// Compare instructions and calls with the committed figures.
    Gate(gate::Gate),
    /// Measure latency and throughput on the local stack.
    Load(load::Load),
    /// Measure the latency from signals to HTTP outputs on the local stack, also while one output is down.
    Outputs(load::outputs::Outputs),
    /// Show where warm invocations spend their instructions.
    Top(top::Top),
}

#[derive(Debug, Args)]
struct Compare {
    /// Number of cold starts of each binary.
    #[arg(long, default_value_t = 30)]
    runs: usize,
    #[command(flatten)]
    binaries: Binaries,
    /// Keep callgrind's files in this folder, for `callgrind_annotate`.
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
}

/// The binaries to measure.
#[derive(Debug, Args)]
struct Binaries {
    /// Use the binaries in this folder instead of building them.
    #[arg(long, value_name = "FOLDER")]
    from: Option<PathBuf>,
    /// Build them in this profile of `Cargo.toml`.
    #[arg(long, default_value = "release", conflicts_with = "from")]
    profile: String,
}

#[derive(Debug, Args)]
struct Calls {
    #[command(flatten)]
    binaries: Binaries,
    /// Number of past dispatches in the table.
    #[arg(long, default_value_t = 0)]
    stored: usize,
}

#[derive(Debug, Args)]
struct Active {
    #[command(flatten)]
    binaries: Binaries,
    /// Numbers of active dispatches: at least ten, rising.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 100, 1_000, 10_000])]
    counts: Vec<usize>,
    /// Number of webhooks measured at each number.
    #[arg(long, default_value_t = 300)]
    webhooks: usize,
    /// Whether the active dispatches share their sites.
    #[arg(long, value_delimiter = ',', default_values = ["separate", "same"])]
    sites: Vec<active::Sites>,
}

impl Binaries {
    fn find(&self) -> Result<Vec<Artifact>> {
        match &self.from {
            Some(folder) => artifacts::find(folder),
            None => artifacts::build(&self.profile),
        }
    }
}

/// The exit status that a shell reports for a process ended by SIGPIPE.
const READER_LEFT: u8 = 141;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    match run().await {
        Err(error) if reader_left(&error) => Ok(ExitCode::from(READER_LEFT)),
        other => other.map(|()| ExitCode::SUCCESS),
    }
}

/// Whether the reader closed the pipe, as in `cargo xtask bench | head -1`.
fn reader_left(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

async fn run() -> Result<()> {
    // An error means that a provider is already installed, which is fine too.
    drop(rustls::crypto::ring::default_provider().install_default());
    let cli = Cli::parse();
    match cli.verb {
        None => compare(cli.compare).await,
        Some(Verb::Load(load)) => load::run(load).await,
        Some(Verb::Outputs(outputs)) => load::outputs::run(outputs).await,
        Some(Verb::Gate(gate)) => gate::run(gate).await,
        Some(Verb::Top(top)) => top::run(&top),
        Some(Verb::Active(options)) => {
            let artifacts = options.binaries.find()?;
            for sites in options.sites {
                let costs = active::measure(&artifacts, sites, (&options.counts, options.webhooks)).await?;
                show(&format!("Sites: {sites:?}").to_lowercase(), &active::table(&costs))?;
            }
            Ok(())
        }
        Some(Verb::Calls(options)) => {
            let counted = calls::count(&Scene::set().await?, &options.binaries.find()?, options.stored).await?;
            show("AWS calls", &report::calls(&counted))
        }
    }
}

async fn compare(options: Compare) -> Result<()> {
    ensure!(options.runs > 0, "--runs must be at least 1");
    let artifacts = options.binaries.find()?;
    let scene = Scene::set().await?;
    let counted = calls::count(&scene, &artifacts, 0).await?;
    let subjects = measure::subjects(&scene, artifacts).await?;
    let starts = start::measure(&scene, &subjects, options.runs).await?;
    show("Starts, memory, size", &report::starts(&subjects, &starts))?;
    match instructions::valgrind() {
        Some(valgrind) => {
            let counts = instructions::measure(&scene, &subjects, &valgrind, options.keep.as_deref()).await?;
            let artifacts: Vec<_> = subjects.iter().map(|subject| &subject.artifact).collect();
            show("Instructions (callgrind, user space)", &report::instructions(&artifacts, &counts))?;
        }
        None => show("Instructions", &"not counted: valgrind is missing (Debian, Ubuntu: apt-get install valgrind)\n")?,
    }
    show("AWS calls", &report::calls(&counted))
}

fn show(title: &str, what: &dyn Display) -> Result<()> {
    Ok(writeln!(stdout(), "\n## {title}\n\n{what}")?)
}
