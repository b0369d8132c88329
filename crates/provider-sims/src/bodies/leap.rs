//! Leap's bodies.

use serde_json::{Value, json};

use super::Window;

/// A time slot of a meter's event. A power of null means the maximum.
pub fn slot(event: &str, kw: impl Into<Value>, window: &Window) -> Value {
    json!({
        "meter_event_id": event, "start_time": window.start, "end_time": window.end, "cancelled": false,
        "performance_compensation_cap": "up-to-site-load", "priority": 1, "is_voluntary": false,
        "dispatch_event_types": ["day-ahead"], "programs": ["DRAM"], "energy_kw": kw.into(),
    })
}

/// The same slot of a market group's event.
pub fn of_group(mut slot: Value) -> Value {
    if let Some(fields) = slot.as_object_mut()
        && let Some(event) = fields.shift_remove("meter_event_id")
    {
        fields.insert("market_group_event_id".to_owned(), event);
    }
    slot
}

/// A meter with its slots.
pub fn meter(id: &str, slots: &[Value]) -> Value {
    json!({"meter_id": id, "timeslots": slots})
}

/// A market group with its meters and slots.
pub fn group(id: &str, meters: &[String], slots: &[Value]) -> Value {
    json!({"market_group_id": id, "meter_ids": meters, "timeslots": slots})
}

/// A notification of meters, which is no test.
pub fn notification(meters: &[Value]) -> Value {
    listing("meter_dispatches", meters)
}

/// A notification of market groups, which is no test.
pub fn group_notification(groups: &[Value]) -> Value {
    listing("group_dispatches", groups)
}

fn listing(list: &str, items: &[Value]) -> Value {
    json!({"integration_test_notification": false, "communication_test": false, list: items})
}

/// The last page of a meter search.
pub fn found(meters: &[Value]) -> Value {
    json!({"meter_dispatches": meters, "next_page_token": null})
}
