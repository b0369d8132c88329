//! What a start, an invocation and a delivery cost. `cargo run --release -p bench` prints it; BENCHMARKS.md says what it means.

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

/// Measures the functions against the least that a function can be.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    compare: Compare,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// What a webhook costs beside so many other active dispatches.
    Active(Active),
    /// AWS calls and what they consume: the same in every profile.
    Calls(Calls),
    /// Instructions and calls against what was committed.
    Gate(gate::Gate),
    /// Latency and throughput on the local stack.
    Load(load::Load),
    /// Where warm invocations spend their instructions.
    Top(top::Top),
}

#[derive(Debug, Args)]
struct Compare {
    /// Cold starts of each binary.
    #[arg(long, default_value_t = 30)]
    runs: usize,
    #[command(flatten)]
    binaries: Binaries,
    /// Keep callgrind's files in this folder, for `callgrind_annotate`.
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
}

/// What is measured.
#[derive(Debug, Args)]
struct Binaries {
    /// Take binaries from this folder instead of building them.
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
    /// Beside so many dispatches of the past.
    #[arg(long, default_value_t = 0)]
    stored: usize,
}

#[derive(Debug, Args)]
struct Active {
    #[command(flatten)]
    binaries: Binaries,
    /// How many are active, from ten on and rising.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 100, 1_000, 10_000])]
    counts: Vec<usize>,
    /// How many webhooks are measured beside each.
    #[arg(long, default_value_t = 300)]
    webhooks: usize,
    /// How they lie.
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

/// What a shell says of a process that SIGPIPE ended.
const READER_LEFT: u8 = 141;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    match run().await {
        Err(error) if reader_left(&error) => Ok(ExitCode::from(READER_LEFT)),
        other => other.map(|()| ExitCode::SUCCESS),
    }
}

/// `cargo xtask bench | head -1`: the reader has seen enough.
fn reader_left(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

async fn run() -> Result<()> {
    // Err: a provider was chosen before, which serves as well.
    drop(rustls::crypto::ring::default_provider().install_default());
    let cli = Cli::parse();
    match cli.verb {
        None => compare(cli.compare).await,
        Some(Verb::Load(load)) => load::run(load).await,
        Some(Verb::Gate(gate)) => gate::run(gate).await,
        Some(Verb::Top(top)) => top::run(&top),
        Some(Verb::Active(options)) => {
            let (scene, artifacts) = (Scene::set().await?, options.binaries.find()?);
            for sites in options.sites {
                let costs = active::measure(&scene, &artifacts, sites, (&options.counts, options.webhooks)).await?;
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
