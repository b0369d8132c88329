//! What the tests of all providers share.

use dispatch::Origin;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{Answer, Ask, Delivery, Look, Method, Provider, Reading};

/// When every webhook of the tests was received and every fetch began: 2023-12-01T16:45:00Z.
pub(crate) const NOW: Timestamp = Timestamp::constant(1_701_449_100, 0);

pub(crate) fn origin(provider: &dyn Provider, sandbox: bool) -> Origin {
    let name = provider.name();
    let kind = if sandbox { "sandbox" } else { "prod" };
    Origin { source: format!("{name}-{kind}"), provider: name.to_owned(), sandbox }
}

/// A webhook to the production source.
pub(crate) fn parse(provider: &dyn Provider, body: &str) -> Result<Reading, String> {
    parse_from(provider, &origin(provider, false), body)
}

pub(crate) fn parse_from(provider: &dyn Provider, origin: &Origin, body: &str) -> Result<Reading, String> {
    let delivery = Delivery { id: "01JDELIVERY", received_at: NOW, origin };
    provider.parse(&delivery, body).map_err(|unreadable| unreadable.to_string())
}

/// An answer of one page to the production source.
pub(crate) fn decode(provider: &dyn Provider, look: &Look, page: &str) -> Result<Reading, String> {
    decode_pages(provider, look, &[page])
}

pub(crate) fn decode_pages(provider: &dyn Provider, look: &Look, pages: &[&str]) -> Result<Reading, String> {
    let pages: Vec<String> = pages.iter().map(|page| (*page).to_owned()).collect();
    let origin = origin(provider, look.subject.source().ends_with("-sandbox"));
    let answer = Answer { origin: &origin, look, began_at: NOW, pages: &pages };
    provider.decode(&answer).map_err(|error| error.to_string())
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
    let Ask { method, path, query, body } = provider.ask(look, None).expect("a request");
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
