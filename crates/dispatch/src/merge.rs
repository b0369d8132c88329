//! The merge of what was stated about one dispatch: commutative, associative, idempotent, so that the order in which facts
//! arrive does not matter.
//!
//! Two registers, each "the highest rank wins": one for answers that carry the provider's own number, one for all others. A
//! single order over both would not be transitive (numbers and instants can disagree), so they are joined side by side and
//! only [`Dispatch::view`] chooses between them.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{DispatchFact, Rank, Statement, Status, TestReason};

/// All that matters of the facts about one dispatch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Dispatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    numbered: Option<Ranked>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plain: Option<Ranked>,
    /// A push called it a test. A fetched answer of the same provider may not repeat that (Leap's search does not).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pushed_test: Option<TestReason>,
    /// A push called it real.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pushed_real: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Ranked {
    rank: Rank,
    statement: Statement,
}

/// The one true state of a dispatch, as far as it is known.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// What holds, the test reason of the pushes included.
    pub statement: Statement,
    /// As of when.
    pub observed_at: Timestamp,
    /// Where it stands among all that was stated.
    pub rank: Rank,
    /// Scheduled, cancelled or ended, judged by the fact itself and not by the clock.
    pub status: Status,
}

impl Dispatch {
    /// The merge with one more fact.
    #[must_use]
    pub fn with(self, fact: &DispatchFact) -> Self {
        self.join(Self::from(fact))
    }

    /// The same, knowing also whether that push called it a test or real.
    #[must_use]
    pub(crate) fn called_so_by(self, push: &DispatchFact) -> Self {
        let Self { pushed_test, pushed_real, .. } = Self::from(push);
        self.join(Self { pushed_test, pushed_real, ..Self::default() })
    }

    /// The merge of two states.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self {
            numbered: highest(self.numbered, other.numbered),
            plain: highest(self.plain, other.plain),
            pushed_test: self.pushed_test.max(other.pushed_test),
            pushed_real: self.pushed_real || other.pushed_real,
        }
    }

    /// What holds now; none before the first fact.
    pub fn view(&self) -> Option<View> {
        let ranked = match (&self.numbered, &self.plain) {
            // A provider that counts and one time did not: the later look is the truth; a mere push never is.
            (Some(numbered), Some(plain)) if matches!(plain.rank, Rank::Fetched(at) if at > numbered.rank.observed_at()) => {
                plain
            }
            (Some(ranked), _) | (None, Some(ranked)) => ranked,
            (None, None) => return None,
        };
        let mut statement = ranked.statement.clone();
        // A real push for the same id, confirmed by a fetch, is no test: a real dispatch must not hide behind one.
        if statement.test_reason.is_none() && !self.pushed_real {
            statement.test_reason = self.pushed_test;
        }
        let observed_at = ranked.rank.observed_at();
        let over = statement.end.is_some_and(|end| end <= observed_at);
        let status = match (statement.authorized, over) {
            (false, _) => Status::Cancelled,
            (true, true) => Status::Ended,
            (true, false) => Status::Scheduled,
        };
        Some(View { statement, observed_at, rank: ranked.rank, status })
    }

    /// Whether what is stored would differ: a later sight of the same number with the same content teaches nothing.
    pub(crate) fn learns_from(&self, merged: &Self) -> bool {
        let same_number = match (&self.numbered, &merged.numbered) {
            (Some(a), Some(b)) => a.rank.number() == b.rank.number() && a.statement == b.statement,
            (a, b) => a == b,
        };
        !(same_number
            && self.plain == merged.plain
            && self.pushed_test == merged.pushed_test
            && self.pushed_real == merged.pushed_real)
    }
}

impl From<&DispatchFact> for Dispatch {
    fn from(fact: &DispatchFact) -> Self {
        let ranked = Some(Ranked { rank: fact.rank, statement: fact.statement.clone() });
        let test = fact.statement.test_reason;
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
        .then_with(|| b.statement.authorized.cmp(&a.statement.authorized))
        .then_with(|| canonical(&a.statement).cmp(&canonical(&b.statement)))
}

fn canonical(statement: &Statement) -> String {
    serde_json::to_string(statement).unwrap_or_default()
}
