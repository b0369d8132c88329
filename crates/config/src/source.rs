//! `[sources.NAME]`: one account at a provider, and by when its dispatches must be acknowledged.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use providers::Provider;
use serde::{Deserialize, Serialize};

use crate::{Reference, SourceContacts, TokenHash, model::ProviderName};

/// One account at a provider, with its webhook endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source<P = &'static dyn Provider> {
    /// The provider.
    pub provider: P,
    /// Production or sandbox.
    #[serde(default, skip_serializing_if = "Environment::is_production")]
    pub environment: Environment,
    /// The base of the provider's API, without a slash at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_url: Option<String>,
    /// Where the API key is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<Reference>,
    /// Hashes of the tokens that are valid now.
    pub tokens: Vec<TokenHash>,
    /// By when its dispatches must be acknowledged, if different from the general deadlines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadlines: Option<Deadlines>,
    /// The same for dispatches of a program, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub programs: BTreeMap<String, Deadlines>,
    /// How often its dispatches are listed while none is near, in seconds; 0: never.
    #[serde(default = "usual_poll_s", skip_serializing_if = "is_usual_poll")]
    pub poll_s: u32,
    /// How many requests a minute the provider allows; none: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_a_minute: Option<u32>,
    /// People who are notified of it, in place of the general contacts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contacts: Option<SourceContacts>,
}

/// How often dispatches are listed by default, in seconds: every five minutes.
pub const USUAL_POLL_S: u32 = 300;

fn usual_poll_s() -> u32 {
    USUAL_POLL_S
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_usual_poll(poll_s: &u32) -> bool {
    *poll_s == USUAL_POLL_S
}

/// Whether a source's dispatches are real.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Real, unless a body is marked as a test.
    #[default]
    Production,
    /// Tests, whatever a body states.
    Sandbox,
}

impl Environment {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_production(&self) -> bool {
        *self == Self::Production
    }
}

/// By when a dispatch must be acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadlines {
    /// This long before its start …
    pub lead_s: u32,
    /// … or this soon after its first delivery, if it starts sooner than that.
    pub immediate_s: u32,
    /// Whether a controller acknowledges; otherwise a signal counts once it is read from the queue.
    pub acknowledge: bool,
}

impl Deadlines {
    /// By when a dispatch first received at that instant must be acknowledged.
    pub fn due_at(self, start: Timestamp, received_at: Timestamp) -> Timestamp {
        self.before(start).max(self.soon_after(received_at))
    }

    /// By when a dispatch that starts at that instant must be acknowledged, regardless of when it was received.
    pub fn before(self, start: Timestamp) -> Timestamp {
        start.saturating_sub(SignedDuration::from_secs(i64::from(self.lead_s))).unwrap_or(Timestamp::MIN)
    }

    /// By when a dispatch first received at that instant must be acknowledged while its start is unknown.
    pub fn soon_after(self, received_at: Timestamp) -> Timestamp {
        received_at.saturating_add(SignedDuration::from_secs(i64::from(self.immediate_s))).unwrap_or(Timestamp::MAX)
    }

    /// The stricter of both.
    #[must_use]
    pub fn strictest(self, other: Self) -> Self {
        Self {
            lead_s: self.lead_s.max(other.lead_s),
            immediate_s: self.immediate_s.min(other.immediate_s),
            acknowledge: self.acknowledge || other.acknowledge,
        }
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { lead_s: 600, immediate_s: 60, acknowledge: false }
    }
}

impl Source<ProviderName> {
    pub(crate) fn of(self, provider: &'static dyn Provider) -> Source {
        Source {
            provider,
            environment: self.environment,
            api_url: self.api_url,
            api_key: self.api_key,
            tokens: self.tokens,
            deadlines: self.deadlines,
            programs: self.programs,
            poll_s: self.poll_s,
            requests_a_minute: self.requests_a_minute,
            contacts: self.contacts,
        }
    }
}

impl Source {
    /// Whether its dispatches are polled: the provider has a list, and the source has a key.
    pub fn is_polled(&self) -> bool {
        self.poll_s > 0 && self.api_key.is_some() && self.provider.lists_dispatches()
    }
}
