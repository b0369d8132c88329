//! The differences between two configurations, key by key.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// A key whose value changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    /// Such as `sources.voltus-prod.api_url`.
    pub(super) key: String,
    /// The running value; none if the key is new.
    pub(super) before: Option<String>,
    /// The new value; none if the key is removed.
    pub(super) after: Option<String>,
}

/// All differences, ordered by key.
pub(super) fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let (before, after) = (flat(before), flat(after));
    let keys: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    keys.into_iter()
        .filter(|key| before.get(*key) != after.get(*key))
        .map(|key| Change { key: key.clone(), before: before.get(key).cloned(), after: after.get(key).cloned() })
        .collect()
}

fn flat(value: &Value) -> BTreeMap<String, String> {
    fn walk(at: &str, value: &Value, into: &mut BTreeMap<String, String>) {
        match value {
            Value::Object(object) if !object.is_empty() => {
                for (key, value) in object {
                    walk(&if at.is_empty() { key.clone() } else { format!("{at}.{key}") }, value, into);
                }
            }
            value => {
                into.insert(at.to_owned(), shown(at, value));
            }
        }
    }
    let mut into = BTreeMap::new();
    walk("", value, &mut into);
    into
}

/// A hash is shown by its first digits.
fn shown(key: &str, value: &Value) -> String {
    let list = |values: &[Value], short: fn(&str) -> String| {
        values
            .iter()
            .map(|value| value.as_str().map_or_else(|| value.to_string(), short))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match value {
        Value::Array(values) if values.is_empty() => "none".to_owned(),
        Value::Array(values) if key.ends_with("tokens") => {
            list(values, |hash| format!("sha256:{}…", hash.chars().take(8).collect::<String>()))
        }
        Value::Array(values) => list(values, str::to_owned),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_new_what_goes_and_what_changes() {
        let before = json!({"sources": {"a": {"provider": "leap", "tokens": ["0123456789abcdef"]}}, "deadlines": {"lead_s": 600}});
        let after = json!({"sources": {"b": {"provider": "leap", "tokens": []}}, "deadlines": {"lead_s": 900}});
        let change = |key: &str, before: Option<&str>, after: Option<&str>| Change {
            key: key.to_owned(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        };
        assert_eq!(
            changes(&before, &after),
            [
                change("deadlines.lead_s", Some("600"), Some("900")),
                change("sources.a.provider", Some("leap"), None),
                change("sources.a.tokens", Some("sha256:01234567…"), None),
                change("sources.b.provider", None, Some("leap")),
                change("sources.b.tokens", None, Some("none")),
            ]
        );
        assert!(changes(&after, &after).is_empty());
    }
}
