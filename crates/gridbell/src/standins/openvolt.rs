//! Openvolt: half-hourly readings of any meter over any interval.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use axum::http::{HeaderMap, Method};
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use serde_json::{Value, json};

use super::server::{Api, Asked, Refusal};

/// Seconds in half an hour.
const HALF_HOUR_S: i64 = 1_800;

/// The most rows of one answer: more than 13 months of half-hours.
const MAX_ROWS: usize = 20_000;

/// The same as a span, in hours.
const MAX_SPAN: SignedDuration = SignedDuration::from_hours(10_000);

/// The stand-in. Every meter has the same day: little at night, most in the early evening.
#[derive(Debug, Default)]
pub struct Openvolt {
    /// What is to be told instead, by meter and start.
    readings: Mutex<BTreeMap<(String, Timestamp), Value>>,
}

impl Openvolt {
    /// Tells this consumption (kWh as text or number, or null) for the half-hour of the meter that begins at `start`.
    pub fn put(&self, meter: &str, start: Timestamp, consumption: Value) {
        self.lock().insert((meter.to_owned(), start), consumption);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, Timestamp), Value>> {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rows from `from` to `to`: as the real one does, the one that starts at the end is among them.
    fn rows(&self, meter: &str, from: Timestamp, to: Timestamp) -> Vec<Value> {
        let told = self.lock();
        let first = from.as_second() + (-from.as_second()).rem_euclid(HALF_HOUR_S);
        let starts = (0..).map(|index: i64| first + index * HALF_HOUR_S).take_while(|start| *start <= to.as_second());
        let starts = starts.filter_map(|start| Timestamp::from_second(start).ok()).take(MAX_ROWS);
        let row = |start: Timestamp| {
            let usual = || Value::String(usual_kwh(start));
            let consumption = told.get(&(meter.to_owned(), start)).cloned().unwrap_or_else(usual);
            json!({
                "start_interval": format!("{start:.3}"),
                "meter_id": meter,
                "meter_number": "9999999999995",
                "customer_id": "6514167223e3d1424bf82700",
                "account_id": "6514167223e3d1424bf82701",
                "consumption": consumption,
                "consumption_units": "kwh",
            })
        };
        starts.map(row).collect()
    }
}

/// Kilowatt-hours of the half-hour of the day that begins then, as text.
fn usual_kwh(start: Timestamp) -> String {
    let slot = start.as_second().rem_euclid(86_400) / HALF_HOUR_S;
    let watt_hours = 180 + slot * 3 + if (34..44).contains(&slot) { 600 } else { 0 };
    format!("{}.{:03}", watt_hours / 1_000, watt_hours % 1_000)
}

/// An instant, or a day as its midnight in UTC.
fn instant(text: &str) -> Option<Timestamp> {
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
    text.parse().ok().or_else(day)
}

impl Api for Openvolt {
    fn key<'r>(&self, headers: &'r HeaderMap) -> Option<&'r str> {
        headers.get("x-api-key")?.to_str().ok()
    }

    fn about(&self, asked: &Asked) -> Vec<String> {
        asked.query.get("meter_id").cloned().into_iter().collect()
    }

    fn answer(&self, asked: &Asked) -> Result<Value, Refusal> {
        if asked.path != "/v1/interval-data" {
            return Err(Refusal(404, "no such path"));
        }
        if asked.method != Method::GET {
            return Err(Refusal(405, "this stand-in only answers"));
        }
        let text = |name: &str| asked.query.get(name).map(String::as_str);
        let meter = text("meter_id").ok_or(Refusal(400, "meter_id is missing"))?;
        if text("granularity") != Some("hh") {
            return Err(Refusal(400, "this stand-in has half-hours alone"));
        }
        let (from, to) = text("start_date")
            .and_then(instant)
            .zip(text("end_date").and_then(instant))
            .ok_or(Refusal(400, "start_date and end_date are dates or instants"))?;
        if to < from || to.duration_since(from) > MAX_SPAN {
            return Err(Refusal(400, "end_date is at most 13 months after start_date"));
        }
        Ok(json!({
            "start_interval": format!("{from:.3}"),
            "end_interval": format!("{to:.3}"),
            "granularity": "hh",
            "data": self.rows(meter, from, to),
        }))
    }

    fn error(&self, status: u16, message: &str) -> Value {
        json!({"statusCode": status, "message": message})
    }
}
