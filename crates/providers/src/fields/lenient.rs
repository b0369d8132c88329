//! Optional fields of an object: one that cannot be read costs itself alone.

use std::fmt;

use dispatch::Request;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Fields, Reason, end_of, reference_of};
use crate::{amount::Kilowatts, field_errors::FieldErrors};

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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
}
