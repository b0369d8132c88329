//! A running consumer: its queue, and what it says.

use std::{fs, path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use super::programs::Program;
use crate::harness::{Aws, Checked, TestStack, config, eventually};

/// The time limit for each line. Other cases run meanwhile.
const ACTING: Duration = Duration::from_mins(2);

/// A consumer on a queue of its own.
pub(super) struct Running {
    program: Program,
    folder: PathBuf,
    aws: Aws,
    queue: String,
    copies: usize,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    pub(super) async fn start(stack: &TestStack, program: Program) -> Result<Self> {
        let queue = stack.aws.make_fifo(&format!("consumer-{}.fifo", program.name)).await?;
        let folder = stack.state_file.with_file_name(format!("consumer-{}-{}", program.name, std::process::id()));
        fs::create_dir_all(&folder)?;
        let mut described: Value = serde_json::from_str(&fs::read_to_string(&stack.state_file)?)?;
        described["queues"]["signals"] = json!(queue);
        described["acks"] = json!(format!("{}/{}", stack.description.acks, config::ACK_TOKEN));
        described["in_flight_s"] = json!(1);
        fs::write(folder.join("stack.json"), described.to_string())?;
        let (child, lines) = started(&program, &folder)?;
        Ok(Self { program, folder, aws: stack.aws.clone(), queue, copies: 0, child, lines })
    }

    pub(super) fn name(&self) -> &'static str {
        self.program.name
    }

    /// Kills it, and starts it again with the state that it stored. It has deleted what it acted on before: otherwise it
    /// would rightly act on that again.
    pub(super) async fn restart(&mut self) -> Result<()> {
        eventually(ACTING, "an empty queue", || async {
            let depth = self.aws.depth(&self.queue).await?;
            Ok(if depth == [0; 3] { Checked::Found(()) } else { Checked::NotYet(format!("{depth:?}")) })
        })
        .await?;
        self.child.kill().await?;
        (self.child, self.lines) = started(&self.program, &self.folder)?;
        Ok(())
    }

    /// Sends it a signal.
    pub(super) async fn gets(&mut self, signal: &Value) -> Result<()> {
        self.copies += 1;
        self.aws.send_signal(&self.queue, signal, self.copies).await
    }

    /// Waits until it has said lines that begin like this, in any order, and no others.
    pub(super) async fn says(&mut self, expected: &[&str]) -> Result<()> {
        let mut left = expected.to_vec();
        while !left.is_empty() {
            let line = timeout(ACTING, self.lines.next_line()).await;
            let line = line.with_context(|| format!("{}: not said: {left:?}", self.program.name))??;
            let line = line.with_context(|| format!("{} has ended; not said: {left:?}", self.program.name))?;
            // It repeats what failed, and passes over an acknowledgement of a dispatch that the stack does not know.
            if line.starts_with("tries again") || line.starts_with("pass over") {
                continue;
            }
            let place = left.iter().position(|left| line.starts_with(left));
            let place = place.with_context(|| format!("{} says {line:?}, not {left:?}", self.program.name))?;
            left.remove(place);
        }
        Ok(())
    }

    pub(super) async fn ends(mut self) -> Result<()> {
        let status = self.child.try_wait()?;
        ensure!(status.is_none(), "{} has ended: {status:?}", self.program.name);
        self.child.kill().await?;
        self.aws.delete_queue(&self.queue).await?;
        Ok(fs::remove_dir_all(self.folder)?)
    }
}

fn started(program: &Program, folder: &std::path::Path) -> Result<(Child, Lines<BufReader<ChildStdout>>)> {
    let mut command = Command::new(&program.command);
    command.args(&program.arguments).arg(folder.join("stack.json"));
    for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(proxy).env_remove(proxy.to_lowercase());
    }
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    Ok((child, lines))
}
