//! The command line, as an operator uses it.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use super::TestStack;

impl TestStack {
    /// Runs a command on this stack with `--json`, and reads its output.
    pub(crate) async fn gridbell(&self, arguments: &[&str]) -> Result<Value> {
        let own = std::env::current_exe()?;
        let binary = own.ancestors().nth(2).context("the test lies nowhere")?.join("gridbell");
        ensure!(binary.is_file(), "{} is not there: `cargo test --no-run` builds it", binary.display());
        let run = Command::new(binary)
            .args(arguments)
            .args(["--json", "--state"])
            .arg(&self.state_file)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await?;
        ensure!(run.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
        serde_json::from_slice(&run.stdout).context("no JSON")
    }
}
