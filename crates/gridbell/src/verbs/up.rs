//! `up`: runs the local stack until Ctrl-C.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use url::Url;

use super::console;
use crate::{
    progress,
    show::{self, Paint},
    web::Serving,
};
use local_stack::{LogLine, ProviderUrls, SpanExporter, Stack, UpOptions, Workspace, progress::Progress};
use provider_server::Simulators;
use stack_client::Description;

/// How often `--logs` reads new lines.
const LOOK_AT_LOGS: Duration = Duration::from_millis(500);

/// Arguments of `up`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gridbell up\n  gridbell up --config gridbell.toml --logs\n  gridbell up --endpoint-url http://127.0.0.1:4566 --keep\n  gridbell up --otlp http://127.0.0.1:4318      a webhook is one trace in Jaeger, Tempo or any OpenTelemetry collector"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
pub(crate) struct Up {
    /// Configuration file [default: gridbell.toml where there is one, else one source per provider]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Use an existing AWS-compatible endpoint, e.g. a LocalStack
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    pub(crate) endpoint_url: Option<Url>,
    /// File to write the stack's description to [default: target/gridbell/stack.json]
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Run the functions with `cargo lambda watch`: a source change takes effect at once
    #[arg(long, conflicts_with = "endpoint_url")]
    pub(crate) watch: bool,
    /// Use simulators instead of the providers; always on without a configuration
    #[arg(long)]
    pub(crate) simulators: bool,
    /// Show what the functions log
    #[arg(long)]
    pub(crate) logs: bool,
    /// Send the functions' spans to an OTLP endpoint over HTTP, e.g. a local Jaeger
    #[arg(long, value_name = "URL", value_parser = otlp)]
    pub(crate) otlp: Option<Url>,
    /// Leave the stack on the endpoint when gridbell ends
    #[arg(long, requires = "endpoint_url")]
    pub(crate) keep: bool,
    /// Print the stack's description (the contents of stack.json) as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Parses an endpoint: scheme, host and port.
fn endpoint(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| "write http://HOST:PORT".to_owned())?;
    let plain =
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.path() == "/" && url.query().is_none();
    if plain { Ok(url) } else { Err("write http://HOST:PORT, nothing behind it".to_owned()) }
}

/// Parses the address of a viewer.
fn otlp(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.filter(|url| url.query().is_none()).ok_or_else(|| "write http://HOST:PORT, usually port 4318".to_owned())
}

/// Starts the stack, prints all addresses, and waits.
pub(crate) async fn run(up: Up) -> Result<()> {
    let mut ending = Ending::listen()?;
    let progress = progress::for_people();
    let (mut options, simulators) = options(&up).await?;
    options.state = Some(match up.state {
        Some(state) => state,
        None => Workspace::find()?.own().join("stack.json"),
    });
    (options.endpoint_url, options.watch, options.keep) = (up.endpoint_url, up.watch, up.keep);
    options.spans = up.otlp.is_some();
    let mut spans = up.otlp.as_ref().map(Spans::to).transpose()?;
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
            () = tokio::time::sleep(LOOK_AT_LOGS), if up.logs || spans.is_some() => {}
        }
        let mut lines = stack.logs().await?;
        if let Some(spans) = &mut spans {
            lines = spans.pass_on(lines, progress.as_ref()).await;
        }
        for line in lines.into_iter().filter(|_| up.logs) {
            progress.note(&line.to_string());
        }
    };
    if let Some(failure) = failure {
        stack.shutdown().await?;
        return Err(failure);
    }
    if let (Some(spans), Ok(lines)) = (&mut spans, stack.logs().await) {
        spans.pass_on(lines, progress.as_ref()).await;
    }
    progress.note("taking everything down");
    drop(console);
    let down = stack.shutdown().await;
    drop(simulators);
    down
}

/// The way of spans to a viewer.
struct Spans {
    exporter: SpanExporter,
    /// The viewer did not take the last ones, and a line has said so.
    has_failed: bool,
}

impl Spans {
    fn to(endpoint: &Url) -> Result<Self> {
        Ok(Self { exporter: SpanExporter::new(endpoint)?, has_failed: false })
    }

    /// Sends the spans among the lines, and returns the others. A viewer that does not answer gets them later.
    async fn pass_on(&mut self, lines: Vec<LogLine>, progress: &dyn Progress) -> Vec<LogLine> {
        let others = self.exporter.take(lines);
        let sent = self.exporter.send().await;
        if let (Err(error), false) = (&sent, self.has_failed) {
            progress.note(&format!("the spans wait: {error:#}"));
        }
        self.has_failed = sent.is_err();
        others
    }
}

/// The stack's options, and the simulators, which must live as long as the stack.
async fn options(up: &Up) -> Result<(UpOptions, Option<Simulators>)> {
    let usual = Path::new("gridbell.toml");
    let (mut options, built_in) = match &up.config {
        Some(file) => (UpOptions::from_file(file)?, false),
        None if usual.exists() => (UpOptions::from_file(usual)?, false),
        None => (UpOptions::built_in(&ProviderUrls::new())?, true),
    };
    // The built-in configuration names no real provider.
    if !(built_in || up.simulators) {
        return Ok((options, None));
    }
    let simulators = Simulators::with_the_seeds().await?;
    simulators.answer_for(&mut options);
    Ok((options, Some(simulators)))
}

/// Requests to end: Ctrl-C, a service manager, a closed terminal.
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
        // Writing to memory does not fail.
        let _ = writeln!(text, "  {} ({})\n    {}", paint.bold(name), source.provider, source.url);
    }
    text.push('\n');
    let has_outputs = description.queues.contains_key("outputs");
    for (name, value) in [
        ("console", console.map_or("", |console| &console.url)),
        // With outputs, the courier reads that queue.
        ("signals", if has_outputs { "" } else { description.queues.get("signals").map_or("", String::as_str) }),
        ("outputs", if has_outputs { "the courier delivers the signals: gridbell output list" } else { "" }),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        assert!(endpoint("http://127.0.0.1:4566").is_ok());
        for wrong in ["127.0.0.1:4566", "http://h/x", "http://h/?a", "ftp://h"] {
            assert!(endpoint(wrong).is_err(), "{wrong}");
        }
        assert!(otlp("http://127.0.0.1:4318").is_ok() && otlp("https://tempo.example/otlp/v1/traces").is_ok());
        for wrong in ["127.0.0.1:4317", "grpc://h:4317", "http://h/?a"] {
            assert!(otlp(wrong).is_err(), "{wrong}");
        }
    }
}
