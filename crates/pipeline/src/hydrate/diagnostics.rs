//! Diagnostics of parsing: unreadable content goes to the retrier, the rest is stored as events.

use dispatch::Subject;
use futures_util::future::join_all;
use jiff::Timestamp;
use providers::Diagnostic;
use tracing::Instrument;

use super::{Hydrate, Item};
use crate::{
    alerts::condition::{Condition, FIRST_STAGE, NotedEvent, StageReport},
    job::{FailedJob, Failure, FailureKind, Job, clip},
    messages::{self, ToRetry},
    ports::{Clock, Deliveries, JobQueue, PortError, Ports},
    retry::{NOTED_S, unknown_event, unreadable},
};

impl<P: Ports> Hydrate<'_, P> {
    /// A body's own diagnostics are reported before the delivery turns into fetch requests. Those of a readable body
    /// are reported after its facts are written, since the mail names them.
    pub(super) async fn report_all(&self, items: &mut [Item]) {
        let turning = items.iter_mut().filter(|item| !item.parsed.fetches.is_empty());
        join_all(turning.map(|item| {
            let span = item.span.clone();
            self.report_diagnostics(item).instrument(span)
        }))
        .await;
    }

    /// Reports the diagnostics so far; the retrier quarantines the unreadable content.
    pub(super) async fn report_diagnostics(&self, item: &mut Item) {
        let now = self.host.now();
        let diagnostics = std::mem::take(&mut item.parsed.diagnostics);
        // The retrier quarantines a copy of the job. The copy has no failures of the job itself.
        let job = Job { attempt: 0, failures: Vec::new(), ..item.job.clone() };
        let keep = |kind, detail: String| FailedJob { failure: Failure::new(kind, now, detail), job: job.clone() };
        let (mut unreadable, mut about): (Vec<String>, Vec<Option<Subject>>) = (Vec::new(), Vec::new());
        let mut reported = Ok(());
        for diagnostic in diagnostics {
            let one = match diagnostic {
                Diagnostic::Unreadable { part, reason, about: lost } => {
                    unreadable.push(format!("{part}: {reason}"));
                    if !about.contains(&lost) {
                        about.push(lost);
                    }
                    Ok(())
                }
                Diagnostic::UnknownEvent { name } => {
                    let failed = ToRetry::Failed(keep(FailureKind::UnknownEvent, name));
                    self.job_queue.retry(&[failed.at_once()]).await
                }
                diagnostic => self.note_diagnostic(diagnostic, &item.job, now).await,
            };
            reported = reported.and(one);
        }
        if !unreadable.is_empty() {
            let detail = format!("{} part(s) could not be read: {}", unreadable.len(), unreadable.join("; "));
            let FailedJob { failure, job } = keep(FailureKind::Unreadable, detail);
            let failed = ToRetry::Failed(FailedJob { failure: Failure { about, ..failure }, job });
            reported = reported.and(self.job_queue.retry(&[failed.at_once()]).await);
        }
        if let Err(error) = reported {
            item.failure.get_or_insert_with(|| Failure::new(FailureKind::Storage, now, error.to_string()));
        }
    }

    /// Notifies people of messages that only a later release can read. If that fails, the dead letters are an incident.
    pub(super) async fn report_newer(&self, v: u32) {
        let now = self.host.now();
        let event = messages::newer_in("deliveries", v, now);
        let noted = async {
            self.deliveries.note(&event).await?;
            self.job_queue.hint(event.condition.clone(), now, NOTED_S).await
        };
        if let Err(error) = noted.await {
            tracing::error!(%error, "that a later release's messages came is not noted");
        }
    }

    /// Stores a diagnostic that needs no quarantine.
    pub(super) async fn note_diagnostic(
        &self,
        diagnostic: Diagnostic,
        job: &Job,
        now: Timestamp,
    ) -> Result<(), PortError> {
        let Job { source, traceparent, .. } = job;
        let event = match diagnostic {
            // The record contains the measurement.
            Diagnostic::NotCompliant { subject, .. } => {
                return self.job_queue.hint_in(*traceparent, Condition::NotCompliant { subject }, now, 0).await;
            }
            Diagnostic::Unreadable { part, reason, about } => {
                unreadable(about.as_ref(), source, now, format!("{part}: {reason}"))
            }
            Diagnostic::UnknownEvent { name } => unknown_event(source, &name, now),
            // One incident for each event, independent of refused keys and of the delivery's id.
            Diagnostic::KeysRotated { event } => {
                let condition = Condition::KeysRotated { source: source.clone(), event: clip(&event, 16) };
                let detail = "the provider says that API keys were rotated: the configured key may stop working";
                let (stage, about) = (FIRST_STAGE.to_owned(), source.clone());
                NotedEvent { condition, at: now, news: StageReport { stage, about, detail: detail.to_owned() } }
            }
        };
        self.deliveries.note(&event).await?;
        self.job_queue.hint_in(*traceparent, event.condition, now, NOTED_S).await
    }
}
