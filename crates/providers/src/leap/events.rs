//! Time slots, which Leap lists by meter or group, gathered into dispatches, which are events.

use std::collections::{BTreeMap, BTreeSet};

use dispatch::{DispatchFact, Fact, Origin, Rank, Says, Subject};
use serde_json::{Map, Value};

use super::{
    statement::{Holder, statement},
    wire::{Flags, Item, Level, Meters, Slot, details},
};
use crate::{
    amount::Kilowatts,
    fields::{brief, id_of},
    findings::{Findings, Impossible},
};

/// The most that the meters of all events of one body may take, in bytes. Each slot of a group repeats all of its meters, so a
/// body of 2 MiB could otherwise grow without end; this is 5,000 meters in 80 slots.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// What a meter costs beside its id.
const METER_BYTES: usize = 128;

/// The events of one level, in the order in which they turn up.
pub(super) struct Events<'a> {
    level: Level,
    origin: &'a Origin,
    /// Of a search: the one event that was asked for.
    only: Option<&'a str>,
    list: Vec<Event>,
    place_of: BTreeMap<String, usize>,
    /// Events of which a share could not be read.
    partial: BTreeSet<String>,
    bytes_left: usize,
}

/// One `meter_event_id` or `market_group_event_id`.
pub(super) struct Event {
    pub(super) id: String,
    pub(super) holders: Vec<Holder>,
    place_of: BTreeMap<String, usize>,
    pub(super) details: Map<String, Value>,
    impossible: Impossible,
}

impl<'a> Events<'a> {
    pub(super) fn new(level: Level, origin: &'a Origin, only: Option<&'a str>) -> Self {
        Self {
            level,
            origin,
            only,
            list: Vec::new(),
            place_of: BTreeMap::new(),
            partial: BTreeSet::new(),
            bytes_left: MAX_BYTES,
        }
    }

    /// Takes the items of a list; what of it cannot be read becomes a finding.
    pub(super) fn take(&mut self, list: &str, items: &[Value], findings: &mut Findings) {
        for (index, value) in items.iter().enumerate() {
            let part = format!("{list}[{index}]");
            match Item::read(value, self.level) {
                Ok(item) => self.take_item(&part, &item, findings),
                Err(reason) => {
                    findings.unreadable(part, reason);
                    let slots = value.get("timeslots").and_then(Value::as_array);
                    slots.into_iter().flatten().for_each(|slot| self.leave_out(slot));
                }
            }
        }
    }

    fn take_item(&mut self, part: &str, item: &Item<'_>, findings: &mut Findings) {
        let meters = meters(part, item, findings);
        let references_bytes = item.references.map_or(0, |references| references.to_string().len());
        let bytes = meters.iter().map(|(id, _)| id.len() + METER_BYTES).sum::<usize>() + references_bytes;
        for (index, value) in item.timeslots.iter().enumerate() {
            let part = || format!("{part}.timeslots[{index}]");
            let Some(id) = self.level.event_of(value) else {
                findings.unreadable(part(), "no event id of 1 to 128 characters");
                continue;
            };
            if self.only.is_some_and(|only| only != id) {
                continue;
            }
            let read = Slot::read(value, &mut |doubt| findings.unreadable(part(), doubt));
            let slot = match read {
                Ok(slot) => slot,
                Err(reason) => {
                    findings.unreadable(part(), reason);
                    self.leave_out(value);
                    continue;
                }
            };
            let Some(left) = self.bytes_left.checked_sub(bytes) else {
                findings.unreadable(part(), "more meters and slots than one body may hold");
                self.leave_out(value);
                continue;
            };
            self.bytes_left = left;
            let level = self.level;
            let event = self.event(id, || item_details(level, item, value));
            if let Kilowatts::Impossible(number) = &slot.energy {
                event.impossible.add(|| format!("{}: energy_kw {number}", brief(item.holder)));
            }
            if !event.add(item.holder, slot, &meters) {
                findings.unreadable(
                    part(),
                    "it contradicts another slot of the same event; the stronger of both was taken",
                );
            }
        }
    }

    fn leave_out(&mut self, slot: &Value) {
        if let Some(id) = self.level.event_of(slot) {
            self.partial.insert(id.to_owned());
        }
    }

    fn event(&mut self, id: &str, details: impl FnOnce() -> Map<String, Value>) -> &mut Event {
        let place = *self.place_of.entry(id.to_owned()).or_insert_with(|| {
            self.list.push(Event {
                id: id.to_owned(),
                holders: Vec::new(),
                place_of: BTreeMap::new(),
                details: details(),
                impossible: Impossible::default(),
            });
            self.list.len() - 1
        });
        &mut self.list[place]
    }

    /// A fact per event.
    pub(super) fn into_facts(self, rank: Rank, flags: Flags, findings: &mut Findings) -> Vec<Fact> {
        let Self { level, origin, list, partial, .. } = self;
        let fact = |mut event: Event| {
            let subject = Subject::dispatch(&origin.source, &event.id);
            findings.impossible(&subject, std::mem::take(&mut event.impossible));
            if event.windows_differ() {
                let part = format!("event {}", brief(&event.id));
                findings.unreadable(part, "its slots differ in their times; the whole span was taken");
            }
            let id = event.id.clone();
            let whole = !partial.contains(&id);
            let statement = statement(event, level, whole, origin, flags);
            let says = Says::Dispatch(DispatchFact { id, rank, statement });
            Fact { origin: origin.clone(), subject, says }
        };
        list.into_iter().map(fact).collect()
    }
}

impl Event {
    /// Adds a slot of a meter or group; false where it contradicts one that is known of the same.
    fn add(&mut self, holder: &str, slot: Slot, meters: &[(&str, Option<&str>)]) -> bool {
        let place = *self.place_of.entry(holder.to_owned()).or_insert(self.holders.len());
        if let Some(known) = self.holders.get_mut(place) {
            return known.add(slot, meters);
        }
        self.holders.push(Holder::new(slot, meters));
        true
    }

    fn windows_differ(&self) -> bool {
        let window = |holder: &Holder| (holder.slot.start, holder.slot.end);
        let mut standing = self.holders.iter().filter(|holder| !holder.slot.cancelled).map(window);
        let first = standing.next();
        standing.any(|window| Some(window) != first)
    }
}

/// The meters of an item, with the partner's reference.
fn meters<'a>(part: &str, item: &'a Item<'_>, findings: &mut Findings) -> Vec<(&'a str, Option<&'a str>)> {
    let ids = match &item.meters {
        Meters::One(reference) => return vec![(item.holder, reference.as_deref())],
        Meters::Many(ids) => ids,
    };
    let mut meters = Vec::with_capacity(ids.len());
    for (index, id) in ids.iter().enumerate() {
        match id_of(id) {
            Some(id) => meters.push((id, None)),
            None => findings.unreadable(format!("{part}.meter_ids[{index}]"), "no identifier of 1 to 128 characters"),
        }
    }
    meters
}

fn item_details(level: Level, item: &Item<'_>, slot: &Value) -> Map<String, Value> {
    let mut details = details(slot);
    if level == Level::Group {
        details.insert("market_group_id".to_owned(), Value::from(item.holder));
    }
    if let Some(references) = item.references {
        details.insert("partner_references".to_owned(), references.clone());
    }
    details
}
