//! The state of a source's polling, in one item. Reading the provider's list makes up for a lost webhook.
//!
//! A failed poll is not retried: the poll of the next minute is its retry.

use dispatch::{Fact, FactBody};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    alerts::condition::Condition,
    job::{Failure, FailureKind},
    polling::budget::Budget,
};

/// While a dispatch runs or is about to start, and after a failure, a source is polled with every sweep.
const EVERY_SWEEP_S: u32 = 60;

/// A dispatch is near this long before its start.
const NEAR: SignedDuration = SignedDuration::from_hours(1);

/// How often a list is read while fetch requests wait for it; half as often while that fails.
const LISTED_EVERY: SignedDuration = SignedDuration::from_secs(4);

/// A poll that is under way for longer died: the function's timeout has passed.
const DIED_AFTER: SignedDuration = SignedDuration::from_secs(25);

/// The schedule runs a few seconds early or late.
const SLACK: SignedDuration = SignedDuration::from_secs(15);

/// A source is down after failing for this long …
const DOWN_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// … or so many times in a row while a dispatch is near.
const DOWN_AFTER_TIMES: u32 = 3;

/// The longest `Retry-After` that gridbell obeys, in seconds.
const MAX_RETRY_AFTER_S: u32 = 3_600;

/// How long after polling found a change a webhook may still announce it: webhooks are often just late.
pub const GRACE: SignedDuration = SignedDuration::from_secs(GRACE_S as i64);

pub(crate) const GRACE_S: u32 = 120;

/// The state of one source's polling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollState {
    /// The source: the key.
    pub source: String,
    /// Incremented by every write.
    pub revision: u64,
    /// The id of the latest write.
    pub write: String,
    /// When the latest poll began.
    pub began_at: Timestamp,
    /// It has not ended yet. If so when the next one begins, it died.
    pub under_way: bool,
    /// When the latest good poll began; none: the dispatches of a list are older than gridbell's polling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good_at: Option<Timestamp>,
    /// From when on a dispatch of the latest good list is near; none: no dispatch is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub near_from: Option<Timestamp>,
    /// The provider allows no request before then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// The failures since the latest good poll.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
    /// The unreadable parts of the latest list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubts: Option<Doubts>,
    /// The source's request budget.
    #[serde(default, skip_serializing_if = "Budget::is_unused")]
    pub budget: Budget,
}

/// Unreadable parts of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubts {
    /// Since when exactly these parts have been unreadable.
    pub since: Timestamp,
    /// The hash of the detail.
    pub digest: String,
    /// The parts, in words.
    pub detail: String,
}

/// Failures since the latest good poll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// Since when they are of the latest one's sort: a refused key, or anything else.
    pub since: Timestamp,
    /// How many of that sort in a row.
    pub count: u32,
    /// The latest failure.
    pub last: Failure,
}

impl Failing {
    /// The failure, since when, and how often, in words.
    pub(crate) fn detail(&self) -> String {
        let (since, count) = (self.since, self.count);
        let detail = format!("the provider's list of dispatches cannot be read: {}", self.last.detail);
        format!("{detail} (since {since:.0}, {count} time(s) in a row)")
    }
}

impl PollState {
    /// The state with a poll that begins now; none if it is too early for another.
    pub fn claimed(known: Option<Self>, source: &str, now: Timestamp, write: String) -> Option<Self> {
        let Some(known) = known else { return Some(Self::unpolled(source, write).begun(now)) };
        let just_began = now.duration_since(known.began_at) + SLACK < seconds(EVERY_SWEEP_S);
        if just_began || known.must_wait(now) {
            return None;
        }
        Some(known.next(now, write).begun(now))
    }

    /// The state with a list read that begins now for waiting fetch requests; none if one is under way or has just
    /// begun.
    #[must_use]
    pub fn claimed_for_fetches(self, now: Timestamp, write: String) -> Option<Self> {
        let age = now.duration_since(self.began_at);
        let is_under_way = self.under_way && age < DIED_AFTER;
        let every = if self.failing.is_some() { LISTED_EVERY * 2 } else { LISTED_EVERY };
        if is_under_way || age < every || self.must_wait(now) {
            return None;
        }
        Some(self.next(now, write).begun(now))
    }

    /// The next revision. A poll that is still under way died.
    fn next(self, now: Timestamp, write: String) -> Self {
        if self.under_way {
            let died = Failure::new(FailureKind::Crash, self.began_at, "the hydrator died or ran out of time over it");
            self.failed(&died, now, write)
        } else {
            self.following(write)
        }
    }

    fn begun(mut self, now: Timestamp) -> Self {
        self.budget.lists += 1;
        Self { began_at: now, under_way: true, ..self }
    }

