//! What the table `alerts` holds beside the incidents: gates, which gather mails of one cause, and links, which acknowledge.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{incident::Kind, token::TokenHash};

/// Mails of one cause that go out by themselves before the rest is gathered.
pub const BY_THEMSELVES: usize = 3;

/// Incidents that one mail lists; those beyond are counted.
pub const MAX_LISTED: usize = 200;

/// A gate that nothing has come to for this long begins anew.
const QUIET: SignedDuration = SignedDuration::from_mins(30);

/// How long the first batch is gathered, in seconds, and every further one (Alertmanager's `group_wait` and `group_interval`).
const GATHERING_S: [u32; 2] = [30, 300];

/// How long a mail that must be sent now may wait for others, in seconds: with the message's way it is out within ten.
pub const URGENT_S: u32 = 6;

/// The mails of one kind, source and occasion: the first few pass, the rest is held and goes out as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// `gate/<kind>/<source>/<occasion>`, with `/test` for tests: real and test never share a mail.
    pub gate: String,
    /// Goes up by one with every write.
    pub revision: u64,
    /// Who wrote it last.
    pub write: String,
    /// What sort.
    pub kind: Kind,
    /// The source.
    pub source: String,
    /// What stage: `first`, `start`, `reminder`, `escalation`, `over`.
    pub occasion: String,
    /// Whether all of it is test traffic.
    pub test: bool,
    /// When something last came.
    pub last_at: Timestamp,
    /// What went out by itself, by [`Held::id`].
    pub passed: Vec<String>,
    /// What waits, oldest first.
    pub held: Vec<Held>,
    /// So many more wait that are not listed.
    #[serde(default)]
    pub unlisted: u64,
    /// When what waits goes out. What comes later may hasten it and never puts it off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flush_at: Option<Timestamp>,
    /// When the last message comes that was sent for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_at: Option<Timestamp>,
    /// Batches that went out.
    #[serde(default)]
    pub batches: u32,
    /// When the last of them did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flushed_at: Option<Timestamp>,
    /// Who is sending what waits, since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<(String, Timestamp)>,
}

/// A mail that waits at a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The incident.
    pub incident: String,
    /// Which of its occurrences.
    pub opened_at: Timestamp,
    /// The stage.
    pub stage: String,
    /// What it is about, as a person reads it.
    pub about: String,
    /// What failed, shortened.
    pub detail: String,
}

impl Held {
    /// What tells it from every other mail.
    pub fn id(&self) -> String {
        format!("{} {} {}", self.incident, self.opened_at, self.stage)
    }
}

impl Gate {
    /// Begins anew what nothing has come to for long.
    #[must_use]
    pub fn rested(self, now: Timestamp) -> Self {
        if !self.is_empty() || now.duration_since(self.last_at) <= QUIET {
            return self;
        }
        Self { passed: Vec::new(), batches: 0, ..self }
    }

    /// Whether nothing waits, listed or counted.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && self.unlisted == 0
    }

    /// How long the next batch is gathered, in seconds.
    pub fn gathering_s(&self, now: Timestamp) -> u32 {
        let last = GATHERING_S[GATHERING_S.len() - 1];
        let lately = self.flushed_at.is_some_and(|at| now.duration_since(at).as_secs() < i64::from(last));
        let batches = if lately { usize::try_from(self.batches).unwrap_or(usize::MAX) } else { 0 };
        GATHERING_S.get(batches).copied().unwrap_or(last)
    }
}

/// A link that acknowledges, once: whoever holds the mail may. What is stored is the secret's hash, never the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// `link/<SHA-256 of the secret>`.
    pub link: String,
    /// Goes up by one with every write.
    pub revision: u64,
    /// Who wrote it last.
    pub write: String,
    /// What it acknowledges: incidents, and which occurrence of each.
    pub incidents: Vec<(String, Timestamp)>,
    /// The mail's subject.
    pub subject: String,
    /// Whom the mail went to.
    pub to: Vec<String>,
    /// Until when it can be used.
    pub expires_at: Timestamp,
    /// When it was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
}

impl Link {
    /// Where the link with that secret is stored.
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

    /// One that has sent so many batches, the last of them at the epoch.
    fn gate(batches: u32) -> Gate {
        serde_json::from_value(json!({
            "gate": "gate/source-down/voltus-prod/first", "revision": 1, "write": "w-1", "kind": "source-down",
            "source": "voltus-prod", "occasion": "first", "test": false, "last_at": at(0), "passed": ["1", "2", "3"],
            "held": [], "batches": batches, "flushed_at": at(0),
        }))
        .unwrap()
    }

    #[test]
    fn further_batches_are_gathered_for_longer_until_there_was_none_for_five_minutes() {
        let gathering_s = |batches, seconds| gate(batches).gathering_s(at(seconds));
        assert_eq!([0, 1, 2, u32::MAX].map(|batches| gathering_s(batches, 299)), [30, 300, 300, 300]);
        assert_eq!([0, 1, 2, u32::MAX].map(|batches| gathering_s(batches, 300)), [30; 4]);
        assert_eq!(Gate { flushed_at: None, ..gate(0) }.gathering_s(at(0)), 30);
    }

    #[test]
    fn after_half_an_hour_in_which_nothing_came_it_knows_of_no_mail_and_no_batch() {
        let minutes = |minutes: i64| gate(7).rested(at(60 * minutes));
        assert_eq!(minutes(30), gate(7));
        let rested = minutes(31);
        assert_eq!((rested.passed.len(), rested.batches), (0, 0));
        let waiting = Gate { unlisted: 1, ..gate(7) };
        assert_eq!(waiting.clone().rested(at(86_400)), waiting, "what waits is never forgotten");
    }
}
