//! What was sent to a channel about an incident, and what waits. Pure: stored in the incident's own item.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    alerts::occasion::{Occasion, RESOLVED},
    config::{Channel, Channels},
};

/// The stage that passes an acknowledgement on.
pub const ACKNOWLEDGED: &str = "acknowledged";

/// The invocation of an older claim has died.
const CLAIM_LASTS: SignedDuration = SignedDuration::from_secs(30);

/// A message that is early by less than this is on time: clocks differ.
const EARLY: SignedDuration = SignedDuration::from_secs(2);

/// A message that no attempt could send for so long is dropped.
const GIVEN_UP_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// The longest time between two attempts, in seconds.
const MOST_PAUSE_S: i64 = 300;

/// The messages to one channel about one incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelLog {
    /// The channel.
    pub channel: Channel,
    /// The occurrence under which the channel knows the incident. A later occurrence continues it, if the channel has
    /// not heard of the end of the earlier one.
    pub known_as: Timestamp,
    /// Whether people there have, or may have, heard of it. Then they also hear that it is resolved.
    #[serde(default)]
    pub notified: bool,
    /// The sent stages: stage → when the channel accepted the message.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sent: BTreeMap<String, Timestamp>,
    /// The pending message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Ring>,
    /// The invocation that sends the end of the occurrence before this one, and since when. Nothing else is sent until
    /// its result is known: the end could arrive last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<(String, Timestamp)>,
}

/// A pending message to a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ring {
    /// The stages that it reports.
    pub stages: Vec<String>,
    /// Since when.
    pub since: Timestamp,
    /// When it is sent, or sent again.
    pub next_at: Timestamp,
    /// How many attempts have failed.
    #[serde(default)]
    pub failures: u32,
    /// Why the last one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The invocation that sends it, and since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<(String, Timestamp)>,
}

/// What the incident asks of its channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calls {
    /// It is open: its stages ring.
    Ring,
    /// It is snoozed: nothing rings.
    Snoozed,
    /// It has become test traffic, and tests do not ring.
    Test,
    /// A person has acknowledged it: nothing rings.
    Acknowledged,
    /// It is resolved: those who were notified hear of it.
    Resolved,
}

/// The result of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// The channel has accepted it.
    Accepted,
    /// The channel has not got it.
    Refused(String),
    /// It is unknown whether the channel has got it.
    Unanswered(String),
}

impl ChannelLog {
    fn new(channel: &Channel, opened_at: Timestamp) -> Self {
        let (sent, channel) = (BTreeMap::new(), channel.clone());
        Self { channel, known_as: opened_at, notified: false, sent, waiting: None, ending: None }
    }

