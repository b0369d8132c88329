//! The claims of many dispatches on one target, indexed so that neither an insert nor a query walks through all of
//! them.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use jiff::Timestamp;

use signals::{Effective, MAX_NAMED, Subject};

use crate::{About, Claim, Precedence};

/// The claims on one target. Claims over the same time form one group: thousands of dispatches of one event share a few
/// times.
#[derive(Debug)]
pub struct TargetClaims {
    precedence: Precedence,
    real: Claims,
    tests: Claims,
}

#[derive(Debug, Default)]
struct Claims {
    groups: BTreeMap<Times, Group>,
    times_of: BTreeMap<Subject, (Times, Rank)>,
}

/// Start and end; no end sorts last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Times {
    start: Timestamp,
    end: Timestamp,
}

/// Claims over the same time, the governing one first.
#[derive(Debug, Default)]
struct Group {
    ranked: BTreeMap<Rank, Claim>,
    keys: BTreeSet<Subject>,
}

/// How claims over the same time are ordered: by the provider's number, then by demand.
type Rank = (i128, Reverse<(u8, u64)>, Subject);

/// Groups that follow each other without a gap.
struct Stretch<'a> {
    from: Timestamp,
    until: Timestamp,
    groups: Vec<(Times, &'a Group)>,
}

impl Times {
    fn of(claim: &Claim) -> Self {
        Self { start: claim.start, end: claim.end.unwrap_or(Timestamp::MAX) }
    }
}

impl TargetClaims {
    /// No claims yet.
    pub fn new(precedence: Precedence) -> Self {
        Self { precedence, real: Claims::default(), tests: Claims::default() }
    }

    /// Adds a claim. Remove an earlier claim of the same dispatch first.
    pub fn insert(&mut self, claim: Claim) {
        if !claim.is_on() {
            return;
        }
        let rank = (self.precedence.number(&claim), Reverse(claim.demand()), claim.key.clone());
        let claims = if claim.test { &mut self.tests } else { &mut self.real };
        let times = Times::of(&claim);
        claims.times_of.insert(claim.key.clone(), (times, rank.clone()));
        let group = claims.groups.entry(times).or_default();
        group.keys.insert(claim.key.clone());
        group.ranked.insert(rank, claim);
    }

    /// Removes the claim of a dispatch.
    pub fn remove(&mut self, key: &Subject) {
        for claims in [&mut self.real, &mut self.tests] {
            let Some((times, rank)) = claims.times_of.remove(key) else { continue };
            let Some(group) = claims.groups.get_mut(&times) else { continue };
            group.keys.remove(key);
            group.ranked.remove(&rank);
            if group.keys.is_empty() {
                claims.groups.remove(&times);
            }
        }
    }

    /// The same as [`crate::effective`] of all these claims.
    pub fn effective(&self, About { subject: key, is_test: test }: About<'_>, now: Timestamp) -> Option<Effective> {
        let claims = if test { &self.tests } else { &self.real };
        let own = claims.times_of.get(key).map(|(times, _)| *times).filter(|own| own.end > now);
        let stretch = claims.stretch(own, now)?;
        let others =
            stretch.groups.iter().map(|(_, group)| group.keys.len()).sum::<usize>() - usize::from(own.is_some());
        if others == 0 {
            return None;
        }
        let at = now.max(stretch.from);
        let covering = stretch.groups.iter().filter(|(times, _)| times.start <= at && at < times.end);
        let governing = covering.filter_map(|(_, group)| group.ranked.values().next());
        let governing = governing.min_by(|a, b| self.precedence.order(a, b))?;
        let with = first_keys(stretch.groups.iter().map(|(_, group)| &group.keys), key);
        let until = Some(stretch.until).filter(|until| *until != Timestamp::MAX);
        Some(Effective { until, governed_by: governing.key.clone(), with, others })
    }
}

impl Claims {
    /// The time without gaps that contains the dispatch's own claim; without an own claim, the one that contains `now`.
    fn stretch(&self, own: Option<Times>, now: Timestamp) -> Option<Stretch<'_>> {
        let is_it = |stretch: &Stretch<'_>| match own {
            Some(own) => stretch.from <= own.start && own.end <= stretch.until,
            None => stretch.from <= now,
        };
        let mut stretch: Option<Stretch<'_>> = None;
        for (times, group) in self.groups.iter().filter(|(times, _)| times.end > now) {
            match &mut stretch {
                Some(stretch) if times.start <= stretch.until => {
                    stretch.until = stretch.until.max(times.end);
                    stretch.groups.push((*times, group));
                }
                Some(whole) if is_it(whole) => break,
                _ => stretch = Some(Stretch { from: times.start, until: times.end, groups: vec![(*times, group)] }),
            }
        }
        stretch.filter(is_it)
    }
}

/// The first keys of all groups, except one key.
fn first_keys<'a>(groups: impl Iterator<Item = &'a BTreeSet<Subject>>, without: &Subject) -> Vec<Subject> {
    let mut first: BTreeSet<&Subject> = BTreeSet::new();
    for keys in groups {
        for key in keys.iter().filter(|key| *key != without) {
            let is_full = first.len() == MAX_NAMED;
            if is_full && first.last().is_some_and(|last| *last < key) {
                break;
            }
            first.insert(key);
            if is_full {
                first.pop_last();
            }
        }
    }
    first.into_iter().cloned().collect()
}
