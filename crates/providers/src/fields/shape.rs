//! The shape of a body: what it wraps, and what it holds.

use serde_json::Value;

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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
}
