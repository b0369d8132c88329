//! The tools from `PyPI`, each installed in a virtual environment under `target/gridbell/tools`, pinned by hash.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{
    files,
    guard::{Guard, Guarded},
};
use crate::progress::{Progress, Step};

/// A set of packages that are installed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    /// ministack and the SAM transform.
    Emulator,
    /// cargo-lambda, only for `--watch`.
    Watch,
}

impl Tool {
    const fn name(self) -> &'static str {
        match self {
            Self::Emulator => "emulator",
            Self::Watch => "watch",
        }
    }

    const fn requirements(self) -> &'static str {
        match self {
            Self::Emulator => include_str!("requirements/emulator.txt"),
            Self::Watch => include_str!("requirements/watch.txt"),
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Emulator => "emulator",
            Self::Watch => "cargo-lambda",
        }
    }
}

/// The Python of the tools.
#[derive(Debug, Clone)]
pub(super) struct Python {
    pub(super) program: PathBuf,
    version: String,
}

impl Python {
    /// Finds `python3` and checks that it can create virtual environments.
    pub(super) fn find() -> Result<Self> {
        const ASK: &str = "import sys\nprint(sys.executable)\nprint('.'.join(map(str, sys.version_info[:3])))\nassert sys.version_info >= (3, 10), 'old'\nimport venv, ensurepip";
        let output = Command::new("python3")
            .args(["-I", "-c", ASK])
            .stdin(Stdio::null())
            .output()
            .context("python3 cannot be run; the local stack's emulator needs Python 3.10 or newer (Debian: apt-get install python3 python3-venv)")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut lines = text.lines();
        let (program, version) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        if output.status.success() {
            return Ok(Self { program: PathBuf::from(program), version: version.to_owned() });
        }
        if String::from_utf8_lossy(&output.stderr).contains("AssertionError: old") {
            bail!("python3 is {version}; the local stack's emulator needs Python 3.10 or newer");
        }
        bail!("python3 has no venv module, in which the emulator is installed (Debian: apt-get install python3-venv)");
    }
}

/// Installs a tool if it is missing, and returns its virtual environment.
pub(super) async fn install(
    tool: Tool,
    python: &Python,
    guard: &Guard,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<PathBuf> {
    let step = progress.step(tool.title());
    let id = format!("{:.12x}", Sha256::digest(format!("{}\n{}", python.version, tool.requirements())));
    let home = folder.join(format!("{}-{id}", tool.name()));
    let stamp = home.join("complete");
    if !stamp.is_file() {
        let _lock = lock(&folder.join(format!("{}.lock", tool.name())), step.as_ref()).await?;
        // Another process may have installed it while this one waited.
        if !stamp.is_file() {
            make(tool, python, guard, &home, step.as_ref()).await?;
            files::write(&stamp, b"")?;
        }
    }
    let version =
        tool.requirements().lines().find(|line| line.starts_with("ministack==") || line.starts_with("cargo-lambda=="));
    step.done(version.unwrap_or_default().trim_end_matches([' ', '\\']));
    Ok(home)
}

async fn lock(file: &Path, step: &dyn Step) -> Result<std::fs::File> {
    loop {
        if let Some(lock) = files::try_lock(file).with_context(|| format!("{} cannot be locked", file.display()))? {
            return Ok(lock);
        }
        step.at("waits for another gridbell that installs it");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn make(tool: Tool, python: &Python, guard: &Guard, home: &Path, step: &dyn Step) -> Result<()> {
    if home.exists() {
        std::fs::remove_dir_all(home)
            .with_context(|| format!("{}, left half made, cannot be removed", home.display()))?;
    }
    step.at("makes a virtual environment");
    let log = home.with_extension("log");
    let mut venv = guard.command(&python.program);
    venv.args(["-I", "-m", "venv"]).arg(home);
    run(&mut venv, &log, step).await.context("the virtual environment was not made")?;

    let requirements = home.join("requirements.txt");
    files::write(&requirements, tool.requirements().as_bytes())?;
    let mut pip = guard.command(home.join("bin/python"));
    pip.args([
        "-I",
        "-m",
        "pip",
        "install",
        "--no-input",
        "--disable-pip-version-check",
        "--progress-bar",
        "off",
        "--no-compile",
    ])
    .args(["--no-deps", "--require-hashes", "--requirement"])
    .arg(&requirements);
    step.at("downloads from PyPI");
    run(&mut pip, &log, step)
        .await
        .with_context(|| format!("{} was not installed from PyPI; is it within reach from here?", tool.title()))
}

/// Runs a command to its end, writes its output to a log, and shows its last line.
async fn run(command: &mut tokio::process::Command, log: &Path, step: &dyn Step) -> Result<()> {
    let errors = std::fs::File::create(log).with_context(|| format!("{} cannot be written", log.display()))?;
    let mut output = Guarded::spawn(command.stdout(Stdio::piped()).stderr(errors))?;
    if let Some(stdout) = output.child.stdout.take() {
        let mut lines = BufReader::new(stdout).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            step.at(line.split(" (from").next().unwrap_or_default());
        }
    }
    let status = output.wait().await?;
    if status.success() {
        return Ok(());
    }
    bail!("it ended with {status}:\n{}", files::tail(log, 12))
}
