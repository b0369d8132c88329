//! What parsing found beside facts: what could not be read goes to the retrier, the rest is noted as events.

use dispatch::Subject;
use futures_util::future::join_all;
use jiff::Timestamp;
use providers::Finding;

use super::{Hydrate, Item};
use crate::{
    conditions::{Condition, FIRST_STAGE, News, NotedEvent},
    messages::{self, ToRetry},
    ports::{Chance, Clock, Deliveries, Outlet, PortError},
    retry::{NOTED_S, unknown_event, unreadable},
    work::{Failed, Trouble, TroubleKind, Work, clip},
};

impl<T, S, F, D, O, C> Hydrate<'_, T, S, F, D, O, C>
where
    D: Deliveries,
    O: Outlet,
    C: Clock + Chance,
{
    /// What a body itself gave cause to report is reported before the delivery turns into requests; of a body that is whole, only
    /// after its facts are written, since the mail names what they say.
    pub(super) async fn report_all(&self, items: &mut [Item]) {
        let turning = items.iter_mut().filter(|item| !item.reading.looks.is_empty());
        join_all(turning.map(|item| self.report_findings(item))).await;
    }

    /// Reports the findings so far; what could not be read goes to the retrier, which keeps it.
    pub(super) async fn report_findings(&self, item: &mut Item) {
        let now = self.world.now();
        let findings = std::mem::take(&mut item.reading.findings);
        // A copy of the work is kept for what it could not read. What else becomes of the work is not the copy's matter.
        let work = Work { attempt: 0, troubles: Vec::new(), ..item.work.clone() };
        let keep = |kind, detail: String| Failed { failed: Trouble::new(kind, now, detail), work: work.clone() };
        let (mut unreadable, mut about): (Vec<String>, Vec<Option<Subject>>) = (Vec::new(), Vec::new());
        let mut reported = Ok(());
        for finding in findings {
            let one = match finding {
                Finding::Unreadable { part, reason, about: lost } => {
                    unreadable.push(format!("{part}: {reason}"));
                    if !about.contains(&lost) {
                        about.push(lost);
                    }
                    Ok(())
                }
                Finding::UnknownEvent { name } => {
                    let failed = ToRetry::Failed(keep(TroubleKind::UnknownEvent, name));
                    self.outlet.retry(&[(failed, 0)]).await
                }
                finding => self.note_finding(finding, &item.work.source, now).await,
            };
            reported = reported.and(one);
        }
        if !unreadable.is_empty() {
            let detail = format!("{} part(s) could not be read: {}", unreadable.len(), unreadable.join("; "));
            let Failed { failed, work } = keep(TroubleKind::Unreadable, detail);
            let failed = ToRetry::Failed(Failed { failed: Trouble { about, ..failed }, work });
            reported = reported.and(self.outlet.retry(&[(failed, 0)]).await);
        }
        if let Err(error) = reported {
            item.trouble.get_or_insert_with(|| Trouble::new(TroubleKind::Storage, now, error.to_string()));
        }
    }

    /// Has people notified of messages that only a later release reads. Where that fails, the dead letters are an incident.
    pub(super) async fn report_newer(&self, v: u32) {
        let now = self.world.now();
        let event = messages::newer_in("deliveries", v, now);
        let noted = async {
            self.deliveries.note(&event).await?;
            self.outlet.hint(event.condition.clone(), now, NOTED_S).await
        };
        if let Err(error) = noted.await {
            tracing::error!(%error, "that a later release's messages came is not noted");
        }
    }

    /// A finding that leaves nothing to be kept.
    pub(super) async fn note_finding(&self, finding: Finding, source: &str, now: Timestamp) -> Result<(), PortError> {
        let event = match finding {
            // The record holds what was measured.
            Finding::NotCompliant { subject, .. } => {
                return self.outlet.hint(Condition::NotCompliant { subject }, now, 0).await;
            }
            Finding::Unreadable { part, reason, about } => {
                unreadable(about.as_ref(), source, now, format!("{part}: {reason}"))
            }
            Finding::UnknownEvent { name } => unknown_event(source, &name, now),
            // An incident for each event, whatever else is known of keys and whatever its delivery is called.
            Finding::KeysRotated { event } => {
                let condition = Condition::KeysRotated { source: source.to_owned(), event: clip(&event, 16) };
                let detail = "the provider says that API keys were rotated: the configured key may stop working";
                let (stage, about) = (FIRST_STAGE.to_owned(), source.to_owned());
                NotedEvent { condition, at: now, news: News { stage, about, detail: detail.to_owned() } }
            }
        };
        self.deliveries.note(&event).await?;
        self.outlet.hint(event.condition, now, NOTED_S).await
    }
}
