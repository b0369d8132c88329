//! A message to an SNS topic. Each kind of subscriber gets its own form of it.

use serde_json::{Value, json};

use super::{ChannelMessage, Report, State, webhook};
use crate::alerts::mail::second;

/// The most characters of a subject: SNS refuses a hundred and more.
const MOST_SUBJECT: usize = 99;

/// The longest list of incidents in a text for people.
const LISTED: usize = 20;

/// The parameters of the call `Publish`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// For subscribers by mail: ASCII alone.
    pub subject: String,
    /// JSON with a form for each protocol (`MessageStructure=json`).
    pub message: String,
    /// The message attributes, by which a subscription can filter.
    pub attributes: Vec<(&'static str, String)>,
}

/// The message for a topic.
///
/// - `sms` and `default`: the line for a phone.
/// - `email`: the line and what is known, as text.
/// - `http`, `https`: a custom notification of Amazon Q Developer in chat applications (AWS Chatbot), for Slack and
///   Teams; it names the incident and the facts under `metadata.additionalContext`.
/// - `email-json`, `lambda`, `sqs`, `firehose`: the same JSON as a webhook's.
pub fn publication(message: &ChannelMessage) -> Publication {
    let (chat, body, text) = (chat(message).to_string(), webhook::body(message), text(message));
    let forms = json!({
        "default": message.text, "sms": message.text, "email": text, "http": chat, "https": chat,
        "email-json": body, "lambda": body, "sqs": body, "firehose": body,
    });
    let first = message.alerts.first();
    let of = |name: fn(&Report) -> &str| first.map(name).unwrap_or_default().to_owned();
    let attributes = vec![
        ("kind", of(|report| report.kind.as_str())),
        ("source", of(|report| &report.source)),
        ("severity", message.severity.as_str().to_owned()),
        ("state", of(|report| report.state.as_str())),
        ("test", message.test.to_string()),
        // Otherwise SNS sends an SMS as advertising, at the lowest priority.
        ("AWS.SNS.SMS.SMSType", "Transactional".to_owned()),
    ];
    Publication { subject: subject(message), message: forms.to_string(), attributes }
}

fn subject(message: &ChannelMessage) -> String {
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    let text: String = format!("gridbell: {}", message.text).chars().map(plain).collect();
    text.chars().take(MOST_SUBJECT).collect::<String>().trim_end().to_owned()
}

fn text(message: &ChannelMessage) -> String {
    let mut lines = vec![message.text.clone(), String::new()];
    for report in message.alerts.iter().take(LISTED) {
        if message.alerts.len() > 1 {
            lines.push(report.text.clone());
        }
        lines.push(format!("{}, since {}", report.incident, second(report.occurrence)));
        lines.push(report.detail.clone());
        lines.extend(report.link.iter().map(|link| format!("Acknowledge: {link}")));
        lines.push(String::new());
    }
    let more = message.alerts.len().saturating_sub(LISTED);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n").trim_end().to_owned()
}

fn chat(message: &ChannelMessage) -> Value {
    let first = message.alerts.first();
    let mark = match first.map(|report| report.state) {
        Some(State::Resolved) => ":white_check_mark:",
        _ if message.test => ":information_source:",
        _ => ":rotating_light:",
    };
    let incident = first.map(|report| report.incident.as_str()).unwrap_or_default();
    let thread = first.map(|report| report.deduplication.as_str()).unwrap_or_default();
    let steps: Vec<String> = first
        .and_then(|report| report.link.as_ref())
        .into_iter()
        .map(|link| format!("<{link}|Open and acknowledge>"))
        .collect();
    json!({
        "version": "1.0",
        "source": "custom",
        "id": message.id,
        "content": {
            "textType": "client-markdown",
            "title": format!("{mark} {}", message.text),
            "description": first.map(|report| report.detail.as_str()).unwrap_or_default(),
            "nextSteps": steps,
        },
        "metadata": {
            "threadId": thread,
            "summary": message.text,
            "eventType": "gridbell.alert.v1",
            "additionalContext": {
                "incident": incident,
                "incidents": message.alerts.len().to_string(),
                "severity": message.severity.as_str(),
                "state": first.map_or("firing", |report| report.state.as_str()),
                "test": message.test.to_string(),
            },
        },
    })
}
