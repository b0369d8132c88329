//! A local stack whose sources use simulators, a reader of the queue `signals`, and the binary.

use std::{
    collections::BTreeMap,
    process::{Output, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use local_stack::{Stack, UpOptions, progress::Silent, queue::Queue};
use provider_server::{Settings, Simulators};
use provider_sims::{SIMULATED, Simulated};
use serde_json::Value;
use stack_client::http_client;
use tokio::task::JoinSet;

/// How long a signal may take.
const COMES: Duration = Duration::from_mins(3);

/// How long no further signal must arrive.
const QUIET: Duration = Duration::from_secs(4);

/// How often the test checks for signals.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(crate) struct Bench {
    pub(crate) stack: Stack,
    /// The simulators of the built-in sources and of the copies.
    pub(crate) simulators: Simulators,
    /// By source, in the order of arrival.
    came: Arc<Mutex<BTreeMap<String, Vec<Value>>>>,
    _more: Vec<Simulators>,
    _reads: JoinSet<()>,
    _folder: tempfile::TempDir,
}

/// A position in a source's signals: how many had arrived.
pub(crate) struct Mark<'s> {
    source: &'s str,
    had: usize,
}

impl Mark<'_> {
    pub(crate) fn had(&self) -> usize {
        self.had
    }
}

impl Bench {
    /// Starts the stack, with `more` copies (`<provider>-1` and so on) of each source whose provider must be called for
    /// details. Each copy has a simulator of its own.
    pub(crate) async fn up(more: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut options, simulators) = gridbell::demo::prepare().await.expect("simulators");
        options.state = Some(folder.path().join("stack.json"));
        let more = copies(&mut options, more).await;
        let stack = Stack::up(options, &Silent).await.expect("up");
        let came = Arc::new(Mutex::new(BTreeMap::new()));
        let mut reads = JoinSet::new();
        let queue = Queue::of(stack.description(), "signals", http_client().expect("a client")).expect("a queue");
        reads.spawn(read(queue, Arc::clone(&came)));
        Self { stack, simulators, came, _more: more, _reads: reads, _folder: folder }
    }

    /// Runs `gridbell …` on the stack.
    pub(crate) fn command(&self, args: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_gridbell"));
        command.args(args).arg("--state").arg(self.stack.state_file()).stdin(Stdio::null());
        command
    }

    pub(crate) async fn gridbell(&self, args: &[&str]) -> Output {
        self.command(args).output().await.expect("gridbell starts")
    }

    /// Runs a command that must succeed; returns its output.
    pub(crate) async fn does(&self, args: &[&str]) -> String {
        let output = self.gridbell(args).await;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{args:?}: {out}{err}");
        out.into_owned()
    }

    /// Runs a command; returns its output, or its error of one line.
    pub(crate) async fn tries(&self, args: &[&str]) -> Result<String, String> {
        let output = self.gridbell(args).await;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.success() {
            return Ok(out.into_owned());
        }
        assert!(output.status.code() == Some(1) && err.trim_end().lines().count() == 1, "{args:?}: {out}{err}");
        Err(err.into_owned())
    }

    /// Runs a command that must fail; returns its exit status and its error of one line.
    pub(crate) async fn refuses(&self, args: &[&str]) -> (Option<i32>, String) {
        let output = self.gridbell(args).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");
        (output.status.code(), said)
    }

    /// The current position in a source's signals.
    pub(crate) fn mark<'s>(&self, source: &'s str) -> Mark<'s> {
        Mark { source, had: self.all(source).len() }
    }

    /// Waits for `count` signals since then.
    pub(crate) async fn signals(&self, mark: &Mark<'_>, count: usize) -> Vec<Value> {
        self.signals_within(COMES, mark, count).await
    }

    /// The same with another timeout.
    pub(crate) async fn signals_within(&self, patience: Duration, mark: &Mark<'_>, count: usize) -> Vec<Value> {
        let waiting = async {
            while self.all(mark.source).len() < mark.had + count {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let in_time = tokio::time::timeout(patience, waiting).await.is_ok();
        let came = self.all(mark.source).split_off(mark.had);
        assert!(
            in_time,
            "{} of {count} signals of {} came: {:?}",
            came.len(),
            mark.source,
            short(&came[came.len().saturating_sub(5)..])
        );
        came
    }

    /// Waits for further signals, then returns all signals of a source.
    pub(crate) async fn quiet(&self, source: &str) -> Vec<Value> {
        let mut had = self.all(source).len();
        loop {
            tokio::time::sleep(QUIET).await;
            let all = self.all(source);
            if all.len() == had {
                return all;
            }
            had = all.len();
        }
    }

    fn all(&self, source: &str) -> Vec<Value> {
        self.came.lock().expect("whole").get(source).cloned().unwrap_or_default()
    }
}

async fn copies(options: &mut UpOptions, copies: usize) -> Vec<Simulators> {
    // Only the CLI calls providers over gRPC, so these need no copies; the room for sources is limited.
    let whom: Vec<&'static Simulated> = SIMULATED.iter().copied().filter(|whom| whom.proto.is_none()).collect();
    let mut more = Vec::new();
    for number in 1..=copies {
        let simulators = Simulators::start(&whom, &Settings::default()).await.expect("simulators");
        for (provider, url) in simulators.urls() {
            let mut copy = options.config.sources[&format!("{provider}-demo")].clone();
            copy.api_url = Some(url.as_str().trim_end_matches('/').to_owned());
            options.config.sources.insert(format!("{provider}-{number}"), copy);
        }
        more.push(simulators);
    }
    more
}

async fn read(queue: Queue, came: Arc<Mutex<BTreeMap<String, Vec<Value>>>>) {
    while let Ok(messages) = queue.take().await {
        for message in messages {
            let signal: Value = serde_json::from_str(&message.body).expect("JSON");
            let source = signal["subject"].as_str().and_then(|subject| subject.split('/').next()).expect("a source");
            came.lock().expect("whole").entry(source.to_owned()).or_default().push(signal);
        }
    }
}

/// A signal in short: the subject's number by order of appearance, the sequence, the type, whether its end is known.
pub(crate) fn short(signals: &[Value]) -> Vec<String> {
    let mut subjects: Vec<&str> = Vec::new();
    let mut lines = Vec::new();
    for signal in signals {
        let subject = signal["subject"].as_str().expect("a subject");
        let place = subjects.iter().position(|known| *known == subject).unwrap_or_else(|| {
            subjects.push(subject);
            subjects.len() - 1
        });
        let kind = signal["type"].as_str().expect("a type").trim_start_matches("gridbell.");
        let kind = kind.trim_start_matches("dispatch.").trim_end_matches(".v1");
        let open = if signal["data"]["dispatch"].is_object() && signal["data"]["dispatch"]["end"].is_null() {
            ", no end"
        } else {
            ""
        };
        lines.push(format!("{place} #{} {kind}{open}", signal["sequence"].as_str().expect("a number")));
    }
    lines
}
