//! The state of a source: its key, and its list of dispatches.

use jiff::{SignedDuration, Timestamp};

use super::Verdict;
use crate::{job::FailureKind, polling::state::PollState, ports::Refusal};

/// Waiting jobs are tried at least this often. If the last refusal is older, the key works again or no job needs it.
const TRIED_WITHIN: SignedDuration = SignedDuration::from_mins(30);

/// The provider refuses the source's key to a waiting job or to the polls.
pub(super) fn key_refused(refusal: Option<&Refusal>, poll: Option<&PollState>, now: Timestamp) -> Verdict {
    let refusal = refusal.filter(|refusal| now.duration_since(refusal.at) < TRIED_WITHIN);
    if let Some(refusal) = refusal {
        return Verdict::firing(refusal.since, refusal.source.clone(), refusal.detail.clone());
    }
    let failing = poll.and_then(|poll| Some((poll, poll.failing.as_ref()?)));
    match failing.filter(|(_, failing)| failing.last.kind == FailureKind::Credentials) {
        Some((poll, failing)) => Verdict::firing(failing.since, poll.source.clone(), failing.detail()),
        None => Verdict::resolved(now, "the provider accepts the key again, or nothing waits for it"),
    }
}

/// The provider's list of dispatches has been unreadable for a while, for another reason than the key.
pub(super) fn source_down(poll: Option<&PollState>, now: Timestamp) -> Verdict {
    let failing = poll.and_then(|poll| Some((poll, poll.failing.as_ref()?)));
    let Some((poll, failing)) = failing.filter(|(_, failing)| failing.last.kind != FailureKind::Credentials) else {
        return Verdict::resolved(now, "the provider's list of dispatches can be read again");
    };
    if poll.is_down(now) {
        Verdict::firing(failing.since, poll.source.clone(), failing.detail())
    } else {
        Verdict::Undecided
    }
}
