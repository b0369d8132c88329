//! NVIDIA DPS NvGrid's payload: the power of a data centre after a load target.

use dispatch::{PowerEvent, PowerEventKind, Request, decimal};
use rust_decimal::{Decimal, RoundingStrategy, prelude::ToPrimitive};
use serde_json::Value;

use crate::{
    field_errors::FieldErrors,
    fields::{Fields, Lenient, Reason, brief, written},
};

/// Largest load (10 GW). No data centre comes near it: a larger number has the wrong unit.
const MAX_W: u64 = 10_000_000_000;

/// Parses `event`, in lower snake case or as in the enum of the `.proto` file.
pub(super) fn event(name: &str) -> Option<PowerEventKind> {
    let name = name.trim().to_ascii_lowercase();
    match name.strip_prefix("power_event_").unwrap_or(&name) {
        "start_ramp_down" => Some(PowerEventKind::StartRampDown),
        "end_ramp_down" => Some(PowerEventKind::EndRampDown),
        "start_ramp_up" => Some(PowerEventKind::StartRampUp),
        "end_ramp_up" => Some(PowerEventKind::EndRampUp),
        _ => None,
    }
}

/// `feed_tag`, which may be missing.
pub(super) fn feed<'a>(fields: Fields<'a>, field_errors: &mut FieldErrors) -> Option<&'a str> {
    Lenient::new(fields, "", field_errors).id("feed_tag")
}

/// Parses one of the four events. Besides feed and correlation, only the start is required.
pub(super) fn power_event(
    event: PowerEventKind,
    (feed, correlation_id): (Option<&str>, &str),
    fields: Fields<'_>,
    field_errors: &mut FieldErrors,
) -> Result<PowerEvent, Reason> {
    let start = fields.start("start_time")?;
    let mut load = |name: &str| field_errors.unless(name, fields.get(name), load(fields, name));
    let (previous_w, measured_w, target_w) = (load("prev_target_load"), load("calculated_load"), load("target_load"));
    if fields.get("target_load").is_none() {
        field_errors.add("target_load", &Value::Null, "`target_load` is missing");
    }
    field_errors.characters("correlation_id", correlation_id);
    let mut lenient = Lenient::new(fields, "", field_errors);
    Ok(PowerEvent {
        feed: feed.map(str::to_owned),
        correlation_id: correlation_id.to_owned(),
        event,
        start,
        // Each event is sent once, so an end before the start cannot cancel an earlier version.
        end: lenient.end("end_time", start).filter(|end| *end > start),
        strategy: lenient.label("strategy"),
        target: target_w.map_or(Request::Unspecified, |watts| Request::Limit { watts }),
        previous: previous_w.map(|watts| Request::Limit { watts }),
        measured_w,
        compliant: lenient.flag("compliant"),
    })
}

/// Converts a load `{"value": 6.5, "unit": "mw"}` to whole watts. The last step rounds half to even.
fn load(fields: Fields<'_>, name: &str) -> Result<Option<u64>, Reason> {
    let Some(load) = fields.get(name) else { return Ok(None) };
    let load = Fields::of(load).map_err(|reason| Reason::new(format!("`{name}` is {reason}")))?;
    let of = |what: &str| Reason::new(format!("`{name}` has no {what}"));
    let unit = load.get("unit").and_then(Value::as_str).ok_or_else(|| of("unit"))?;
    let factor =
        watts_per(unit).ok_or_else(|| Reason::new(format!("`{name}` has an unknown unit {:?}", brief(unit))))?;
    let value = load.get("value").and_then(written).and_then(decimal).ok_or_else(|| of("number as its value"))?;
    whole_watts(value, factor).map(Some).ok_or_else(|| Reason::new(format!("`{name}` is negative or over 10 GW")))
}

fn watts_per(unit: &str) -> Option<Decimal> {
    let unit = unit.trim().to_ascii_lowercase();
    let watts: u32 = match unit.strip_prefix("unit_").unwrap_or(&unit) {
        "w" | "watt" | "watts" => 1,
        "kw" | "kilowatt" | "kilowatts" => 1_000,
        "mw" | "megawatt" | "megawatts" => 1_000_000,
        _ => return None,
    };
    Some(Decimal::from(watts))
}

fn whole_watts(value: Decimal, factor: Decimal) -> Option<u64> {
    let watts = value.checked_mul(factor)?.round_dp_with_strategy(0, RoundingStrategy::MidpointNearestEven);
    watts.to_u64().filter(|watts| *watts <= MAX_W)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn loads_in_every_unit_become_whole_watts() {
        let check = |value: &str, unit: &str, expected: Option<u64>| {
            let value: Value = serde_json::from_str(value).unwrap();
            let object = json!({"load": {"value": value, "unit": unit}});
            let read = load(Fields::of(&object).unwrap(), "load");
            assert_eq!(read.ok().flatten(), expected, "{object}");
        };
        check("6.5", "mw", Some(6_500_000));
        check("6500", "kW", Some(6_500_000));
        check("6500000", "Watts", Some(6_500_000));
        check("\"6.5\"", "UNIT_MEGAWATT", Some(6_500_000));
        check("6.5e3", "kilowatts", Some(6_500_000));
        check("0", "w", Some(0));
        check("0.5", "w", Some(0));
        check("1.5", "w", Some(2));
        check("0.0025", "kw", Some(2));
        check("10", "gw", None);
        check("10000", "mw", Some(10_000_000_000));
        check("10000.000001", "mw", None);
        check("-1", "mw", None);
        check("1e400", "mw", None);
        check("null", "mw", None);
        check("true", "mw", None);
        check("5", "", None);
    }

    #[test]
    fn events_in_every_spelling() {
        let check = |name: &str, expected: Option<PowerEventKind>| assert_eq!(event(name), expected, "{name}");
        check("start_ramp_down", Some(PowerEventKind::StartRampDown));
        check("END_RAMP_DOWN", Some(PowerEventKind::EndRampDown));
        check("POWER_EVENT_START_RAMP_UP", Some(PowerEventKind::StartRampUp));
        check("power_event_end_ramp_up", Some(PowerEventKind::EndRampUp));
        check("POWER_EVENT_UNSPECIFIED", None);
        check("hold", None);
        check("", None);
    }
}
