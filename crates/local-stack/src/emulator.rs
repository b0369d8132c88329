//! Runs ministack on a free port of loopback, in its own folder.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use reqwest::{Client, Url};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{aws_api::REGION, files, guard::Guarded, stack::Prerequisites, token};
use crate::progress::Progress;

/// The timeout of its start: 0.5 s is usual; a cold disk or a busy machine needs more.
const STARTING: Duration = Duration::from_mins(1);

/// How often another port is tried if another process has taken the free one.
const PORTS: usize = 5;

/// The log's name in the stack's folder.
const LOG: &str = "emulator.log";

/// Starts ministack with two patches. Its Lambda runtime API writes an answer's headers and body separately: with
/// Nagle's algorithm, each invocation would wait 40 ms for an acknowledgement in between. Its DynamoDB parses a query's
/// condition again for each entry of the index partition: the parsed condition is cached, or a webhook would cost 0.04
/// ms more for each active dispatch.
const START: &str = "\
import functools, socketserver, sys
socketserver.StreamRequestHandler.disable_nagle_algorithm = True
sys.argv[0] = 'ministack'
from ministack.app import main
from ministack.services import dynamodb
tokens = functools.lru_cache(1024)(lambda text, read=dynamodb._tokenize: tuple(read(text)))
dynamodb._tokenize = lambda text: list(tokens(text))
dynamodb._condition_syntax_error = functools.lru_cache(1024)(dynamodb._condition_syntax_error)
sys.exit(main())
";

/// A running emulator. Dropping it ends it and its functions.
#[derive(Debug)]
pub(super) struct Emulator {
    pub(super) endpoint: Url,
    pub(super) process: Guarded,
    pub(super) log: PathBuf,
}

/// Starts an emulator from the virtual environment `home`, with its log and its files in the stack's folder.
pub(super) async fn start(prerequisites: &Prerequisites, home: &Path, progress: &dyn Progress) -> Result<Emulator> {
    let step = progress.step("AWS");
    step.at("starts the emulator");
    let log = prerequisites.folder.path.join(LOG);
    for _ in 0..PORTS {
        let port = free_port()?;
        // The health answer repeats this nonce, so another emulator on the same port is not mistaken for this one.
        let nonce = token::random();
        let mut process = spawn(prerequisites, home, &log, port, &nonce)?;
        let endpoint = Url::parse(&format!("http://127.0.0.1:{port}"))?;
        let deadline = Instant::now() + STARTING;
        while process.is_running() {
            if healthy(&prerequisites.http, &endpoint, &nonce).await {
                step.done(&format!("answers at http://127.0.0.1:{port}"));
                return Ok(Emulator { endpoint, process, log });
            }
            if Instant::now() > deadline {
                process.end().await;
                bail!(
                    "the emulator did not answer within {} s; {}:\n{}",
                    STARTING.as_secs(),
                    log.display(),
                    files::tail(&log, 15)
                );
            }
            sleep(Duration::from_millis(50)).await;
        }
        if !files::tail(&log, 15).contains("in use") {
            bail!("the emulator ended at once; {}:\n{}", log.display(), files::tail(&log, 15));
        }
    }
    bail!("no free port was left on 127.0.0.1 after {PORTS} tries")
}

fn spawn(prerequisites: &Prerequisites, home: &Path, log: &Path, port: u16, nonce: &str) -> Result<Guarded> {
    let folder = &prerequisites.folder.path;
    let temporary = folder.join("tmp");
    std::fs::create_dir_all(&temporary)?;
    let output = std::fs::File::create(log).with_context(|| format!("{} cannot be written", log.display()))?;
    let endpoint = format!("http://127.0.0.1:{port}");
    let mut command = prerequisites.guard.command_of(prerequisites.state.path(), home.join("bin/python"));
    command.args(["-c", START]);
    // The functions inherit the emulator's environment, so it must not contain the user's variables.
    command.env_clear();
    for name in ["PATH", "HOME", "SSL_CERT_FILE"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .env("TMPDIR", &temporary)
        .env("BIND_HOST", "127.0.0.1")
        .env("GATEWAY_PORT", port.to_string())
        .env("MINISTACK_HOST", "127.0.0.1")
        .env("MINISTACK_REGION", REGION)
        .env("MINISTACK_EDITION", nonce)
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("LOG_LEVEL", "WARNING")
        .env("PYTHONUNBUFFERED", "1")
        .current_dir(folder)
        .stdout(output.try_clone()?)
        .stderr(Stdio::from(output));
    Guarded::spawn(&mut command).context("the emulator cannot be started")
}

/// A port that is free now.
pub(super) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}

async fn healthy(http: &Client, endpoint: &Url, nonce: &str) -> bool {
    let Ok(url) = endpoint.join("/_ministack/health") else { return false };
    let Ok(response) = http.get(url).timeout(Duration::from_secs(5)).send().await else { return false };
    let Ok(bytes) = response.bytes().await else { return false };
    let health: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    health.get("edition").and_then(Value::as_str) == Some(nonce)
}
