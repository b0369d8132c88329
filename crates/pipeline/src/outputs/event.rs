//! A signal as the courier handles it: the envelope's fields that decide where it goes, and the event as it is.

use std::fmt;

use dispatch::{Part, Subject, TraceParent};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::{Config, Environment, Routed};

/// What the source of a signal begins with; the name of a source follows, or nothing if it is of gridbell itself.
const SOURCE: &str = "/gridbell";

/// Types of one dispatch's versions.
const DISPATCH: &str = "gridbell.dispatch.";

/// Types whose versions are never replaced by a newer one.
const LASTING: [&str; 2] = ["gridbell.dispatch.cancelled.", "gridbell.dispatch.ended."];

/// The type of the event that `gridbell output test` sends.
pub const TEST_TYPE: &str = "gridbell.output.test.v1";

/// The place of an event in the stream of its subject; of two, the greater one is newer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventVersion {
    /// The numbering that the sequence belongs to.
    pub epoch: u64,
    /// From 1.
    pub sequence: u64,
    /// From 1; 0 if the event is the whole version.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub part: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(part: &u32) -> bool {
    *part == 0
}

impl EventVersion {
    /// The same for the whole version: all its parts are of this version.
    #[must_use]
    pub fn whole(self) -> Self {
        Self { part: 0, ..self }
    }
}

impl fmt::Display for EventVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.sequence)?;
        if self.part > 0 { write!(f, ".{}", self.part) } else { Ok(()) }
    }
}

/// What is known of a signal without reading its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventHead {
    /// The CloudEvents id.
    pub id: String,
    /// The stream that it belongs to.
    pub subject: Subject,
    /// Its place in the stream.
    pub version: EventVersion,
    /// How many parts the version has, if it has parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<u32>,
    /// The CloudEvents type.
    pub kind: String,
    /// The CloudEvents source.
    pub source: String,
    /// Whether it is a test.
    pub test: bool,
    /// When it was published.
    pub time: Timestamp,
    /// The span that published it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<TraceParent>,
}

/// A signal, ready to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputEvent {
    /// What is known of it.
    pub head: EventHead,
    /// The event as JSON text.
    pub body: String,
}

#[derive(Deserialize)]
struct Envelope {
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    subject: Subject,
    time: Timestamp,
    epoch: String,
    sequence: String,
    #[serde(default)]
    traceparent: Option<TraceParent>,
    #[serde(default)]
    data: Data,
}

#[derive(Default, Deserialize)]
struct Data {
    #[serde(default)]
    dispatch: Option<DispatchHead>,
}

#[derive(Deserialize)]
struct DispatchHead {
    #[serde(default)]
    test: bool,
    #[serde(default)]
    part: Option<u32>,
    #[serde(default)]
    parts: Option<u32>,
}

impl EventHead {
    /// The name of the source; none for signals of gridbell itself.
    pub fn source_name(&self) -> Option<&str> {
        self.source.strip_prefix(SOURCE)?.strip_prefix('/')
    }

    /// What decides whether an output gets it.
    pub fn routed(&self) -> Routed<'_> {
        Routed { source: self.source_name(), kind: &self.kind, test: self.test }
    }

    /// Whether it is a version of a dispatch.
    pub fn is_dispatch(&self) -> bool {
        self.kind.starts_with(DISPATCH)
    }

    /// Whether a newer version of the dispatch makes it unnecessary.
    pub fn is_replaceable(&self) -> bool {
        self.is_dispatch() && !LASTING.iter().any(|kind| self.kind.starts_with(kind))
    }

    /// Its part of the version; none if it is the whole.
    pub fn part(&self) -> Option<Part> {
        let of = self.parts.filter(|_| self.version.part > 0)?;
        Some(Part { number: self.version.part, of })
    }
}

