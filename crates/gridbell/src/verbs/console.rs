//! `console`: serves a stack's web console until Ctrl-C.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    sync::Arc,
};

use anyhow::Result;
use local_stack::Stack;
use serde_json::json;
use tempfile::NamedTempFile;

use super::up::Ending;
use crate::{
    console::Which,
    progress::Progress,
    show::{self, Paint},
    web::{self, OpenedStack, Serving},
};

pub(crate) const EXAMPLES: &str = "\
Examples:
  gridbell console                                    the local stack
  gridbell console --stack gridbell --profile duty    one in AWS
  gridbell console --port 8080 --json | jq -r .url";

/// Arguments of `console`.
#[derive(Debug, clap::Args)]
pub(crate) struct WebConsole {
    /// Port on 127.0.0.1 [default: a free one]
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Print the address as JSON
    #[arg(long)]
    json: bool,
    /// Show times in UTC instead of the local zone
    #[arg(long)]
    utc: bool,
    /// Do not open a browser
    #[arg(long)]
    no_open: bool,
    #[command(flatten)]
    which: Which,
}

/// Serves the console, prints its address, and waits.
pub(crate) async fn run(verb: WebConsole) -> Result<()> {
    let mut ending = Ending::listen()?;
    let WebConsole { port, json, utc, no_open, which } = verb;
    let stack = OpenedStack::open(which, utc).await?;
    let serving = web::serve(Arc::new(stack), port, utc).await?;
    if json {
        show::json(&json!({"url": serving.url}))?;
    } else {
        show::line(&format!("The console is at {}", Paint::stdout().bold(&serving.url)))?;
        show::line("Anyone with this address can acknowledge and replay. Ctrl-C ends it.")?;
    }
    // This keeps the file that the browser reads for as long as the console runs.
    let opened = if no_open || json || !show::is_seen() { None } else { open(&serving.url) };
    show::while_read()?;
    ending.asked().await;
    drop(opened);
    Ok(())
}

/// Opens a browser if there is a desktop. The browser gets a file that leads to the address: other users of this
/// machine can see command lines, and must not see the token.
fn open(url: &str) -> Option<NamedTempFile> {
    let is_desktop = ["DISPLAY", "WAYLAND_DISPLAY"].into_iter().any(|name| std::env::var_os(name).is_some());
    let opener = match std::env::consts::OS {
        "macos" => "open",
        _ if is_desktop => "xdg-open",
        _ => return None,
    };
    let mut file = tempfile::Builder::new().prefix("gridbell-console-").suffix(".html").tempfile().ok()?;
    write!(file, "<!DOCTYPE html><meta http-equiv=\"refresh\" content=\"0;url={url}\">").ok()?;
    let mut command = Command::new(opener);
    command.arg(file.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().ok().map(|_| file)
}

/// Serves a local stack's console while the stack is up. If that fails, the stack goes on.
pub(crate) async fn beside(stack: &Stack, progress: &dyn Progress) -> Option<Serving> {
    let which = Which { state: Some(stack.state_file().to_owned()), ..Which::default() };
    let serving = async {
        let stack = OpenedStack::open(which, false).await?;
        web::serve(Arc::new(stack), 0, false).await
    };
    serving.await.inspect_err(|error| progress.note(&format!("the web console cannot be served: {error:#}"))).ok()
}
