//! The other active dispatches of a source: read once for a batch, and only where a signal is about to go out.
//!
//! A version is written first and looked at in their light afterwards, since only the write shows whether it is one: nothing is
//! read for an unchanged redelivery. Where a target is shared, a second write puts that into the signal that is owed. Whatever
//! goes wrong on the way, the signal goes out as it was written first.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use dispatch::{Claim, Effective, EffectiveTargets, Mark, Plan, Request, Rule, Subject, effective};
use futures_util::lock::Mutex;
use jiff::Timestamp;

use super::Hydrate;
use crate::{
    ports::{Active, Chance, Clock, Dispatches, SignalStream, WriteError},
    record::Record,
};

/// What is active in the sources that a batch speaks of.
#[derive(Debug, Default)]
pub(super) struct Neighbours(Mutex<BTreeMap<String, Source>>);

/// Stands for a plan: hundreds of thousands of targets cannot each hold the subjects of theirs.
type Number = u32;

/// Which plans name a target, and what each asks of it.
type Asked = Vec<(Number, Option<Request>)>;

/// What is active in one source.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// From which instant on it is known; none before the first read.
    since: Option<Timestamp>,
    plans: BTreeMap<Subject, (Number, Plan)>,
    by_number: BTreeMap<Number, Subject>,
    /// What each plan asks of each target.
    shares: BTreeMap<(Mark, Number), Option<Request>>,
    next: Number,
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
        if let Some((number, plan)) = self.plans.remove(subject) {
            for mark in plan.marks() {
                self.shares.remove(&(mark, number));
            }
            self.by_number.remove(&number);
        }
        let Some(plan) = plan else { return };
        let number = self.next;
        self.next += 1;
        self.shares.extend(plan.asked().into_iter().map(|(mark, request)| ((mark, number), request)));
        self.by_number.insert(number, subject.clone());
        self.plans.insert(subject.clone(), (number, plan));
    }

    /// All others, each with its plan.
    pub(super) fn others<'a>(&'a self, than: &'a Subject) -> impl Iterator<Item = (&'a Subject, &'a Plan)> {
        self.plans.iter().filter(move |(subject, _)| *subject != than).map(|(subject, (_, plan))| (subject, plan))
    }

    fn asked(&self, target: &str) -> Asked {
        let mark = Mark::of(target);
        let shares = self.shares.range((mark, Number::MIN)..=(mark, Number::MAX));
        shares.map(|((_, number), request)| (*number, *request)).collect()
    }

    fn claims(&self, asked: &Asked) -> Vec<Claim> {
        let claim = |(number, request): &(Number, Option<Request>)| {
            let subject = self.by_number.get(number)?;
            let (_, plan) = self.plans.get(subject)?;
            Some(plan.claim_of(subject, *request))
        };
        asked.iter().filter_map(claim).collect()
    }
}

impl<T: Dispatches, S: SignalStream, F, D, O, C: Clock + Chance> Hydrate<'_, T, S, F, D, O, C> {
    /// A record whose newest signal tells of each target that others keep curtailed too; as it is where there is none.
    pub(super) async fn with_neighbours(&self, record: Record, neighbours: &Neighbours) -> Record {
        let Some((_, statement)) = record.state.published() else { return record };
        let (now, rule) = (self.world.now(), Rule::of(&record.origin.provider));
        let about = (&record.subject, statement.test_reason.is_some());
        let shared = |source: &Source| -> EffectiveTargets {
            // Most targets of a dispatch share their neighbours.
            let mut known: BTreeMap<Asked, Option<Arc<Effective>>> = BTreeMap::new();
            let mut of = |id: &str| {
                let asked = source.asked(id);
                if let Some(known) = known.get(&asked) {
                    return known.clone();
                }
                let found = effective(rule, about, &source.claims(&asked), now).map(Arc::new);
                known.insert(asked, found.clone());
                found
            };
            let targets = statement.targets.iter().map(|target| &target.id);
            targets.filter_map(|id| Some((id.clone(), of(id)?))).collect()
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
        let why = match self.table.write(&next, Some(record.revision)).await {
            Ok(()) => return next,
            Err(WriteError::Lost(Some(stored))) if stored.write == next.write => return next,
            Err(error) => error.to_string(),
        };
        tracing::warn!(dispatch.subject = %record.subject, error = why, "a signal goes out without what overlaps it");
        record
    }
}
