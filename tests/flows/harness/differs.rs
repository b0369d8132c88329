//! Compares JSON and describes the differences.

use anyhow::{Result, ensure};
use serde_json::Value;

/// Fails unless both are equal, and describes where they differ.
pub(crate) fn same(what: &str, actual: &Value, expected: &Value) -> Result<()> {
    let mut differences = Vec::new();
    compare("", actual, expected, &mut differences);
    ensure!(differences.is_empty(), "{what}:\n  {}", differences.join("\n  "));
    Ok(())
}

/// The same, but `actual` may have additional fields.
pub(crate) fn holds(what: &str, actual: &Value, expected: &Value) -> Result<()> {
    let Value::Object(fields) = expected else { return same(what, actual, expected) };
    for (name, value) in fields {
        same(&format!("{what}, {name}"), &actual[name], value)?;
    }
    Ok(())
}

fn compare(at: &str, actual: &Value, expected: &Value, differences: &mut Vec<String>) {
    match (actual, expected) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (name, value) in ours {
                match theirs.get(name) {
                    Some(expected) => compare(&format!("{at}/{name}"), value, expected, differences),
                    None => differences.push(format!("{at}/{name} was not expected: {}", short(value))),
                }
            }
            let missing = theirs.iter().filter(|(name, _)| !ours.contains_key(*name));
            differences.extend(missing.map(|(name, value)| format!("{at}/{name} is missing: {}", short(value))));
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            for (index, (value, expected)) in ours.iter().zip(theirs).enumerate() {
                compare(&format!("{at}/{index}"), value, expected, differences);
            }
        }
        _ if actual == expected => {}
        _ => differences.push(format!("{at} is {}, expected {}", short(actual), short(expected))),
    }
}

/// A shortened value for an error line.
pub(crate) fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
