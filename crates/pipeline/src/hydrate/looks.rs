//! Phase 3 of a batch: what its deliveries want to look at is fetched once each, or answered by a list, or waits.

use std::collections::BTreeMap;

use futures_util::{StreamExt, future::join_all, stream};
use providers::{Look, Reading};

use super::{AT_ONCE, Bound, Hydrate, Item, waiting::Way};
use crate::{
    ports::{Chance, Clock, Deliveries, Dispatches, Health, Outlet, ProviderApi, SignalStream},
    work::{Task, Trouble, Work},
};

impl<T, S, F, D, O, C> Hydrate<'_, T, S, F, D, O, C>
where
    T: Dispatches,
    S: SignalStream,
    F: ProviderApi,
    D: Deliveries + Health,
    O: Outlet,
    C: Clock + Chance,
{
    /// Phase 3: one fetch for each thing that the batch wants to look at.
    pub(super) async fn look_up(&self, items: &mut [Item]) {
        let mut by_source: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, item) in items.iter_mut().enumerate() {
            let (Some(bound), Some(look)) = (&item.source, item.reading.looks.first()) else { continue };
            // From here on the delivery is this look, and what fails is retried as such; a body that could not be told of is
            // read once more.
            if item.trouble.is_none() && !matches!(item.work.task, Task::Look(_)) {
                item.turned = Some(item.work.clone()).filter(|work| work.attempt > 0);
                item.work.task = Task::Look(look.clone());
            }
            by_source.entry(bound.origin.source.clone()).or_default().push(index);
        }
        let mut wanted: BTreeMap<String, (Bound, Look)> = BTreeMap::new();
        let mut failing: BTreeMap<usize, Trouble> = BTreeMap::new();
        let ways = join_all(by_source.into_values().map(|of| self.ways_of_items(items, of))).await;
        for (index, way) in ways.into_iter().flatten() {
            let item = &mut items[index];
            match (way, &item.source, item.reading.looks.first()) {
                (Way::Fetch, Some(bound), Some(look)) => {
                    wanted.entry(look.key.clone()).or_insert_with(|| (bound.clone(), look.clone()));
                }
                (Way::Wait(waits, delay_s), ..) => item.waits = Some((waits, delay_s)),
                (Way::Fail(trouble), ..) => drop(failing.insert(index, trouble)),
                _ => {}
            }
        }
        let fetches =
            wanted.into_iter().map(|(key, (bound, look))| async move { (key, self.look(&bound, &look).await) });
        let found: BTreeMap<String, Result<Reading, Trouble>> =
            stream::iter(fetches).buffer_unordered(AT_ONCE).collect().await;
        for (index, item) in items.iter_mut().enumerate() {
            let Some(look) = item.reading.looks.pop() else { continue };
            // What another message of the batch has fetched is as good as a request of its own.
            match found.get(&look.key) {
                Some(Ok(reading)) => {
                    item.waits = None;
                    let facts = reading.facts.iter();
                    let facts = facts.filter(|fact| item.work.after.as_ref().is_none_or(|after| fact.subject > *after));
                    item.reading.facts.extend(facts.cloned());
                    item.reading.findings.extend(reading.findings.iter().cloned());
                }
                Some(Err(trouble)) => item.trouble = Some(trouble.clone()),
                None => item.trouble = item.trouble.take().or_else(|| failing.remove(&index)),
            }
        }
    }

    /// How the looks of one source get their answers. With too little time left they wait for another invocation.
    async fn ways_of_items(&self, items: &[Item], of: Vec<usize>) -> Vec<(usize, Way)> {
        let of_item = |index: &usize| Some((*index, items[*index].reading.looks.first()?, &items[*index].work));
        let looks: Vec<(usize, &Look, &Work)> = of.iter().filter_map(of_item).collect();
        let Some(bound) = of.first().and_then(|first| items[*first].source.as_ref()) else { return Vec::new() };
        let asking: Vec<(&Look, &Work)> = looks.iter().map(|(_, look, work)| (*look, *work)).collect();
        let ways = self.ways(bound, &asking).await;
        looks.into_iter().map(|(index, ..)| index).zip(ways).collect()
    }
}
