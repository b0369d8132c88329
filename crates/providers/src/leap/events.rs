//! Groups Leap's time slots, which it lists by meter or by group, into events. Each event is a dispatch.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use dispatch::{DispatchFact, Fact, FactBody, Origin, Rank, Subject};
use serde_json::{Map, Value, json};

use super::{
    items::Shared,
    terms::{Holder, Meter, terms},
    wire::{Flags, Item, Level, Slot},
};
use crate::{
    diagnostics::Findings,
    field_errors::FieldErrors,
    fields::{MAX_ID_BYTES, id_of},
};

/// Most bytes that the meters of all events of one body may use. Each event repeats the meters of all its groups, so a
/// body of 2 MiB could otherwise grow without limit.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Bytes of a slot without its meters.
const SLOT_BYTES: usize = 512;

/// The events of one level, in order of appearance.
pub(super) struct Events<'a> {
    level: Level,
    origin: &'a Origin,
    /// For a search: the requested event.
    only: Option<&'a str>,
    list: Vec<Event>,
    place_of: BTreeMap<String, usize>,
    /// Events with an unreadable share.
    partial: BTreeSet<String>,
    bytes_left: usize,
}

/// One `meter_event_id` or `market_group_event_id`.
pub(super) struct Event {
    pub(super) id: String,
    pub(super) holders: Vec<Holder>,
    place_of: BTreeMap<String, usize>,
    pub(super) details: Map<String, Value>,
    field_errors: FieldErrors,
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

    /// Adds the items of a list. A slot without an event or a start becomes a diagnostic.
    pub(super) fn take(&mut self, list: &str, items: &[Value], diagnostics: &mut Findings) {
        for (index, value) in items.iter().enumerate() {
            let part = format!("{list}[{index}]");
            match Item::read(value) {
                Ok(item) => self.take_item(&part, &item, diagnostics),
                Err(reason) => diagnostics.unreadable(part, reason),
            }
        }
    }

    fn take_item(&mut self, part: &str, item: &Item<'_>, diagnostics: &mut Findings) {
        let shared = Shared::read(item, self.level);
        for (index, value) in item.timeslots.iter().enumerate() {
            let part = || format!("{part}.timeslots[{index}]");
            let Some(id) = value.get(self.level.event_id()).and_then(id_of) else {
                diagnostics.unreadable(part(), format!("no event id of 1 to {MAX_ID_BYTES} bytes"));
                continue;
            };
            if self.only.is_some_and(|only| only != id) {
                continue;
            }
            // Important fields first: people see only the first few diagnostics.
            let mut field_errors = FieldErrors::default();
            field_errors.characters(self.level.event_id(), id);
            let slot = match Slot::read(value, &shared.within, &mut field_errors) {
                Ok(slot) => slot,
                Err(reason) => {
                    diagnostics.lost(Subject::dispatch(&self.origin.source, id), part(), reason);
                    self.partial.insert(id.to_owned());
                    continue;
                }
            };
            // Slots share the meters of their item, unless an event has several items.
            let is_shared = index > 0 && !self.place_of.contains_key(id);
            let meters_bytes = if is_shared { 0 } else { shared.meters_bytes };
            let bytes = meters_bytes + shared.details_bytes + SLOT_BYTES;
            let Some(left) = self.bytes_left.checked_sub(bytes) else {
                diagnostics.unreadable(part(), "more meters and slots than one body may hold");
                self.partial.insert(id.to_owned());
                continue;
            };
            self.bytes_left = left;
            if shared.holder.is_none() && self.level == Level::Meter {
                // A share without a meter: the sum is unknown.
                self.partial.insert(id.to_owned());
            }
            let event = self.event(id, || shared.details(value, &mut field_errors));
            if !event.add(shared.holder.unwrap_or_default(), slot, &shared.meters) {
                let reason = "it contradicts another slot of the same event; the stronger of both was taken";
                field_errors.add(format!("{}timeslots", shared.within), value, reason);
            }
            event.field_errors.extend(&field_errors);
            event.field_errors.extend(&shared.field_errors);
        }
    }

    fn event(&mut self, id: &str, details: impl FnOnce() -> Map<String, Value>) -> &mut Event {
        let place = *self.place_of.entry(id.to_owned()).or_insert_with(|| {
            self.list.push(Event {
                id: id.to_owned(),
                holders: Vec::new(),
                place_of: BTreeMap::new(),
                details: details(),
                field_errors: FieldErrors::default(),
            });
            self.list.len() - 1
        });
        &mut self.list[place]
    }

    /// Makes one fact per event. `of_all`: field errors that concern all events.
    pub(super) fn into_facts(self, rank: Rank, flags: Flags, of_all: &FieldErrors) -> Vec<Fact> {
        let Self { level, origin, list, partial, .. } = self;
        let mut made = None;
        let fact = |mut event: Event| {
            let subject = Subject::dispatch(&origin.source, &event.id);
            let mut field_errors = std::mem::take(&mut event.field_errors);
            field_errors.extend(of_all);
            if let Some(windows) = event.differing_windows() {
                let reason = "the slots of the event differ in their times; the whole span was taken";
                field_errors.add("timeslots", &windows, reason);
            }
            let id = event.id.clone();
            let whole = !partial.contains(&id);
            let terms = terms(event, (level, &mut made), whole, origin, flags);
            let body = FactBody::Dispatch(DispatchFact { id, rank, terms });
            Fact { field_errors: field_errors.into_list(), ..Fact::new(origin.clone(), subject, body) }
        };
        list.into_iter().map(fact).collect()
    }
}

impl Event {
    /// Adds a slot of a meter or group. Returns false if it contradicts a known slot of the same meter or group.
    fn add(&mut self, holder: &str, slot: Slot, meters: &Arc<Vec<Meter>>) -> bool {
        let place = *self.place_of.entry(holder.to_owned()).or_insert(self.holders.len());
        if let Some(known) = self.holders.get_mut(place) {
            return known.add(slot, meters);
        }
        self.holders.push(Holder::new(slot, meters));
        true
    }

    /// The times of the slots that are not cancelled, in order, if they differ.
    fn differing_windows(&self) -> Option<Value> {
        let standing = self.holders.iter().filter(|holder| !holder.slot.cancelled);
        let windows: BTreeSet<_> = standing.map(|holder| (holder.slot.start, holder.slot.end)).collect();
        (windows.len() > 1).then(|| windows.into_iter().map(|(start, end)| json!([start, end])).collect())
    }
}
