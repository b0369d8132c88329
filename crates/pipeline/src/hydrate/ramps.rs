//! Load targets on one feed: whichever is set over another takes its place.

use dispatch::{Onset, Subject};
use jiff::Timestamp;

use super::{Hydrate, neighbours::Neighbours};
use crate::{
    ports::{Chance, Clock, Dispatches, Outlet, PortError},
    record::{Entry, Record},
    written::{MAX_TRIES, always_overtaken, written},
};

/// The targets of the same feed that matter to one.
#[derive(Debug, Default)]
struct Rivals {
    replaced: Vec<Subject>,
    replaced_by: Option<(Timestamp, Subject)>,
}

impl<T: Dispatches, S, F, D, O: Outlet, C: Clock + Chance> Hydrate<'_, T, S, F, D, O, C> {
    /// A record with what its events mean for the ramps of its feed: what it replaces, what replaced it, which end is awaited
    /// until when, and that one is no longer overdue. Before it is written the others' records are, and people are told: who
    /// dies in between does it once more.
    pub(super) async fn with_ramps(
        &self,
        mut record: Record,
        delivery: &str,
        neighbours: &Neighbours,
    ) -> Result<Record, PortError> {
        let Some(ramps) = record.state.ramps() else { return Ok(record) };
        let now = record.changed_at;
        let entry = |what: String| Entry { at: now, delivery: delivery.to_owned(), what };
        // Only a start that is heard of right now can take another's place.
        if let Some(own) = ramps.onset().filter(|own| own.heard_at == now) {
            let Rivals { replaced, replaced_by } = self.rivals(&record, own, neighbours).await;
            for subject in replaced {
                self.replace(&subject, (&record.subject, own.start), entry).await?;
                record.history.push(entry(format!("replaces {subject}")));
            }
            if let Some((at, by)) = replaced_by
                && let Some(notice) = record.replace(&by, at, entry)
            {
                self.outlet.notice(&notice, 0).await?;
            }
        }
        if let Some(over) = record.no_longer_overdue(now) {
            self.outlet.notice(&over, 0).await?;
        }
        record.due = record.ramp_due();
        Ok(record)
    }

    async fn rivals(&self, record: &Record, own: Onset, neighbours: &Neighbours) -> Rivals {
        let look = |source: &super::neighbours::Source| {
            let mut rivals = Rivals::default();
            for (subject, plan) in source.others(&record.subject) {
                let Some(other) = plan.ramp.filter(|_| subject.feed() == record.subject.feed()) else { continue };
                if own.replaces(&other) {
                    rivals.replaced.push(subject.clone());
                } else if other.replaces(&own) {
                    rivals.replaced_by = rivals.replaced_by.max(Some((other.start, subject.clone())));
                }
            }
            rivals
        };
        neighbours.look(self.table, record, own.start, look).await
    }

    /// Notes in another's record that it was replaced.
    async fn replace(
        &self,
        subject: &Subject,
        (by, at): (&Subject, Timestamp),
        entry: impl Fn(String) -> Entry,
    ) -> Result<(), PortError> {
        for _ in 0..MAX_TRIES {
            let Some(known) = self.table.read(subject).await? else { return Ok(()) };
            let mut next = known.clone().noting(None, self.world.unique());
            let missed = next.replace(by, at, &entry);
            let over = next.no_longer_overdue(self.world.now());
            if next.ramping == known.ramping {
                return Ok(());
            }
            for notice in missed.iter().chain(&over) {
                self.outlet.notice(notice, 0).await?;
            }
            if written(&next, self.table.write(&next, Some(known.revision)).await)?.is_done() {
                return Ok(());
            }
        }
        Err(always_overtaken("dispatches", subject))
    }
}
