//! Openvolt's bodies.

use serde_json::{Value, json};

use super::Window;

/// A webhook; `event` is `meter_data.received`, or an event of the account.
pub fn webhook(event: &str, delivery: &str, at: impl Into<String>, payload: &Value) -> Value {
    let at: String = at.into();
    json!({
        "subscription_id": "0318df2f-7b9c-4b2e-bf8d-113919ab1e78", "event_id": event,
        "event_timestamp": at, "delivery_id": delivery, "payload": payload,
    })
}

/// A period of a meter in the payload of `meter_data.received`.
pub fn period(meter: &str, window: &Window) -> Value {
    json!({"meter_id": meter, "start_interval": window.start, "end_interval": window.end})
}

/// A half-hour of a meter's consumption in kWh: a text, a number or null.
pub fn row(meter: &str, start: impl Into<String>, consumption: &Value) -> Value {
    let start: String = start.into();
    json!({
        "start_interval": start, "meter_id": meter, "meter_number": "9999999999995",
        "customer_id": "6514167223e3d1424bf82700", "account_id": "6514167223e3d1424bf82701",
        "consumption": consumption, "consumption_units": "kwh",
    })
}

/// The answer to a request for a meter's half-hours.
pub fn answer(window: &Window, rows: &[Value]) -> Value {
    json!({"start_interval": window.start, "end_interval": window.end, "granularity": "hh", "data": rows})
}
