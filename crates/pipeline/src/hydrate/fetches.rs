//! Phase 3 of a batch: each resource that its deliveries need is fetched once, answered by a list, or fetched later.

use std::collections::BTreeMap;

use dispatch::TraceParent;
use futures_util::{StreamExt, future::join_all, stream};
use providers::{FetchRequest, Parsed};

use super::{
    AT_ONCE, Bound, Hydrate, Item,
    waiting::{FetchDecision, Wanted},
};
use crate::{
    job::{Failure, JobKind},
    ports::Ports,
};

impl<P: Ports> Hydrate<'_, P> {
    /// Phase 3: one fetch for each resource that the batch needs.
    pub(super) async fn fetch_all(&self, items: &mut [Item]) {
        let mut by_source: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, item) in items.iter_mut().enumerate() {
            let (Some(bound), Some(fetch)) = (&item.source, item.parsed.fetches.first()) else { continue };
            // From here on the job is this fetch request, and a failure is retried as such; a body whose report failed
            // is read once more.
            if item.failure.is_none() && !matches!(item.job.kind, JobKind::Fetch(_)) {
                item.turned = Some(item.job.clone()).filter(|job| job.attempt > 0);
                item.job.kind = JobKind::Fetch(fetch.clone());
            }
            by_source.entry(bound.origin.source.clone()).or_default().push(index);
        }
        let mut wanted: BTreeMap<String, (Bound, FetchRequest, Option<TraceParent>)> = BTreeMap::new();
        let mut failing: BTreeMap<usize, Failure> = BTreeMap::new();
        let ways = join_all(by_source.into_values().map(|of| self.ways_of_items(items, of))).await;
        for (index, way) in ways.into_iter().flatten() {
            let item = &mut items[index];
            match (way, &item.source, item.parsed.fetches.first()) {
                (FetchDecision::Fetch, Some(bound), Some(fetch)) => {
                    let of_first = || (bound.clone(), fetch.clone(), item.job.traceparent);
                    wanted.entry(fetch.key.clone()).or_insert_with(of_first);
                }
                (FetchDecision::Wait(waits, delay_s), ..) => item.waits = Some((waits, delay_s)),
                (FetchDecision::Fail(failure), ..) => drop(failing.insert(index, failure)),
                _ => {}
            }
        }
        let fetches = wanted.into_iter().map(|(key, (bound, fetch, traceparent))| async move {
            (key, self.fetch(&bound, &fetch, traceparent).await)
        });
        let found: BTreeMap<String, Result<Parsed, Failure>> =
            stream::iter(fetches).buffer_unordered(AT_ONCE).collect().await;
        for (index, item) in items.iter_mut().enumerate() {
            let Some(fetch) = item.parsed.fetches.pop() else { continue };
            // The fetch for another message of the batch answers this one, too.
            match found.get(&fetch.key) {
                Some(Ok(parsed)) => {
                    item.waits = None;
                    let facts = parsed.facts.iter();
                    let facts = facts.filter(|fact| item.job.after.as_ref().is_none_or(|after| fact.subject > *after));
                    item.parsed.facts.extend(facts.cloned());
                    item.parsed.diagnostics.extend(parsed.diagnostics.iter().cloned());
                }
                Some(Err(failure)) => item.failure = Some(failure.clone()),
                None => item.failure = item.failure.take().or_else(|| failing.remove(&index)),
            }
        }
    }

    /// How the fetch requests of one source are answered. With too little time left they wait for another invocation.
    async fn ways_of_items(&self, items: &[Item], of: Vec<usize>) -> Vec<(usize, FetchDecision)> {
        let of_item = |index: &usize| {
            let item = &items[*index];
            Some((*index, Wanted { fetch: item.parsed.fetches.first()?, job: &item.job }))
        };
        let (indexes, wanted): (Vec<usize>, Vec<Wanted<'_>>) = of.iter().filter_map(of_item).unzip();
        let Some(bound) = of.first().and_then(|first| items[*first].source.as_ref()) else { return Vec::new() };
        let ways = self.ways(bound, &wanted).await;
        indexes.into_iter().zip(ways).collect()
    }
}
