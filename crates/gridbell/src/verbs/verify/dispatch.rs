//! A test dispatch of the built-in source.

use std::time::Duration;

use aws::host::Host;
use dispatch::{Status, Subject};
use jiff::{SignedDuration, Timestamp};
use pipeline::{
    config::VERIFY,
    ports::{Clock, Dispatches},
    record::SubjectRecord,
};
use serde_json::json;

use super::report::Failed;
use crate::console::Console;

/// How often the tables are read.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// How long a test dispatch lasts.
const LASTS: SignedDuration = SignedDuration::from_mins(15);

/// A test dispatch.
#[derive(Debug, Clone)]
pub(super) struct TestDispatch {
    id: String,
    pub(super) subject: Subject,
    start: Timestamp,
}

impl TestDispatch {
    /// A dispatch for one part of a run. It begins that much later.
    pub(super) fn new(run: &str, part: &str, starts_in: SignedDuration) -> Self {
        let id = format!("{run}-{part}");
        let start = Timestamp::from_second((Host.now() + starts_in).as_second()).unwrap_or(Timestamp::MAX);
        Self { subject: Subject::dispatch(VERIFY, &id), id, start }
    }

    /// A webhook about it, as the built-in source takes it.
    pub(super) fn body(&self, number: u64, cancelled: bool) -> String {
        let end = self.start.saturating_add(LASTS).unwrap_or(Timestamp::MAX);
        json!({
            "dispatch": self.id, "number": number, "start": self.start, "end": end, "cancelled": cancelled,
            "site": "gridbell verify", "reduce_kw": 1,
        })
        .to_string()
    }

    pub(super) async fn record(&self, console: &Console) -> Result<Option<SubjectRecord>, Failed> {
        let read = console.dispatches().read(&self.subject).await;
        read.map_err(|error| Failed::new(console.refusal(error).to_string()))
    }

    /// Waits until the queue has the signal of that version or a later one.
    pub(super) async fn sent(&self, console: &Console, version: u64) -> Result<SubjectRecord, Failed> {
        until(async || {
            let record = self.record(console).await?;
            Ok(record.filter(|record| record.state.version >= version && record.outbox.is_empty()))
        })
        .await
    }

    /// Waits until the queue has the signal that it is cancelled.
    pub(super) async fn cancelled(&self, console: &Console) -> Result<SubjectRecord, Failed> {
        until(async || Ok(self.record(console).await?.filter(is_cancelled))).await
    }

    /// Whether its last published state is a test with that status.
    ///
    /// # Errors
    /// It has another status, or is no test.
    pub(super) fn is(&self, record: &SubjectRecord, wanted: Status) -> Result<(), Failed> {
        match record.state.published() {
            Some((status, terms)) if status == wanted && terms.test_reason.is_some() => Ok(()),
            Some((_, terms)) if terms.test_reason.is_none() => {
                Err(Failed::new(format!("{} was published as a real dispatch", self.subject)))
            }
            other => {
                let status = other.map(|(status, _)| format!("{status:?}").to_lowercase());
                let status = status.unwrap_or_else(|| "not published".to_owned());
                Err(Failed::new(format!("{} is {status}, not {wanted:?}", self.subject).to_lowercase()))
            }
        }
    }
}

/// Whether the queue has the signal that a dispatch is cancelled.
pub(super) fn is_cancelled(record: &SubjectRecord) -> bool {
    record.outbox.is_empty() && matches!(record.state.published(), Some((Status::Cancelled, _)))
}

/// Asks until there is an answer. The step that waits for it has a limit.
pub(super) async fn until<T>(mut ask: impl AsyncFnMut() -> Result<Option<T>, Failed>) -> Result<T, Failed> {
    loop {
        if let Some(found) = ask().await? {
            return Ok(found);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
