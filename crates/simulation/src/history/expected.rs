//! Compares JSON with what is expected of it.

use serde_json::Value;

/// Where `found` lacks what is expected; none if it has all of it. Objects may have further fields, lists may not.
pub fn mismatch(expected: &Value, found: &Value) -> Option<String> {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => expected.iter().find_map(|(name, value)| {
            mismatch(value, found.get(name).unwrap_or(&Value::Null)).map(|problem| format!(".{name}{problem}"))
        }),
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            expected.iter().zip(found).enumerate().find_map(|(index, (expected, found))| {
                mismatch(expected, found).map(|problem| format!("[{index}]{problem}"))
            })
        }
        (expected, found) if expected == found => None,
        (expected, found) => Some(format!(": {found} where {expected} belongs")),
    }
}

#[test]
fn a_value_holds_what_is_expected_among_other_fields_and_lists_whole() {
    use serde_json::json;
    let check = |expected: Value, found: Value, problem: Option<&str>| {
        assert_eq!(mismatch(&expected, &found).as_deref(), problem, "{expected} in {found}");
    };
    check(json!({"a": {"b": 1}}), json!({"a": {"b": 1, "c": 2}, "d": 3}), None);
    check(json!({"a": null}), json!({}), None);
    check(json!({"a": {"b": 1}}), json!({"a": {"b": 2}}), Some(".a.b: 2 where 1 belongs"));
    let longer = json!({"a": [{"b": 1}, {"b": 1}]});
    check(json!({"a": [{"b": 1}]}), longer, Some(r#".a: [{"b":1},{"b":1}] where [{"b":1}] belongs"#));
    check(json!([1, {"x": 2}]), json!([1, {"x": 3}]), Some("[1].x: 3 where 2 belongs"));
    check(json!({"a": 1}), json!(null), Some(r#": null where {"a":1} belongs"#));
}
