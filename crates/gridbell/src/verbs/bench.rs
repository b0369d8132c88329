//! `bench`: the measuring driver. It is a binary of its own, since it is built with what it measures, in the release profile.

use std::{ffi::OsString, process::Command};

use anyhow::{Context, Result, bail};

use crate::{cli::READER_LEFT, local::Workspace, show};

const EXAMPLES: &str = "\
Examples:
  gridbell bench                                  starts, memory, sizes, instructions, AWS calls
  gridbell bench load --single 50 --burst 2000    latency and throughput on a local stack of its own
  gridbell bench load --help                      the driver's own help, once it is built";

/// How `bench` is called.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Bench {
    /// What the driver is told; `gridbell bench -- --help` is its own help
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

/// Builds the driver where it is not, and runs it.
pub(crate) fn run(bench: &Bench) -> Result<()> {
    let workspace = Workspace::find()?;
    let status = Command::new(&workspace.cargo)
        .args(["run", "--release", "--package", "bench", "--"])
        .args(&bench.arguments)
        .current_dir(&workspace.root)
        .status()
        .context("cargo cannot be run; the bench is built with it")?;
    // What a shell says of a process whose reader has left.
    if status.code() == Some(READER_LEFT.into()) {
        return Err(show::ReaderLeft.into());
    }
    if !status.success() {
        bail!("the bench ended with {status}");
    }
    Ok(())
}