    pub(crate) fn unpolled(source: &str, write: String) -> Self {
        Self {
            source: source.to_owned(),
            revision: 1,
            write,
            began_at: Timestamp::UNIX_EPOCH,
            under_way: false,
            good_at: None,
            near_from: None,
            not_before: None,
            failing: None,
            doubts: None,
            budget: Budget::default(),
        }
    }

    pub(crate) fn following(self, write: String) -> Self {
        Self { revision: self.revision + 1, write, ..self }
    }

    /// Whether a poll is due; `idle_s` is the source's interval while no dispatch is near.
    pub fn is_due(&self, idle_s: u32, now: Timestamp) -> bool {
        let refused = self.failing.as_ref().is_some_and(|failing| failing.last.kind == FailureKind::Credentials);
        let often = self.is_near(now) || self.under_way || (self.failing.is_some() && !refused);
        let interval_s = if often { EVERY_SWEEP_S } else { idle_s.max(EVERY_SWEEP_S) };
        !self.must_wait(now) && now.duration_since(self.began_at) + SLACK >= seconds(interval_s)
    }

    pub(crate) fn must_wait(&self, now: Timestamp) -> bool {
        self.not_before.is_some_and(|not_before| now < not_before)
    }

    /// The provider refused a request, and allows none for so long, in seconds, or fewer than assumed.
    pub(crate) fn slowed(&mut self, wait_s: Option<u32>, now: Timestamp) {
        if let Some(wait_s) = wait_s {
            let until = now + seconds(wait_s.min(MAX_RETRY_AFTER_S));
            self.not_before = Some(self.not_before.map_or(until, |known| known.max(until)));
        }
    }

    fn is_near(&self, now: Timestamp) -> bool {
        self.near_from.is_some_and(|from| from <= now)
    }

    /// Whether the source is down, not only one poll failed.
    pub(crate) fn is_down(&self, now: Timestamp) -> bool {
        let Some(failing) = &self.failing else { return false };
        // It stays down at least until the provider allows the next request.
        let lasts = self.not_before.unwrap_or(now).max(now).duration_since(failing.since);
        lasts >= DOWN_AFTER || (self.is_near(now) && failing.count >= DOWN_AFTER_TIMES)
    }

    /// The conditions that people may have to be notified of.
    pub fn conditions(&self, now: Timestamp) -> Vec<Condition> {
        let source = || self.source.clone();
        let refused = self.failing.as_ref().is_some_and(|failing| failing.last.kind == FailureKind::Credentials);
        let failing = if refused {
            Some(Condition::KeyRefused { source: source() })
        } else {
            self.is_down(now).then(|| Condition::SourceDown { source: source() })
        };
        let doubts = self.doubts.as_ref().map(|_| Condition::Quarantined { source: source(), about: None });
        failing.into_iter().chain(doubts).collect()
    }

    /// The state after a good poll.
    #[must_use]
    pub fn good(mut self, near_from: Option<Timestamp>, doubts: Option<Doubts>, write: String) -> Self {
        let known = self.doubts.clone();
        let doubts = doubts.map(|doubts| match known {
            Some(known) if known.digest == doubts.digest => known,
            _ => doubts,
        });
        self.budget.listed = self.budget.lists;
        Self {
            good_at: Some(self.began_at),
            near_from,
            failing: None,
            doubts,
            under_way: false,
            ..self.following(write)
        }
    }

    /// The state after a failed poll.
    #[must_use]
    pub fn failed(mut self, failure: &Failure, now: Timestamp, write: String) -> Self {
        let not_before =
            failure.retry_after_s.map(|wait_s| now + seconds(wait_s.min(MAX_RETRY_AFTER_S))).or(self.not_before);
        let refused = failure.kind == FailureKind::Credentials;
        let known = self.failing.as_ref();
        let alike = known.filter(|failing| (failing.last.kind == FailureKind::Credentials) == refused);
        let failing = Failing {
            since: alike.map_or(self.began_at, |failing| failing.since),
            count: alike.map_or(1, |failing| failing.count.saturating_add(1)),
            last: failure.clone(),
        };
        self.budget.failed = self.budget.lists;
        Self { not_before, failing: Some(failing), under_way: false, ..self.following(write) }
    }
}

/// From when on a dispatch that has not ended is near.
pub(crate) fn near_from(listed: &[Fact], now: Timestamp) -> Option<Timestamp> {
    let starts = listed.iter().filter_map(|fact| match &fact.body {
        FactBody::Dispatch(said) => Some(&said.terms)
            .filter(|terms| terms.authorized && terms.end.is_none_or(|end| end > now))
            .map(|terms| terms.start.saturating_sub(NEAR).unwrap_or(Timestamp::MIN)),
        FactBody::Power(_) | FactBody::Meter(_) | FactBody::Account(_) => None,
    });
    starts.min()
}

fn seconds(seconds: u32) -> SignedDuration {
    SignedDuration::from_secs(i64::from(seconds))
}
