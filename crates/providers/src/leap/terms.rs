//! Combines the shares of an event into the terms of one dispatch.

use std::{cmp::Ordering, collections::HashSet, sync::Arc};

use dispatch::{DispatchTerms, Origin, Program, Request, Target, Targets, TestReason};
use jiff::Timestamp;

use super::{
    events::Event,
    wire::{Flags, Level, Slot},
};

/// A meter or a group in one event.
pub(super) struct Holder {
    pub(super) slot: Slot,
    /// Ids and partner's references. If a group is listed twice, a meter can appear twice.
    meters: Arc<Vec<Meter>>,
}

/// A meter's id and the partner's reference to it.
pub(super) type Meter = (String, Option<String>);

impl Holder {
    pub(super) fn new(slot: Slot, meters: &Arc<Vec<Meter>>) -> Self {
        Self { slot, meters: Arc::clone(meters) }
    }

    /// Adds another slot of the same event. A repeated slot counts once. If two slots differ, a cancelled slot wins,
    /// then the lower priority number, then the larger share, and the times span both: one meter has one share, never
    /// the sum. Returns false if the slots differ.
    pub(super) fn add(&mut self, slot: Slot, meters: &Arc<Vec<Meter>>) -> bool {
        let Self { slot: known, meters: all } = self;
        if !Arc::ptr_eq(all, meters) {
            Arc::make_mut(all).extend_from_slice(meters);
        }
        let acts = |slot: &Slot| (slot.start, slot.end, slot.cancelled, slot.request, slot.priority, slot.voluntary);
        let agree = acts(known) == acts(&slot);
        known.communication |= slot.communication;
        known.voluntary &= slot.voluntary;
        (known.start, known.end) = spanned((known.start, known.end), (slot.start, slot.end));
        if goes_before(&slot, known) == Ordering::Less {
            known.cancelled = slot.cancelled;
            known.priority = slot.priority;
            known.request = slot.request;
        }
        known.programs.extend(slot.programs);
        agree
    }
}

fn goes_before(a: &Slot, b: &Slot) -> Ordering {
    let number = |slot: &Slot| slot.priority.unwrap_or(u32::MAX);
    let by_cancel = b.cancelled.cmp(&a.cancelled);
    by_cancel.then(number(a).cmp(&number(b))).then_with(|| size(b.request).cmp(&size(a.request)))
}

/// Orders requests by size: an unknown amount is less than any other.
fn size(request: Request) -> (u8, u64) {
    match request {
        Request::Unspecified => (0, 0),
        Request::Reduce { watts } | Request::Limit { watts } => (1, watts),
        Request::ReduceMax => (2, 0),
    }
}

/// Start and end.
type Times = (Timestamp, Option<Timestamp>);

/// From the earlier start to the later end; an unknown end is later than any. An end before the start makes the end
/// unknown, except that two slots with such ends give an end before the start.
fn spanned(a: Times, b: Times) -> Times {
    let is_impossible = |(start, end): Times| end.is_some_and(|end| end <= start);
    let start = a.0.min(b.0);
    let later = a.1.zip(b.1).map(|(a, b)| a.max(b));
    let end = match (is_impossible(a), is_impossible(b)) {
        (false, false) => later,
        (true, true) => later.filter(|end| *end <= start),
        _ => None,
    };
    (start, end)
}

/// The terms of an event. Cancelled meters or groups are left out; the event is withdrawn when all are cancelled.
/// `whole`: all shares are readable, so the sum is correct.
pub(super) fn terms(
    event: Event,
    (level, made): (Level, &mut Option<Made>),
    whole: bool,
    origin: &Origin,
    flags: Flags,
) -> DispatchTerms {
    let Event { holders, details, .. } = event;
    let communication = flags.communication || holders.iter().any(|holder| holder.slot.communication);
    let authorized = holders.iter().any(|holder| !holder.slot.cancelled);
    // The holders that are not cancelled; for a withdrawn event, the cancelled ones.
    let counted: Vec<Holder> = holders.into_iter().filter(|holder| holder.slot.cancelled != authorized).collect();
    let slots = || counted.iter().map(|holder| &holder.slot);
    let (start, end) = slots().map(|slot| (slot.start, slot.end)).reduce(spanned).unwrap_or_default();
    DispatchTerms {
        authorized,
        start,
        end,
        request: if whole { dispatch::together(slots().map(|slot| slot.request)) } else { Request::Unspecified },
        test_reason: test_reason(origin, Flags { communication, ..flags }),
        // One binding share makes the whole dispatch binding. The lowest priority number counts.
        voluntary: slots().all(|slot| slot.voluntary),
        priority: slots().filter_map(|slot| slot.priority).min(),
        programs: programs(slots()),
        targets: targets(&counted, level, made),
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
    let mut seen = HashSet::new();
    let names = slots.flat_map(|slot| &slot.programs).filter(|name| seen.insert(*name));
    names.map(|name| Program { name: Some(name.clone()), market: None, kind: None, timezone: None }).collect()
}

/// Each meter has its own share. A group's kilowatts are requested once, so its meters have none. Events of one group
/// share the meters.
fn targets(holders: &[Holder], level: Level, made: &mut Option<Made>) -> Targets {
    let only = holders.first().filter(|_| level == Level::Group && holders.len() == 1);
    let Some(meters) = only.map(|holder| Arc::clone(&holder.meters)) else { return distinct(holders, level).into() };
    if let Some(made) = made.as_ref().filter(|made| Arc::ptr_eq(&made.meters, &meters)) {
        return made.targets.clone();
    }
    let targets = Targets::from(distinct(holders, level));
    *made = Some(Made { meters, targets: targets.clone() });
    targets
}

/// The targets of a group's meters.
pub(super) struct Made {
    meters: Arc<Vec<Meter>>,
    targets: Targets,
}

fn distinct(holders: &[Holder], level: Level) -> Vec<Target> {
    let mut seen = HashSet::new();
    let mut targets = Vec::new();
    for holder in holders {
        let request = (level == Level::Meter).then_some(holder.slot.request);
        for (id, external_id) in holder.meters.iter() {
            if seen.insert(id) {
                let (id, external_id) = (id.clone(), external_id.clone());
                targets.push(Target { id, name: None, external_id, request });
            }
        }
    }
    targets
}