impl OutputEvent {
    /// Reads a message of the queue `signals`. A source that is a sandbox sends tests, whatever the event says.
    pub fn parse(body: String, config: &Config) -> Result<Self, String> {
        let envelope: Envelope = serde_json::from_str(&body).map_err(|error| error.to_string())?;
        let number = |name: &str, text: &str| text.parse::<u64>().map_err(|error| format!("{name}: {error}"));
        let dispatch = envelope.data.dispatch.as_ref();
        let version = EventVersion {
            epoch: number("epoch", &envelope.epoch)?,
            sequence: number("sequence", &envelope.sequence)?,
            part: dispatch.and_then(|dispatch| dispatch.part).unwrap_or(0),
        };
        let mut head = EventHead {
            version,
            parts: dispatch.and_then(|dispatch| dispatch.parts),
            test: dispatch.is_some_and(|dispatch| dispatch.test),
            id: envelope.id,
            subject: envelope.subject,
            kind: envelope.kind,
            source: envelope.source,
            time: envelope.time,
            traceparent: envelope.traceparent,
        };
        let source = head.source_name().and_then(|name| config.sources.get(name));
        head.test |= source.is_some_and(|source| source.environment == Environment::Sandbox);
        Ok(Self { head, body })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const WHOLE: EventVersion = EventVersion { epoch: 7, sequence: 2, part: 0 };
    const PART: EventVersion = EventVersion { part: 3, ..WHOLE };

    fn config() -> Config {
        let source = |environment: &str| json!({ "provider": "voltus", "environment": environment, "api_key": "env:KEY", "tokens": [] });
        let sources = json!({ "real": source("production"), "sandbox": source("sandbox") });
        let contacts = json!({ "email": ["grid-duty@example.com"], "from": "gridbell@example.com" });
        Config::parse(&json!({ "sources": sources, "contacts": contacts }).to_string()).unwrap()
    }

    fn head(source: &str, kind: &str, dispatch: &Value) -> EventHead {
        let event = json!({
            "id": "s/a#7.2", "source": source, "type": kind, "subject": "s/a", "time": "2023-12-01T16:40:00Z",
            "epoch": "7", "sequence": "2", "data": { "dispatch": dispatch },
        });
        OutputEvent::parse(event.to_string(), &config()).unwrap().head
    }

    #[test]
    fn a_version_reads_back_with_its_part() {
        for (version, text, json) in [
            (WHOLE, "7.2", json!({ "epoch": 7, "sequence": 2 })),
            (PART, "7.2.3", json!({ "epoch": 7, "sequence": 2, "part": 3 })),
        ] {
            assert_eq!((version.to_string().as_str(), json!(version)), (text, json.clone()));
            assert_eq!(serde_json::from_value::<EventVersion>(json).unwrap(), version);
        }
        assert_eq!(PART.whole(), WHOLE);
    }

    #[test]
    fn a_part_is_known_from_its_numbers() {
        let part = |dispatch: &Value| head("/gridbell/real", "gridbell.dispatch.updated.v1", dispatch).part();
        assert_eq!(part(&json!({ "part": 3, "parts": 4 })), Some(Part { number: 3, of: 4 }));
        assert_eq!(part(&json!({ "parts": 4 })), None);
        assert_eq!(part(&json!(null)), None);
    }

    #[test]
    fn what_comes_from_a_sandbox_is_a_test() {
        let is_test = |source: &str, said: bool| head(source, "gridbell.x.v1", &json!({ "test": said })).test;
        assert!(is_test("/gridbell/sandbox", false) && is_test("/gridbell/real", true));
        assert!(!is_test("/gridbell/real", false) && !is_test("/gridbell", false));
    }

    #[test]
    fn a_newer_version_replaces_all_but_a_cancel_and_an_end() {
        let is = |kind: &str| {
            let head = head("/gridbell/real", kind, &json!(null));
            (head.is_dispatch(), head.is_replaceable())
        };
        assert_eq!(is("gridbell.dispatch.updated.v1"), (true, true));
        assert_eq!(is("gridbell.dispatch.cancelled.v1"), (true, false));
        assert_eq!(is("gridbell.dispatch.ended.v1"), (true, false));
        assert_eq!(is("gridbell.account.changed.v1"), (false, false));
    }
}
