//! A subject's news before it becomes a numbered signal: its type and its data.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    AccountEvent, AccountSignal, DispatchSignal, Effective, EffectiveTargets, MeterData, MeterSignal, Origin,
    PowerEvent, PowerSignal, Request, SIGNAL_LIMIT_BYTES, Statement, Status, Subject, Target, TargetEntry,
};

/// A type and its data, before they become a version of a subject.
pub(crate) struct Payload {
    pub(crate) kind: String,
    pub(crate) test: bool,
    pub(crate) data: Value,
}

/// Which of a dispatch's four types a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Scheduled,
    Updated,
    Cancelled,
    Ended,
}

impl Change {
    fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Updated => "updated",
            Self::Cancelled => "cancelled",
            Self::Ended => "ended",
        }
    }
}

pub(crate) fn dispatch_payload(
    origin: &Origin,
    subject: &Subject,
    id: &str,
    version: u64,
    change: Change,
    told: (Status, &Statement),
) -> Payload {
    let data = dispatch_data(origin, subject, id, version, told, &EffectiveTargets::new());
    let test = told.1.test_reason.is_some();
    Payload { kind: format!("gridbell.dispatch.{}.v1", change.as_str()), test, data }
}

pub(crate) fn dispatch_data(
    origin: &Origin,
    subject: &Subject,
    id: &str,
    version: u64,
    (status, statement): (Status, &Statement),
    effective: &EffectiveTargets,
) -> Value {
    let one =
        |target: &Target| TargetEntry::One { effective: effective.get(&target.id).cloned(), target: target.clone() };
    let mut signal = DispatchSignal {
        key: subject.to_string(),
        provider: origin.provider.clone(),
        source: origin.source.clone(),
        id: id.to_owned(),
        version,
        status,
        test: statement.test_reason.is_some(),
        test_reason: statement.test_reason,
        voluntary: statement.voluntary,
        priority: statement.priority,
        start: statement.start,
        end: statement.end,
        request: statement.request,
        targets: statement.targets.iter().map(one).collect(),
        programs: statement.programs.clone(),
        details: statement.details.clone(),
    };
    let mut data = json!({ "dispatch": signal });
    for shorten in [share_entries, leave_details_out, leave_effective_out, leave_names_out] {
        if data.to_string().len() <= DATA_LIMIT_BYTES {
            break;
        }
        shorten(&mut signal);
        data = json!({ "dispatch": signal });
    }
    data
}

/// What a signal's data may be, in bytes: the rest is its envelope, a subject at most three times percent-encoded.
const DATA_LIMIT_BYTES: usize = SIGNAL_LIMIT_BYTES - 8_192;

/// A detail is a word or a number; beyond this many bytes it is a document.
const LONG_DETAIL_BYTES: usize = 1_024;

/// The first thing to do about a signal that does not fit: nothing is lost.
fn share_entries(signal: &mut DispatchSignal) {
    signal.targets = grouped(std::mem::take(&mut signal.targets));
}

/// The second: no controller acts on details, and what is long among them is what does not fit.
fn leave_details_out(signal: &mut DispatchSignal) {
    signal.details.retain(|_, detail| detail.to_string().len() <= LONG_DETAIL_BYTES);
}

/// The third: who keeps the other dispatches' signals knows what overlaps.
fn leave_effective_out(signal: &mut DispatchSignal) {
    change_entries(signal, |_, effective| *effective = None);
}

/// The last: every meter is still there, by the provider's id. What is not published at all curtails nobody.
fn leave_names_out(signal: &mut DispatchSignal) {
    change_entries(signal, |target, _| {
        if let Some(target) = target {
            target.name = None;
            target.external_id = None;
        }
    });
}

fn change_entries(signal: &mut DispatchSignal, change: impl Fn(Option<&mut Target>, &mut Option<Effective>)) {
    for entry in &mut signal.targets {
        match entry {
            TargetEntry::One { target, effective } => change(Some(target), effective),
            TargetEntry::Many { effective, .. } => change(None, effective),
        }
    }
    signal.targets = grouped(std::mem::take(&mut signal.targets));
}

