//! A function's process, connected to the stand-in Runtime API.

use std::{
    fs::{File, OpenOptions},
    io::Read,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::{
    clock,
    measure::active,
    runtime_api::{RuntimeApi, Step},
    scene::Variables,
};

/// The time-out of a step: under valgrind a cold start takes seconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running function. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct Instance {
    child: Child,
    api: RuntimeApi,
    started_at: Instant,
    ready_at: Option<Instant>,
    /// Whether it is waiting for an event.
    idle: bool,
    output: tempfile::NamedTempFile,
}

impl Instance {
    /// Starts the function. `early` events are available before its first request, as at a cold start.
    pub(crate) async fn start(mut command: Command, variables: &Variables, early: &[Bytes]) -> Result<Self> {
        let api = RuntimeApi::start().await?;
        for event in early {
            api.give(event.clone());
        }
        let output = tempfile::NamedTempFile::new()?;
        command
            .env_clear()
            .envs(variables)
            .env("AWS_LAMBDA_RUNTIME_API", api.address.to_string())
            .stdin(Stdio::null())
            .stdout(OpenOptions::new().append(true).open(output.path())?)
            .stderr(OpenOptions::new().append(true).open(output.path())?)
            .kill_on_drop(true);
        let started_at = clock::now();
        let child =
            command.spawn().with_context(|| format!("{} does not run", command.as_std().get_program().display()))?;
        Ok(Self { child, api, started_at, ready_at: None, idle: false, output })
    }

    /// The time from exec to its first request for an event.
    pub(crate) async fn ready(&mut self) -> Result<Duration> {
        while self.ready_at.is_none() {
            self.step().await?;
        }
        Ok(self.since_start(self.ready_at))
    }

    /// Waits for the answer to the oldest event. Returns the time from exec, and the answer.
    pub(crate) async fn answer(&mut self) -> Result<(Duration, Bytes)> {
        loop {
            if let Some((at, body)) = self.step().await? {
                return Ok((self.since_start(Some(at)), body));
            }
        }
    }

    /// Sends one event and waits until the function requests the next.
    pub(crate) async fn invoke(&mut self, event: Bytes) -> Result<Bytes> {
        self.api.give(event);
        let (_, body) = self.answer().await?;
        self.settle().await?;
        Ok(body)
    }

    /// Waits until the function is idle.
    pub(crate) async fn settle(&mut self) -> Result<()> {
        while !self.idle {
            self.step().await?;
        }
        Ok(())
    }

    /// Its peak memory so far, in KiB.
    pub(crate) fn peak_rss_kib(&self) -> Result<u64> {
        let id = self.child.id().context("the function has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).context("memory is read from /proc")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("/proc names no VmHWM")?;
        line.trim().trim_end_matches("kB").trim().parse().context("VmHWM is no number")
    }

    /// Its CPU time so far.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        active::cpu_of(self.child.id().context("the function has ended")?)
    }

    /// The size of its log so far, in bytes.
    pub(crate) fn logged_bytes(&self) -> Result<u64> {
        Ok(self.output.as_file().metadata()?.len())
    }

    /// Ends it with SIGTERM, on which valgrind writes its figures.
    pub(crate) async fn end(mut self) -> Result<()> {
        if let Some(id) = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            kill_process(id, Signal::TERM)?;
        }
        tokio::time::timeout(PATIENCE, self.child.wait()).await.context("the function does not end")??;
        Ok(())
    }

    async fn step(&mut self) -> Result<Option<(Instant, Bytes)>> {
        let step = tokio::select! {
            step = self.api.step() => step?,
            status = self.child.wait() => bail!("the function has ended ({}):\n{}", status?, self.tail()),
            () = tokio::time::sleep(PATIENCE) => bail!("the function did nothing for {PATIENCE:?}:\n{}", self.tail()),
        };
        match step {
            Step::Asked(at) => {
                self.ready_at.get_or_insert(at);
                self.idle = true;
                Ok(None)
            }
            Step::Answered(at, body) => {
                self.idle = false;
                Ok(Some((at, body)))
            }
            Step::Failed(body) => {
                bail!("the function failed: {}\n{}", String::from_utf8_lossy(&body), self.tail())
            }
        }
    }

    fn since_start(&self, at: Option<Instant>) -> Duration {
        at.map(|at| at.duration_since(self.started_at)).unwrap_or_default()
    }

    /// The end of its output.
    fn tail(&self) -> String {
        let mut text = String::new();
        let read = File::open(self.output.path()).and_then(|mut file| file.read_to_string(&mut text));
        if read.is_err() {
            return "(its output cannot be read)".to_owned();
        }
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}
