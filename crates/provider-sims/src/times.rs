//! Instants in JSON: those relative to now (`now`, `now+90s`, `now-5m`, `now+2h`), and those that a faster clock moves
//! closer to now.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// Instants further away than this are history: a faster clock does not move them.
const NEAR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The instant of a relative text, in whole seconds; none for any other text.
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

/// Replaces every relative text in the value by RFC 3339.
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

/// The span on a clock with that speed factor.
pub(crate) fn sooner_span(span: SignedDuration, speed: u32) -> SignedDuration {
    let ms = span.as_millis() / i128::from(speed.max(1));
    SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// The instant moved `speed` times closer to now.
pub(crate) fn sooner(instant: Timestamp, now: Timestamp, speed: u32) -> Timestamp {
    let span = instant.duration_since(now);
    if speed <= 1 || span.abs() > NEAR {
        return instant;
    }
    now.checked_add(sooner_span(span, speed)).unwrap_or(instant)
}

/// Moves every instant whose name ends in `_time` closer to now.
pub(crate) fn bring_nearer(value: &mut Value, now: Timestamp, speed: u32) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| bring_nearer(item, now, speed)),
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if name.ends_with("_time") => {
                        if let Ok(instant) = text.parse() {
                            *text = sooner(instant, now, speed).to_string();
                        }
                    }
                    other => bring_nearer(other, now, speed),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().expect("an instant")
    }

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

    #[test]
    fn a_faster_clock_brings_what_is_near_nearer_and_leaves_history_alone() {
        let mut value = json!({
            "start_time": "2026-03-01T12:10:00Z", "end_time": null, "name": "2026-03-01T12:10:00Z",
            "slots": [{"start_time": "2023-06-05T00:00:00Z", "end_time": "2026-03-01T11:59:00Z"}],
        });
        bring_nearer(&mut value, now(), 60);
        let expected = json!({
            "start_time": "2026-03-01T12:00:10Z", "end_time": null, "name": "2026-03-01T12:10:00Z",
            "slots": [{"start_time": "2023-06-05T00:00:00Z", "end_time": "2026-03-01T11:59:59Z"}],
        });
        assert_eq!(value, expected);
    }
}
