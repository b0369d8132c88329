//! The merge of the facts about one dispatch: commutative, associative, idempotent, so the order in which facts arrive
//! does not matter.
//!
//! It has two registers, in each of which the highest rank wins: one for answers that carry the provider's own number,
//! one for all others. A single order over both would not be transitive, since numbers and instants can disagree. So
//! they are joined separately, and only [`Dispatch::view`] chooses between them. In a third register, for the times of
//! the earliest fact, the lowest rank wins.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{DispatchFact, DispatchTerms, Rank, Status, TestReason};

/// The merged facts about one dispatch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Dispatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    numbered: Option<Ranked>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plain: Option<Ranked>,
    /// The times stated by the fact of the lowest rank, if no other register contains that fact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first: Option<Times>,
    /// A push marked it as a test. A fetched answer of the same provider may not repeat that (Leap's search does not).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pushed_test: Option<TestReason>,
    /// A push marked it as real.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pushed_real: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Ranked {
    rank: Rank,
    terms: DispatchTerms,
}

/// The times that a fact stated. The lowest rank sorts first, then any fixed order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Times {
    rank: Rank,
    start: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<Timestamp>,
}

impl From<&Ranked> for Times {
    fn from(ranked: &Ranked) -> Self {
        Self { rank: ranked.rank, start: ranked.terms.start, end: ranked.terms.end }
    }
}

impl Ranked {
    /// True if its end is not after its start and was past when it was observed. Such an end can change the status only
    /// once it is past, unlike a possible end.
    fn may_be_called_off(&self) -> bool {
        let DispatchTerms { start, end, .. } = self.terms;
        end.is_some_and(|end| end <= start && end <= self.rank.observed_at())
    }
}

/// The merged state of a dispatch.
#[derive(Debug, Clone, PartialEq)]
pub struct MergedDispatch {
    /// The current terms, with the test reason of the pushes, without an end that is not after the start.
    pub terms: DispatchTerms,
    /// The end as stated, possible or not.
    pub stated_end: Option<Timestamp>,
    /// When they were observed.
    pub observed_at: Timestamp,
    /// Its rank among all facts.
    pub rank: Rank,
    /// Scheduled, cancelled or ended, decided by the fact itself and not by the clock.
    pub status: Status,
}

impl Dispatch {
    /// Merges one more fact.
    #[must_use]
    pub fn with(self, fact: &DispatchFact) -> Self {
        self.join(Self::from(fact))
    }

    /// Records whether that push marked it as a test or as real.
    #[must_use]
    pub(crate) fn marked_by(self, push: &DispatchFact) -> Self {
        let Self { pushed_test, pushed_real, .. } = Self::from(push);
        self.join(Self { pushed_test, pushed_real, ..Self::default() })
    }

