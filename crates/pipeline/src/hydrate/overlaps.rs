//! The other active dispatches of a source: looked for once for a batch, and only where a signal is about to go out.
//!
//! A version is written first and looked at in their light afterwards, since only the write shows whether it is one: nothing is
//! read for an unchanged redelivery. Where a target is shared, a second write puts that into the signal that is owed. Whatever
//! goes wrong on the way, the signal goes out as it was written first.

use std::collections::{BTreeMap, BTreeSet};

use dispatch::{EffectiveTargets, Rule};
use futures_util::lock::Mutex;
use jiff::Timestamp;

use super::Hydrate;
use crate::{
    overlap_view::{OverlapView, OverlapViews},
    ports::{Clock, Dispatches, Random, SignalStream, WriteError},
    record::SubjectRecord,
};

/// What is active in the sources that a batch speaks of, as its process knows it.
#[derive(Debug)]
pub(super) struct Overlaps<'a> {
    views: &'a OverlapViews,
    /// The sources that were read for this batch.
    read: Mutex<BTreeSet<String>>,
}

impl<'a> Overlaps<'a> {
    pub(super) fn new(views: &'a OverlapViews) -> Self {
        Self { views, read: Mutex::default() }
    }

    /// Looks at what is active in the record's source from an instant on.
    pub(super) async fn fetch<A>(
        &self,
        table: &impl Dispatches,
        record: &SubjectRecord,
        (at, now): (Timestamp, Timestamp),
        fetch: impl FnOnce(&mut OverlapView) -> A,
    ) -> A {
        let source = &record.origin.source;
        let view = self.views.of(source, Rule::of(&record.origin.provider)).await;
        let mut view = view.lock().await;
        let is_first = self.read.lock().await.insert(source.clone());
        // Once, also where it fails: a table that does not answer must not hold up every signal of the batch.
        if (is_first || view.would_miss(at))
            && let Err(error) = view.refresh(table, source, at, now).await
        {
            tracing::warn!(source.name = source, %error, "signals go out without what overlaps them");
        }
        fetch(&mut view)
    }
}

impl<T: Dispatches, S: SignalStream, F, D, O, C: Clock + Random> Hydrate<'_, T, S, F, D, O, C> {
    /// A record whose newest signal tells of each target that others keep curtailed too; as it is where there is none.
    pub(super) async fn with_neighbours(&self, record: SubjectRecord, overlaps: &Overlaps<'_>) -> SubjectRecord {
        let Some((_, terms)) = record.state.published() else { return record };
        let now = self.host.now();
        let about = (&record.subject, terms.test_reason.is_some());
        let shared = |view: &mut OverlapView| -> EffectiveTargets {
            view.learn_record(&record);
            let mut known = BTreeMap::new();
            let targets = terms.targets.iter().map(|target| &target.id);
            targets.filter_map(|id| Some((id.clone(), view.effective(id, about, now, &mut known)?))).collect()
        };
        let effective = overlaps.fetch(self.table, &record, (now, now), shared).await;
        if effective.is_empty() {
            return record;
        }
        let mut next = record.clone().noting(None, self.host.unique());
        let limit_bytes = self.stream.limit_bytes();
        let last = record.outbox.last();
        let told = last.and_then(|last| record.state.with_effective(&record.origin, last, &effective, limit_bytes));
        let Some(told) = told else { return record };
        next.outbox.retain(|signal| signal.sequence != record.state.version);
        next.outbox.extend(told);
        let why = match self.table.write(&next, Some(record.revision)).await {
            Ok(()) => return next,
            Err(WriteError::Lost(Some(stored))) if stored.write == next.write => return next,
            Err(error) => error.to_string(),
        };
        tracing::warn!(dispatch.subject = %record.subject, error = why, "a signal goes out without what overlaps it");
        record
    }
}
