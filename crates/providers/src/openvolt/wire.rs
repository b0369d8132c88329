//! Openvolt's formats: the envelope of every event, the periods of `meter_data.received`, and the rows of interval
//! data.

use dispatch::{decimal, watt_hours_from_kwh};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde_json::Value;

use crate::{
    Id,
    field_errors::FieldErrors,
    fields::{Fields, Lenient, Reason, bare, end_of, has, id_of, start_of, unwrapped, written},
    instant::in_microseconds,
};

/// The only event with a documented payload.
pub(super) const METER_DATA: &str = "meter_data.received";

/// Account events. Their payloads are arbitrary JSON.
const ACCOUNT: &[&str] = &[
    "hosted_consent.approved",
    "hosted_consent.revoked",
    API_KEYS_ROTATED,
    "meter.created",
    "customer.created",
    "user.created",
];

pub(super) const API_KEYS_ROTATED: &str = "api_keys.rotated";

/// The longest period that is fetched. A backfill has 13 months; a longer period has a wrong year.
const MAX_PERIOD: SignedDuration = SignedDuration::from_hours(5 * 366 * 24);

/// The envelope of every payload.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    /// `event_id`: the type of the event.
    pub event: Event<'a>,
    /// `delivery_id`: the identifier of the delivery.
    pub delivery_id: Option<&'a str>,
    /// `event_timestamp`, as written.
    pub timestamp: Option<&'a Value>,
    /// `payload`
    pub payload: &'a Value,
    /// Its unreadable fields.
    pub field_errors: FieldErrors,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event<'a> {
    MeterData,
    Account(&'static str),
    /// Has the form of an event type, but is unknown.
    Unknown(&'a str),
}

impl<'a> Envelope<'a> {
    pub(super) fn read(body: &'a Value) -> Result<Self, Reason> {
        let body = unwrapped(body, |body| has(body, &["event_id"]));
        let fields = Fields::of(body).map_err(|reason| Reason::new(format!("the body is {reason}")))?;
        let name =
            fields.get("event_id").and_then(Value::as_str).ok_or_else(|| Reason::new("`event_id` is no text"))?;
        let mut field_errors = FieldErrors::default();
        Ok(Self {
            event: Event::parse(name.trim()).ok_or_else(|| Reason::new("`event_id` is no type of event"))?,
            delivery_id: Lenient::new(fields, "", &mut field_errors).id("delivery_id"),
            timestamp: fields.get("event_timestamp"),
            payload: fields.get("payload").unwrap_or(&Value::Null),
            field_errors,
        })
    }
}

impl<'a> Event<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        if name.eq_ignore_ascii_case(METER_DATA) {
            return Some(Self::MeterData);
        }
        if let Some(known) = ACCOUNT.iter().find(|known| name.eq_ignore_ascii_case(known)) {
            return Some(Self::Account(known));
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        let a_type = (1..=64).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(allowed);
        a_type.then_some(Self::Unknown(name))
    }
}

/// One element of `meter_data.received`: a meter and the period with new data.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Period {
    /// `meter_id`
    pub meter_id: Id,
    /// `start_interval`
    pub start: Timestamp,
    /// `end_interval`
    pub end: Timestamp,
    /// The end was unreadable; the time of the announcement replaces it.
    pub is_end_assumed: bool,
}

impl Period {
    /// A period without an end lasts until its announcement. This adds a field error.
    pub(super) fn read(
        element: &Value,
        announced_at: Timestamp,
        doubt: &mut dyn FnMut(Reason),
    ) -> Result<Self, Reason> {
        let fields = Fields::of(element)?;
        let meter_id = Id::parse(fields.id("meter_id")?);
        let meter_id = meter_id.ok_or_else(|| Reason::new("`meter_id` is no id of letters, digits, `-` and `_`"))?;
        let (name, value) = fields
            .first(&["start_interval", "startInterval"])
            .ok_or_else(|| Reason::new("`start_interval` is missing"))?;
        let start = start_of(name, value)?;
        let end = match fields.first(&["end_interval", "endInterval"]) {
            None => Err(Reason::new("`end_interval` is missing")),
            Some((name, value)) => end_of(name, value)
                .and_then(|end| end.ok_or_else(|| Reason::new(format!("`{name}` is in the year 9999 or later")))),
        };
        let is_end_assumed = end.is_err();
        let end = end.or_else(|reason| {
            if announced_at <= start {
                return Err(reason);
            }
            doubt(Reason::new(format!("{reason}; all until the webhook is asked for")));
            Ok(in_microseconds(announced_at))
        })?;
        if end < start {
            return Err(Reason::new("`end_interval` lies before `start_interval`"));
        }
        if end.duration_since(start) > MAX_PERIOD {
            return Err(Reason::new("the period is longer than five years"));
        }
        Ok(Self { meter_id, start, end, is_end_assumed })
    }
}

/// A page of a response, unwrapped if it is wrapped once.
pub(super) fn page(answer: &Value) -> &Value {
    if answer.is_array() { answer } else { unwrapped(answer, |answer| answer.get("data").is_some_and(Value::is_array)) }
}

/// The rows of a page: `data`, or a bare list.
pub(super) fn rows(page: &Value) -> Result<&[Value], Reason> {
    if let Some(rows) = bare(page) {
        return Ok(rows);
    }
    let fields = Fields::of(page)?;
    if fields.get("data").is_none() {
        return Err(Reason::new("`data` is missing"));
    }
    fields.list("data")
}