/// Nameless targets of which the same is said written once; the others stay as they are.
fn grouped(entries: Vec<TargetEntry>) -> Vec<TargetEntry> {
    let mut shared: Vec<TargetEntry> = Vec::new();
    let mut places: BTreeMap<(Option<Request>, Option<Effective>), usize> = BTreeMap::new();
    for entry in entries {
        let (more, request, effective) = match entry {
            TargetEntry::One { target, effective } if target.name.is_none() && target.external_id.is_none() => {
                (vec![target.id], target.request, effective)
            }
            TargetEntry::Many { ids, request, effective } => (ids, request, effective),
            named @ TargetEntry::One { .. } => {
                shared.push(named);
                continue;
            }
        };
        let place = *places.entry((request, effective.clone())).or_insert_with(|| {
            shared.push(TargetEntry::Many { ids: Vec::new(), request, effective });
            shared.len() - 1
        });
        if let Some(TargetEntry::Many { ids, .. }) = shared.get_mut(place) {
            ids.extend(more);
        }
    }
    shared
}

pub(crate) fn power_payload(origin: &Origin, subject: &Subject, event: &PowerEvent) -> Payload {
    let signal = PowerSignal {
        key: subject.to_string(),
        provider: origin.provider.clone(),
        source: origin.source.clone(),
        feed: event.feed.clone(),
        correlation_id: event.correlation_id.clone(),
        event: event.event,
        start: event.start,
        end: event.end,
        strategy: event.strategy.clone(),
        target: event.target,
        previous: event.previous,
        measured_watts: event.measured_w,
        compliant: event.compliant,
    };
    Payload {
        kind: format!("gridbell.power.{}.v1", event.event.as_str()),
        test: origin.sandbox,
        data: json!({ "power": signal }),
    }
}

pub(crate) fn meter_payload(origin: &Origin, subject: &Subject, data: &MeterData) -> Payload {
    let signal = MeterSignal {
        key: subject.to_string(),
        provider: origin.provider.clone(),
        source: origin.source.clone(),
        id: data.id.clone(),
        delivery: data.delivery.clone(),
        start: data.start,
        end: data.end,
        granularity: data.granularity.clone(),
        part: data.part,
        parts: data.parts,
        intervals: data.intervals.clone(),
    };
    Payload { kind: "gridbell.meter.data.v1".to_owned(), test: origin.sandbox, data: json!({ "meter": signal }) }
}

pub(crate) fn account_payload(origin: &Origin, event: &AccountEvent) -> Payload {
    let signal = AccountSignal {
        provider: origin.provider.clone(),
        source: origin.source.clone(),
        event: event.event.clone(),
        delivery: event.delivery.clone(),
        payload: event.payload.clone(),
    };
    Payload {
        kind: format!("gridbell.account.{}.v1", event.event),
        test: origin.sandbox,
        data: json!({ "account": signal }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_of_which_the_same_is_said_share_an_entry_and_named_ones_keep_theirs() {
        let with = Effective {
            until: None,
            governed_by: Subject::dispatch("leap", "e-2"),
            with: vec![Subject::dispatch("leap", "e-2")],
        };
        let entry = |id: &str, name: Option<&str>, watts, effective: Option<&Effective>| TargetEntry::One {
            target: Target {
                id: id.to_owned(),
                name: name.map(str::to_owned),
                external_id: None,
                request: Some(Request::Reduce { watts }),
            },
            effective: effective.cloned(),
        };
        let entries = grouped(vec![
            entry("a", None, 1, None),
            entry("b", None, 2, None),
            entry("c", None, 1, None),
            entry("d", Some("D"), 1, None),
            entry("e", None, 1, Some(&with)),
            entry("f", None, 1, Some(&with)),
        ]);
        let one = json!({ "kind": "reduce", "watts": 1 });
        let expected = json!([
            { "ids": ["a", "c"], "request": one },
            { "ids": ["b"], "request": { "kind": "reduce", "watts": 2 } },
            { "id": "d", "name": "D", "external_id": null, "request": one },
            { "ids": ["e", "f"], "request": one, "effective": { "until": null, "governed_by": "leap/e-2", "with": ["leap/e-2"] } },
        ]);
        assert_eq!(json!(entries), expected);
        // Once more changes nothing.
        assert_eq!(json!(grouped(entries)), expected);
    }
}
