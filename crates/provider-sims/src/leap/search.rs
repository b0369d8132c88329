//! The search: pages, defaults, and the hidden five-minute events.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{GROUP, Level, METER};
use crate::api::{Asked, Refusal, ResponseStyle};

/// The number of items on a page.
const PAGE: usize = 500;

/// The longest span of a search.
const MAX_SPAN: SignedDuration = SignedDuration::from_hours(31 * 24);

/// The prefix of a page token. Leap's tokens are UUIDs; the page number is at the end.
const TOKEN: &str = "00000000-0000-4000-8000-";

/// The current time slots.
#[derive(Debug, Default)]
pub(super) struct Slots(Vec<StoredSlot>);

/// A time slot of one meter or group.
#[derive(Debug)]
struct StoredSlot {
    level: &'static Level,
    /// The id of the meter or group, and of the event.
    ids: [String; 2],
    /// The item without its time slots.
    holder: Value,
    slot: Value,
    /// The slot before its last change.
    before: Option<Value>,
}

impl Slots {
    /// Stores every time slot of a notification. Replaces the one with the same event and meter or group.
    pub(super) fn hold(&mut self, notification: &Value) {
        for level in [&METER, &GROUP] {
            for item in notification.get(level.list).and_then(Value::as_array).into_iter().flatten() {
                let mut holder = item.clone();
                if let Some(holder) = holder.as_object_mut() {
                    holder.shift_remove("timeslots");
                }
                for slot in item.get("timeslots").and_then(Value::as_array).into_iter().flatten() {
                    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                    let ids = [text(&holder[level.holder]), text(&slot[level.event])];
                    let mut stored =
                        StoredSlot { level, ids, holder: holder.clone(), slot: slot.clone(), before: None };
                    let same = |other: &StoredSlot| other.ids == stored.ids && other.level == stored.level;
                    if let Some(place) = self.0.iter().position(same) {
                        stored.before = Some(self.0.remove(place).slot);
                    }
                    self.0.push(stored);
                }
            }
        }
    }

    /// The answer to a search.
    pub(super) fn search(&self, level: &Level, asked: &Asked<'_>) -> Result<Value, Refusal> {
        let search = Search::read(level, &asked.body)?;
        let items = self.find(level, &search, asked.view);
        let next = (search.page + 1) * PAGE;
        let found: Vec<Value> = items.iter().skip(search.page * PAGE).take(PAGE).cloned().collect();
        let token = (next < items.len()).then(|| format!("{TOKEN}{:012x}", search.page + 1));
        let name = if asked.view.other_shape { level.list } else { "results" };
        Ok(json!({name: found, "next_page_token": token}))
    }

    /// The matching items, each with its matching slots.
    fn find(&self, level: &Level, search: &Search, view: ResponseStyle) -> Vec<Value> {
        let mut items: Vec<Value> = Vec::new();
        let mut places = HashMap::new();
        for stored in self.0.iter().filter(|stored| stored.level == level && search.finds(stored)) {
            let place = *places.entry(&stored.ids[0]).or_insert_with(|| {
                let mut item = stored.holder.clone();
                item["timeslots"] = json!([]);
                items.push(item);
                items.len() - 1
            });
            if let Some(slots) = items[place]["timeslots"].as_array_mut() {
                let shown = if view.stale { stored.before.as_ref() } else { None };
                slots.push(shown.unwrap_or(&stored.slot).clone());
            }
        }
        items
    }
}

/// The filters of a search.
struct Search {
    events: Option<Vec<Value>>,
    holders: Option<Vec<Value>>,
    from: Timestamp,
    to: Timestamp,
    without_real_time: bool,
    without_voluntary: bool,
    page: usize,
}

impl Search {
    fn read(level: &Level, body: &Value) -> Result<Self, Refusal> {
        let instant = |name: &str| body.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok());
        let ids = |name: &str| body.get(name).and_then(Value::as_array).cloned();
        let flag = |name: &str, usual| body.get(name).and_then(Value::as_bool).unwrap_or(usual);
        let (from, to): (Timestamp, Timestamp) = instant("start_date")
            .zip(instant("end_date"))
            .ok_or(Refusal(400, "start_date and end_date are instants"))?;
        if to <= from || to.duration_since(from) > MAX_SPAN {
            return Err(Refusal(400, "end_date is at most 31 days after start_date"));
        }
        let page = match body.get("page_token") {
            None | Some(Value::Null) => 0,
            Some(token) => token.as_str().and_then(page_of).ok_or(Refusal(400, "no such page_token"))?,
        };
        Ok(Self {
            events: ids(level.events),
            holders: ids(level.holders),
            from,
            to,
            // By default, the search hides CAISO's five-minute events.
            without_real_time: flag("exclude_real_time_events", true),
            without_voluntary: flag("exclude_voluntary_events", false),
            page,
        })
    }

    fn finds(&self, StoredSlot { level, holder, slot, .. }: &StoredSlot) -> bool {
        let among = |ids: &Option<Vec<Value>>, id: Option<&Value>| {
            ids.as_ref().is_none_or(|ids| id.is_some_and(|id| ids.contains(id)))
        };
        let instant = |name: &str| slot.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok());
        let types = slot.get("dispatch_event_types").and_then(Value::as_array);
        let real_time = types.is_some_and(|types| types.iter().any(|kind| kind == "5m"));
        let voluntary = slot.get("is_voluntary").and_then(Value::as_bool).unwrap_or(false);
        among(&self.events, slot.get(level.event))
            && among(&self.holders, holder.get(level.holder))
            && instant("start_time").is_none_or(|start: Timestamp| start < self.to)
            && instant("end_time").is_none_or(|end: Timestamp| end > self.from)
            && !(self.without_real_time && real_time)
            && !(self.without_voluntary && voluntary)
    }
}

fn page_of(token: &str) -> Option<usize> {
    usize::from_str_radix(token.strip_prefix(TOKEN)?, 16).ok()
}
