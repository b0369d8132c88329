//! A dispatch without a stated end stays active. Once a day a mail asks a person whether it still is.

use dispatch::{DispatchTerms, Status};
use jiff::{SignedDuration, Timestamp};

/// From a dispatch's start to the first question, and from each question to the next.
pub(crate) const EVERY: SignedDuration = SignedDuration::from_hours(24);

/// When the first mail asks: a day after the start, or after the dispatch was first seen. None if it needs no question.
pub(crate) fn asks_from(published: Option<&(Status, DispatchTerms)>, first_seen_at: Timestamp) -> Option<Timestamp> {
    let (status, terms) = published?;
    let from = terms.start.max(first_seen_at);
    is_open(*status, terms).then(|| from.saturating_add(EVERY).unwrap_or(Timestamp::MAX))
}

/// Whether a dispatch is active, real, and without an end.
pub(crate) fn is_open(status: Status, terms: &DispatchTerms) -> bool {
    status == Status::Scheduled && terms.end.is_none() && terms.test_reason.is_none()
}
