//! The rows of an answer become the readings of a part.

use std::collections::BTreeMap;

use dispatch::{Interval, MeterData};
use jiff::Timestamp;

use super::{
    digest,
    part::Part,
    wire::{self, Row},
};
use crate::{
    UnreadableAnswer,
    fields::{Reason, brief, json},
    findings::Findings,
};

/// Half-hours of the longest part, and a little: clocks change.
const MAX_ROWS: usize = 31 * 48 + 8;

/// Reads the rows of all pages, each on its own, and keeps those of the part. The same start twice: the later row counts.
pub(super) fn read(part: &Part, pages: &[String], findings: &mut Findings) -> Result<MeterData, UnreadableAnswer> {
    let mut rows: BTreeMap<Timestamp, Option<i64>> = BTreeMap::new();
    let mut granularity = "hh".to_owned();
    let (mut seen, mut unreadable) = (0, 0);
    for page in pages {
        let page = json(page)?;
        granularity = wire::granularity(&page);
        for (index, value) in wire::rows(&page)?.iter().enumerate() {
            seen += 1;
            let row = Row::of(value);
            if let Some(other) = row.as_ref().ok().and_then(|row| row.meter_id()).filter(|id| *id != part.meter_id) {
                return Err(UnreadableAnswer::OtherId { asked: part.meter_id.clone(), answered: brief(other) });
            }
            match row.and_then(|row| reading(part, row)) {
                Ok(Some((start, watt_hours))) => {
                    rows.insert(start, watt_hours);
                }
                Ok(None) => {}
                Err(reason) => {
                    findings.unreadable(format!("data[{index}]"), reason);
                    unreadable += 1;
                }
            }
        }
    }
    if seen > 0 && seen == unreadable {
        return Err(UnreadableAnswer::Shape("no row of `data` can be read".to_owned()));
    }
    if rows.len() > MAX_ROWS {
        return Err(UnreadableAnswer::Shape("more rows than half-hours".to_owned()));
    }
    let intervals = rows.into_iter().map(|(start, watt_hours)| Interval { start, watt_hours }).collect();
    Ok(meter_data(part, granularity, intervals))
}

/// The reading of a row; none where the row lies outside of the part, be it readable or not.
fn reading(part: &Part, row: Row<'_>) -> Result<Option<(Timestamp, Option<i64>)>, Reason> {
    let start = row.start()?;
    if !part.holds(start) {
        return Ok(None);
    }
    Ok(Some((start, row.watt_hours()?)))
}

fn meter_data(part: &Part, granularity: String, intervals: Vec<Interval>) -> MeterData {
    let Part { meter_id, delivery, identity, start, end, number, parts, .. } = part.clone();
    let identity = identity.unwrap_or_else(|| content(start, end, &intervals));
    MeterData { identity, id: meter_id, delivery, start, end, granularity, part: number, parts, intervals }
}

/// Without a `delivery_id` the same readings for the same time are the same data, whatever brought them.
fn content(start: Timestamp, end: Timestamp, intervals: &[Interval]) -> String {
    let mut texts = vec![start.to_string(), end.to_string()];
    for Interval { start, watt_hours } in intervals {
        texts.push(watt_hours.map_or_else(|| format!("{start} -"), |watt_hours| format!("{start} {watt_hours}")));
    }
    digest(&texts.iter().map(String::as_str).collect::<Vec<_>>())
}
