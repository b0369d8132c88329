//! What the demo has observed so far, and waiting for it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio::{sync::watch, time::timeout};

/// Everything observed, shared by the tasks that record and those that wait.
#[derive(Debug)]
pub(super) struct Observations {
    /// When the demo began; all times are relative to it.
    pub(super) start: Timestamp,
    seen: Mutex<Observed>,
    changed: watch::Sender<u64>,
}

/// What was observed.
#[derive(Debug, Default, Clone)]
pub(super) struct Observed {
    /// In the order of arrival.
    pub(super) signals: Vec<Signal>,
    pub(super) mails: Vec<Mail>,
    pub(super) timeline: Vec<Line>,
    pub(super) checks: Vec<Check>,
}

/// A signal that the courier delivered.
#[derive(Debug, Clone)]
pub(super) struct Signal {
    pub(super) arrived_at: Timestamp,
    /// The event; null if the body is not JSON.
    pub(super) event: Value,
    /// The header `webhook-id`.
    pub(super) webhook_id: String,
}

/// A mail.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Mail {
    pub(super) seen_at: Timestamp,
    pub(super) subject: String,
    pub(super) text: String,
}

/// An event of a subject.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Line {
    pub(super) at: Timestamp,
    pub(super) subject: String,
    pub(super) what: What,
    pub(super) text: String,
}

/// The kind of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    Webhook,
    Fetch,
    Signal,
    Mail,
}

/// An expectation, and what is wrong with it, if anything.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Check {
    pub(super) scenario: String,
    pub(super) what: String,
    pub(super) problem: Option<String>,
}

impl Signal {
    /// A text field of the envelope.
    pub(super) fn text(&self, name: &str) -> &str {
        self.event.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

impl Observations {
    pub(super) fn new(start: Timestamp) -> Self {
        Self { start, seen: Mutex::default(), changed: watch::Sender::new(0) }
    }

    /// Records an observation.
    pub(super) fn note(&self, change: impl FnOnce(&mut Observed)) {
        change(&mut self.lock());
        self.changed.send_modify(|version| *version += 1);
    }

    pub(super) fn check(&self, scenario: &str, what: impl Into<String>, problem: Option<String>) {
        let check = Check { scenario: scenario.to_owned(), what: what.into(), problem };
        self.note(|seen| seen.checks.push(check));
    }

    /// A copy of everything observed so far.
    pub(super) fn observed(&self) -> Observed {
        self.lock().clone()
    }

    /// Waits until the condition is true; returns false after `within`.
    pub(super) async fn wait(&self, within: Duration, is_so: impl Fn(&Observed) -> bool) -> bool {
        let mut changed = self.changed.subscribe();
        let waiting = async {
            while !is_so(&self.lock()) {
                // The sender lives in self, so this never fails.
                if changed.changed().await.is_err() {
                    return;
                }
            }
        };
        timeout(within, waiting).await.is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, Observed> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
