//! Converts the rows of a response into the readings of a part.

use std::collections::BTreeMap;

use dispatch::{Interval, MeterData};
use jiff::Timestamp;

use super::{
    part::Part,
    wire::{self, Row},
};
use crate::{
    UnreadableResponse,
    field_errors::FieldErrors,
    fields::{Reason, brief, digest},
    lenient::json,
};

/// Half-hours of the longest part, and a few more for clock changes.
const MAX_ROWS: usize = 31 * 48 + 8;

/// Reads the rows of all pages separately and keeps those of the part. If two rows have the same start, the later row
/// counts.
pub(super) fn read(
    part: &Part,
    pages: &[String],
    field_errors: &mut FieldErrors,
) -> Result<MeterData, UnreadableResponse> {
    let mut rows: BTreeMap<Timestamp, Option<i64>> = BTreeMap::new();
    let mut granularity = "hh".to_owned();
    let (mut seen, mut unreadable) = (0, 0);
    for page in pages {
        let page = json(page)?;
        let page = wire::page(&page);
        granularity = wire::granularity(page, field_errors);
        let most = wire::most_watt_hours(&granularity);
        for (index, value) in wire::rows(page)?.iter().enumerate() {
            seen += 1;
            let row = Row::of(value);
            if let Some(other) = row.as_ref().ok().and_then(|row| row.meter_id()).filter(|id| *id != part.meter_id) {
                return Err(UnreadableResponse::OtherId { asked: part.meter_id.clone(), answered: brief(other) });
            }
            match row.and_then(|row| Ok((row.start()?, row))) {
                Ok((start, row)) if part.holds(start) => {
                    rows.insert(start, watt_hours(start, row, most, field_errors));
                }
                Ok(_) => {}
                Err(reason) => {
                    field_errors.add(format!("data[{index}]"), value, reason);
                    unreadable += 1;
                }
            }
        }
    }
    if seen > 0 && seen == unreadable {
        return Err(UnreadableResponse::Shape("no row of `data` can be read".to_owned()));
    }
    if rows.len() > MAX_ROWS {
        return Err(UnreadableResponse::Shape("more rows than half-hours".to_owned()));
    }
    let intervals = rows.into_iter().map(|(start, watt_hours)| Interval { start, watt_hours }).collect();
    Ok(meter_data(part, granularity, intervals))
}

/// The energy of a row; none if unreadable or impossible.
fn watt_hours(start: Timestamp, row: Row<'_>, most: u64, field_errors: &mut FieldErrors) -> Option<i64> {
    row.watt_hours(most).unwrap_or_else(|reason: Reason| {
        field_errors.add(format!("data[{start}].consumption"), row.consumption(), reason);
        None
    })
}

fn meter_data(part: &Part, granularity: String, intervals: Vec<Interval>) -> MeterData {
    let Part { meter_id, delivery, identity, start, end, number, parts, .. } = part.clone();
    let identity = identity.unwrap_or_else(|| content(start, end, &intervals));
    MeterData { identity, id: meter_id, delivery, start, end, granularity, part: number, parts, intervals }
}

/// Without a `delivery_id`, equal readings for equal times are the same data, whichever webhook announced them.
fn content(start: Timestamp, end: Timestamp, intervals: &[Interval]) -> String {
    let mut texts = vec![start.to_string(), end.to_string()];
    for Interval { start, watt_hours } in intervals {
        texts.push(watt_hours.map_or_else(|| format!("{start} -"), |watt_hours| format!("{start} {watt_hours}")));
    }
    digest(&texts.iter().map(String::as_str).collect::<Vec<_>>())
}
