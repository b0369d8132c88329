//! The other active dispatches of a source: read once for a batch, and only where a signal is about to go out.
//!
//! A version is written first and looked at in their light afterwards, since only the write shows whether it is one: nothing is
//! read for an unchanged redelivery. Where a target is shared, a second write puts that into the signal that is owed. Whatever
//! goes wrong on the way, the signal goes out as it was written first.

use std::collections::{BTreeMap, BTreeSet};

use dispatch::{Claim, EffectiveTargets, Mark, Plan, Rule, Subject, effective};
use futures_util::lock::Mutex;
use jiff::Timestamp;

use super::Hydrate;
use crate::{
    ports::{Active, Chance, Clock, Dispatches, SignalStream},
    record::Record,
    written::{Written, written},
};

/// What is active in the sources that a batch speaks of.
#[derive(Debug, Default)]
pub(super) struct Neighbours(Mutex<BTreeMap<String, Source>>);

/// What is active in one source.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// From which instant on it is known; none before the first read.
    since: Option<Timestamp>,
    plans: BTreeMap<Subject, Plan>,
    by_mark: BTreeMap<Mark, BTreeSet<Subject>>,
    /// What this batch itself wrote: the index lags behind it.
    written: BTreeSet<Subject>,
}

impl Neighbours {
    /// Looks at what is active in the record's source from an instant on, the record as it is here.
    pub(super) async fn look<A>(
        &self,
        table: &impl Dispatches,
        record: &Record,
        at: Timestamp,
        look: impl FnOnce(&Source) -> A,
    ) -> A {
        let source_name = &record.origin.source;
        let mut sources = self.0.lock().await;
        let source = sources.entry(source_name.clone()).or_default();
        source.put(&record.subject, record.plan());
        source.written.insert(record.subject.clone());
        if source.since.is_none_or(|since| at < since) {
            // Once, also where it fails: a table that does not answer must not hold up every signal of the batch.
            source.since = Some(at);
            match table.active(source_name, at).await {
                Ok(active) => source.learn(active),
                Err(error) => {
                    tracing::warn!(source.name = source_name, %error, "signals go out without what overlaps them");
                }
            }
        }
        look(source)
    }
}

impl Source {
    fn learn(&mut self, active: Vec<Active>) {
        for Active { subject, plan } in active {
            if !self.written.contains(&subject) {
                self.put(&subject, Some(plan));
            }
        }
    }

    fn put(&mut self, subject: &Subject, plan: Option<Plan>) {
        for mark in self.plans.remove(subject).iter().flat_map(Plan::marks) {
            if let Some(subjects) = self.by_mark.get_mut(&mark) {
                subjects.remove(subject);
            }
        }
        let Some(plan) = plan else { return };
        for mark in plan.marks() {
            self.by_mark.entry(mark).or_default().insert(subject.clone());
        }
        self.plans.insert(subject.clone(), plan);
    }

    /// All others, each with its plan.
    pub(super) fn others<'a>(&'a self, than: &'a Subject) -> impl Iterator<Item = (&'a Subject, &'a Plan)> {
        self.plans.iter().filter(move |(subject, _)| *subject != than)
    }

    fn claims(&self, target: &str) -> Vec<Claim> {
        let mark = Mark::of(target);
        let subjects = self.by_mark.get(&mark).into_iter().flatten();
        subjects.filter_map(|subject| self.plans.get(subject)?.claim(subject, mark)).collect()
    }
}

impl<T: Dispatches, S: SignalStream, F, D, O, C: Clock + Chance> Hydrate<'_, T, S, F, D, O, C> {
    /// A record whose newest signal tells of each target that others keep curtailed too; as it is where there is none.
    pub(super) async fn with_neighbours(&self, record: Record, neighbours: &Neighbours) -> Record {
        let Some((_, statement)) = record.state.published() else { return record };
        let (now, rule) = (self.world.now(), Rule::of(&record.origin.provider));
        let about = (&record.subject, statement.test_reason.is_some());
        let shared = |source: &Source| -> EffectiveTargets {
            let targets = statement.targets.iter().map(|target| &target.id);
            targets.filter_map(|id| Some((id.clone(), effective(rule, about, &source.claims(id), now)?))).collect()
        };
        let effective = neighbours.look(self.table, &record, now, shared).await;
        if effective.is_empty() {
            return record;
        }
        let mut next = record.clone().noting(None, self.world.unique());
        let limit_bytes = self.stream.limit_bytes();
        let last = record.outbox.last();
        let told = last.and_then(|last| record.state.with_effective(&record.origin, last, &effective, limit_bytes));
        let Some(told) = told else { return record };
        next.outbox.retain(|signal| signal.sequence != record.state.version);
        next.outbox.extend(told);
        let why = match written(&next, self.table.write(&next, Some(record.revision)).await) {
            Ok(Written::Done) => return next,
            Ok(Written::Overtaken(_)) => "another write came first".to_owned(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(dispatch.subject = %record.subject, error = why, "a signal goes out without what overlaps it");
        record
    }
}