/// `granularity` of a response; the request asked for `hh`.
pub(super) fn granularity(page: &Value, field_errors: &mut FieldErrors) -> String {
    let told = Fields::of(page).ok().and_then(|fields| Lenient::new(fields, "", field_errors).label("granularity"));
    told.unwrap_or_else(|| "hh".to_owned())
}

/// Most watt-hours of a row of that length, in either direction: 10 GW for the whole interval. A larger number has the
/// wrong unit.
pub(super) fn most_watt_hours(granularity: &str) -> u64 {
    const HALF_HOUR_WH: u64 = 5_000_000_000;
    let half_hours = match granularity {
        "day" => 48,
        "week" => 7 * 48,
        "month" => 31 * 48,
        "year" => 366 * 48,
        _ => 1,
    };
    half_hours * HALF_HOUR_WH
}

/// One row of `data`. Only the required fields are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a>(Fields<'a>);

impl<'a> Row<'a> {
    pub(super) fn of(row: &'a Value) -> Result<Self, Reason> {
        Fields::of(row).map(Self)
    }

    /// `meter_id`, if the row has one.
    pub(super) fn meter_id(self) -> Option<&'a str> {
        self.0.first(&["meter_id", "meterId"]).and_then(|(_, id)| id_of(id))
    }

    /// `start_interval`
    pub(super) fn start(self) -> Result<Timestamp, Reason> {
        let start = self.0.first(&["start_interval", "startInterval"]);
        start.ok_or_else(|| Reason::new("`start_interval` is missing")).and_then(|(name, value)| start_of(name, value))
    }

    /// `consumption` as written, for a field error.
    pub(super) fn consumption(self) -> &'a Value {
        self.0.get("consumption").unwrap_or(&Value::Null)
    }

    /// `consumption` in whole watt-hours, rounded half to even; none if there is no reading.
    pub(super) fn watt_hours(self, most: u64) -> Result<Option<i64>, Reason> {
        let unit = self.0.first(&["consumption_units", "consumptionUnits"]).map(|(_, unit)| unit.as_str());
        let kwh_per_unit = match unit {
            // Only kWh is documented.
            None => Decimal::ONE,
            Some(Some(unit)) if unit.eq_ignore_ascii_case("kwh") => Decimal::ONE,
            Some(Some(unit)) if unit.eq_ignore_ascii_case("wh") => Decimal::new(1, 3),
            Some(_) => return Err(Reason::new("`consumption_units` is an unknown unit")),
        };
        let Some(consumption) = self.0.get("consumption") else { return Ok(None) };
        let energy = written(consumption).and_then(decimal).and_then(|energy| energy.checked_mul(kwh_per_unit));
        let watt_hours = energy.and_then(watt_hours_from_kwh);
        let watt_hours = watt_hours.ok_or_else(|| Reason::new("`consumption` is no amount of energy"))?;
        if watt_hours.unsigned_abs() > most {
            return Err(Reason::new("`consumption` is more than any meter can count in that time"));
        }
        Ok(Some(watt_hours))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn energy_becomes_whole_watt_hours() {
        let check = |consumption: &str, unit: Value, expected: Result<Option<i64>, &str>| {
            let consumption: Value = serde_json::from_str(consumption).unwrap();
            let row = json!({ "consumption": consumption, "consumption_units": unit });
            let read = Row::of(&row).unwrap().watt_hours(most_watt_hours("hh")).map_err(|reason| reason.to_string());
            assert_eq!(read, expected.map_err(str::to_owned), "{row}");
        };
        let (bad_unit, no_energy) = ("`consumption_units` is an unknown unit", "`consumption` is no amount of energy");
        let too_much = "`consumption` is more than any meter can count in that time";
        check("0.123", json!("kwh"), Ok(Some(123)));
        check("\"0.1235\"", json!("kWh"), Ok(Some(124)));
        check("0.1225", json!(null), Ok(Some(122)));
        check("-0.5", json!("kwh"), Ok(Some(-500)));
        check("12.5", json!("Wh"), Ok(Some(12)));
        check("null", json!("kwh"), Ok(None));
        check("1", json!("MJ"), Err(bad_unit));
        check("1", json!(7), Err(bad_unit));
        check("\"\"", json!("kwh"), Err(no_energy));
        check("1e400", json!("kwh"), Err(no_energy));
        check("1e20", json!("kwh"), Err(no_energy));
        check("[1]", json!("kwh"), Err(no_energy));
        check("5000000", json!("kwh"), Ok(Some(5_000_000_000)));
        check("-5000000", json!("kwh"), Ok(Some(-5_000_000_000)));
        check("5000000.001", json!("kwh"), Err(too_much));
        check("1e15", json!("kwh"), Err(too_much));
        check("-1e15", json!("Wh"), Err(too_much));
    }

    #[test]
    fn an_unknown_event_has_to_look_like_one() {
        let check = |name: &str, expected: Option<Event<'_>>| assert_eq!(Event::parse(name), expected, "{name:?}");
        check("meter_data.received", Some(Event::MeterData));
        check("API_keys.Rotated", Some(Event::Account(API_KEYS_ROTATED)));
        check("invoice.created-v2", Some(Event::Unknown("invoice.created-v2")));
        check(".hidden", None);
        check("", None);
        check("a b", None);
        check("a/b", None);
        check(&"a".repeat(65), None);
    }
}
