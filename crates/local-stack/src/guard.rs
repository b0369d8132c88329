//! Child processes that cannot outlive gridbell: `guard.py` ends each of them when its pipe to gridbell closes, however
//! gridbell ends.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::process::{Child, ChildStdin, Command};

const SCRIPT: &str = include_str!("guard.py");

/// How long a guard may take to end all processes; it sends SIGTERM, waits 3 s, then kills.
const ENDING: Duration = Duration::from_secs(8);

/// The interval at which gridbell checks whether the guard has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Starts guarded commands: a Python and the script.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    python: PathBuf,
    script: PathBuf,
}

impl Guard {
    /// Writes the script into `folder`.
    pub(super) fn new(python: &Path, folder: &Path) -> Result<Self> {
        let script = folder.join("guard.py");
        if std::fs::read_to_string(&script).ok().as_deref() != Some(SCRIPT) {
            super::files::write(&script, SCRIPT.as_bytes())
                .with_context(|| format!("{} cannot be written", script.display()))?;
        }
        Ok(Self { python: python.to_owned(), script })
    }

    /// A command that runs under the guard; the caller adds arguments, environment and output.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        self.command_of(Path::new("-"), program)
    }

    /// A command that `file` describes: the guard removes the file when the command ends.
    pub(super) fn command_of(&self, file: &Path, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(&self.python);
        command.args(["-I", "-S"]).arg(&self.script).arg(file).arg(program).stdin(Stdio::piped()).process_group(0);
        command
    }
}

/// A running command. Dropping it ends the command and all processes that it started.
#[derive(Debug)]
pub(super) struct Guarded {
    pub(super) child: Child,
    lifeline: Option<ChildStdin>,
    pid: Option<u32>,
}

impl Guarded {
    /// Starts a command made by [`Guard::command`].
    pub(super) fn spawn(command: &mut Command) -> Result<Self> {
        let mut child = command.spawn().context("a process cannot be started")?;
        Ok(Self { lifeline: child.stdin.take(), pid: child.id(), child })
    }

    /// The guard's own process id, which is also its process group.
    pub(super) fn group(&self) -> Option<u32> {
        self.pid
    }

    /// True while the command runs.
    pub(super) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until the command ends by itself. Unlike `Child::wait`, it leaves the pipe open.
    pub(super) async fn wait(&mut self) -> Result<ExitStatus> {
        self.child.wait().await.context("a process cannot be waited for")
    }

    /// Ends the command and all processes under it, and waits for that.
    pub(super) async fn end(mut self) {
        self.lifeline = None;
        let ended = tokio::time::timeout(ENDING, self.child.wait()).await;
        if !matches!(ended, Ok(Ok(status)) if status.code().is_some()) {
            self.kill_group();
        }
    }

    /// Needed if the guard itself was killed or hangs.
    fn kill_group(&self) {
        let group = self.pid.and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(group) = group {
            // This fails if the group is empty, which is fine.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

impl Drop for Guarded {
    /// Waits until no process is left; this takes some hundredths of a second.
    fn drop(&mut self) {
        self.lifeline = None;
        for _ in 0..ENDING.as_millis() / POLL_INTERVAL.as_millis() {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(POLL_INTERVAL),
                Ok(Some(status)) if status.code().is_some() => return,
                _ => break,
            }
        }
        self.kill_group();
    }
}

#[cfg(all(test, target_os = "linux"))]
#[path = "guard_tests.rs"]
mod tests;
