//! Reads a provider's JSON field by field. Each field fails alone: the error names the field and never contains its
//! value. Null is everywhere the same as a missing field.

mod lenient;
mod shape;

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};

pub(crate) use self::{
    lenient::Lenient,
    shape::{bare, has, unwrapped},
};
use crate::{
    Unreadable,
    instant::{end, start},
};

/// The longest accepted identifier, in bytes.
pub(crate) const MAX_ID_BYTES: usize = 512;

/// Why something is unreadable: names fields, never their values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason(String);

impl Reason {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Reason> for Unreadable {
    fn from(reason: Reason) -> Self {
        Self(reason.0)
    }
}

impl From<Reason> for crate::UnreadableResponse {
    fn from(reason: Reason) -> Self {
        Self::Shape(reason.0)
    }
}

/// One object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    pub(crate) fn of(value: &'a Value) -> Result<Self, Reason> {
        value.as_object().map(Self).ok_or_else(|| Reason::new("not an object"))
    }

    /// The value, if there is one.
    pub(crate) fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// The first of several names that is present.
    pub(crate) fn first(self, names: &[&'static str]) -> Option<(&'static str, &'a Value)> {
        names.iter().find_map(|name| Some((*name, self.get(name)?)))
    }

    /// A list; if missing, an empty one.
    pub(crate) fn list(self, name: &str) -> Result<&'a [Value], Reason> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(Reason(format!("`{name}` is not a list"))),
        }
    }

    /// An identifier: a text of up to 512 bytes, or a number as written.
    pub(crate) fn id(self, name: &str) -> Result<&'a str, Reason> {
        let value = self.get(name).ok_or_else(|| Reason(format!("`{name}` is missing")))?;
        id_of(value).ok_or_else(|| Reason(format!("`{name}` is no identifier of 1 to {MAX_ID_BYTES} bytes")))
    }

    /// The required RFC 3339 start time.
    pub(crate) fn start(self, name: &str) -> Result<Timestamp, Reason> {
        let value = self.get(name).ok_or_else(|| Reason(format!("`{name}` is missing")))?;
        start_of(name, value)
    }

    /// A boolean, or "true" or "false" as text.
    pub(crate) fn flag(self, name: &str) -> Result<Option<bool>, Reason> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::String(word)) if word.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(Value::String(word)) if word.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(Reason(format!("`{name}` is neither true nor false"))),
        }
    }

    /// A whole number from 0, as a number or as text.
    pub(crate) fn whole(self, name: &str) -> Result<Option<u64>, Reason> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = written(value).and_then(dispatch::decimal).map(|number| number.normalize());
        match number.filter(|number| number.scale() == 0).map(u64::try_from) {
            Some(Ok(number)) => Ok(Some(number)),
            _ => Err(Reason(format!("`{name}` is not a whole number from 0"))),
        }
    }
}

/// A text, or a number as written.
pub(crate) fn written(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.as_number().map(Number::as_str))
}

/// An identifier of 1 to 512 bytes.
pub(crate) fn id_of(value: &Value) -> Option<&str> {
    written(value).filter(|id| (1..=MAX_ID_BYTES).contains(&id.len()))
}

/// The operator's own reference: none if empty or null.
pub(crate) fn reference_of(value: &Value) -> Result<Option<String>, Reason> {
    match (value, written(value)) {
        (Value::Null, _) | (_, Some("")) => Ok(None),
        (_, Some(text)) => Ok(Some(text.to_owned())),
        (_, None) => Err(Reason::new("neither a text nor a number")),
    }
}

/// Parses a start time.
pub(crate) fn start_of(name: &str, value: &Value) -> Result<Timestamp, Reason> {
    value.as_str().ok_or("is not an RFC 3339 time").and_then(start).map_err(|why| Reason(format!("`{name}` {why}")))
}

/// Parses an end time; none: never, or unknown.
pub(crate) fn end_of(name: &str, value: &Value) -> Result<Option<Timestamp>, Reason> {
    value.as_str().ok_or("is not an RFC 3339 time").and_then(end).map_err(|why| Reason(format!("`{name}` {why}")))
}

/// SHA-256 in hex of several texts. A byte that UTF-8 never contains ends each text, so that different lists differ in
/// the hash.
pub(crate) fn digest(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.as_bytes());
        hash.update([0xff]);
    }
    hash.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// A provider's text, shortened and cleaned for a message to people.
pub(crate) fn brief(text: &str) -> String {
    dispatch::text::brief(text, 64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::field_errors::FieldErrors;

    #[test]
    fn a_null_is_a_missing_field() {
        let value = json!({"a": null, "b": "", "c": 7});
        let fields = Fields::of(&value).unwrap();
        assert_eq!(fields.flag("a"), Ok(None));
        let mut field_errors = FieldErrors::default();
        let mut lenient = Lenient::new(fields, "", &mut field_errors);
        assert_eq!((lenient.end("a", Timestamp::UNIX_EPOCH), lenient.label("b"), lenient.id("b")), (None, None, None));
        assert!(field_errors.into_list().is_empty());
        assert_eq!(fields.id("c"), Ok("7"));
        assert_eq!(fields.list("a"), Ok(&[] as &[Value]));
        assert_eq!(fields.id("a"), Err(Reason::new("`a` is missing")));
    }

    #[test]
    fn an_id_is_bounded_in_bytes() {
        let check = |id: String, taken: bool| assert_eq!(id_of(&Value::from(id.as_str())).is_some(), taken, "{id}");
        check("a".repeat(512), true);
        check("a".repeat(513), false);
        check("ü".repeat(256), true);
        check("電".repeat(171), false);
        check(String::new(), false);
    }

    #[test]
    fn whole_numbers_come_as_numbers_and_as_text() {
        let check = |value: Value, expected: Option<u64>| {
            let object = json!({ "n": value });
            assert_eq!(Fields::of(&object).unwrap().whole("n").ok().flatten(), expected, "{object}");
        };
        check(json!(3), Some(3));
        check(json!("3"), Some(3));
        check(serde_json::from_str("3.0").unwrap(), Some(3));
        check(json!("3.5"), None);
        check(json!(-1), None);
        check(json!(true), None);
        check(serde_json::from_str("1e400").unwrap(), None);
        check(json!(u64::MAX), Some(u64::MAX));
    }

    #[test]
    fn a_flag_comes_as_such_and_as_a_word() {
        for (value, expected) in
            [(json!(true), true), (json!(false), false), (json!("True"), true), (json!("FALSE"), false)]
        {
            assert_eq!(Fields::of(&json!({ "f": value })).unwrap().flag("f"), Ok(Some(expected)), "{value}");
        }
    }

    #[test]
    fn reasons_name_the_field_and_echo_nothing() {
        let value = json!({"t": "tomorrow", "f": "maybe", "l": {"secret": 1}});
        let fields = Fields::of(&value).unwrap();
        assert_eq!(fields.start("t").unwrap_err().to_string(), "`t` is not an RFC 3339 time");
        assert_eq!(fields.flag("f").unwrap_err().to_string(), "`f` is neither true nor false");
        assert_eq!(fields.list("l").unwrap_err().to_string(), "`l` is not a list");
    }

    #[test]
    fn what_people_read_is_short_and_plain() {
        assert_eq!(brief("a\r\nb\u{1b}[2Jc\u{202e}"), "a b\u{fffd}c");
        assert_eq!(brief(&"ü".repeat(100)).chars().count(), 65);
    }
}
