//! The combined effect of all dispatches that name one target: when it is curtailed, until when, and which dispatch
//! sets the amount.
//!
//! Where dispatches overlap, one of them governs:
//!
//! | provider | governs | on a tie |
//! |---|---|---|
//! | Voltus | the larger request, and the target is curtailed until all are over | the smaller key |
//! | Leap | the one of the lower `priority`; one without comes last | the larger request, then the smaller key |
//! | NvGrid | the one scheduled last, taken to be the one that starts last | the larger request, then the smaller key |
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

/// Which of several dispatches governs a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The one with the larger request (Voltus).
    Larger,
    /// The one with the lower priority number (Leap).
    Priority,
    /// The one that starts last (NvGrid).
    Later,
}

impl Rule {
    /// The rule of a provider, by its name.
    pub fn of(provider: &str) -> Self {
        match provider {
            "leap" => Self::Priority,
            "nvgrid" => Self::Later,
            _ => Self::Larger,
        }
    }

    /// The governing claim sorts first.
    pub(crate) fn order(self, a: &Claim, b: &Claim) -> Ordering {
        let first = match self {
            Self::Larger => Ordering::Equal,
            Self::Priority => a.priority.unwrap_or(u32::MAX).cmp(&b.priority.unwrap_or(u32::MAX)),
            Self::Later => b.start.cmp(&a.start),
        };
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

/// The windows of the real dispatches (or of the tests) among the claims: ordered, disjoint, with gaps between them.
pub fn windows<'a>(rule: Rule, test: bool, claims: impl IntoIterator<Item = &'a Claim>) -> Vec<Window> {
    let claims: BTreeSet<&Claim> = claims.into_iter().filter(|claim| claim.test == test && claim.is_on()).collect();
    let edges: BTreeSet<Timestamp> = claims.iter().flat_map(|claim| [Some(claim.start), claim.end]).flatten().collect();
    let mut windows: Vec<Window> = Vec::new();
    let mut edges = edges.into_iter().peekable();
    while let Some(from) = edges.next() {
        let until = edges.peek().copied();
        let Some(segment) = segment(rule, claims.iter().copied().filter(|claim| claim.covers(from)), from, until)
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
    rule: Rule,
    active: impl Iterator<Item = &'a Claim> + Clone,
    from: Timestamp,
    until: Option<Timestamp>,
) -> Option<Segment> {
    let governing = active.clone().min_by(|a, b| rule.order(a, b))?;
    let with: BTreeSet<&Subject> = active.map(|claim| &claim.key).filter(|key| **key != governing.key).collect();
    Some(Segment {
        from,
        until,
        governed_by: governing.key.clone(),
        request: governing.request,
        with: with.into_iter().cloned().collect(),
    })
}

/// What a signal about a dispatch must add for one target. `claims` are all claims on the target, including the
/// dispatch's own claim while it is active. Ended claims are ignored. None if no other dispatch names the target, or if
/// the dispatch is not active and no other one curtails the target at that instant.
pub fn effective(rule: Rule, (key, test): (&Subject, bool), claims: &[Claim], now: Timestamp) -> Option<Effective> {
    let windows = windows(rule, test, claims.iter().filter(|claim| claim.end.is_none_or(|end| end > now)));
    let is_on = windows.iter().any(|window| window.keys().contains(key));
    let window = windows.iter().find(|window| if is_on { window.keys().contains(key) } else { window.from <= now })?;
    let with: Vec<Subject> = window.keys().into_iter().filter(|other| *other != key).cloned().collect();
    let governing = window.at(now).filter(|_| !with.is_empty())?;
    Some(Effective::new(window.until, governing.governed_by.clone(), with))
}

/// `effective` by the target's id. Thousands of targets share one value.
pub type EffectiveTargets = BTreeMap<String, Arc<Effective>>;
