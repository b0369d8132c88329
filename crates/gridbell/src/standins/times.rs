//! Instants relative to now in JSON: `now`, `now+90s`, `now-5m`, `now+2h`. What is told of the near future stays in it.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// The time. A stand-in and the demo live in real time.
#[expect(clippy::disallowed_methods, reason = "the edge: nothing here is replayed from a seed")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// The instant that the text names, in whole seconds; none where it is no such text.
pub fn instant(text: &str, now: Timestamp) -> Option<Timestamp> {
    let offset = text.strip_prefix("now")?;
    let now = Timestamp::from_second(now.as_second()).ok()?;
    if offset.is_empty() {
        return Some(now);
    }
    let (number, unit) = offset.split_at_checked(offset.len() - 1)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let number: i64 = number.strip_prefix('+').unwrap_or(number).parse().ok()?;
    now.checked_add(SignedDuration::from_secs(number.checked_mul(seconds)?)).ok()
}

/// Writes every such text in the value out as RFC 3339.
pub fn resolve(value: &mut Value, now: Timestamp) {
    match value {
        Value::String(text) => {
            if let Some(instant) = instant(text, now) {
                *text = instant.to_string();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| resolve(item, now)),
        Value::Object(fields) => fields.values_mut().for_each(|field| resolve(field, now)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_that_name_an_instant_are_written_out_and_others_stay() {
        let now: Timestamp = "2026-03-01T12:00:00.75Z".parse().expect("an instant");
        let mut value =
            json!({"a": ["now", "now+90s", "now-5m"], "b": "now+1d", "c": "nowhere", "d": "now+xh", "e": "now+é"});
        resolve(&mut value, now);
        let expected = json!({
            "a": ["2026-03-01T12:00:00Z", "2026-03-01T12:01:30Z", "2026-03-01T11:55:00Z"],
            "b": "2026-03-02T12:00:00Z", "c": "nowhere", "d": "now+xh", "e": "now+é",
        });
        assert_eq!(value, expected);
    }
}
