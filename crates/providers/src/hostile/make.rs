//! Makes hostile bodies: arbitrary JSON with the providers' words, and fixtures with fields dropped, swapped and
//! repeated.

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Map, Value};

use crate::fixtures;

/// Words with a meaning for one of the parsers or for the JSON library.
const WORDS: &[&str] = &[
    "event",
    "name",
    "resource",
    "dispatches",
    "id",
    "start_time",
    "end_time",
    "sites",
    "commitment",
    "test",
    "authorized",
    "meter_dispatches",
    "group_dispatches",
    "results",
    "timeslots",
    "meter_id",
    "meter_ids",
    "market_group_id",
    "meter_event_id",
    "market_group_event_id",
    "energy_kw",
    "priority",
    "cancelled",
    "programs",
    "next_page_token",
    "integration_test_notification",
    "communication_test",
    "correlation_id",
    "target_load",
    "value",
    "unit",
    "event_id",
    "delivery_id",
    "payload",
    "start_interval",
    "end_interval",
    "data",
    "consumption",
    "$serde_json::private::Number",
    "",
];

/// Almost valid texts.
const TEXTS: &[&str] = &[
    "",
    "true",
    "FALSE",
    "dkmq",
    "..",
    "5",
    "-1",
    "1e400",
    "NaN",
    "mw",
    "start_ramp_down",
    "meter_data.received",
    "account",
    "2023-12-01T16:50:00Z",
    "2023-12-01T16:50:00.9999999999+23:59",
    "0001-01-01T00:00:00Z",
    "9999-12-30T21:59:59Z",
    "9999-12-31T23:59:59Z",
    "0000-00-00T00:00:00Z",
    "2023-13-01T00:00:00Z",
    "2023-12-01",
    "/2022-04-15/dispatches/dkmq",
    "//evil/2022-04-15/dispatches/dkmq",
    "\u{0}\u{feff}",
];

/// Numbers at and beyond the limits.
const NUMBERS: &[&str] = &[
    "0",
    "-0.0",
    "1",
    "-5",
    "0.0285",
    "100000",
    "100000.001",
    "1e400",
    "-1e-400",
    "79228162514264337593543950335",
    "18446744073709551616",
    "0.30000000000000000000000000000000000000004",
    "1e28",
    "9223372036854775.8075",
];

/// Any value, a few levels deep.
pub(super) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        select(NUMBERS).prop_map(|number| serde_json::from_str(number).expect("a number")),
        select(TEXTS).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let key = prop_oneof![4 => select(WORDS).prop_map(str::to_owned), 1 => any::<String>()];
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((key, inner), 0..6).prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A provider's fixture with a few changes.
pub(super) fn mutated(provider: &str) -> impl Strategy<Value = Value> + use<> {
    let prefix = format!("{provider}/");
    let fixtures: Vec<&str> =
        fixtures::all().filter(|(name, _)| name.starts_with(&prefix)).map(|(_, text)| text).collect();
    (select(fixtures), vec((any::<usize>(), change()), 1..5)).prop_map(|(text, changes)| {
        // Without the parser's own marks in the tree: no provider sends those.
        let (mut body, _) = crate::lenient::verbatim(&crate::lenient::json(text).expect("a fixture"));
        for (place, change) in changes {
            let pointers = pointers(&body);
            apply(&mut body, &pointers[place % pointers.len()], change);
        }
        body
    })
}

#[derive(Debug, Clone)]
enum Change {
    Drop,
    Replace(Value),
    Repeat,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![2 => Just(Change::Drop), 4 => value().prop_map(Change::Replace), 2 => Just(Change::Repeat)]
}

/// A pointer to this value and to every value below it.
pub(super) fn pointers(value: &Value) -> Vec<String> {
    let mut pointers = vec![String::new()];
    let below = |key: &str, child: &Value| -> Vec<String> {
        let key = key.replace('~', "~0").replace('/', "~1");
        self::pointers(child).into_iter().map(|rest| format!("/{key}{rest}")).collect()
    };
    match value {
        Value::Array(items) => {
            pointers.extend(items.iter().enumerate().flat_map(|(index, item)| below(&index.to_string(), item)));
        }
        Value::Object(fields) => pointers.extend(fields.iter().flat_map(|(key, field)| below(key, field))),
        _ => {}
    }
    pointers
}

fn apply(body: &mut Value, pointer: &str, change: Change) {
    let Some((parent, key)) = pointer.rsplit_once('/') else {
        if let Change::Replace(value) = change {
            *body = value;
        }
        return;
    };
    let key = key.replace("~1", "/").replace("~0", "~");
    match (body.pointer_mut(parent), change) {
        (Some(Value::Object(fields)), Change::Drop) => {
            fields.shift_remove(&key);
        }
        (Some(Value::Object(fields)), Change::Replace(value)) => {
            fields.insert(key, value);
        }
        (Some(Value::Array(items)), change) => {
            let Ok(index) = key.parse::<usize>() else { return };
            match change {
                Change::Drop => drop(items.remove(index)),
                Change::Replace(value) => items[index] = value,
                Change::Repeat => items.push(items[index].clone()),
            }
        }
        _ => {}
    }
}
