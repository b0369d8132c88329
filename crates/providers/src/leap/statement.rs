//! An event's shares become one statement.

use std::{cmp::Ordering, collections::BTreeSet};

use dispatch::{Origin, Program, Request, Statement, Target, TestReason};
use jiff::Timestamp;

use super::{
    events::Event,
    wire::{Flags, Level, Slot},
};
use crate::amount::Kilowatts;

/// A meter or a group in one event.
pub(super) struct Holder {
    pub(super) slot: Slot,
    /// Id and partner's reference; a group that is listed twice may hold a meter twice.
    meters: Vec<(String, Option<String>)>,
}

impl Holder {
    pub(super) fn new(slot: Slot, meters: &[(&str, Option<&str>)]) -> Self {
        Self { slot, meters: owned(meters).collect() }
    }

    /// Adds another slot of the same event: said twice it counts once. Where the two differ, a cancel goes before all, then the
    /// lower priority number, then the larger share, and the times span both: one meter has one share, never the sum.
    /// False where they differ.
    pub(super) fn add(&mut self, slot: Slot, meters: &[(&str, Option<&str>)]) -> bool {
        let Self { slot: known, meters: all } = self;
        all.extend(owned(meters));
        let acts = |slot: &Slot| (slot.start, slot.end, slot.cancelled, request(slot), slot.priority, slot.voluntary);
        let agree = acts(known) == acts(&slot);
        known.communication |= slot.communication;
        known.voluntary &= slot.voluntary;
        (known.start, known.end) = (known.start.min(slot.start), later(known.end, slot.end));
        if goes_before(&slot, known) == Ordering::Less {
            known.cancelled = slot.cancelled;
            known.priority = slot.priority;
            known.energy = slot.energy;
        }
        known.programs.extend(slot.programs);
        agree
    }

    fn request(&self) -> Request {
        request(&self.slot)
    }
}

fn owned(meters: &[(&str, Option<&str>)]) -> impl Iterator<Item = (String, Option<String>)> {
    meters.iter().map(|(id, reference)| ((*id).to_owned(), reference.map(str::to_owned)))
}

fn goes_before(a: &Slot, b: &Slot) -> Ordering {
    let number = |slot: &Slot| slot.priority.unwrap_or(u32::MAX);
    let by_cancel = b.cancelled.cmp(&a.cancelled);
    by_cancel.then(number(a).cmp(&number(b))).then_with(|| size(request(b)).cmp(&size(request(a))))
}

/// How much is asked: an unknown amount is less than any.
fn size(request: Request) -> (u8, u64) {
    match request {
        Request::Unspecified => (0, 0),
        Request::Reduce { watts } | Request::Limit { watts } => (1, watts),
        Request::ReduceMax => (2, 0),
    }
}

fn request(slot: &Slot) -> Request {
    match slot.energy {
        Kilowatts::Reduce(request) => request,
        Kilowatts::Absent => Request::ReduceMax,
        Kilowatts::Impossible(_) => Request::Unspecified,
    }
}

/// The later end; an end that is not known is later than any.
fn later(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    Some(a?.max(b?))
}

/// What an event asks. Meters or groups that are cancelled drop out; it is withdrawn when all of them are. `whole`: no share of
/// it was unreadable, so that the sum is the sum.
pub(super) fn statement(event: Event, level: Level, whole: bool, origin: &Origin, flags: Flags) -> Statement {
    let Event { holders, details, .. } = event;
    let communication = flags.communication || holders.iter().any(|holder| holder.slot.communication);
    let authorized = holders.iter().any(|holder| !holder.slot.cancelled);
    // Those that stand; of a withdrawn event those that stood.
    let counted: Vec<Holder> = holders.into_iter().filter(|holder| holder.slot.cancelled != authorized).collect();
    let slots = || counted.iter().map(|holder| &holder.slot);
    Statement {
        authorized,
        start: slots().map(|slot| slot.start).min().unwrap_or_default(),
        end: slots().map(|slot| slot.end).reduce(later).flatten(),
        request: if whole { Request::together(counted.iter().map(Holder::request)) } else { Request::Unspecified },
        test_reason: test_reason(origin, Flags { communication, ..flags }),
        // One binding share makes the whole binding, and the strictest priority counts.
        voluntary: slots().all(|slot| slot.voluntary),
        priority: slots().filter_map(|slot| slot.priority).min(),
        programs: programs(slots()),
        targets: targets(counted, level),
        details,
    }
}

fn test_reason(origin: &Origin, flags: Flags) -> Option<TestReason> {
    match (origin.sandbox, flags.integration, flags.communication) {
        (true, ..) => Some(TestReason::Sandbox),
        (false, true, _) => Some(TestReason::Integration),
        (false, false, true) => Some(TestReason::Communication),
        (false, false, false) => None,
    }
}

fn programs<'a>(slots: impl Iterator<Item = &'a Slot>) -> Vec<Program> {
    let mut seen = BTreeSet::new();
    let names = slots.flat_map(|slot| &slot.programs).filter(|name| seen.insert(*name));
    names.map(|name| Program { name: Some(name.clone()), market: None, kind: None, timezone: None }).collect()
}

/// A meter has its own share; of a group the kilowatts are asked once, so its meters have none.
fn targets(holders: Vec<Holder>, level: Level) -> Vec<Target> {
    let mut seen = BTreeSet::new();
    let mut targets = Vec::new();
    for holder in holders {
        let request = (level == Level::Meter).then(|| holder.request());
        for (id, external_id) in holder.meters {
            if seen.insert(id.clone()) {
                targets.push(Target { id, name: None, external_id, request });
            }
        }
    }
    targets
}
