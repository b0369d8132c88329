//! A stack, its provider stub, and its output.

use std::{
    future::Future,
    path::PathBuf,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use local_stack::{LogLine, Stack, progress};
use reqwest::{Client, RequestBuilder, header::HeaderMap};
use serde_json::Value;
use stack_client::{Description, http_client};
use tokio::sync::{Mutex as AsyncMutex, OnceCell};

use super::{Aws, Checked, MailBox, Signals, config, eventually};
use crate::stub::Stub;

/// How long a queue may take to drain after the last case; a retried request waits up to a minute.
const DRAINING: Duration = Duration::from_mins(4);

/// A running stack, shared by many cases.
pub(crate) struct TestStack {
    pub(crate) stub: Stub,
    pub(crate) signals: Signals,
    pub(crate) mail: MailBox,
    pub(crate) aws: Aws,
    pub(crate) http: Client,
    pub(crate) description: Description,
    /// `stack.json`.
    pub(crate) state_file: PathBuf,
    pub(crate) process_group: u32,
    pub(crate) hydrator: String,
    stack: AsyncMutex<Option<Stack>>,
    at_the_end: Mutex<Vec<Check>>,
    at_the_very_end: Mutex<Vec<Check>>,
}

type Checking = Pin<Box<dyn Future<Output = Result<()>>>>;
type Check = Box<dyn FnOnce(Arc<TestStack>) -> Checking + Send>;

/// An answer to a webhook.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// The body as JSON; null if it is not JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

/// The stacks of this process: the first is for most cases, the second for those that kill and suspend, the third for
/// those that stop a part for a while, the fourth for those that restore its tables.
static STACKS: [OnceCell<Result<Arc<TestStack>, String>>; 4] = [const { OnceCell::const_new() }; 4];

/// The stack that most cases share; the first caller starts it.
pub(crate) async fn shared_stack() -> Result<Arc<TestStack>> {
    started(0).await
}

/// The stack that cases may damage. A controller must acknowledge on it.
pub(crate) async fn damaged_stack() -> Result<Arc<TestStack>> {
    // One after the other, because both build the functions.
    shared_stack().await?;
    started(1).await
}

/// The stack of which cases stop a part for a while.
pub(crate) async fn cut_stack() -> Result<Arc<TestStack>> {
    damaged_stack().await?;
    started(2).await
}

/// The stack whose tables are restored.
pub(crate) async fn restored_stack() -> Result<Arc<TestStack>> {
    cut_stack().await?;
    started(3).await
}

async fn started(which: usize) -> Result<Arc<TestStack>> {
    let stack = STACKS[which]
        .get_or_init(|| async { TestStack::up(which == 1).await.map(Arc::new).map_err(|error| format!("{error:#}")) })
        .await;
    stack.clone().map_err(|error| anyhow::anyhow!("the stack did not come up: {error}"))
}

/// Runs the final checks and stops every stack. Returns the failures, in words.
pub(crate) async fn end() -> Vec<String> {
    let mut wrong = Vec::new();
    for stack in STACKS.iter().filter_map(|cell| cell.get()?.as_ref().ok()) {
        wrong.extend(stack.clone().end().await);
    }
    wrong
}

impl TestStack {
    async fn up(acknowledge: bool) -> Result<Self> {
        let stub = Stub::start().await?;
        let options = config::options(&stub.base, acknowledge)?;
        let stack = Stack::up(options, progress::on_stderr().as_ref()).await?;
        let description = stack.description().clone();
        let http = http_client()?;
        let aws = Aws::new(http.clone(), &description.endpoint_url);
        let signals = description.queues.get("signals").context("no queue of signals")?.clone();
        Ok(Self {
            stub,
            signals: Signals::read(aws.clone(), signals),
            mail: MailBox::new(http.clone(), &description.mail),
            aws,
            http,
            process_group: stack.process_group().context("the stack has no process group")?,
            hydrator: stack.outputs().get("HydratorFunctionName").context("no hydrator")?.clone(),
            description,
            state_file: stack.state_file().to_owned(),
            stack: AsyncMutex::new(Some(stack)),
            at_the_end: Mutex::default(),
            at_the_very_end: Mutex::default(),
        })
    }

    /// The webhook URL of a source, without a token.
    pub(crate) fn hook(&self, source: &str) -> String {
        format!("{}/hooks/{source}", self.description.webhook_base)
    }

    /// A webhook request for a source, ready to be sent.
    pub(crate) fn webhook(&self, source: &str) -> RequestBuilder {
        let url = format!("{}/{}", self.hook(source), config::token(source));
        self.http.post(url).header("content-type", "application/json").timeout(super::SOON)
    }

    /// Sends a webhook and returns its answer.
    pub(crate) async fn post(&self, source: &str, body: impl Into<reqwest::Body>) -> Result<Answer> {
        answer(self.webhook(source).body(body)).await
    }

    /// Like [`Self::accepted`], for an owned body.
    pub(crate) async fn accepted_json(&self, source: &str, body: Value) -> Result<String> {
        self.accepted(source, &body).await
    }

    /// Sends a webhook that must be accepted, and returns the delivery's id.
    pub(crate) async fn accepted(&self, source: &str, body: &Value) -> Result<String> {
        let answer = self.post(source, body.to_string()).await?;
        ensure!(answer.status == 200, "{source} answered {}: {}", answer.status, answer.text);
        let json = answer.json();
        ensure!(json["status"] == "accepted", "{source} answered {json}");
        Ok(json["delivery"].as_str().context("the answer names no delivery")?.to_owned())
    }

    /// Registers a check that runs after all cases, when the queues are empty: a case cannot wait for what must not
    /// happen.
    pub(crate) fn at_the_end<F, Fut>(&self, check: F)
    where
        F: FnOnce(Arc<TestStack>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + 'static,
    {
        push(&self.at_the_end, Box::new(move |stack| Box::pin(check(stack))));
    }

    /// Registers a check that runs after all others: the stack need not work afterwards.
    pub(crate) fn at_the_very_end<F, Fut>(&self, check: F)
    where
        F: FnOnce(Arc<TestStack>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + 'static,
    {
        push(&self.at_the_very_end, Box::new(move |stack| Box::pin(check(stack))));
    }

    async fn check(self: &Arc<Self>, checks: &Mutex<Vec<Check>>, wrong: &mut Vec<String>) {
        let checks = std::mem::take(&mut *checks.lock().unwrap_or_else(PoisonError::into_inner));
        for check in checks {
            if let Err(error) = check(self.clone()).await {
                wrong.push(format!("{error:#}"));
            }
        }
    }

    /// Waits until the internal queues have no message to process now; delayed retries may remain.
    async fn drained(&self) -> Result<()> {
        eventually(DRAINING, "empty internal queues", || async {
            let mut busy = Vec::new();
            for name in ["deliveries", "retries", "alerts", "reviews"] {
                let queue = self.description.queues.get(name).context("no such queue")?;
                let [visible, worked_on, _delayed] = self.aws.depth(queue).await?;
                if visible + worked_on > 0 {
                    busy.push(format!("{name}: {visible} visible and {worked_on} in flight"));
                }
            }
            Ok(if busy.is_empty() { Checked::Found(()) } else { Checked::NotYet(busy.join(", ")) })
        })
        .await
    }

    async fn end(self: Arc<Self>) -> Vec<String> {
        let mut wrong = Vec::new();
        if let Err(error) = self.drained().await {
            wrong.push(format!("{error:#}"));
        }
        self.check(&self.at_the_end, &mut wrong).await;
        wrong.extend(self.signals.unaccounted());
        for dead in ["retries_dead", "alerts_dead"] {
            let Some(queue) = self.description.queues.get(dead) else { continue };
            match self.aws.depth(queue).await {
                Ok([0, 0, 0]) => {}
                other => wrong.push(format!("the queue {dead} holds {other:?}")),
            }
        }
        self.check(&self.at_the_very_end, &mut wrong).await;
        let Some(mut stack) = self.stack.lock().await.take() else { return wrong };
        match stack.logs().await {
            Ok(lines) => wrong.extend(lines.iter().filter_map(indiscreet)),
            Err(error) => wrong.push(format!("the logs cannot be read: {error:#}")),
        }
        if let Err(error) = stack.shutdown().await {
            wrong.push(format!("the stack did not go down: {error:#}"));
        }
        wrong
    }
}

/// Returns what must not be in a log line: a secret or a panic.
fn indiscreet(line: &LogLine) -> Option<String> {
    let known = config::secrets().find(|secret| line.text.contains(secret.as_str()));
    let panicked = line.text.contains("panicked at").then(|| "a panic".to_owned());
    known.or(panicked).map(|what| format!("a log line holds {what}: {line}"))
}

fn push(checks: &Mutex<Vec<Check>>, check: Check) {
    checks.lock().unwrap_or_else(PoisonError::into_inner).push(check);
}

/// Sends a request and reads its answer.
pub(crate) async fn answer(request: RequestBuilder) -> Result<Answer> {
    let response = request.send().await.context("no answer")?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Answer { status, headers, text: response.text().await.context("the answer broke off")? })
}
