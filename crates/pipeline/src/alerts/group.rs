//! The other contents of the table `alerts`: alert groups, and the links in mails.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    alerts::incident::IncidentKind,
    config::{Contacts, TokenHash},
};

/// How long an urgent mail may wait for others, in seconds: including the time in the queue it is sent within ten.
const URGENT: SignedDuration = SignedDuration::from_secs(7);

/// After a minute of urgent mails, a mail about a known dispatch waits for this long after the previous mail.
const STORM_INTERVAL: SignedDuration = SignedDuration::from_secs(60);

/// Urgent mails further apart than this are no storm.
const CALM: SignedDuration = SignedDuration::from_mins(2);

/// A flush that is due within this time may have begun by another clock.
const AHEAD: SignedDuration = SignedDuration::from_secs(2);

/// A flush that is overdue by more than this was lost.
const LOST: SignedDuration = SignedDuration::from_secs(20);

/// A flush that is overdue by less than this is starting in another invocation.
const BEGINS: SignedDuration = SignedDuration::from_secs(5);

/// How soon a mail must be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// A dispatch is due, starts within 15 minutes, has begun, or has no known start, and it was not mailed yet.
    New,
    /// Such a dispatch that was mailed already.
    Known,
    /// Everything else.
    CanWait,
}

/// Mails of one kind, source and occasion are sent as one list (Alertmanager's alert groups).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertGroup {
    /// `group/<kind>/<source>/<occasion>`, with `/test` for tests: production and test never share a mail.
    pub group: String,
    /// Incremented by every write.
    pub revision: u64,
    /// The id of the latest write.
    pub write: String,
    /// The kind of its incidents.
    pub kind: IncidentKind,
    /// The source.
    pub source: String,
    /// The occasion of its mails: `first`, `start`, `reminder`, `escalation`, `resolved`.
    pub occasion: String,
    /// Whether all of it is test traffic.
    pub test: bool,
    /// When the pending mails are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flush_at: Option<Timestamp>,
    /// When mails were last sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flushed_at: Option<Timestamp>,
    /// Since when urgent mails follow each other closely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storm_since: Option<Timestamp>,
    /// How often in a row SES refused the mails.
    #[serde(default)]
    pub failures: u32,
    /// The invocation that sends the pending mails, and since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<(String, Timestamp)>,
    /// When it was last used.
    pub last_at: Timestamp,
}

impl AlertGroup {
    /// When a mail that joins the group now is sent.
    pub fn sends_at(&self, urgency: Urgency, contacts: &Contacts, now: Timestamp) -> Timestamp {
        let after = |wait: SignedDuration| self.last_flush(now).map_or(now, |at| (at + wait).max(now));
        let is_storm = self.storm_since.is_some_and(|since| now.duration_since(since) > STORM_INTERVAL);
        match urgency {
            Urgency::Known if is_storm => after(STORM_INTERVAL),
            Urgency::New | Urgency::Known => after(URGENT),
            Urgency::CanWait => {
                let interval = seconds(contacts.group_interval_s);
                match self.flushed_at.filter(|at| now.duration_since(*at) < interval) {
                    Some(flushed_at) => flushed_at + interval,
                    None => now + seconds(contacts.group_wait_s),
                }
            }
        }
    }

    /// When its mails were last sent, or since when another invocation is sending them.
    fn last_flush(&self, now: Timestamp) -> Option<Timestamp> {
        let claimed = self.claim.as_ref().map(|(_, at)| *at);
        let begins = self.flush_at.filter(|at| *at <= now && now.duration_since(*at) < BEGINS);
        [self.flushed_at, claimed, begins].into_iter().flatten().max()
    }

    /// Whether a flush due by then is under way.
    pub fn is_under_way(&self, by: Timestamp, now: Timestamp) -> bool {
        self.flush_at.is_some_and(|at| at <= by && at >= now + AHEAD)
    }

    /// The group's next flush if a mail must be sent by then. An earlier flush is not postponed.
    pub fn next_flush(&self, send_at: Timestamp, now: Timestamp) -> Timestamp {
        self.flush_at.filter(|at| *at <= send_at && now < *at + LOST).unwrap_or(send_at)
    }

    /// The same after its mails were sent.
    #[must_use]
    pub fn flushed(self, now: Timestamp) -> Self {
        let goes_on = self.flushed_at.is_some_and(|at| now.duration_since(at) < CALM);
        let storm_since = if goes_on { self.storm_since.or(self.flushed_at) } else { None };
        Self { flush_at: None, flushed_at: Some(now), storm_since, failures: 0, claim: None, last_at: now, ..self }
    }
}