    /// Whether a message is due, and no other invocation sends it.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        let has_lapsed = |(_, at): &(String, Timestamp)| now.duration_since(*at) >= CLAIM_LASTS;
        let is_free = |claim: &Option<(String, Timestamp)>| claim.as_ref().is_none_or(has_lapsed);
        let is_due = |ring: &Ring| ring.next_at <= now + EARLY && is_free(&ring.claim);
        self.waiting.as_ref().is_some_and(is_due) && is_free(&self.ending)
    }

    /// Claims the pending message for an invocation. An older claim may have been sent.
    pub(crate) fn claim(&mut self, by: &str, calls: Calls, now: Timestamp) {
        self.ending = None;
        if let Some(ring) = &mut self.waiting {
            self.notified |= ring.claim.take().is_some();
        }
        self.settle(calls, now);
        if let Some(ring) = &mut self.waiting {
            ring.claim = Some((by.to_owned(), now));
        }
    }

    /// Whether that invocation sends the pending message.
    pub(crate) fn is_claimed_by(&self, by: &str) -> bool {
        let claim = self.waiting.as_ref().and_then(|ring| ring.claim.as_ref());
        claim.is_some_and(|(owner, _)| owner == by)
    }

    /// The stages that an invocation sends.
    pub(crate) fn stages(&self, by: &str) -> &[String] {
        self.waiting.as_ref().filter(|_| self.is_claimed_by(by)).map_or(&[], |ring| &ring.stages)
    }

    /// Adds stages to the pending message.
    fn add(&mut self, stages: &[String], next_at: Timestamp, now: Timestamp) {
        let fresh = stages.iter().filter(|stage| !self.sent.contains_key(*stage)).cloned();
        let fresh: Vec<String> = fresh.collect();
        if fresh.is_empty() {
            return;
        }
        let fresh_ring = || Ring { stages: Vec::new(), since: now, next_at, failures: 0, error: None, claim: None };
        let ring = self.waiting.get_or_insert_with(fresh_ring);
        ring.stages.extend(fresh.into_iter().filter(|stage| !ring.stages.contains(stage)).collect::<Vec<_>>());
        if ring.failures == 0 {
            ring.next_at = ring.next_at.min(next_at);
        }
    }

    /// Makes the pending message what the incident asks for now. A message that is being sent stays until its result is
    /// known.
    pub(crate) fn settle(&mut self, calls: Calls, now: Timestamp) {
        if self.waiting.as_ref().is_some_and(|ring| ring.claim.is_some()) {
            return;
        }
        let last = match calls {
            Calls::Ring => return,
            Calls::Snoozed | Calls::Test => None,
            Calls::Acknowledged => self.channel.takes_acknowledgements().then_some(ACKNOWLEDGED),
            Calls::Resolved => Some(RESOLVED),
        };
        let last = last.filter(|stage| self.notified && !self.sent.contains_key(*stage));
        match (last, &self.waiting) {
            (None, _) => self.waiting = None,
            (Some(stage), Some(ring)) if ring.stages == [stage] => {}
            (Some(stage), _) => {
                self.waiting = None;
                self.add(&[stage.to_owned()], now, now);
            }
        }
    }

    /// Stores the result of an attempt to send those stages.
    pub(crate) fn note(&mut self, stages: &[String], attempt: &Attempt, calls: Calls, now: Timestamp) {
        let Some(ring) = &mut self.waiting else { return };
        ring.claim = None;
        match attempt {
            Attempt::Accepted => {
                self.notified = true;
                self.sent.extend(stages.iter().map(|stage| (stage.clone(), now)));
                ring.stages.retain(|stage| !stages.contains(stage));
                (ring.failures, ring.error) = (0, None);
            }
            Attempt::Refused(error) | Attempt::Unanswered(error) => {
                self.notified |= matches!(attempt, Attempt::Unanswered(_));
                ring.failures += 1;
                ring.error = Some(error.clone());
                ring.next_at = now + pause(ring.failures);
                if now.duration_since(ring.since) > GIVEN_UP_AFTER {
                    tracing::error!(channel = %self.channel, error, "given up after a day: nobody there is notified");
                    ring.stages.clear();
                }
            }
        }
        if ring.stages.is_empty() {
            self.waiting = None;
        }
        self.settle(calls, now);
    }

    /// Stores the result of the message that was being sent when this occurrence began: that the one before is over.
    /// Returns whether what waits may be sent now.
    pub(crate) fn note_end(&mut self, by: &str, attempt: &Attempt, opened: Opened, calls: Calls) -> bool {
        if self.ending.take_if(|(sender, _)| sender == by).is_none() {
            return false;
        }
        match attempt {
            Attempt::Accepted => (self.notified, self.known_as) = (false, opened.at),
            // It may yet arrive, and must not end this occurrence.
            Attempt::Unanswered(_) => self.known_as = opened.at,
            Attempt::Refused(_) => {}
        }
        self.settle(calls, opened.now);
        true
    }
}

/// The time before the next attempt after so many failures: 2 s, doubled up to five minutes.
pub(crate) fn pause(failures: u32) -> SignedDuration {
    SignedDuration::from_secs((1_i64 << failures.min(9)).min(MOST_PAUSE_S))
}

/// What an incident asks its channels to report.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The configured channels.
    pub(crate) channels: &'a Channels,
    /// The id of a channel that is not used: the incident is about its failure.
    pub(crate) without: Option<&'a str>,
    /// Whether it is test traffic.
    pub(crate) test: bool,
}

/// When an incident opened, and now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opened {
    /// When it opened.
    pub(crate) at: Timestamp,
    /// Now.
    pub(crate) now: Timestamp,
}

/// Adds the stages that ring to each channel: all but reminders.
pub(crate) fn ring(logs: &mut Vec<ChannelLog>, stages: &[String], wanted: Wanted<'_>, opened: Opened) {
    let Opened { at: opened_at, now } = opened;
    let Wanted { channels, without, test } = wanted;
    let rings = |stage: &&String| !matches!(Occasion::of(stage), Occasion::Reminder(_) | Occasion::Resolved);
    let stages: Vec<String> = stages.iter().filter(rings).cloned().collect();
    if stages.is_empty() || (test && !channels.ring_tests) {
        return;
    }
    for channel in channels.to.iter().filter(|channel| without != Some(channel.id().as_str())) {
        let known = logs.iter().position(|log| log.channel.is_same(channel));
        let place = known.unwrap_or_else(|| {
            logs.push(ChannelLog::new(channel, opened_at));
            logs.len() - 1
        });
        logs[place].channel = channel.clone();
        logs[place].add(&stages, now, now);
    }
}

/// The channels of an earlier occurrence whose people have not heard of its end: the next occurrence continues it.
pub(crate) fn carried(logs: &[ChannelLog]) -> Vec<ChannelLog> {
    let is_sending = |log: &ChannelLog| log.waiting.as_ref().is_some_and(|ring| ring.claim.is_some());
    let open = logs.iter().filter(|log| (log.notified || is_sending(log)) && !log.sent.contains_key(RESOLVED));
    let continued = open.map(|log| {
        let end = log.waiting.as_ref().filter(|ring| ring.stages.iter().any(|stage| stage == RESOLVED));
        let ending = end.and_then(|ring| ring.claim.clone()).or_else(|| log.ending.clone());
        ChannelLog { notified: true, sent: BTreeMap::new(), waiting: None, ending, ..log.clone() }
    });
    continued.collect()
}
