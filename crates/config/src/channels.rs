//! The channels that ring besides mail, as the functions read them and as an incident stores them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Reference, TokenHash};

/// PagerDuty's address for events, unless the file names another (the EU region has its own).
pub const PAGERDUTY_URL: &str = "https://events.pagerduty.com/v2/enqueue";

/// Which channels ring.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channels {
    /// The channels, one of each kind at most.
    #[serde(default)]
    pub to: Vec<Channel>,
    /// Whether test traffic rings there too.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ring_tests: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Channels {
    /// Whether no channel rings.
    pub fn is_empty(&self) -> bool {
        self.to.is_empty()
    }

    /// Whether it is the default: no channel, and no word about tests.
    pub(crate) fn is_usual(&self) -> bool {
        self.is_empty() && !self.ring_tests
    }
}

/// A channel. It contains references to secrets, never a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Channel {
    /// A topic of Amazon SNS; SMS, chat and paging services subscribe to it.
    Sns {
        /// Its ARN.
        topic: String,
    },
    /// A service of PagerDuty, by its Events API v2.
    PagerDuty {
        /// Where the routing key is stored.
        key: Reference,
        /// The address for events.
        url: String,
    },
    /// An HTTPS endpoint of the operator, signed as Standard Webhooks defines it.
    Webhook {
        /// The address.
        url: String,
        /// Where the signing secret is stored.
        secret: Reference,
    },
}

impl Channel {
    /// Its id: the kind, and eight hex digits that depend on its address.
    pub fn id(&self) -> String {
        let address = match self {
            Self::Sns { topic } => topic.clone(),
            Self::PagerDuty { key, url } => format!("{url} {key}"),
            Self::Webhook { url, .. } => url.clone(),
        };
        format!("{}/{}", self.kind(), &TokenHash::of(&address).to_hex()[..8])
    }

    /// Whether it is the same address. The place of a webhook's secret may have changed.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Webhook { url, .. }, Self::Webhook { url: other, .. }) => url == other,
            _ => self == other,
        }
    }

    /// Where its secret is stored, if it has one.
    pub fn secret(&self) -> Option<&Reference> {
        match self {
            Self::Sns { .. } => None,
            Self::PagerDuty { key: secret, .. } | Self::Webhook { secret, .. } => Some(secret),
        }
    }

    /// The same, to change it.
    pub fn secret_mut(&mut self) -> Option<&mut Reference> {
        match self {
            Self::Sns { .. } => None,
            Self::PagerDuty { key: secret, .. } | Self::Webhook { secret, .. } => Some(secret),
        }
    }

    /// Its key in the file.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sns { .. } => "sns",
            Self::PagerDuty { .. } => "pagerduty",
            Self::Webhook { .. } => "webhook",
        }
    }

    /// Its place in the file, for errors: of the general contacts, or of a source's.
    pub fn place(&self, source: Option<&str>) -> String {
        match source {
            None => format!("contacts.{}", self.kind()),
            Some(source) => format!("sources.{source}.contacts.{}", self.kind()),
        }
    }

    /// Whether it keeps an incident's state by itself, so that an acknowledgement is passed on.
    pub fn takes_acknowledgements(&self) -> bool {
        matches!(self, Self::PagerDuty { .. })
    }
}

/// Its name for people. The path of a webhook may be confidential, so only its host is named.
impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sns { topic } => write!(f, "SNS topic {}", topic.rsplit(':').next().unwrap_or(topic)),
            Self::PagerDuty { key, .. } => write!(f, "PagerDuty ({key})"),
            Self::Webhook { url, .. } => {
                let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
                write!(f, "webhook at {}", rest.split(['/', '?', '#']).next().unwrap_or(rest))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_known_by_its_address() {
        let webhook = |secret: &str| Channel::Webhook {
            url: "https://chat.example.com/hooks/confidential?x=1".to_owned(),
            secret: Reference::parse(secret).expect("a reference"),
        };
        assert!(webhook("ssm:/a").is_same(&webhook("ssm:/b")));
        assert_eq!(webhook("ssm:/a").id(), webhook("ssm:/b").id());
        assert_eq!(webhook("ssm:/a").to_string(), "webhook at chat.example.com");
        let topic = |name: &str| Channel::Sns { topic: format!("arn:aws:sns:us-east-1:123456789012:{name}") };
        assert!(!topic("a").is_same(&topic("b")) && topic("a").id() != topic("b").id());
        assert_eq!(topic("grid-duty").to_string(), "SNS topic grid-duty");
    }
}
