//! The other active dispatches of a source: read once for a batch, and only if a signal is about to be sent.
//!
//! The hydrator writes a version first and reads the others afterwards, since only the write shows whether it is a new
//! version: it reads nothing for an unchanged redelivery. If a target is shared, it adds that to the signal that it is
//! about to send. The stored signal stays without it: the overlaps are as of each publication. Only a signal in parts
//! is stored again, since all of its parts must be stored before the first is sent. If any of this fails, the signal is
//! sent as first written.

use std::collections::{BTreeMap, BTreeSet};

use dispatch::{About, EffectiveTargets};
use futures_util::lock::Mutex;

use super::Hydrate;
use crate::{
    config::Config,
    dispatches::record::SubjectRecord,
    hydrate::overlap_view::{AsOf, OverlapView, OverlapViews},
    ports::{Clock, Dispatches, Ports, Random, SignalStream, WriteError},
};

/// The active dispatches of a batch's sources, as its process knows them.
#[derive(Debug)]
pub(super) struct Overlaps<'a> {
    views: &'a OverlapViews,
    config: &'a Config,
    /// The sources that were read for this batch.
    read: Mutex<BTreeSet<String>>,
}

impl<'a> Overlaps<'a> {
    pub(super) fn new(views: &'a OverlapViews, config: &'a Config) -> Self {
        Self { views, config, read: Mutex::default() }
    }

    /// Reads the dispatches of the record's source that are active from an instant on; none if its provider does not
    /// state which of several dispatches governs.
    pub(super) async fn fetch<A>(
        &self,
        table: &impl Dispatches,
        record: &SubjectRecord,
        as_of: AsOf,
        fetch: impl FnOnce(&mut OverlapView) -> A,
    ) -> Option<A> {
        let source = &record.origin.source;
        let Some(precedence) = self.config.precedence(source) else {
            tracing::warn!(
                source.name = source,
                "signals go out without what overlaps them: nothing says what governs"
            );
            return None;
        };
        let view = self.views.of(source, precedence).await;
        let mut view = view.lock().await;
        let is_first = self.read.lock().await.insert(source.clone());
        // Once per batch, even if it fails: a table that does not answer must not delay every signal of the batch.
        if (is_first || view.would_miss(as_of.at))
            && let Err(error) = view.refresh(table, source, as_of).await
        {
            tracing::warn!(source.name = source, %error, "signals go out without what overlaps them");
        }
        Some(fetch(&mut view))
    }
}

impl<P: Ports> Hydrate<'_, P> {
    /// A record whose newest signal states for each target that other dispatches curtail it too; unchanged if there are
    /// none.
    pub(super) async fn with_neighbours(&self, record: SubjectRecord, overlaps: &Overlaps<'_>) -> SubjectRecord {
        let Some((_, terms)) = record.state.published() else { return record };
        let now = self.host.now();
        let about = About { subject: &record.subject, is_test: terms.test_reason.is_some() };
        let shared = |view: &mut OverlapView| -> EffectiveTargets {
            view.learn_record(&record);
            let mut known = BTreeMap::new();
            let targets = terms.targets.iter().map(|target| &target.id);
            targets.filter_map(|id| Some((id.clone(), view.effective(id, about, now, &mut known)?))).collect()
        };
        let effective = overlaps.fetch(self.table, &record, AsOf { at: now, now }, shared).await.unwrap_or_default();
        if effective.is_empty() {
            return record;
        }
        let limit_bytes = self.stream.limit_bytes();
        let last = record.outbox.last();
        let overlapped =
            last.and_then(|last| record.state.with_effective(&record.origin, last, &effective, limit_bytes));
        let Some(overlapped) = overlapped else { return record };
        let (of_version, mut outbox): (Vec<_>, Vec<_>) =
            record.outbox.iter().cloned().partition(|signal| signal.sequence == record.state.version);
        outbox.extend(overlapped);
        if of_version.len() == 1 && outbox.len() == record.outbox.len() {
            return SubjectRecord { outbox, ..record };
        }
        let next = SubjectRecord { outbox, ..record.clone() }.noting(None, self.host.unique());
        let why = match self.table.write(&next, Some(record.revision)).await {
            Ok(()) => return next,
            Err(WriteError::Lost(Some(stored))) if stored.write == next.write => return next,
            Err(error) => error.to_string(),
        };
        tracing::warn!(dispatch.subject = %record.subject, error = why, "a signal goes out without what overlaps it");
        record
    }
}