fn seconds(seconds: u32) -> SignedDuration {
    SignedDuration::from_secs(i64::from(seconds))
}

/// The link of a mail to the page of its incidents. Each button of the page works once, for every reader of the mail.
/// The table stores the secret's hash, never the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AckLink {
    /// `link/<SHA-256 of the secret>`.
    pub link: String,
    /// Incremented by every write.
    pub revision: u64,
    /// The id of the latest write.
    pub write: String,
    /// What it acknowledges: incidents, each with its occurrence.
    pub incidents: Vec<(String, Timestamp)>,
    /// The mail's subject.
    pub subject: String,
    /// The mail's recipients.
    pub to: Vec<String>,
    /// Until when the page and its buttons work.
    pub expires_at: Timestamp,
    /// When the button *Acknowledge* was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
    /// When the button *I have curtailed by hand* was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curtailed_at: Option<Timestamp>,
}

impl AckLink {
    /// The key under which the link with that secret is stored.
    pub fn key(secret: &str) -> String {
        format!("link/{}", TokenHash::of(secret).to_hex())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    fn group(flushed_at: Option<i64>, storm_since: Option<i64>) -> AlertGroup {
        serde_json::from_value(json!({
            "group": "group/source-down/voltus-prod/first", "revision": 1, "write": "w-1", "kind": "source-down",
            "source": "voltus-prod", "occasion": "first", "test": false, "last_at": at(0),
            "flushed_at": flushed_at.map(at), "storm_since": storm_since.map(at),
        }))
        .unwrap()
    }

    #[test]
    fn what_can_wait_is_collected_for_group_wait_and_then_for_group_interval() {
        let sends_at = |flushed_at, now| {
            group(flushed_at, None).sends_at(Urgency::CanWait, &Contacts::default(), at(now)).as_second()
        };
        assert_eq!(sends_at(None, 1_000), 1_030);
        assert_eq!(sends_at(Some(1_000), 1_001), 1_300);
        assert_eq!(sends_at(Some(1_000), 1_299), 1_300);
        assert_eq!(sends_at(Some(1_000), 1_300), 1_330);
    }

    #[test]
    fn what_is_urgent_is_sent_within_ten_seconds_however_lately_the_group_was_flushed() {
        for (flushed_at, storm_since) in [(None, None), (Some(999), None), (Some(1_000), Some(0)), (Some(0), Some(0))] {
            let group = group(flushed_at, storm_since);
            let wait = group.sends_at(Urgency::New, &Contacts::default(), at(1_000)).duration_since(at(1_000));
            assert!(wait <= SignedDuration::from_secs(7), "{flushed_at:?}");
        }
    }

    #[test]
    fn what_is_about_to_be_flushed_is_not_put_off() {
        let next = |flush_at: Option<i64>, send_at, now| {
            AlertGroup { flush_at: flush_at.map(at), ..group(None, None) }.next_flush(at(send_at), at(now)).as_second()
        };
        assert_eq!(next(None, 1_030, 1_000), 1_030);
        assert_eq!(next(Some(1_001), 1_030, 1_000), 1_001);
        assert_eq!(next(Some(999), 1_030, 1_000), 999);
        assert_eq!(next(Some(980), 1_030, 1_000), 1_030, "it was lost");
        assert_eq!(next(Some(1_030), 1_007, 1_000), 1_007, "it can be sooner");
    }

    #[test]
    fn after_a_minute_of_urgent_mails_one_about_what_is_known_waits_for_a_minute() {
        let sends_at = |storm_since, now| {
            group(Some(1_000), Some(storm_since)).sends_at(Urgency::Known, &Contacts::default(), at(now)).as_second()
        };
        assert_eq!(sends_at(990, 1_001), 1_007);
        assert_eq!(sends_at(900, 1_001), 1_060);
    }

    #[test]
    fn a_storm_begins_with_mails_that_follow_each_other_and_ends_with_two_quiet_minutes() {
        let first = group(None, None).flushed(at(0));
        assert_eq!(first.storm_since, None);
        let second = first.flushed(at(60));
        assert_eq!(second.storm_since, Some(at(0)));
        assert_eq!(second.clone().flushed(at(120)).storm_since, Some(at(0)));
        assert_eq!(second.flushed(at(180)).storm_since, None);
    }
}
