//! Load targets on one feed: a later target replaces the earlier one.

use dispatch::{RampStart, Subject, TraceParent};
use jiff::Timestamp;

use super::{
    Hydrate,
    overlaps::Overlaps,
    settle::{Brought, HINT_S},
};
use crate::{
    alerts::condition::Condition,
    dispatches::{
        record::SubjectRecord,
        timeline::{Event, TimelineEvent},
    },
    hydrate::overlap_view::{AsOf, OverlapView},
    ports::{Clock, JobQueue, PortError, Ports, Random},
    update::{Change, From, Records, update},
};

/// The other targets of the same feed that matter to a target.
#[derive(Debug, Default)]
struct Rivals {
    replaced: Vec<Subject>,
    replaced_by: Option<(Timestamp, Subject)>,
}

impl<P: Ports> Hydrate<'_, P> {
    /// A record updated for the ramps of its feed: what it replaces, what replaced it, which end is awaited until when.
    /// The others' records are written before it; a crash in between repeats that.
    pub(super) async fn with_ramps(
        &self,
        mut record: SubjectRecord,
        brought: Brought<'_>,
        overlaps: &Overlaps<'_>,
    ) -> Result<SubjectRecord, PortError> {
        let Brought { delivery, traceparent, .. } = brought;
        let Some(ramps) = record.state.ramps() else { return Ok(record) };
        let now = record.changed_at;
        let event = |event: Event| TimelineEvent::of(delivery, now, event);
        // Only a start that was received just now can replace another target.
        if let Some(own) = ramps.ramp_start().filter(|own| own.heard_at == now) {
            let Rivals { replaced, replaced_by } = self.rivals(&record, own, overlaps).await;
            for subject in replaced {
                if self.replace(&subject, &record.subject, own.start, event).await? {
                    self.hint(&subject, traceparent).await?;
                }
                record.history.push(event(Event::Replaces { subject }));
            }
            if let Some((at, by)) = replaced_by {
                record.replace(&by, at, event);
                self.hint(&record.subject, traceparent).await?;
            }
        }
        record.due = record.awaited().map(|awaited| awaited.at);
        Ok(record)
    }

    async fn rivals(&self, record: &SubjectRecord, own: RampStart, overlaps: &Overlaps<'_>) -> Rivals {
        let fetch = |view: &mut OverlapView| {
            let mut rivals = Rivals::default();
            for (subject, active) in view.others_on_its_feed(&record.subject) {
                let Some(other) = active.ramp else { continue };
                if own.replaces(&other) {
                    rivals.replaced.push(subject.clone());
                } else if other.replaces(&own) {
                    rivals.replaced_by = rivals.replaced_by.max(Some((other.start, subject.clone())));
                }
            }
            rivals
        };
        let as_of = AsOf { at: own.start, now: self.host.now() };
        overlaps.fetch(self.table, record, as_of, fetch).await.unwrap_or_default()
    }

    /// Stores in another record that it was replaced. True if that is new.
    async fn replace(
        &self,
        subject: &Subject,
        by: &Subject,
        at: Timestamp,
        event: impl Fn(Event) -> TimelineEvent,
    ) -> Result<bool, PortError> {
        let replaced = update(Records(self.table), subject, From::Stored, async |known| {
            let Some(known) = known else { return Ok::<_, PortError>(Change::Keep(())) };
            let mut next = known.clone().noting(None, self.host.unique());
            next.replace(by, at, &event);
            Ok(if next.ramping == known.ramping { Change::Keep(()) } else { Change::Write(Box::new(next), ()) })
        });
        Ok(replaced.await?.written.is_some())
    }

    async fn hint(&self, subject: &Subject, traceparent: Option<TraceParent>) -> Result<(), PortError> {
        let condition = Condition::NotCompliant { subject: subject.clone() };
        self.job_queue.hint_in(traceparent, condition, self.host.now(), HINT_S).await
    }
}
