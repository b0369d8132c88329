//! Reads a provider's JSON field by field. Each field fails alone: the error names the field and never contains its
//! value. Null is everywhere the same as a missing field.

use std::fmt::{self, Write as _};

use dispatch::Request;
use jiff::Timestamp;
use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};

use crate::{
    Unreadable,
    amount::Kilowatts,
    field_errors::FieldErrors,
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

/// An object with optional fields only: an unreadable field is none and adds a field error.
pub(crate) struct Lenient<'a, 'd> {
    fields: Fields<'a>,
    /// The prefix of its field names.
    within: String,
    field_errors: &'d mut FieldErrors,
}

impl<'a, 'd> Lenient<'a, 'd> {
    pub(crate) fn new(fields: Fields<'a>, within: &str, field_errors: &'d mut FieldErrors) -> Self {
        Self { fields, within: within.to_owned(), field_errors }
    }

    /// Adds a field error for a field that could not be used unchanged.
    pub(crate) fn doubt(&mut self, name: &str, reason: impl fmt::Display) {
        let value = self.fields.get(name).unwrap_or(&Value::Null);
        self.field_errors.add(format!("{}{name}", self.within), value, reason);
    }

    fn or_none<T: Default>(&mut self, name: &str, read: Result<T, Reason>) -> T {
        self.field_errors.unless(&format!("{}{name}", self.within), self.fields.get(name), read)
    }

    pub(crate) fn list(&mut self, name: &str) -> &'a [Value] {
        self.or_none(name, self.fields.list(name))
    }

    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        self.or_none(name, self.fields.flag(name))
    }

    pub(crate) fn whole(&mut self, name: &str) -> Option<u64> {
        self.or_none(name, self.fields.whole(name))
    }

    /// An optional identifier, such as a feed's.
    pub(crate) fn id(&mut self, name: &str) -> Option<&'a str> {
        let is_empty = |value: &Value| matches!(value, Value::String(text) if text.is_empty());
        self.fields.get(name).filter(|value| !is_empty(value))?;
        let id = self.or_none(name, self.fields.id(name).map(Some));
        self.doubt_characters(name, id);
        id
    }

    /// Adds a field error if the text lost characters.
    pub(crate) fn doubt_characters(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.field_errors.characters(&format!("{}{name}", self.within), text);
        }
    }

    /// A name for people; none if empty.
    pub(crate) fn label(&mut self, name: &str) -> Option<String> {
        let read = match self.fields.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
            Some(_) => Err(Reason(format!("`{name}` is not a text"))),
        };
        let label = self.or_none(name, read);
        self.doubt_characters(name, label.as_deref());
        label
    }

    /// The operator's own reference: a text, or a number as written; none if empty.
    pub(crate) fn reference(&mut self, name: &str) -> Option<String> {
        let read = self.fields.get(name).map_or(Ok(None), reference_of);
        let reference = self.or_none(name, read.map_err(|reason| Reason(format!("`{name}` is {reason}"))));
        self.doubt_characters(name, reference.as_deref());
        reference
    }

    /// A nested object; its field names get this one's name as a prefix.
    pub(crate) fn object(&mut self, name: &str) -> Option<Lenient<'a, '_>> {
        let value = self.fields.get(name)?;
        match Fields::of(value) {
            Ok(fields) => {
                Some(Lenient { fields, within: format!("{}{name}.", self.within), field_errors: self.field_errors })
            }
            Err(reason) => {
                self.doubt(name, format!("`{name}` is {reason}"));
                None
            }
        }
    }

    /// The end; none: open-ended. An end that is not after the start adds a field error and is returned: the merge
    /// decides whether it cancels what was published.
    pub(crate) fn end(&mut self, name: &str, start: Timestamp) -> Option<Timestamp> {
        let read = self.fields.get(name).map_or(Ok(None), |value| end_of(name, value));
        let end = self.or_none(name, read);
        if end.is_some_and(|end| end <= start) {
            self.doubt(name, format!("`{name}` is not after the start"));
        }
        end
    }

    /// The requested kilowatts; none: no number is given.
    pub(crate) fn kilowatts(&mut self, name: &str) -> Option<Request> {
        match Kilowatts::read(self.fields.get(name)) {
            Kilowatts::Absent => None,
            Kilowatts::Reduce(request) => Some(request),
            Kilowatts::Impossible(what) => {
                self.doubt(name, format!("`{name}` is {what}, which is taken as unspecified"));
                Some(Request::Unspecified)
            }
        }
    }

    /// All fields except the known ones, in order and verbatim as far as possible.
    pub(crate) fn others(&mut self, known: &[&str]) -> Map<String, Value> {
        let unknown = self.fields.0.iter().filter(|(name, _)| !known.contains(&name.as_str()));
        let mut others = Map::new();
        for (name, value) in unknown {
            let field = format!("{}{name}", self.within);
            self.field_errors.characters(&field, name);
            others.insert(name.clone(), self.field_errors.verbatim(&field, value));
        }
        others
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

/// Unwraps a value: returns the body itself, or the value that it wraps once, as the only element of a list or as the
/// only field of an object that `is_meant` accepts.
pub(crate) fn unwrapped(body: &Value, is_meant: impl Fn(&Value) -> bool) -> &Value {
    if is_meant(body) {
        return body;
    }
    let mut wrapped = match body {
        Value::Array(items) if items.len() == 1 => items.iter().filter(|item| is_meant(item)).collect::<Vec<_>>(),
        Value::Object(fields) => fields.values().filter(|field| is_meant(field)).collect(),
        _ => Vec::new(),
    };
    if wrapped.len() == 1 { wrapped.remove(0) } else { body }
}

/// A list of objects without a wrapper. An empty list is rejected: it does not show what it lists.
pub(crate) fn bare(value: &Value) -> Option<&[Value]> {
    value.as_array().map(Vec::as_slice).filter(|items| items.first().is_some_and(Value::is_object))
}

/// Whether the value is an object with all of these fields.
pub(crate) fn has(value: &Value, names: &[&str]) -> bool {
    names.iter().all(|name| value.get(*name).is_some_and(|field| !field.is_null()))
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
    fn a_text_with_lost_characters_is_taken_and_named() {
        let value = json!({"l": "Pump \u{fffd}", "r": "\u{fffd}", "id": "a\u{fffd}b", "o\u{fffd}": 1, "m": ["\u{fffd}"], "t": "Pümp"});
        let mut field_errors = FieldErrors::default();
        let mut fields = Lenient::new(Fields::of(&value).unwrap(), "s.", &mut field_errors);
        assert_eq!(fields.label("l").as_deref(), Some("Pump \u{fffd}"));
        assert_eq!(fields.reference("r").as_deref(), Some("\u{fffd}"));
        assert_eq!((fields.id("id"), fields.label("t").as_deref()), (Some("a\u{fffd}b"), Some("Pümp")));
        assert_eq!(fields.others(&["l", "r", "id", "t"]).len(), 2);
        let named: Vec<String> = field_errors.into_list().into_iter().map(|one| one.field).collect();
        assert_eq!(named, ["s.l", "s.r", "s.id", "s.o\u{fffd}", "s.m"]);
    }

    #[test]
    fn what_cannot_be_read_is_none_and_named() {
        let value = json!({"o": 7, "l": "x", "f": 1, "t": ["a"], "r": {}, "e": false, "k": "-5", "id": {}, "w": 2.5});
        let mut field_errors = FieldErrors::default();
        let mut fields = Lenient::new(Fields::of(&value).unwrap(), "s.", &mut field_errors);
        assert!(fields.object("o").is_none() && fields.list("l").is_empty() && fields.flag("f").is_none());
        assert_eq!(
            (fields.label("t"), fields.reference("r"), fields.id("id"), fields.whole("w")),
            (None, None, None, None)
        );
        assert_eq!(fields.end("e", Timestamp::UNIX_EPOCH), None);
        assert_eq!(fields.kilowatts("k"), Some(Request::Unspecified));
        let named: Vec<String> = field_errors.into_list().into_iter().map(|one| one.field).collect();
        assert_eq!(named, ["s.o", "s.l", "s.f", "s.t", "s.r", "s.id", "s.w", "s.e", "s.k"]);
    }

    #[test]
    fn one_wrapping_is_looked_through_where_one_thing_can_be_meant() {
        let is_meant = |value: &Value| has(value, &["id"]);
        let check = |body: Value, meant: bool| assert_eq!(is_meant(unwrapped(&body, is_meant)), meant, "{body}");
        check(json!({"id": 1}), true);
        check(json!([{"id": 1}]), true);
        check(json!({"data": {"id": 1}, "page": 0, "links": {}}), true);
        check(json!([{"id": 1}, {"id": 2}]), false);
        check(json!({"a": {"id": 1}, "b": {"id": 1}}), false);
        check(json!([[{"id": 1}]]), false);
        check(json!({"data": {"data": {"id": 1}}}), false);
        check(json!([]), false);
        check(json!({"id": null}), false);
    }

    #[test]
    fn what_people_read_is_short_and_plain() {
        assert_eq!(brief("a\r\nb\u{1b}[2Jc\u{202e}"), "a b\u{fffd}c");
        assert_eq!(brief(&"ü".repeat(100)).chars().count(), 65);
    }
}
