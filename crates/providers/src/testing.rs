//! What the tests of all providers share.

use serde_json::{Value, json};

pub(crate) use crate::laws::{NOW, decode, decode_pages, origin, parse_from};
use crate::{Ask, Look, Method, Provider, Reading};

/// A webhook to the production source.
pub(crate) fn parse(provider: &dyn Provider, body: &str) -> Result<Reading, String> {
    parse_from(provider, &origin(provider, false), body)
}

/// The single look of a webhook.
pub(crate) fn look(provider: &dyn Provider, body: &str) -> Look {
    let mut looks = parse(provider, body).expect("a webhook").looks;
    assert_eq!(looks.len(), 1, "{looks:?}");
    looks.remove(0)
}

/// A reading as text for a snapshot, its looks as the requests that they become.
pub(crate) fn shown(provider: &dyn Provider, reading: &Result<Reading, String>) -> String {
    let shown = match reading {
        Err(reason) => json!({ "unreadable": reason }),
        Ok(reading) => {
            let asks: Vec<Value> = reading.looks.iter().map(|look| shown_ask(provider, look)).collect();
            json!({ "facts": reading.facts, "looks": asks, "findings": reading.findings })
        }
    };
    serde_json::to_string_pretty(&shown).expect("JSON")
}

fn shown_ask(provider: &dyn Provider, look: &Look) -> Value {
    let Ask { method, path, query, body, .. } = provider.ask(look, None).expect("a request");
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let method = match method {
        Method::Get => "GET",
        Method::Post => "POST",
    };
    json!({ "key": look.key, "context": look.context, "ask": format!("{method} {path} {}", query.join("&")), "body": body })
}

/// One snapshot per fixture whose name matches, beside the provider.
macro_rules! check_fixtures {
    ($glob:literal, $name:literal, $become:expr) => {
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::glob!($glob, |path| {
                let body = std::fs::read_to_string(path).expect("a fixture");
                insta::assert_snapshot!($name, $become(body.as_str()));
            });
        });
    };
}
pub(crate) use check_fixtures;
