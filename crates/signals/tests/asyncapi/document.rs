//! The AsyncAPI document.

use serde_json::{Map, Value, json};
use signals::schemas;

/// The dialect of the schemas.
const FORMAT: &str = "application/schema+json;version=draft-2020-12";

pub(crate) fn document() -> Value {
    let kinds: Vec<&str> = schemas().into_iter().map(|(kind, _)| kind).collect();
    let mut messages: Map<String, Value> = kinds.iter().map(|kind| ((*kind).to_owned(), signal(kind))).collect();
    let of_signals: Map<String, Value> = kinds
        .iter()
        .map(|kind| ((*kind).to_owned(), json!({"$ref": format!("#/components/messages/{kind}")})))
        .collect();
    messages.insert("acknowledgement".to_owned(), acknowledgement());
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "gridbell",
            "version": "1",
            "description": "Dispatches of demand response providers, as signals for controllers. README.md explains them.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "signals": {
                "address": "signals.fifo",
                "title": "The FIFO queue of the signals",
                "description": "The stack's output `SignalsQueueUrl` names it. One ordered stream for each `subject`, which is the message group.",
                "messages": of_signals,
                "bindings": {"sqs": {"queue": {"name": "signals.fifo", "fifoQueue": true}, "bindingVersion": "0.2.0"}},
            },
            "acks": {
                "address": "/acks/{token}",
                "title": "Acknowledgements over HTTP",
                "description": "Below the stack's webhook base URL.",
                "parameters": {"token": {"description": "The token whose hash is in the configuration."}},
                "messages": {"acknowledgement": {"$ref": "#/components/messages/acknowledgement"}},
            },
        },
        "operations": {
            "sendSignal": {
                "action": "send",
                "summary": "gridbell publishes a signal.",
                "channel": {"$ref": "#/channels/signals"},
            },
            "receiveAcknowledgement": {
                "action": "receive",
                "summary": "A controller acknowledges a dispatch.",
                "channel": {"$ref": "#/channels/acks"},
                "bindings": {"http": {"method": "POST", "bindingVersion": "0.3.0"}},
            },
        },
        "components": {"messages": messages},
    })
}

/// The message of one kind of data.
fn signal(kind: &str) -> Value {
    let types =
        |names: &[&str]| json!({"enum": names.iter().map(|name| format!("gridbell.{name}.v1")).collect::<Vec<_>>()});
    let (title, of_type) = match kind {
        "dispatch" => (
            "A dispatch is scheduled, updated, cancelled or ended",
            types(&["dispatch.scheduled", "dispatch.updated", "dispatch.cancelled", "dispatch.ended"]),
        ),
        "power" => (
            "The limit of a data centre changes",
            types(&["power.start_ramp_down", "power.end_ramp_down", "power.start_ramp_up", "power.end_ramp_up"]),
        ),
        "meter" => ("Meter readings", types(&["meter.data"])),
        "account" => ("An event of a provider's account", json!({"pattern": "^gridbell\\.account\\..+\\.v1$"})),
        "heartbeat" => ("gridbell works, and has sent these versions", json!({"enum": ["gridbell.heartbeat.v1"]})),
        kind => panic!("{kind} has no message: add it here"),
    };
    let data = json!({"properties": {"type": of_type, "data": {"$ref": format!("schemas/{kind}.json")}}});
    let schema = json!({"allOf": [{"$ref": "schemas/envelope.json"}, data]});
    json!({
        "name": kind,
        "title": title,
        "contentType": "application/json",
        "payload": {"schemaFormat": FORMAT, "schema": schema},
    })
}

fn acknowledgement() -> Value {
    json!({
        "name": "acknowledgement",
        "title": "What a controller does about a version of a dispatch",
        "contentType": "application/json",
        "payload": {"schemaFormat": FORMAT, "schema": {"$ref": "schemas/acknowledgement.json"}},
    })
}
