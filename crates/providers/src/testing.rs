//! Helpers for the tests of all providers.

use serde_json::{Value, json};

pub(crate) use crate::laws::{NOW, decode, decode_pages, origin, parse_from};
use crate::{ApiRequest, FetchRequest, Method, Parsed, Provider};

/// Parses a webhook of the production source.
pub(crate) fn parse(provider: &dyn Provider, body: &str) -> Result<Parsed, String> {
    parse_from(provider, &origin(provider, false), body)
}

/// The only fetch request of a webhook.
pub(crate) fn fetch(provider: &dyn Provider, body: &str) -> FetchRequest {
    let mut fetches = parse(provider, body).expect("a webhook").fetches;
    assert_eq!(fetches.len(), 1, "{fetches:?}");
    fetches.remove(0)
}

/// A result as text for a snapshot; fetch requests are shown as the API requests that they become.
pub(crate) fn shown(provider: &dyn Provider, parsed: &Result<Parsed, String>) -> String {
    let shown = match parsed {
        Err(reason) => json!({ "unreadable": reason }),
        Ok(parsed) => {
            let asks: Vec<Value> = parsed.fetches.iter().map(|fetch| shown_ask(provider, fetch)).collect();
            json!({ "facts": parsed.facts, "looks": asks, "findings": parsed.diagnostics })
        }
    };
    serde_json::to_string_pretty(&shown).expect("JSON")
}

fn shown_ask(provider: &dyn Provider, fetch: &FetchRequest) -> Value {
    let ApiRequest { method, path, query, body, .. } = provider.request(fetch, None).expect("a request");
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let method = match method {
        Method::Get => "GET",
        Method::Post => "POST",
    };
    json!({ "key": fetch.key, "context": fetch.context, "ask": format!("{method} {path} {}", query.join("&")), "body": body })
}

/// One snapshot per matching fixture, in the provider's folder.
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
