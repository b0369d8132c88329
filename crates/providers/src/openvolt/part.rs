//! Splits a period into parts, since 13 months of half-hours are several megabytes.

use dispatch::Subject;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::wire::Period;
use crate::{Delivery, FetchRequest, Id, UnreadableResponse, instant::shift};

/// The longest part.
const MAX_PART_S: i64 = 31 * 24 * 3_600;
/// Margin of each request on both sides of its part: no row is lost if the provider cuts off the ends.
const MARGIN: SignedDuration = SignedDuration::from_hours(1);

/// The context of a request: one part of an announced period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) meter_id: String,
    /// The provider's `delivery_id`, or else gridbell's.
    pub(super) delivery: String,
    /// Identifies the data if the provider named its delivery; else the content does.
    pub(super) identity: Option<String>,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// The last part includes the row that starts at the end.
    pub(super) last: bool,
    /// From 1.
    pub(super) number: u32,
    pub(super) parts: u32,
}

impl Part {
    pub(super) fn of(fetch: &FetchRequest) -> Result<Self, UnreadableResponse> {
        let foreign = || UnreadableResponse::Foreign("no part of a period".to_owned());
        let part = Self::deserialize(&fetch.context).map_err(|_| foreign())?;
        if Id::parse(&part.meter_id).is_none() {
            return Err(foreign());
        }
        Ok(part)
    }

    /// The times to request.
    pub(super) fn asked(&self) -> (Timestamp, Timestamp) {
        (shift(self.start, -MARGIN), shift(self.end, MARGIN))
    }

    /// Whether a row with this start belongs to the part.
    pub(super) fn holds(&self, start: Timestamp) -> bool {
        (self.start..self.end).contains(&start) || (self.last && start == self.end)
    }
}

/// The number of parts of a period; an instant has one.
pub(super) fn count(period: &Period) -> u32 {
    let length = period.end.duration_since(period.start);
    // A fraction of a second beyond a whole part adds a part.
    let seconds = length.as_secs() + i64::from(length.subsec_nanos() > 0);
    u32::try_from((seconds + MAX_PART_S - 1) / MAX_PART_S).unwrap_or(u32::MAX).max(1)
}

/// The provider's id of a delivery and its content: another payload under a known id is another delivery.
pub(super) struct Announced<'a> {
    pub(super) id: &'a str,
    /// The digest of the payload.
    pub(super) payload: String,
}

/// The requests for a period.
pub(super) fn fetches<'a>(
    delivery: &'a Delivery<'a>,
    announced: Option<&'a Announced<'a>>,
    period: &'a Period,
) -> impl Iterator<Item = FetchRequest> + 'a {
    let Period { meter_id, start, end, is_end_assumed } = period;
    let subject = Subject::meter(&delivery.origin.source, meter_id.as_str());
    let brought_by = announced.map_or(delivery.id, |announced| announced.id);
    let payload = announced.map_or("-", |announced| &announced.payload[..16]);
    let parts = count(period);
    // Each redelivery gives another assumed end, but has the same data.
    let stated_end = if *is_end_assumed { "-".to_owned() } else { end.to_string() };
    (1..=parts).map(move |part| {
        let edge = |parts: u32| shift(*start, SignedDuration::from_secs(i64::from(parts) * MAX_PART_S)).min(*end);
        // Both ends of the period, since one delivery may announce two periods with the same start.
        let name = format!("{brought_by}/{payload}/{start}/{stated_end}/{part}");
        let key = format!("{subject}?{name}");
        let context = Part {
            meter_id: meter_id.as_str().to_owned(),
            delivery: brought_by.to_owned(),
            identity: announced.map(|_| name),
            start: edge(part - 1),
            end: edge(part),
            last: part == parts,
            number: part,
            parts,
        };
        #[expect(clippy::expect_used, reason = "a default would send a request without its context")]
        let context = serde_json::to_value(context).expect("texts, numbers and instants are JSON");
        FetchRequest { subject: subject.clone(), key, context }
    })
}
