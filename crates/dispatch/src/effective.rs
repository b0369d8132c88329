//! The combined effect of all dispatches that name one target: when it is curtailed, until when, and which dispatch
//! sets the amount.
//!
//! Where dispatches overlap, one of them governs: which one, the provider says ([`Precedence`]). On a tie the one that asks for more
//! governs, then the one with the smaller key.
//!
//! A dispatch that starts where another ends leaves no gap: both form one window with two segments. Tests and real
//! dispatches do not affect each other.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use serde::Serialize;

use signals::{Effective, Request, Status, Subject};

use crate::quantity::demand;

/// Which of a target's overlapping claims governs: the one with the least number. On a tie the one that asks for more governs, then
/// the one with the smaller key.
#[derive(Debug, Clone, Copy)]
pub struct Precedence(fn(&Claim) -> i128);

impl Precedence {
    /// The claim that asks for more governs.
    pub const LARGER_REQUEST: Self = Self::by(|_| 0);

    /// The claim with the lower `priority` governs; one without any comes last.
    pub const LOWER_PRIORITY: Self = Self::by(|claim| i128::from(claim.priority.unwrap_or(u32::MAX)));

    /// The claim that starts last governs.
    pub const LATER_START: Self = Self::by(|claim| -claim.start.as_nanosecond());

    /// The claim for which this number is the least governs.
    pub const fn by(number: fn(&Claim) -> i128) -> Self {
        Self(number)
    }

    pub(crate) fn number(self, claim: &Claim) -> i128 {
        (self.0)(claim)
    }

    /// The governing claim sorts first.
    pub(crate) fn order(self, a: &Claim, b: &Claim) -> Ordering {
        let first = self.number(a).cmp(&self.number(b));
        first.then_with(|| b.demand().cmp(&a.demand())).then_with(|| a.cmp(b))
    }
}

/// The request of one dispatch to one target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// The dispatch.
    pub key: Subject,
    /// Its status: a cancelled or ended dispatch claims nothing.
    pub status: Status,
    /// Tests and real dispatches do not affect each other.
    pub test: bool,
    /// When it starts.
    pub start: Timestamp,
    /// When it ends; none until known.
    pub end: Option<Timestamp>,
    /// The request to this target; none if the provider requests only a total for the group.
    pub request: Option<Request>,
    /// The request to all targets of the dispatch together.
    pub total: Request,
    /// The lower number governs.
    pub priority: Option<u32>,
}

impl Claim {
    /// True if it curtails the target at that instant; the end is exclusive.
    pub fn covers(&self, at: Timestamp) -> bool {
        self.status == Status::Scheduled && self.start <= at && self.end.is_none_or(|end| at < end)
    }

    pub(crate) fn is_on(&self) -> bool {
        self.covers(self.start)
    }

    pub(crate) fn demand(&self) -> (u8, u64) {
        demand(self.request.unwrap_or(self.total))
    }
}

/// A time in which a target is curtailed without a gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Window {
    /// When it starts.
    pub from: Timestamp,
    /// When it ends; none until a later fact ends it.
    pub until: Option<Timestamp>,
    /// Its segments, without gaps, ordered by time.
    pub segments: Vec<Segment>,
}

/// A part of a window in which nothing changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Segment {
    /// When it starts.
    pub from: Timestamp,
    /// When it ends; none until a later fact ends it.
    pub until: Option<Timestamp>,
    /// The dispatch that sets the amount.
    pub governed_by: Subject,
    /// Its request to this target; none if the provider requests only a total for the group.
    pub request: Option<Request>,
    /// The other dispatches that are active in this segment, sorted.
    pub with: Vec<Subject>,
}

impl Window {
    /// The dispatches in the window.
    pub fn keys(&self) -> BTreeSet<&Subject> {
        self.segments.iter().flat_map(|segment| segment.with.iter().chain([&segment.governed_by])).collect()
    }

    /// The segment at an instant; the first segment if the window starts later.
    pub fn at(&self, at: Timestamp) -> Option<&Segment> {
        self.segments.iter().rev().find(|segment| segment.from <= at).or_else(|| self.segments.first())
    }
}

/// When a target is curtailed by the real dispatches among the claims (or by the tests): in order, disjoint, with gaps between.
pub fn windows<'a>(precedence: Precedence, test: bool, claims: impl IntoIterator<Item = &'a Claim>) -> Vec<Window> {
    let claims: BTreeSet<&Claim> = claims.into_iter().filter(|claim| claim.test == test && claim.is_on()).collect();
    let edges: BTreeSet<Timestamp> = claims.iter().flat_map(|claim| [Some(claim.start), claim.end]).flatten().collect();
    let mut windows: Vec<Window> = Vec::new();
    let mut edges = edges.into_iter().peekable();
    while let Some(from) = edges.next() {
        let until = edges.peek().copied();
        let Some(segment) = segment(precedence, claims.iter().copied().filter(|claim| claim.covers(from)), from, until)
        else {
            continue;
        };
        match windows.last_mut() {
            Some(window) if window.until == Some(from) => {
                window.until = until;
                window.segments.push(segment);
            }
            _ => windows.push(Window { from, until, segments: vec![segment] }),
        }
    }
    windows
}

fn segment<'a>(
    precedence: Precedence,
    active: impl Iterator<Item = &'a Claim> + Clone,
    from: Timestamp,
    until: Option<Timestamp>,
) -> Option<Segment> {
    let governing = active.clone().min_by(|a, b| precedence.order(a, b))?;
    let with: BTreeSet<&Subject> = active.map(|claim| &claim.key).filter(|key| **key != governing.key).collect();
    Some(Segment {
        from,
        until,
        governed_by: governing.key.clone(),
        request: governing.request,
        with: with.into_iter().cloned().collect(),
    })
}

/// The dispatch that asks what others do at its targets.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// Its key.
    pub subject: &'a Subject,
    /// Tests and real dispatches are separate.
    pub is_test: bool,
}

/// What a signal about a dispatch has to add for one target, given all claims on the target, the dispatch's own among them while
/// it is on. What is over by then counts no more. None where the target stands alone, and where the dispatch is off and no other
/// curtails the target at that instant.
pub fn effective(
    precedence: Precedence,
    About { subject: key, is_test: test }: About<'_>,
    claims: &[Claim],
    now: Timestamp,
) -> Option<Effective> {
    let windows = windows(precedence, test, claims.iter().filter(|claim| claim.end.is_none_or(|end| end > now)));
    let is_on = windows.iter().any(|window| window.keys().contains(key));
    let window = windows.iter().find(|window| if is_on { window.keys().contains(key) } else { window.from <= now })?;
    let with: Vec<Subject> = window.keys().into_iter().filter(|other| *other != key).cloned().collect();
    let governing = window.at(now).filter(|_| !with.is_empty())?;
    Some(Effective::new(window.until, governing.governed_by.clone(), with))
}

/// `effective` by the target's id. Thousands of targets share one value.
pub type EffectiveTargets = BTreeMap<String, Arc<Effective>>;
