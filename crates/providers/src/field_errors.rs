//! The unreadable fields of one fact, up to a limit.

use std::{fmt::Display, mem};

use dispatch::FieldError;
use serde_json::Value;

use crate::{
    fields::{Reason, brief, digest},
    lenient::{self, LOST_CHARACTERS},
};

/// Most field errors of one fact: of thousands, people need to see a few and the number of the rest.
const MAX_DIAGNOSTICS: usize = 16;

/// The longest field name, in characters: it can contain a provider's ids.
const MAX_FIELD: usize = 120;

/// Field errors in order of appearance; those beyond the limit are counted.
#[derive(Debug, Clone, Default)]
pub(crate) struct FieldErrors {
    list: Vec<FieldError>,
    more: usize,
    digests_of_more: String,
}

impl FieldErrors {
    /// Adds a field whose value could not be used unchanged.
    pub(crate) fn add(&mut self, field: impl Into<String>, value: &Value, reason: impl Display) {
        self.push(field_error(&field.into(), &value.to_string(), reason.to_string()));
    }

    /// Returns the value, or the default and adds a field error.
    pub(crate) fn unless<T: Default>(&mut self, field: &str, value: Option<&Value>, read: Result<T, Reason>) -> T {
        read.unwrap_or_else(|reason| {
            self.add(field, value.unwrap_or(&Value::Null), reason);
            T::default()
        })
    }

    /// Returns a copy of a provider's value, and adds a field error if the copy differs.
    pub(crate) fn verbatim(&mut self, field: &str, value: &Value) -> Value {
        let (copy, losses) = lenient::verbatim(value);
        let reasons: Vec<&str> = losses.reasons().collect();
        if !reasons.is_empty() {
            self.add(field, value, reasons.join("; "));
        }
        copy
    }

    /// Adds a field error if the text lost characters.
    pub(crate) fn characters(&mut self, field: &str, text: &str) {
        if lenient::has_lost_characters(text) {
            self.add(field, &Value::from(text), LOST_CHARACTERS);
        }
    }

    /// Adds the field errors of another list.
    pub(crate) fn extend(&mut self, other: &Self) {
        other.list.iter().cloned().for_each(|one| self.push(one));
        self.more += other.more;
        self.digests_of_more.push_str(&other.digests_of_more);
    }

    fn push(&mut self, field_error: FieldError) {
        if self.list.iter().any(|known| known.digest == field_error.digest) {
            return;
        }
        if self.list.len() < MAX_DIAGNOSTICS {
            self.list.push(field_error);
        } else {
            self.more += 1;
            self.digests_of_more = digest(&[&mem::take(&mut self.digests_of_more), &field_error.digest]);
        }
    }

    pub(crate) fn into_list(mut self) -> Vec<FieldError> {
        if self.more > 0 {
            let reason = format!("{} further fields are left out", self.more);
            self.list.push(field_error("…", &self.digests_of_more, reason));
        }
        self.list
    }
}

fn field_error(field: &str, value: &str, reason: String) -> FieldError {
    let mut digest = digest(&[field, value]);
    digest.truncate(12);
    let plain = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    let field = match field.char_indices().nth(MAX_FIELD) {
        Some((end, _)) => format!("{}…", plain(&field[..end])),
        None => plain(field),
    };
    FieldError { field, reason, digest }
}

/// The name of a list element's field, by id: the element's index may differ in the next response.
pub(crate) fn element(list: &str, id: &str) -> String {
    format!("{list}[{}]", brief(id))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_same_value_of_the_same_field_is_one_and_what_is_beyond_the_bound_is_counted() {
        let mut field_errors = FieldErrors::default();
        for field in (0..100).chain(0..10) {
            field_errors.add(format!("sites[{field}].name"), &json!({}), "no text");
        }
        let list = field_errors.clone().into_list();
        assert_eq!((list.len(), list[16].reason.as_str()), (17, "84 further fields are left out"));
        field_errors.add("another", &json!(1), "no text");
        assert_ne!(field_errors.into_list()[16].digest, list[16].digest);
    }

    #[test]
    fn another_value_of_a_field_is_another_diagnostic() {
        let mut field_errors = FieldErrors::default();
        for value in [json!("soon"), json!(false), json!("soon")] {
            field_errors.add("end_time", &value, "no time");
        }
        assert_eq!(field_errors.into_list().len(), 2);
    }
}
