//! A provider's JSON read field by field, so that an error names the field, never echoes its value, and costs no more than the
//! element that it stands in. Everywhere a null is the same as a missing field.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Number, Value};

use crate::{Unreadable, instant::instant};

/// The longest identifier that is taken, in characters, and in bytes: two of them, percent-encoded, and a source's name have to
/// fit into a table's key of 2,048 bytes.
const MAX_ID_CHARS: usize = 128;
const MAX_ID_BYTES: usize = 256;

/// Why something could not be read: names fields, never their values.
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

impl From<Reason> for crate::UnreadableAnswer {
    fn from(reason: Reason) -> Self {
        Self::Shape(reason.0)
    }
}

/// A body as JSON. Nesting beyond 128 levels is refused by the parser.
pub(crate) fn json(body: &str) -> Result<Value, Reason> {
    // The parser's own message tells line and column and quotes nothing.
    serde_json::from_str(body).map_err(|error| Reason(format!("not JSON: {error}")))
}

/// One object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    pub(crate) fn of(value: &'a Value) -> Result<Self, Reason> {
        value.as_object().map(Self).ok_or_else(|| Reason::new("not an object"))
    }

    /// The value, where there is one.
    pub(crate) fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// The first of several spellings that is present.
    pub(crate) fn first(self, names: &[&'static str]) -> Option<(&'static str, &'a Value)> {
        names.iter().find_map(|name| Some((*name, self.get(name)?)))
    }

    /// An object below this one.
    pub(crate) fn object(self, name: &str) -> Result<Option<Self>, Reason> {
        let Some(value) = self.get(name) else { return Ok(None) };
        Fields::of(value).map(Some).map_err(|reason| Reason(format!("`{name}` is {reason}")))
    }

    /// A list; a missing one is empty.
    pub(crate) fn list(self, name: &str) -> Result<&'a [Value], Reason> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(Reason(format!("`{name}` is not a list"))),
        }
    }

    /// An identifier: some text of up to 128 characters, or a number as it is written.
    pub(crate) fn id(self, name: &str) -> Result<&'a str, Reason> {
        let value = self.get(name).ok_or_else(|| Reason(format!("`{name}` is missing")))?;
        id_of(value).ok_or_else(|| Reason(format!("`{name}` is no identifier of 1 to 128 characters")))
    }

    /// A name or a reference that people read; none where it is missing, empty or anything but text or a number.
    pub(crate) fn label(self, name: &str) -> Option<String> {
        self.get(name).and_then(written).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// An RFC 3339 time; none where it is missing or empty.
    pub(crate) fn time(self, name: &str) -> Result<Option<Timestamp>, Reason> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(value) => time_of(name, value).map(Some),
        }
    }

    /// An RFC 3339 time that has to be there.
    pub(crate) fn needed_time(self, name: &str) -> Result<Timestamp, Reason> {
        self.time(name)?.ok_or_else(|| Reason(format!("`{name}` is missing")))
    }

    /// True or false, as such or as a word.
    pub(crate) fn flag(self, name: &str) -> Result<Option<bool>, Reason> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::String(word)) if word.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(Value::String(word)) if word.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(Reason(format!("`{name}` is neither true nor false"))),
        }
    }

    /// A whole number from 0, as such or as text.
    pub(crate) fn whole(self, name: &str) -> Result<Option<u64>, Reason> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = written(value).and_then(dispatch::decimal).map(|number| number.normalize());
        match number.filter(|number| number.scale() == 0).map(u64::try_from) {
            Some(Ok(number)) => Ok(Some(number)),
            _ => Err(Reason(format!("`{name}` is not a whole number from 0"))),
        }
    }

    /// All fields but the known ones, verbatim and in their order.
    pub(crate) fn others(self, known: &[&str]) -> Map<String, Value> {
        let unknown = self.0.iter().filter(|(name, _)| !known.contains(&name.as_str()));
        unknown.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

/// Text, or a number as it is written.
pub(crate) fn written(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.as_number().map(Number::as_str))
}

/// An identifier of 1 to 128 characters.
pub(crate) fn id_of(value: &Value) -> Option<&str> {
    let fits = |id: &str| (1..=MAX_ID_BYTES).contains(&id.len()) && id.chars().nth(MAX_ID_CHARS).is_none();
    written(value).filter(|id| fits(id))
}

/// An RFC 3339 time under that name.
pub(crate) fn time_of(name: &str, value: &Value) -> Result<Timestamp, Reason> {
    value.as_str().and_then(instant).ok_or_else(|| Reason(format!("`{name}` is not an RFC 3339 time")))
}

/// A provider's text, short and plain enough to stand in a message to people.
pub(crate) fn brief(text: &str) -> String {
    dispatch::text::brief(text, 64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_null_is_a_missing_field() {
        let value = json!({"a": null, "b": "", "c": 7});
        let fields = Fields::of(&value).unwrap();
        assert_eq!(fields.flag("a"), Ok(None));
        assert_eq!(fields.time("b"), Ok(None));
        assert_eq!(fields.label("b"), None);
        assert_eq!(fields.id("c"), Ok("7"));
        assert_eq!(fields.list("a"), Ok(&[] as &[Value]));
        assert_eq!(fields.id("a"), Err(Reason::new("`a` is missing")));
    }

    #[test]
    fn an_id_is_bounded_in_characters_and_in_bytes() {
        let check = |id: String, taken: bool| assert_eq!(id_of(&Value::from(id.as_str())).is_some(), taken, "{id}");
        check("a".repeat(128), true);
        check("a".repeat(129), false);
        check("ü".repeat(128), true);
        check("電".repeat(86), false);
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
        assert_eq!(fields.time("t").unwrap_err().to_string(), "`t` is not an RFC 3339 time");
        assert_eq!(fields.flag("f").unwrap_err().to_string(), "`f` is neither true nor false");
        assert_eq!(fields.list("l").unwrap_err().to_string(), "`l` is not a list");
    }

    #[test]
    fn what_people_read_is_short_and_plain() {
        assert_eq!(brief("a\r\nb\u{1b}[2Jc\u{202e}"), "a b\u{fffd}c");
        assert_eq!(brief(&"ü".repeat(100)).chars().count(), 65);
    }
}
