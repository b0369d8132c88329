//! The state of one output as a whole: whether it fails, and when it is tried again.
//!
//! Failures that concern the output and not one event (no connection, a time-out, 5xx, a refused signature) are counted
//! here once for all its lanes. While an output fails, signals for it are stored without an attempt, and few attempts a
//! minute find out whether it works again.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::dispatches::record::AckState;

/// The longest wait between two attempts at an output that fails, in seconds, unless it asks for a longer one.
const MOST_S: u64 = 60;

/// The longest `Retry-After` that is respected, in seconds.
const MOST_ASKED_S: u32 = 3_600;

/// Attempts that fail before a person is notified …
pub const FAILED_BEFORE_NOTIFY: u32 = 3;

/// … or this long after the first one.
pub const NOTIFY_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// How often a delivery is noted in the output's state: a write for each would cost as much as the delivery.
pub const NOTED_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// What is stored of an output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputState {
    /// Its name.
    pub output: String,
    /// Incremented by every write; a conditional write compares it.
    pub revision: u64,
    /// The id of the latest write.
    pub write: String,
    /// How it fails; none while it works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<OutputFailure>,
    /// When it last worked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered_at: Option<Timestamp>,
    /// When it last took an event, to [`NOTED_EVERY`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Timestamp>,
    /// The latest test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<TestResult>,
}

/// How an output fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputFailure {
    /// Since when.
    pub since: Timestamp,
    /// How many attempts failed one after the other, counted once for attempts at the same time.
    pub attempts: u32,
    /// The latest failure.
    pub at: Timestamp,
    /// When it is tried again.
    pub next_at: Timestamp,
    /// The latest failure in words.
    pub detail: String,
}

/// The result of a test that a person asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestResult {
    /// The id that the person's command chose.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// How long the delivery took, in milliseconds.
    pub took_ms: u64,
    /// Why it failed; none: the output took the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// The acknowledgement in its answer, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack: Option<AckState>,
    /// The words of that acknowledgement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A failed attempt, as the output's state stores it.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// What failed, in words.
    pub detail: &'a str,
    /// `Retry-After`, in seconds.
    pub retry_after_s: Option<u32>,
    /// When.
    pub now: Timestamp,
}

impl OutputState {
    /// The state of an output of which nothing is stored.
    pub fn new(output: &str) -> Self {
        Self {
            output: output.to_owned(),
            revision: 0,
            write: String::new(),
            failing: None,
            recovered_at: None,
            delivered_at: None,
            test: None,
        }
    }

    /// The next revision.
    #[must_use]
    pub fn following(self, write: String) -> Self {
        Self { revision: self.revision + 1, write, ..self }
    }

    /// Until when no attempt is due; none if one is due now.
    pub fn resting_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.failing.as_ref().map(|failing| failing.next_at).filter(|next_at| now < *next_at)
    }

    /// Whether a person must know.
    pub fn is_down(&self, now: Timestamp) -> bool {
        self.failing.as_ref().is_some_and(|failing| {
            failing.attempts >= FAILED_BEFORE_NOTIFY || now.duration_since(failing.since) >= NOTIFY_AFTER
        })
    }

    /// Whether a delivery at that instant must be noted.
    pub fn must_note_delivery(&self, now: Timestamp) -> bool {
        self.delivered_at.is_none_or(|noted| now.duration_since(noted) >= NOTED_EVERY)
    }

    /// After one more failed attempt; none if another failure at the same time is stored already. `random` returns a
    /// number from 0 to its argument.
    pub fn failed(&self, attempt: Attempt<'_>, random: impl Fn(u64) -> u64) -> Option<OutputFailure> {
        let Attempt { detail, retry_after_s, now } = attempt;
        if self.resting_until(now).is_some() {
            return None;
        }
        let (since, attempts) = self.failing.as_ref().map_or((now, 0), |failing| (failing.since, failing.attempts));
        let attempts = attempts.saturating_add(1);
        let wait_s = backoff_s(Backoff { attempts, most_s: MOST_S, retry_after_s }, random);
        let next_at = now + SignedDuration::from_secs(i64::from(wait_s));
        Some(OutputFailure { since, attempts, at: now, next_at, detail: detail.to_owned() })
    }
}

/// What a wait depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    /// How many attempts have failed.
    pub(crate) attempts: u32,
    /// The longest wait, in seconds.
    pub(crate) most_s: u64,
    /// The wait that was asked for, in seconds.
    pub(crate) retry_after_s: Option<u32>,
}

/// Full jitter with doubling, and never before `Retry-After`.
pub(crate) fn backoff_s(backoff: Backoff, random: impl Fn(u64) -> u64) -> u32 {
    let Backoff { attempts, most_s, retry_after_s } = backoff;
    let widest_s = (1_u64 << attempts.min(16)).min(most_s).max(1);
    let jittered_s = 1 + random(widest_s - 1);
    // Others were asked to wait as long: a quarter more at most, so that not all come back together.
    let asked_s = retry_after_s.map_or(0, |asked_s| {
        let asked_s = u64::from(asked_s.min(MOST_ASKED_S));
        asked_s + random((asked_s / 4).max(2))
    });
    u32::try_from(jittered_s.max(asked_s)).unwrap_or(MOST_ASKED_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn failing(attempts: u32) -> OutputState {
        let failing = OutputFailure { since: NOW, attempts, at: NOW, next_at: NOW, detail: "down".to_owned() };
        OutputState { failing: Some(failing).filter(|_| attempts > 0), ..OutputState::new("gateway") }
    }

    #[test]
    fn the_wait_doubles_with_full_jitter_up_to_a_minute() {
        let check = |attempts: u32, asked_s: Option<u32>, least_s: u32, most_s: u32| {
            let backoff = Backoff { attempts, most_s: MOST_S, retry_after_s: asked_s };
            assert_eq!(backoff_s(backoff, |_| 0), least_s, "{attempts} {asked_s:?}");
            assert_eq!(backoff_s(backoff, |most| most), most_s, "{attempts} {asked_s:?}");
        };
        check(1, None, 1, 2);
        check(3, None, 1, 8);
        check(40, None, 1, 60);
        check(1, Some(120), 120, 150);
        check(1, Some(0), 1, 2);
        check(1, Some(u32::MAX), 3_600, 4_500);
    }

    #[test]
    fn each_write_has_its_own_revision_and_id() {
        let second = failing(0).following("w-1".to_owned()).following("w-2".to_owned());
        assert_eq!((second.revision, second.write.as_str()), (2, "w-2"));
    }

    #[test]
    fn failures_at_the_same_time_count_once() {
        let attempt = |now| Attempt { detail: "no connection", retry_after_s: None, now };
        let first = failing(0).failed(attempt(NOW), |_| 0).unwrap();
        assert_eq!((first.attempts, first.since), (1, NOW));
        let state = OutputState { failing: Some(first.clone()), ..OutputState::new("gateway") };
        assert_eq!(state.failed(attempt(NOW), |_| 0), None);
        let second = state.failed(attempt(first.next_at), |_| 0).unwrap();
        assert_eq!((second.attempts, second.since), (2, NOW));
    }

    #[test]
    fn a_person_must_know_after_three_failures_or_a_minute() {
        assert!(!failing(0).is_down(NOW + NOTIFY_AFTER));
        assert!(!failing(2).is_down(NOW));
        assert!(failing(3).is_down(NOW));
        assert!(failing(1).is_down(NOW + NOTIFY_AFTER));
    }
}
