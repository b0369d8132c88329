//! Voltus' bodies.

use serde_json::{Value, json};

use super::Window;

/// The thin webhook; `event` is `dispatch.create` or `dispatch.update`.
pub fn webhook(event: &str, id: &str) -> Value {
    json!({"event": {"name": event}, "resource": format!("/2022-04-15/dispatches/{id}")})
}

/// A dispatch that is authorized and no test. Without an end, the field is left out; so is the number.
pub fn dispatch(id: &str, number: Option<u64>, window: &Window, sites: &[Value]) -> Value {
    let mut dispatch = json!({"id": id, "authorized": true, "test": false});
    if let Some(number) = number {
        dispatch["modification_number"] = json!(number);
    }
    dispatch["start_time"] = window.start.clone();
    if !window.end.is_null() {
        dispatch["end_time"] = window.end.clone();
    }
    dispatch["program"] = program();
    dispatch["sites"] = json!(sites);
    dispatch
}

/// The program of every dispatch.
pub fn program() -> Value {
    json!({"id": 42, "name": "A Program", "timezone": "PST", "market": "CAISO", "program_type": "capacity"})
}

/// A site of a dispatch, with its commitment in kilowatts; `drop_by` is its deprecated name.
pub fn site(id: &str, name: &str, reference: &str, kw: u64) -> Value {
    json!({"name": name, "id": id, "customer_location_id": reference, "commitment": kw, "drop_by": kw})
}

/// The answer to a request for these dispatches.
pub fn answer(dispatches: &[Value]) -> Value {
    json!({"dispatches": dispatches, "page": 0, "perPage": 0})
}