    /// Merges two states.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        let first = [self.first(), other.first()].into_iter().flatten().min();
        let joined = Self {
            numbered: highest(self.numbered, other.numbered),
            plain: highest(self.plain, other.plain),
            first: None,
            pushed_test: self.pushed_test.max(other.pushed_test),
            pushed_real: self.pushed_real || other.pushed_real,
        };
        // Most dispatches never change or never need it, so it is stored only if the registers do not contain it.
        Self { first: first.filter(|first| joined.first() != Some(*first)), ..joined }
    }

    /// The times that were stated first.
    fn first(&self) -> Option<Times> {
        let registers = self.numbered.iter().chain(&self.plain).map(Times::from);
        registers.chain(self.first).min()
    }

    /// The fact that counts now.
    fn current(&self) -> Option<&Ranked> {
        match (&self.numbered, &self.plain) {
            // A provider usually numbers its answers but once did not: the later fetch wins; a push never does.
            (Some(numbered), Some(plain)) if matches!(plain.rank, Rank::Fetched(at) if at > numbered.rank.observed_at()) => {
                Some(plain)
            }
            (Some(ranked), _) | (None, Some(ranked)) => Some(ranked),
            (None, None) => None,
        }
    }

    /// True if the current fact says that the dispatch is over. An end that is not after the start says so only if the
    /// dispatch had other times before: then the provider calls it off before it begins. If it was first seen so, the
    /// end is a typing error, however often and late it is repeated, and the dispatch stays open, because curtailing is
    /// the safe mistake.
    fn is_over(&self, fact: &Ranked) -> bool {
        let DispatchTerms { start, end: Some(end), .. } = fact.terms else { return false };
        let is_known_otherwise = || self.first().is_some_and(|first| (first.start, first.end) != (start, Some(end)));
        if end > start { end <= fact.rank.observed_at() } else { fact.may_be_called_off() && is_known_otherwise() }
    }

    /// True if both have the same current content, ignoring the instants of observation.
    pub(crate) fn holds_the_same_as(&self, other: &Self) -> bool {
        let current =
            |one: &Self| one.current().map(|fact| (fact.rank.number(), fact.terms.clone(), fact.may_be_called_off()));
        current(self) == current(other)
            && (self.pushed_test, self.pushed_real) == (other.pushed_test, other.pushed_real)
    }

    /// The current state; none before the first fact.
    pub fn view(&self) -> Option<MergedDispatch> {
        let ranked = self.current()?;
        let mut terms = ranked.terms.clone();
        // A real push for the same id, confirmed by a fetch, makes it real: a test must not hide a real dispatch.
        if terms.test_reason.is_none() && !self.pushed_real {
            terms.test_reason = self.pushed_test;
        }
        let stated_end = terms.end;
        terms.end = terms.possible_end();
        let status = match (terms.authorized, self.is_over(ranked)) {
            (false, _) => Status::Cancelled,
            (true, true) => Status::Ended,
            (true, false) => Status::Scheduled,
        };
        Some(MergedDispatch { terms, stated_end, observed_at: ranked.rank.observed_at(), rank: ranked.rank, status })
    }

    /// True if it contains a fetched answer, not only pushes.
    pub(crate) fn was_fetched(&self) -> bool {
        self.numbered.is_some() || self.plain.as_ref().is_some_and(|plain| matches!(plain.rank, Rank::Fetched(_)))
    }

    /// True if the stored state would differ. A later fetch of the same number with the same content changes nothing.
    pub(crate) fn learns_from(&self, merged: &Self) -> bool {
        let same_number = match (&self.numbered, &merged.numbered) {
            (Some(a), Some(b)) => {
                a.rank.number() == b.rank.number()
                    && a.terms == b.terms
                    && a.may_be_called_off() == b.may_be_called_off()
            }
            (a, b) => a == b,
        };
        !(same_number
            && self.first() == merged.first()
            && self.plain == merged.plain
            && self.pushed_test == merged.pushed_test
            && self.pushed_real == merged.pushed_real)
    }
}

impl From<&DispatchFact> for Dispatch {
    fn from(fact: &DispatchFact) -> Self {
        let ranked = Some(Ranked { rank: fact.rank, terms: fact.terms.clone() });
        let test = fact.terms.test_reason;
        match fact.rank {
            Rank::Numbered(..) => Self { numbered: ranked, ..Self::default() },
            Rank::Fetched(_) => Self { plain: ranked, ..Self::default() },
            Rank::Pushed(_) => {
                Self { plain: ranked, pushed_test: test, pushed_real: test.is_none(), ..Self::default() }
            }
        }
    }
}

fn highest(a: Option<Ranked>, b: Option<Ranked>) -> Option<Ranked> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if order(&a, &b) == Ordering::Less { b } else { a }),
        (a, b) => a.or(b),
    }
}

/// By rank; at the same rank the withdrawn one (releasing a site is the safe mistake), then any fixed order.
fn order(a: &Ranked, b: &Ranked) -> Ordering {
    a.rank
        .cmp(&b.rank)
        .then_with(|| b.terms.authorized.cmp(&a.terms.authorized))
        .then_with(|| canonical(&a.terms).cmp(&canonical(&b.terms)))
}

#[expect(clippy::expect_used, reason = "two texts that are both empty would have no order")]
fn canonical(terms: &DispatchTerms) -> String {
    serde_json::to_string(terms).expect("terms are texts, numbers and lists, which are JSON")
}
