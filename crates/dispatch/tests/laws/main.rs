//! Properties of the merge over arbitrary facts: the result does not depend on the order in which facts arrive.

#![expect(clippy::expect_used, reason = "a helper of a test fails the test")]

mod ends;
#[path = "../made/mod.rs"]
mod made;
mod merge;
mod pushes;
mod signals;

use dispatch::{Contradiction, Dispatch, DispatchFact, DispatchTerms, Fact, Signal, State, absorb};

use crate::made::{NOW, fact, published_at, subject};

fn merged(facts: &[DispatchFact]) -> Dispatch {
    facts.iter().fold(Dispatch::default(), Dispatch::with)
}

/// Absorbs one batch after the other as the pipeline does: an unchanged state is not stored.
fn absorbed(batches: &[Vec<Fact>], contradiction: Contradiction) -> (Option<State>, Vec<Signal>) {
    let mut state = None;
    let mut signals = Vec::new();
    for facts in batches {
        let Some(after) = absorb(state.clone(), &subject(), facts.clone(), contradiction, published_at(NOW)) else {
            continue;
        };
        assert!(after.changed || after.signals.is_empty(), "signals of a state that is not stored");
        if after.changed {
            state = Some(after.state);
        }
        signals.extend(after.signals);
    }
    (state, signals)
}

fn one_by_one(facts: &[DispatchFact]) -> (Option<State>, Vec<Signal>) {
    let batches: Vec<Vec<Fact>> = facts.iter().map(|stated| vec![fact(stated.clone())]).collect();
    absorbed(&batches, Contradiction::TakeLatest)
}

/// The terms of the last signal that a controller acts on; none if the dispatch is withdrawn.
fn published_terms(state: &State) -> Option<DispatchTerms> {
    let (_, terms) = state.published().expect("published");
    terms.authorized.then(|| DispatchTerms { programs: Vec::new(), details: serde_json::Map::new(), ..terms })
}

/// A statement as a view returns it.
fn shown(stated: DispatchTerms) -> DispatchTerms {
    DispatchTerms { end: stated.possible_end(), ..stated }
}

fn kind(signal: &Signal) -> &str {
    signal.kind.strip_prefix("gridbell.dispatch.").and_then(|kind| kind.strip_suffix(".v1")).expect("a dispatch")
}
