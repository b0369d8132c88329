//! Outputs: where the courier delivers signals.

use serde::{Deserialize, Serialize};

use crate::Reference;

/// One place that signals are delivered to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Where it is.
    pub target: OutputTarget,
    /// The sources whose signals it gets; none: all sources. Signals of gridbell itself come in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<String>>,
    /// The types of signals that it gets, with `*` for any text; none: all types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<String>>,
    /// Whether it gets test traffic.
    #[serde(default = "yes")]
    pub tests: bool,
    /// Whether a signal counts as delivered, or acknowledged, only if this output has taken, or acknowledged, it.
    #[serde(default = "yes")]
    pub required: bool,
}

fn yes() -> bool {
    true
}

/// Where an output is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputTarget {
    /// A URL that takes POST requests.
    Http {
        /// The URL: https, or http on this machine.
        url: String,
        /// References to the signing secrets: one, or two while rotating.
        secrets: Vec<Reference>,
        /// Whether the host may have a private address.
        #[serde(default)]
        allow_private: bool,
    },
    /// An SQS queue, FIFO or standard, also of another account.
    Sqs {
        /// Its URL.
        queue_url: String,
    },
    /// An EventBridge event bus.
    Eventbridge {
        /// Its name or ARN.
        bus: String,
    },
}

impl OutputTarget {
    /// The kind, as `gridbell.toml` names it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Http { .. } => "http",
            Self::Sqs { .. } => "sqs",
            Self::Eventbridge { .. } => "eventbridge",
        }
    }
}

/// What decides whether an output gets a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Routed<'a> {
    /// The source; none for signals of gridbell itself.
    pub source: Option<&'a str>,
    /// The CloudEvents type.
    pub kind: &'a str,
    /// Whether it is a test.
    pub test: bool,
}

impl Output {
    /// Whether it gets that signal.
    pub fn wants(&self, signal: Routed<'_>) -> bool {
        let is_listed =
            |source: &str| self.sources.as_ref().is_none_or(|sources| sources.iter().any(|of| of == source));
        let has_type = |types: &Vec<String>| types.iter().any(|pattern| matches(pattern, signal.kind));
        (self.tests || !signal.test) && signal.source.is_none_or(is_listed) && self.types.as_ref().is_none_or(has_type)
    }
}

/// Whether a text has the form of a pattern, in which `*` stands for any text.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        };
        check("gridbell.dispatch.*", "gridbell.dispatch.updated.v1", true);
        check("gridbell.dispatch.*", "gridbell.power.end_ramp_up.v1", false);
        check("gridbell.*.v1", "gridbell.meter.data.v1", true);
        check("gridbell.*.v1", "gridbell.meter.data.v2", false);
        check("*.cancelled.*", "gridbell.dispatch.cancelled.v1", true);
        check("*", "", true);
        check("gridbell.meter.data.v1", "gridbell.meter.data.v1", true);
        check("gridbell.meter.data.v1", "gridbell.meter.data.v10", false);
        check("a*a", "a", false);
        check("a*b*a", "a-b-a", true);
        check("a*b*a", "a-b-", false);
        check("", "", true);
        check("", "a", false);
    }

    #[test]
    fn an_output_gets_what_it_names() {
        let output = |json: &str| serde_json::from_str::<Output>(json).unwrap();
        let all = output(r#"{"target": {"sqs": {"queue_url": "https://sqs.example"}}}"#);
        let some = output(
            r#"{"target": {"sqs": {"queue_url": "https://sqs.example"}}, "sources": ["voltus-prod"],
                "types": ["gridbell.dispatch.*", "gridbell.heartbeat.*"], "tests": false}"#,
        );
        let check = |source: Option<&str>, kind: &str, test: bool, expected: bool| {
            let signal = Routed { source, kind, test };
            assert!(all.wants(signal));
            assert_eq!(some.wants(signal), expected, "{signal:?}");
        };
        check(Some("voltus-prod"), "gridbell.dispatch.ended.v1", false, true);
        check(Some("voltus-prod"), "gridbell.dispatch.ended.v1", true, false);
        check(Some("leap-prod"), "gridbell.dispatch.ended.v1", false, false);
        check(Some("voltus-prod"), "gridbell.meter.data.v1", false, false);
        check(None, "gridbell.heartbeat.v1", false, true);
        assert!(all.required && all.tests && !some.tests);
    }
}
