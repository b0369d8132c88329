//! `up`: the stack until Ctrl-C.

use std::{fmt::Write as _, path::Path, time::Duration};

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::console;
use crate::{
    cli::Up,
    progress,
    show::{self, Paint},
    simulate::Simulators,
    web::Serving,
};
use local_stack::{Description, ProviderUrls, Stack, UpOptions, Workspace};

/// How often `--logs` looks for new lines.
const LOOK_AT_LOGS: Duration = Duration::from_millis(500);

/// Brings the stack up, says where everything is, and waits.
pub(crate) async fn run(up: Up) -> Result<()> {
    let mut ending = Ending::listen()?;
    let progress = progress::for_people();
    let (mut options, simulators) = options(&up).await?;
    options.state = Some(match up.state {
        Some(state) => state,
        None => Workspace::find()?.own().join("stack.json"),
    });
    (options.endpoint_url, options.watch, options.keep) = (up.endpoint_url, up.watch, up.keep);
    let mut stack = tokio::select! {
        stack = Stack::up(options, progress.as_ref()) => stack?,
        () = ending.asked() => {
            progress.note("stopped before it was up");
            return Ok(());
        }
    };
    let console = if up.json { None } else { console::beside(&stack, progress.as_ref()).await };
    if up.json {
        show::json(stack.description())?;
    } else {
        show(stack.description(), stack.state_file(), console.as_ref())?;
    }
    if let Err(left) = show::while_read() {
        stack.shutdown().await?;
        return Err(left.into());
    }
    let failure = loop {
        tokio::select! {
            () = ending.asked() => break None,
            error = stack.failed() => break Some(error),
            () = tokio::time::sleep(LOOK_AT_LOGS), if up.logs => {}
        }
        for line in stack.logs().await? {
            progress.note(&line.to_string());
        }
    };
    if let Some(failure) = failure {
        stack.shutdown().await?;
        return Err(failure);
    }
    progress.note("taking everything down");
    drop(console);
    let down = stack.shutdown().await;
    drop(simulators);
    down
}

/// The options, and the simulators that must live as long as the stack does.
async fn options(up: &Up) -> Result<(UpOptions, Option<Simulators>)> {
    let usual = Path::new("gridbell.toml");
    let (mut options, built_in) = match &up.config {
        Some(file) => (UpOptions::from_file(file)?, false),
        None if usual.exists() => (UpOptions::from_file(usual)?, false),
        None => (UpOptions::built_in(&ProviderUrls::new())?, true),
    };
    // The built-in configuration names no provider that could answer.
    if !(built_in || up.simulators) {
        return Ok((options, None));
    }
    let simulators = Simulators::with_the_seeds().await?;
    simulators.answer_for(&mut options);
    Ok((options, Some(simulators)))
}

/// Being asked to end: Ctrl-C, a service manager, a terminal that closes.
pub(super) struct Ending([Signal; 3]);

impl Ending {
    pub(super) fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("signals cannot be listened to");
        Ok(Self([listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?, listen(SignalKind::hangup())?]))
    }

    pub(super) async fn asked(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

pub(super) fn show(description: &Description, state: &Path, console: Option<&Serving>) -> Result<()> {
    let paint = Paint::stdout();
    let mut text = format!("\n{} Ctrl-C takes it down.\n\n", paint.bold("gridbell is up."));
    for (name, source) in &description.sources {
        // Writing into memory does not fail.
        let _ = writeln!(text, "  {} ({})\n    {}", paint.bold(name), source.provider, source.url);
    }
    text.push('\n');
    for (name, value) in [
        ("console", console.map_or("", |console| &console.url)),
        ("signals", description.queues.get("signals").map_or("", String::as_str)),
        ("acks", &description.acks),
        ("mail", &description.mail),
        ("AWS", &format!("{} ({})", description.endpoint_url, description.region)),
        ("all of it", &state.display().to_string()),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    {
        text.push_str(&show::field(name, 10, value));
    }
    show::screen(&text)
}
