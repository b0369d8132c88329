//! Commands that run cargo.

use std::{
    ffi::{OsStr, OsString},
    process::Command,
};

use anyhow::{Context, Result, bail};

pub(crate) const BENCH_EXAMPLES: &str = "\
Examples:
  cargo xtask bench                                  starts, memory, sizes, instructions, AWS calls
  cargo xtask bench load --single 50 --burst 2000    latency and throughput on a local stack of its own
  cargo xtask bench -- --help                        the driver's own help, once it is built";

/// Builds the driver in the release profile, like the binaries that it measures, and runs it.
pub(crate) fn bench(arguments: &[OsString]) -> Result<()> {
    let fixed = ["run", "--release", "--package", "bench", "--"].map(OsStr::new);
    cargo(fixed.into_iter().chain(arguments.iter().map(OsString::as_os_str)), None)
}

/// Writes `events/` from the code that a test compares it with.
pub(crate) fn fixtures() -> Result<()> {
    let fixed = ["test", "--package", "gridbell", "--test", "events"].map(OsStr::new);
    cargo(fixed.into_iter(), Some("UPDATE_EVENTS"))
}

fn cargo<'a>(arguments: impl Iterator<Item = &'a OsStr>, variable: Option<&str>) -> Result<()> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(&program)
        .args(arguments)
        .envs(variable.map(|name| (name, "1")))
        .status()
        .with_context(|| format!("{} cannot be run", program.display()))?;
    if !status.success() {
        bail!("cargo ended with {status}");
    }
    Ok(())
}
