//! A subject's record as an item of the table `dispatches`.

use std::collections::HashMap;

use dispatch::{Origin, Signal, State, Subject, TraceParent, trace};
use jiff::Timestamp;
use pipeline::{
    dispatches::{ramping::Ramping, sent::SentVersion, unreadable::UnreadableFields},
    record::{Ack, MissedChange, SubjectRecord},
    timeline::TimelineEvent,
};
use serde::{Deserialize, Serialize};

use super::{
    item::{self, Item, days_after, instant, packed, unpacked},
    number, text,
};

/// How long an unchanged dispatch is stored: a year for the settlement, and a month more.
const KEPT_DAYS: i64 = 400;
/// The number of partitions of the indexes `unsent` and `due`: one partition takes a thousand writes a second.
pub(super) const SHARDS: u32 = 16;

/// Sorts after every instant, since a dispatch without an end ends last.
const OPEN: &str = "9999-12-31T23:59:59Z";

/// The part that people at the console need not read, compressed together: state and signals repeat thousands of
/// meters.
#[derive(Deserialize)]
struct Body {
    origin: Origin,
    state: State,
    /// Pending while the item is in the index `unsent`; afterwards only a record of what was sent.
    outbox: Vec<Signal>,
    /// Only of interest while signals are pending.
    #[serde(default)]
    sent: Option<SentVersion>,
    history: Vec<TimelineEvent>,
    #[serde(default)]
    due: Option<Timestamp>,
    #[serde(default)]
    lapsed: Option<Timestamp>,
    #[serde(default)]
    open_end: Option<Timestamp>,
    #[serde(default)]
    ack: Option<Ack>,
    #[serde(default)]
    missed: Option<Vec<MissedChange>>,
    #[serde(default)]
    ramping: Ramping,
    #[serde(default)]
    unreadable: UnreadableFields,
    #[serde(default, deserialize_with = "trace::lenient")]
    traceparent: Option<TraceParent>,
}

#[derive(Serialize)]
struct BodyRef<'a> {
    origin: &'a Origin,
    state: &'a State,
    outbox: &'a [Signal],
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<&'a SentVersion>,
    history: &'a [TimelineEvent],
    due: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lapsed: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_end: Option<Timestamp>,
    ack: Option<&'a Ack>,
    missed: Option<&'a [MissedChange]>,
    ramping: &'a Ramping,
    #[serde(skip_serializing_if = "UnreadableFields::is_empty")]
    unreadable: &'a UnreadableFields,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<TraceParent>,
}

/// Its partition in a sharded index.
fn shard(subject: &Subject) -> String {
    let sum = subject.as_str().bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    (sum % SHARDS).to_string()
}

pub(super) fn to_item(record: &SubjectRecord) -> Result<Item, String> {
    let body = BodyRef {
        origin: &record.origin,
        state: &record.state,
        outbox: &record.outbox,
        sent: record.sent.as_ref(),
        history: &record.history,
        due: record.due,
        lapsed: record.lapsed,
        open_end: record.open_end,
        ack: record.ack.as_ref(),
        missed: record.missed.as_deref(),
        ramping: &record.ramping,
        unreadable: &record.unreadable,
        traceparent: record.traceparent,
    };
    let mut item = HashMap::from([
        ("subject", text(record.subject.as_str())),
        ("revision", number(record.revision)),
        ("write", text(&record.write)),
        ("changed_at", instant(record.changed_at)),
        ("expires_at", days_after(record.changed_at, KEPT_DAYS)),
        ("source", text(&record.origin.source)),
        ("provider", text(&record.origin.provider)),
        ("version", number(record.state.version)),
        ("body", packed(&body)?),
    ]);
    if let Some((status, terms)) = record.state.published() {
        item.insert("status", text(item::word(&status)));
        item.insert("start", text(terms.start.to_string()));
        if let Some(end) = terms.end {
            item.insert("end", text(end.to_string()));
        }
    }
    if !record.outbox.is_empty() {
        item.insert("unsent", text(shard(&record.subject)));
    }
    if let Some(look_at) = record.look_at() {
        item.insert("due", text(shard(&record.subject)));
        item.insert("due_at", instant(look_at));
    }
    if let Some(active) = record.active() {
        item.insert("active", text(&record.origin.source));
        item.insert("until", active.until().map_or_else(|| text(OPEN), instant));
        item.insert("summary", packed(&active)?);
    }
    if record.state.can_be_on() {
        item.insert("changed_in", text(&record.origin.source));
    }
    if let Some(ack) = &record.ack {
        item.insert("acknowledged", text(item::word(&ack.state)));
    }
    Ok(item.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

pub(super) fn from_item(item: &Item) -> Result<SubjectRecord, String> {
    let Body {
        origin,
        state,
        mut outbox,
        mut sent,
        history,
        due,
        lapsed,
        open_end,
        ack,
        missed,
        ramping,
        unreadable,
        traceparent,
    } = unpacked(item, "body")?;
    if !item.contains_key("unsent") {
        outbox.clear();
        sent = None;
    }
    Ok(SubjectRecord {
        subject: Subject::from_stored(item::full_key(item, "subject")?),
        revision: item::integer(item, "revision")?,
        write: item::str(item, "write")?.to_owned(),
        follows: None,
        origin,
        state,
        outbox,
        sent,
        changed_at: item::timestamp(item, "changed_at")?,
        history,
        due,
        lapsed,
        open_end,
        ack,
        missed,
        ramping,
        unreadable,
        traceparent,
    })
}
