//! The published signals: one reader receives everything from the FIFO queue and sorts it by subject.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::{
    sync::{Mutex as AsyncMutex, OwnedMutexGuard, watch},
    task::JoinHandle,
    time::timeout,
};

use super::{Aws, SOON, envelope};

/// The most signals that an error message lists.
const LISTED: usize = 12;

/// A message of the queue.
#[derive(Debug, Clone)]
pub(crate) struct Signal {
    /// The `CloudEvents` object.
    pub(crate) event: Value,
    /// The length of its text, in bytes.
    pub(crate) bytes: usize,
    /// The message attribute `test`, as text.
    pub(crate) test: Value,
}

impl Signal {
    /// The second-to-last segment of its type: `scheduled`, `start_ramp_down`, `data`.
    pub(crate) fn kind(&self) -> &str {
        let kind = self.event["type"].as_str().unwrap_or_default();
        kind.strip_prefix("gridbell.").and_then(|kind| kind.strip_suffix(".v1")).unwrap_or(kind)
    }

    /// `data.dispatch`.
    pub(crate) fn dispatch(&self) -> &Value {
        &self.event["data"]["dispatch"]
    }
}

/// The signals received so far.
#[derive(Debug, Default)]
struct Filed {
    by_subject: BTreeMap<String, Vec<Signal>>,
    /// The ids of the stored messages: a message that could not be deleted comes again.
    messages: BTreeSet<String>,
    /// The faults of received signals.
    faults: Vec<String>,
    /// By subject: the number of signals that the cases expect.
    expected: BTreeMap<String, usize>,
}

/// The signals, received continuously.
#[derive(Debug)]
pub(crate) struct Signals {
    filed: Arc<Mutex<Filed>>,
    changed: watch::Receiver<u64>,
    reader: JoinHandle<()>,
    /// The holder of this lock reads.
    turn: Arc<AsyncMutex<()>>,
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

fn lock(filed: &Mutex<Filed>) -> MutexGuard<'_, Filed> {
    // A panic elsewhere leaves nothing half done.
    filed.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Signals {
    /// Starts reading.
    pub(crate) fn read(aws: Aws, queue: String) -> Self {
        let filed = Arc::new(Mutex::new(Filed::default()));
        let (notify, changed) = watch::channel(0);
        let into = filed.clone();
        let turn = Arc::new(AsyncMutex::new(()));
        let reads = turn.clone();
        let reader = tokio::spawn(async move {
            loop {
                let _turn = reads.lock().await;
                match aws.take(&queue).await {
                    Ok(messages) => {
                        let mut filed = lock(&into);
                        for message in &messages {
                            file(&mut filed, message);
                        }
                    }
                    // A case may suspend the emulator, and it ends at some time.
                    Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
                }
                notify.send_modify(|count| *count += 1);
            }
        });
        Self { filed, changed, reader, turn }
    }

    /// Stops the reading until the guard is dropped.
    pub(crate) async fn unread(&self) -> OwnedMutexGuard<()> {
        self.turn.clone().lock_owned().await
    }

    /// Waits until the subject has exactly `count` signals and returns them.
    pub(crate) async fn of(&self, subject: &str, count: usize) -> Result<Vec<Signal>> {
        self.within(SOON, subject, count).await
    }

    /// The same with another time-out.
    pub(crate) async fn within(&self, patience: Duration, subject: &str, count: usize) -> Result<Vec<Signal>> {
        {
            let mut filed = lock(&self.filed);
            let expected = filed.expected.entry(subject.to_owned()).or_default();
            *expected = count.max(*expected);
        }
        let mut changed = self.changed.clone();
        let arrived = timeout(patience, changed.wait_for(|_| self.count(subject) >= count)).await;
        let came = lock(&self.filed).by_subject.get(subject).cloned().unwrap_or_default();
        match arrived {
            Ok(Ok(_)) if came.len() == count => Ok(came),
            Ok(Err(_)) => bail!("the reader of the signals has ended"),
            _ => bail!("{subject}: {} signals, expected {count}:{}", came.len(), listed(&came)),
        }
    }

    /// Waits for the subject's first signal, however many come.
    pub(crate) async fn first(&self, patience: Duration, subject: &str) -> Result<Signal> {
        let mut changed = self.changed.clone();
        timeout(patience, changed.wait_for(|_| self.count(subject) > 0))
            .await
            .with_context(|| format!("no {subject}"))??;
        lock(&self.filed).by_subject.get(subject).and_then(|came| came.first()).cloned().context("it was there")
    }

    fn count(&self, subject: &str) -> usize {
        lock(&self.filed).by_subject.get(subject).map_or(0, Vec::len)
    }

    /// The signals that no case expects, and the faults of signals.
    pub(crate) fn unaccounted(&self) -> Vec<String> {
        let filed = lock(&self.filed);
        // Heartbeats come as long as the cases take.
        let counted = filed.by_subject.iter().filter(|(subject, _)| *subject != "heartbeat");
        let surplus = counted.filter_map(|(subject, came)| {
            let expected = filed.expected.get(subject).copied().unwrap_or_default();
            (came.len() > expected)
                .then(|| format!("{subject}: {} signals, expected {expected}:{}", came.len(), listed(came)))
        });
        surplus.chain(filed.faults.iter().cloned()).collect()
    }
}

fn file(filed: &mut Filed, message: &Value) {
    if !filed.messages.insert(message["MessageId"].to_string()) {
        return;
    }
    let read = || -> Result<(String, Signal)> {
        let text = message["Body"].as_str().context("a message without a body")?;
        let event: Value = serde_json::from_str(text).context("a message that is not JSON")?;
        let subject = event["subject"].as_str().context("an event without a subject")?.to_owned();
        let bytes = text.len();
        Ok((subject, Signal { event, bytes, test: message["MessageAttributes"]["test"]["StringValue"].clone() }))
    };
    let (subject, signal) = match read() {
        Ok(read) => read,
        Err(error) => {
            filed.faults.push(format!("{error:#}"));
            return;
        }
    };
    let stream = filed.by_subject.entry(subject).or_default();
    let faults = envelope::faults(message, &signal, place(stream, &signal));
    stream.push(signal);
    filed.faults.extend(faults);
}

/// The sequence that a signal must have: versions count from 1 in each epoch, and the parts of a version share a
/// sequence.
fn place(before: &[Signal], signal: &Signal) -> usize {
    let of_epoch = before.iter().filter(|other| other.event["epoch"] == signal.event["epoch"]);
    let versions = of_epoch.filter(|other| other.dispatch()["part"].as_u64().is_none_or(|part| part == 1)).count();
    let continues = signal.dispatch()["part"].as_u64().is_some_and(|part| part > 1);
    if continues { versions } else { versions + 1 }
}

fn listed(signals: &[Signal]) -> String {
    let line = |signal: &Signal| format!("\n  {} {}", signal.event["id"], super::short(&signal.event));
    signals.iter().take(LISTED).map(line).collect()
}
