//! Checks of every signal: its envelope, its place, its size and its schema.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};
use simulation::history::envelope::{self, Message, Queued};

use super::{Signal, config::is_sandbox};

/// The maximum size of a message, in bytes.
const SQS_LIMIT: usize = 1_048_576;

/// The faults of a message that is the `place`th of its subject.
pub(crate) fn faults(message: &Value, signal: &Signal, place: usize) -> Vec<String> {
    let event = &signal.event;
    let system = |name: &str| message["Attributes"][name].as_str().unwrap_or_default();
    let named = message["MessageAttributes"].as_object().into_iter().flatten();
    let attributes: Vec<(String, String)> =
        named.filter_map(|(name, value)| Some((name.clone(), value["StringValue"].as_str()?.to_owned()))).collect();
    let queued = Some(Queued { group: system("MessageGroupId"), deduplication: system("MessageDeduplicationId") });
    let mut faults = envelope::faults(&Message { event, queued, attributes: Some(&attributes) });
    let id = &event["id"];
    if event["sequence"] != json!(place.to_string()) {
        faults.push(format!("{id}: its sequence is {}, expected {place}", event["sequence"]));
    }
    if signal.bytes > SQS_LIMIT {
        faults.push(format!("{id}: {} bytes fit into no message", signal.bytes));
    }
    let source = event["subject"].as_str().and_then(|subject| subject.split('/').next()).unwrap_or_default();
    if is_sandbox(source) && signal.test != "true" {
        faults.push(format!("{id}: a sandbox's signal that is no test"));
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
