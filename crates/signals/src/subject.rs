//! The name of one ordered stream: a dispatch, a load target, a meter, an account, or the heartbeats.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

/// The key of one ordered stream of signals, such as `voltus-prod/dkmq`: the source's name, then segments,
/// percent-encoded except for unreserved characters. It is the table's key and the FIFO message group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Subject(String);

impl Subject {
    /// `<source>/<dispatch id>`.
    pub fn dispatch(source: &str, id: &str) -> Self {
        Self(format!("{source}/{}", segment(id)))
    }

    /// `<source>/<feed_tag or ->/<correlation_id>`. A feed with the tag `-` is written `%2D`, because `-` means "no
    /// feed".
    pub fn power(source: &str, feed: Option<&str>, correlation_id: &str) -> Self {
        let feed = match feed {
            None => "-".to_owned(),
            Some("-") => "%2D".to_owned(),
            Some(tag) => segment(tag),
        };
        Self(format!("{source}/{feed}/{}", segment(correlation_id)))
    }

    /// `<source>/<meter_id>`; a meter with the id `account` is written `%61ccount`.
    pub fn meter(source: &str, id: &str) -> Self {
        let id = if id == "account" { "%61ccount".to_owned() } else { segment(id) };
        Self(format!("{source}/{id}"))
    }

    /// `<source>/account`.
    pub fn account(source: &str) -> Self {
        Self(format!("{source}/account"))
    }

    /// The subject of the heartbeats, `heartbeat`. No other subject lacks a slash.
    pub fn heartbeat() -> Self {
        Self("heartbeat".to_owned())
    }

    /// True for the subject of the heartbeats.
    pub fn is_heartbeat(&self) -> bool {
        self.0 == "heartbeat"
    }

    /// A subject from its stored text (a table's key, a command line).
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The name of the source that the subject belongs to.
    pub fn source(&self) -> &str {
        self.0.split_once('/').map_or(self.0.as_str(), |(source, _)| source)
    }

    /// The segment of the power feed, in the subject of a load target.
    pub fn feed(&self) -> Option<&str> {
        let mut parts = self.0.split('/').skip(1);
        parts.next().filter(|_| parts.next().is_some())
    }

    /// The whole key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
fn segment(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_encoded_and_never_collide() {
        let check = |subject: Subject, expected: &str| assert_eq!(subject.as_str(), expected);
        check(Subject::dispatch("voltus-prod", "dkmq"), "voltus-prod/dkmq");
        check(Subject::dispatch("s", "a/b#c ü"), "s/a%2Fb%23c%20%C3%BC");
        check(Subject::power("dc", None, "c-1"), "dc/-/c-1");
        check(Subject::power("dc", Some("-"), "c-1"), "dc/%2D/c-1");
        check(Subject::power("dc", Some("main_power_feed"), "c~1"), "dc/main_power_feed/c~1");
        check(Subject::meter("ov", "account"), "ov/%61ccount");
        check(Subject::account("ov"), "ov/account");
        assert_eq!(Subject::power("dc", None, "c").source(), "dc");
        assert_eq!(Subject::power("dc", Some("main feed"), "c").feed(), Some("main%20feed"));
        assert_eq!(Subject::dispatch("voltus-prod", "dkmq").feed(), None);
    }
}
