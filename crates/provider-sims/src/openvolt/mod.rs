//! Openvolt: half-hourly readings of any meter over any interval, and events to hooks registered on its dashboard.

mod exercises;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use serde_json::{Value, json};

use crate::{
    Hook, Request, Simulated,
    api::{Api, Asked, Done, Refusal},
    bodies::{Window, openvolt as bodies},
    ids::Ids,
    rules::{self, Rules},
};

/// Seconds in half an hour.
const HALF_HOUR_S: i64 = 1_800;

/// The most rows in one answer: more than 13 months of half-hours.
const MAX_ROWS: usize = 20_000;

/// `MAX_ROWS` as a time span.
const MAX_SPAN: SignedDuration = SignedDuration::from_hours(10_000);

/// Its simulator.
pub static OPENVOLT: Simulated = Simulated {
    name: "openvolt",
    base: "",
    proto: None,
    api: || Box::<Openvolt>::default(),
    exercises: exercises::ALL,
};

/// Every meter has the same day: little at night, most in the early evening.
#[derive(Debug, Default)]
pub(crate) struct Openvolt {
    /// Readings that differ from the usual ones, by meter and start.
    readings: BTreeMap<(String, Timestamp), Value>,
    hooks: Vec<Hook>,
}

impl Openvolt {
    /// The rows from `from` to `to`, including the one that starts at the end, as the real API does.
    fn rows(&self, meter: &str, from: Timestamp, to: Timestamp) -> Vec<Value> {
        let first = from.as_second() + (-from.as_second()).rem_euclid(HALF_HOUR_S);
        let starts = (0..).map(|index: i64| first + index * HALF_HOUR_S).take_while(|start| *start <= to.as_second());
        let starts = starts.filter_map(|start| Timestamp::from_second(start).ok()).take(MAX_ROWS);
        let row = |start: Timestamp| {
            let usual = || Value::String(usual_kwh(start));
            let consumption = self.readings.get(&(meter.to_owned(), start)).cloned().unwrap_or_else(usual);
            bodies::row(meter, format!("{start:.3}"), &consumption)
        };
        starts.map(row).collect()
    }
}

/// The usual kilowatt-hours of the half-hour that starts then, as text.
fn usual_kwh(start: Timestamp) -> String {
    let slot = start.as_second().rem_euclid(86_400) / HALF_HOUR_S;
    let watt_hours = 180 + slot * 3 + if (34..44).contains(&slot) { 600 } else { 0 };
    format!("{}.{:03}", watt_hours / 1_000, watt_hours % 1_000)
}

/// Reads an instant, or a date as its midnight in UTC.
fn instant(text: &str) -> Option<Timestamp> {
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
    text.parse().ok().or_else(day)
}

/// The alternative shape: names in camel case.
fn camel_case(value: Value) -> Value {
    let name = |name: String| {
        let mut words = name.split('_');
        let first = words.next().unwrap_or_default().to_owned();
        words.fold(first, |name, word| {
            let (head, tail) = word.split_at(word.len().min(1));
            name + &head.to_ascii_uppercase() + tail
        })
    };
    match value {
        Value::Object(fields) => fields.into_iter().map(|(key, field)| (name(key), camel_case(field))).collect(),
        Value::Array(items) => items.into_iter().map(camel_case).collect(),
        plain => plain,
    }
}

impl Api for Openvolt {
    fn key<'r>(&self, request: &'r Request) -> Option<&'r str> {
        request.headers.get("x-api-key").map(String::as_str)
    }

    fn about(&self, request: &Request) -> Vec<String> {
        request.query.get("meter_id").cloned().into_iter().collect()
    }

    fn answer(&mut self, asked: &Asked<'_>, _: &mut Ids) -> Result<Done, Refusal> {
        if asked.path() != "/v1/interval-data" {
            return Err(Refusal(404, "no such path"));
        }
        if asked.method() != "GET" {
            return Err(Refusal(405, "interval data is read with GET"));
        }
        let meter = asked.query("meter_id").ok_or(Refusal(400, "meter_id is missing"))?;
        if asked.query("granularity") != Some("hh") {
            return Err(Refusal(400, "half-hours alone are simulated"));
        }
        let (from, to) = asked
            .query("start_date")
            .and_then(instant)
            .zip(asked.query("end_date").and_then(instant))
            .ok_or(Refusal(400, "start_date and end_date are dates or instants"))?;
        if to < from || to.duration_since(from) > MAX_SPAN {
            return Err(Refusal(400, "end_date is at most 13 months after start_date"));
        }
        // Before the latest change, the newest readings did not exist.
        let rows = if asked.view.stale { Vec::new() } else { self.rows(meter, from, to) };
        let answer = bodies::answer(&Window::new(format!("{from:.3}"), format!("{to:.3}")), &rows);
        Ok(Done::Answer(200, if asked.view.other_shape { camel_case(answer) } else { answer }))
    }

    fn error(&self, status: u16, message: &str) -> Value {
        json!({"statusCode": status, "message": message})
    }

    /// Stores a reading: `meter_id`, `start_interval`, and `consumption` in kWh as text, number or null.
    fn hold(&mut self, content: &Value) {
        let start = content["start_interval"].as_str().and_then(|text| text.parse().ok());
        if let (Some(meter), Some(start)) = (content["meter_id"].as_str(), start) {
            self.readings.insert((meter.to_owned(), start), content["consumption"].clone());
        }
    }

    fn hooks(&self, _: &Value) -> Vec<Hook> {
        self.hooks.clone()
    }

    fn register(&mut self, hook: Hook) {
        self.hooks.push(hook);
    }

    fn rules(&self) -> &'static Rules {
        &rules::OPENVOLT
    }
}
