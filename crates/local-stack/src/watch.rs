//! `--watch`: `cargo lambda watch` hosts the functions and rebuilds one when its source changes.
//!
//! Limits: one instance per function; a function is built on its first call; more than about a hundred waiting calls
//! hang it for ever. Use it for writing code, not for load.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result};
use stack_client::{ALL_FUNCTIONS, COURIER, logical_id};

use super::{
    aws_api::{AwsApi, REGION},
    deploy::{Outputs, output},
    emulator::free_port,
    functions,
    guard::{Guard, Guarded},
    workspace::Workspace,
};

/// The log's name in the stack's folder.
pub(super) const LOG: &str = "watch.log";

/// Where the functions will be hosted, known before they are deployed.
#[derive(Debug)]
pub(super) struct Hosting {
    home: PathBuf,
    port: u16,
}

impl Hosting {
    pub(super) fn choose(home: PathBuf) -> Result<Self> {
        Ok(Self { home, port: free_port()? })
    }

    /// The port for `cargo lambda invoke`.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The address that invokes each function.
    pub(super) fn functions(&self) -> BTreeMap<&'static str, String> {
        ALL_FUNCTIONS
            .map(|name| (name, format!("http://127.0.0.1:{}/2015-03-31/functions/{name}/invocations", self.port)))
            .into()
    }

    /// Starts it. The functions' variables come from the deployed stack, so that they are written once.
    pub(super) async fn start(
        self,
        guard: &Guard,
        workspace: &Workspace,
        folder: &Path,
        api: &AwsApi,
        outputs: &Outputs,
    ) -> Result<Guarded> {
        let mut variables = BTreeMap::new();
        for function in ALL_FUNCTIONS {
            let key = format!("{}Name", logical_id(function));
            if function == COURIER && !outputs.contains_key(&key) {
                continue;
            }
            let name = output(outputs, &key)?;
            variables.extend(api.function_environment(name).await?);
        }
        variables.remove("MINISTACK_LAMBDA_PROXY_URL");
        let log = folder.join(LOG);
        let output = std::fs::File::create(&log).with_context(|| format!("{} cannot be written", log.display()))?;
        let mut command = guard.command(self.home.join("bin/cargo-lambda"));
        command
            .args(["lambda", "watch", "--invoke-address", "127.0.0.1", "--invoke-port"])
            .arg(self.port.to_string())
            .current_dir(&workspace.root)
            .envs(variables)
            .env("CARGO_TARGET_DIR", &workspace.target)
            .env("AWS_ENDPOINT_URL", api.base())
            .env("AWS_REGION", REGION)
            .env("AWS_DEFAULT_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .stdout(output.try_clone()?)
            .stderr(Stdio::from(output));
        functions::forget_outer_cargo(&mut command);
        Guarded::spawn(&mut command).context("cargo lambda watch cannot be started")
    }
}
