//! Checks of every signal: the envelope in section 4 of the contract.

use std::sync::LazyLock;

use jiff::Timestamp;
use jsonschema::Validator;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Signal, config::is_sandbox};

/// The maximum size of a message, in bytes.
const SQS_LIMIT: usize = 1_048_576;

/// The faults of a message that is the `place`th of its subject.
pub(crate) fn faults(message: &Value, signal: &Signal, place: usize) -> Vec<String> {
    let event = &signal.event;
    let subject = event["subject"].as_str().unwrap_or_default();
    let (source, _) = subject.split_once('/').unwrap_or_default();
    let epoch = event["epoch"].as_str().unwrap_or_default();
    let part = event["data"]["dispatch"]["part"].as_u64();
    let id = format!("{subject}#{epoch}.{place}{}", part.map_or_else(String::new, |part| format!(".{part}")));
    let attribute = |name: &str| message["MessageAttributes"][name]["StringValue"].clone();
    let system = |name: &str| message["Attributes"][name].clone();
    let time = event["time"].as_str().unwrap_or_default();
    let data = event["data"].as_object().and_then(|data| data.values().next()).cloned().unwrap_or_default();
    let checks = [
        ("specversion", event["specversion"].clone(), json!("1.0")),
        ("id", event["id"].clone(), json!(id)),
        ("the epoch's form", json!(epoch.len() == 13 && epoch.bytes().all(|byte| byte.is_ascii_digit())), json!(true)),
        ("sequence", event["sequence"].clone(), json!(place.to_string())),
        ("the attribute part", attribute("part"), part.map_or(Value::Null, |part| json!(part.to_string()))),
        ("source", event["source"].clone(), json!(format!("/gridbell/{source}").trim_end_matches('/'))),
        ("datacontenttype", event["datacontenttype"].clone(), json!("application/json")),
        ("data's source", data["source"].clone(), if source.is_empty() { Value::Null } else { json!(source) }),
        ("the time's form", json!(time.ends_with('Z') && time.parse::<Timestamp>().is_ok()), json!(true)),
        ("the attribute type", attribute("type"), event["type"].clone()),
        ("the attribute source", attribute("source"), event["source"].clone()),
        ("the message group", system("MessageGroupId"), json!(fifo_id(subject))),
        ("the deduplication id", system("MessageDeduplicationId"), json!(fifo_id(&id))),
        ("fits into a message", json!(signal.bytes <= SQS_LIMIT), json!(true)),
    ];
    let mut faults: Vec<String> = checks
        .into_iter()
        .filter(|(_, actual, expected)| actual != expected)
        .map(|(what, actual, expected)| format!("{id}: {what} is {actual}, expected {expected}"))
        .collect();
    if let Some(test) = data.get("test") {
        let (marked, reason) = (attribute("test"), &data["test_reason"]);
        if marked != json!(test.to_string()) || test != &json!(!reason.is_null()) {
            faults.push(format!("{id}: test is {test}, its reason {reason}, the attribute {marked}"));
        }
    }
    if is_sandbox(source) && attribute("test") != "true" {
        faults.push(format!("{id}: a sandbox's signal that is no test"));
    }
    if !matches!(attribute("test").as_str(), Some("true" | "false")) {
        faults.push(format!("{id}: the attribute test is {}", attribute("test")));
    }
    let kept_to = SCHEMAS.iter().find(|(member, _)| event["data"].get(member).is_some());
    match kept_to {
        Some((_, Ok(schema))) => {
            let broken = schema.iter_errors(&event["data"]).take(3);
            faults.extend(broken.map(|error| format!("{id}: {}: {error}", error.instance_path())));
        }
        Some((_, Err(error))) => faults.push(error.clone()),
        None => faults.push(format!("{id}: data of no known kind")),
    }
    faults
}

/// The project's schemas of `data`, by its one member.
static SCHEMAS: LazyLock<[(&str, Result<Validator, String>); 5]> = LazyLock::new(|| {
    let read = |text: &str| {
        let schema: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        jsonschema::draft202012::new(&schema).map_err(|error| error.to_string())
    };
    [
        ("dispatch", read(include_str!("../../../crates/signals/schemas/dispatch.json"))),
        ("power", read(include_str!("../../../crates/signals/schemas/power.json"))),
        ("meter", read(include_str!("../../../crates/signals/schemas/meter.json"))),
        ("account", read(include_str!("../../../crates/signals/schemas/account.json"))),
        ("heartbeat", read(include_str!("../../../crates/signals/schemas/heartbeat.json"))),
    ]
});

/// An id that SQS allows: up to 128 letters, digits and punctuation, otherwise SHA-256 in hex.
fn fifo_id(text: &str) -> String {
    if text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return text.to_owned();
    }
    super::hex(&Sha256::digest(text))
}
