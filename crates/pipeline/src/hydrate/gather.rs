//! The facts of a batch, gathered by subject: one merge, one write and one publication for each.

use std::collections::BTreeMap;

use dispatch::{Fact, FactBody, Subject, TraceParent};
use jiff::Timestamp;
use tracing::Span;

use super::{AT_ONCE, Bound, Item};

/// So many targets of a dispatch count as one of these writes.
const TARGETS_A_PLACE: usize = 125;

/// The facts of a batch about one subject.
pub(super) struct Gathered {
    /// The source that they came through.
    pub(super) bound: Bound,
    /// The delivery that brought the first of them.
    pub(super) delivery: String,
    /// When that delivery was received.
    pub(super) received_at: Timestamp,
    /// Its trace, and this hop of it.
    pub(super) traceparent: Option<TraceParent>,
    pub(super) span: Span,
    pub(super) facts: Vec<Fact>,
    /// The items that they came with.
    pub(super) items: Vec<usize>,
}

/// The facts of a batch, by subject.
pub(super) fn gather(items: &mut [Item]) -> BTreeMap<Subject, Gathered> {
    let mut subjects: BTreeMap<Subject, Gathered> = BTreeMap::new();
    for (index, item) in items.iter_mut().enumerate() {
        let Some(bound) = &item.source else { continue };
        for fact in std::mem::take(&mut item.parsed.facts) {
            let gathered = subjects.entry(fact.subject.clone()).or_insert_with(|| Gathered {
                bound: bound.clone(),
                delivery: item.job.delivery.clone(),
                received_at: item.job.received_at,
                traceparent: item.job.traceparent,
                span: item.span.clone(),
                facts: Vec::new(),
                items: Vec::new(),
            });
            if !gathered.facts.contains(&fact) {
                gathered.facts.push(fact);
            }
            if gathered.items.last() != Some(&index) {
                gathered.items.push(index);
            }
        }
    }
    subjects
}

/// How many of the [`AT_ONCE`] places the facts about one subject take. Thousands of targets take all, since each
/// subject being settled has its signals and its record in memory.
pub(super) fn weight_of(facts: &[Fact]) -> usize {
    let targets = |fact: &Fact| if let FactBody::Dispatch(said) = &fact.body { said.terms.targets.len() } else { 0 };
    (1 + facts.iter().map(targets).sum::<usize>() / TARGETS_A_PLACE).min(AT_ONCE)
}
