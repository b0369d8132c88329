//! Reads the signals queue as a controller does.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Result;
use local_stack::queue::{Message, Queue};
use reqwest::Client;
use serde_json::Value;
use stack_client::Description;
use tokio::task::AbortHandle;

use super::endpoint::Dispatch;

/// After this long without another signal, the missing ones count as lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// A received signal.
#[derive(Debug, Clone)]
struct Signal {
    dispatch: String,
    sequence: u64,
    /// When the queue accepted it, since 1970.
    sent_at: Duration,
}

/// The signals of some dispatches.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Dispatch → when its first signal was sent.
    pub(super) first_sent: BTreeMap<String, Duration>,
    /// Signals received twice.
    pub(super) twice: usize,
    /// Signals received after a later one of the same dispatch.
    pub(super) out_of_order: usize,
}

/// Every received signal. Dropping it stops the reading.
#[derive(Debug)]
pub(super) struct Signals {
    came: Arc<Mutex<Vec<Signal>>>,
    reader: AbortHandle,
}

impl Signals {
    /// Starts reading.
    pub(super) fn read(http: Client, stack: &Description) -> Result<Self> {
        let queue = Queue::of(stack, "signals", http)?;
        let came = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&came);
        let reader = tokio::spawn(async move {
            loop {
                match queue.take().await {
                    Ok(messages) => {
                        into.lock().unwrap_or_else(PoisonError::into_inner).extend(messages.iter().filter_map(signal));
                    }
                    // A signal that is not received counts as missing at the end.
                    Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
                }
            }
        });
        Ok(Self { came, reader: reader.abort_handle() })
    }

    /// Waits until `count` signals were received, or no new one for some time.
    pub(super) async fn wait_for(&self, count: usize) {
        let (mut known, mut quiet) = (0, Duration::ZERO);
        let step = Duration::from_millis(50);
        while known < count && quiet < PATIENCE {
            tokio::time::sleep(step).await;
            let now = self.all().len();
            quiet = if now > known { Duration::ZERO } else { quiet + step };
            known = now;
        }
    }

    /// Waits for the signals of those dispatches and returns them.
    pub(super) async fn of(&self, dispatches: &BTreeMap<String, Dispatch>) -> Seen {
        let (mut seen, mut quiet) = (Seen::default(), Duration::ZERO);
        let step = Duration::from_millis(50);
        while seen.first_sent.len() < dispatches.len() && quiet < PATIENCE {
            tokio::time::sleep(step).await;
            let now = Seen::from(self.all().into_iter().filter(|signal| dispatches.contains_key(&signal.dispatch)));
            quiet = if now.first_sent.len() > seen.first_sent.len() { Duration::ZERO } else { quiet + step };
            seen = now;
        }
        seen
    }

    fn all(&self) -> Vec<Signal> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Seen {
    fn from(signals: impl Iterator<Item = Signal>) -> Self {
        let mut seen = Self::default();
        let mut latest: BTreeMap<String, u64> = BTreeMap::new();
        for signal in signals {
            let known = latest.entry(signal.dispatch.clone()).or_default();
            match signal.sequence.cmp(known) {
                std::cmp::Ordering::Greater => *known = signal.sequence,
                std::cmp::Ordering::Equal => seen.twice += 1,
                std::cmp::Ordering::Less => seen.out_of_order += 1,
            }
            seen.first_sent.entry(signal.dispatch).or_insert(signal.sent_at);
        }
        seen
    }
}

fn signal(message: &Message) -> Option<Signal> {
    let body: Value = serde_json::from_str(&message.body).ok()?;
    let sent_ms = message.system.get("SentTimestamp")?.as_str()?.parse().ok()?;
    Some(Signal {
        dispatch: body.get("subject")?.as_str()?.rsplit('/').next()?.to_owned(),
        sequence: body.get("sequence")?.as_str()?.parse().ok()?,
        sent_at: Duration::from_millis(sent_ms),
    })
}
