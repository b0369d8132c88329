//! A subject's news before it becomes a numbered signal: its type and its data.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    AccountEvent, AccountSignal, DispatchSignal, MeterData, MeterSignal, Origin, PowerEvent, PowerSignal, Request,
    SIGNAL_LIMIT_BYTES, Statement, Status, Subject, Target, TargetEntry,
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
    (status, statement): (Status, &Statement),
) -> Payload {
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
        targets: statement.targets.iter().cloned().map(TargetEntry::One).collect(),
        programs: statement.programs.clone(),
        details: statement.details.clone(),
    };
    let mut data = json!({ "dispatch": signal });
    for shorten in [share_entries, leave_details_out, leave_names_out] {
        if data.to_string().len() <= DATA_LIMIT_BYTES {
            break;
        }
        shorten(&mut signal, statement);
        data = json!({ "dispatch": signal });
    }
    Payload { kind: format!("gridbell.dispatch.{}.v1", change.as_str()), test: signal.test, data }
}

/// What a signal's data may be, in bytes: the rest is its envelope, a subject at most three times percent-encoded.
const DATA_LIMIT_BYTES: usize = SIGNAL_LIMIT_BYTES - 8_192;

/// A detail is a word or a number; beyond this many bytes it is a document.
const LONG_DETAIL_BYTES: usize = 1_024;

/// The first thing to do about a signal that does not fit: nothing is lost.
fn share_entries(signal: &mut DispatchSignal, statement: &Statement) {
    signal.targets = grouped(&statement.targets);
}

/// The second: no controller acts on details, and what is long among them is what does not fit.
fn leave_details_out(signal: &mut DispatchSignal, _: &Statement) {
    signal.details.retain(|_, detail| detail.to_string().len() <= LONG_DETAIL_BYTES);
}

/// The last: every meter is still there, by the provider's id. What is not published at all curtails nobody.
fn leave_names_out(signal: &mut DispatchSignal, statement: &Statement) {
    let nameless = |target: &Target| Target { name: None, external_id: None, ..target.clone() };
    signal.targets = grouped(&statement.targets.iter().map(nameless).collect::<Vec<_>>());
}

/// Nameless targets written once per request; the others stay as they are.
fn grouped(targets: &[Target]) -> Vec<TargetEntry> {
    let mut entries: Vec<TargetEntry> = Vec::new();
    let mut shared_by: BTreeMap<Option<Request>, usize> = BTreeMap::new();
    for target in targets {
        if target.name.is_some() || target.external_id.is_some() {
            entries.push(TargetEntry::One(target.clone()));
            continue;
        }
        let place = *shared_by.entry(target.request).or_insert_with(|| {
            entries.push(TargetEntry::Many { ids: Vec::new(), request: target.request });
            entries.len() - 1
        });
        if let Some(TargetEntry::Many { ids, .. }) = entries.get_mut(place) {
            ids.push(target.id.clone());
        }
    }
    entries
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
    fn targets_of_one_request_share_an_entry_and_named_ones_keep_theirs() {
        let target = |id: &str, name: Option<&str>, watts| Target {
            id: id.to_owned(),
            name: name.map(str::to_owned),
            external_id: None,
            request: Some(Request::Reduce { watts }),
        };
        let entries =
            grouped(&[target("a", None, 1), target("b", None, 2), target("c", None, 1), target("d", Some("D"), 1)]);
        let expected = json!([
            { "ids": ["a", "c"], "request": { "kind": "reduce", "watts": 1 } },
            { "ids": ["b"], "request": { "kind": "reduce", "watts": 2 } },
            { "id": "d", "name": "D", "external_id": null, "request": { "kind": "reduce", "watts": 1 } },
        ]);
        assert_eq!(json!(entries), expected);
    }
}
