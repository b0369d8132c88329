//! What the contract says of every signal, whatever it is about. The one checker of envelopes: for the swarm, for `xtask chaos`,
//! the demo and the flows on the local stack.

use jiff::Timestamp;
use pipeline::ports::fifo_id;
use serde_json::{Value, json};

/// How the queue `signals` holds a message.
#[derive(Debug, Clone, Copy)]
pub struct Queued<'m> {
    /// The message group.
    pub group: &'m str,
    /// The deduplication id.
    pub deduplication: &'m str,
}

/// A message of the queue `signals`, or what another output was sent.
#[derive(Debug, Clone, Copy)]
pub struct Message<'m> {
    /// The body.
    pub event: &'m Value,
    /// None: it came another way.
    pub queued: Option<Queued<'m>>,
    /// Names and values of the message attributes; none: they were not recorded.
    pub attributes: Option<&'m [(String, String)]>,
}

/// What contradicts the contract. Whether the sequence is the next one is not checked here.
pub fn faults(message: &Message<'_>) -> Vec<String> {
    let event = message.event;
    let text = |name: &str| event[name].as_str().unwrap_or_default();
    let (subject, epoch, sequence, time) = (text("subject"), text("epoch"), text("sequence"), text("time"));
    let (source, _) = subject.split_once('/').unwrap_or_default();
    let part = event["data"]["dispatch"]["part"].as_u64();
    let id = format!("{subject}#{epoch}.{sequence}{}", part.map_or_else(String::new, |part| format!(".{part}")));
    let data = event["data"].as_object().and_then(|data| data.values().next()).unwrap_or(&Value::Null);
    let is_millisecond = epoch.len() == 13 && epoch.bytes().all(|byte| byte.is_ascii_digit());
    let is_counted = sequence.parse::<u64>().is_ok_and(|number| number > 0);
    let is_utc = time.ends_with('Z') && time.parse::<Timestamp>().is_ok();
    let mut checks = vec![
        ("specversion", event["specversion"].clone(), json!("1.0")),
        ("id", event["id"].clone(), json!(id)),
        ("the epoch's form", json!(is_millisecond), json!(true)),
        ("the sequence's form", json!(is_counted), json!(true)),
        ("source", event["source"].clone(), json!(format!("/gridbell/{source}").trim_end_matches('/'))),
        ("datacontenttype", event["datacontenttype"].clone(), json!("application/json")),
        // A heartbeat is about no source.
        ("data's source", data["source"].clone(), if source.is_empty() { Value::Null } else { json!(source) }),
        ("the time's form", json!(is_utc), json!(true)),
    ];
    if let Some(Queued { group, deduplication }) = message.queued {
        checks.push(("the message group", json!(group), json!(fifo_id(subject))));
        checks.push(("the deduplication id", json!(deduplication), json!(fifo_id(&id))));
    }
    if let Some(test) = data.get("test") {
        checks.push(("test", test.clone(), json!(!data["test_reason"].is_null())));
    }
    if let Some(attributes) = message.attributes {
        let attribute = |name: &str| {
            let value = attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value);
            value.map_or(Value::Null, |value| json!(value))
        };
        let marked = attribute("test");
        // Data without the field are a test if their source is a sandbox.
        let is_flag = matches!(marked.as_str(), Some("true" | "false"));
        checks.extend([
            ("the attribute type", attribute("type"), event["type"].clone()),
            ("the attribute source", attribute("source"), event["source"].clone()),
            ("the attribute part", attribute("part"), part.map_or(Value::Null, |part| json!(part.to_string()))),
            match data.get("test") {
                Some(said) => ("the attribute test", marked, json!(said.to_string())),
                None => ("the attribute test is true or false", json!(is_flag), json!(true)),
            },
        ]);
    }
    let wrong = checks.into_iter().filter(|(_, found, expected)| found != expected);
    wrong.map(|(what, found, expected)| format!("{id}: {what} is {found}, expected {expected}")).collect()
}
