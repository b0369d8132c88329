//! Time slots, which Leap lists by meter or group, gathered into dispatches, which are events.

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

/// The most that the meters of all events of one body may take, in bytes. An event that several groups have in common repeats the
/// meters of all of them, so a body of 2 MiB could otherwise grow without end.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// What a slot takes beside its meters.
const SLOT_BYTES: usize = 512;

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

    /// Takes the items of a list; what of it has no event or no start becomes a finding.
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
            // What decides comes first: of many diagnostics people see the first few.
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
                // A share of nobody: the sum is unknown.
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

    /// A fact per event. `of_all`: what could not be read of what concerns all of them.
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
    /// Adds a slot of a meter or group; false where it contradicts one that is known of the same.
    fn add(&mut self, holder: &str, slot: Slot, meters: &Arc<Vec<Meter>>) -> bool {
        let place = *self.place_of.entry(holder.to_owned()).or_insert(self.holders.len());
        if let Some(known) = self.holders.get_mut(place) {
            return known.add(slot, meters);
        }
        self.holders.push(Holder::new(slot, meters));
        true
    }

    /// The times of what is not cancelled, in order, where there are several.
    fn differing_windows(&self) -> Option<Value> {
        let standing = self.holders.iter().filter(|holder| !holder.slot.cancelled);
        let windows: BTreeSet<_> = standing.map(|holder| (holder.slot.start, holder.slot.end)).collect();
        (windows.len() > 1).then(|| windows.into_iter().map(|(start, end)| json!([start, end])).collect())
    }
}
