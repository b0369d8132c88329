//! A dispatch as the data of its signal: one message if it fits, else parts with some of the targets each.
//!
//! The division depends only on the statement and not on other dispatches. So a set of parts that is published again,
//! with or without [`Effective`], is divided as before.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::Serialize;
use serde_json::value::RawValue;

use signals::{DispatchChange, DispatchSignal, Effective, Request, SignalType, Status, Subject, Target, TargetEntry};

use crate::{
    DispatchTerms, EffectiveTargets, Origin, Part, Targets,
    payload::{self, Payload},
    signal::written,
};

/// The published content of one version of a dispatch.
#[derive(Clone, Copy)]
pub(crate) struct Version<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) subject: &'a Subject,
    pub(crate) id: &'a str,
    pub(crate) number: u64,
    pub(crate) status: Status,
    pub(crate) terms: &'a DispatchTerms,
}

/// Details are short values; a longer one, in bytes, is a document and can be dropped.
const LONG_DETAIL_BYTES: usize = 1_024;

/// The JSON size of a group of targets without their ids and their request.
const GROUP_BYTES: usize = 32;

/// One byte in this many of a part stays free for [`Effective`], which is added to parts that are already divided.
const EFFECTIVE_SHARE: usize = 16;

/// The longest possible part number and count.
const LAST_PART: Part = Part { number: u32::MAX, of: u32::MAX };

impl Version<'_> {
    /// Its payloads: one, or one for each part.
    pub(crate) fn payloads(self, change: DispatchChange, limit_bytes: usize) -> Vec<Payload> {
        self.payloads_of(&SignalType::Dispatch(change), limit_bytes, &EffectiveTargets::new())
    }

    /// The payloads with `effective` added to some of the targets.
    pub(crate) fn payloads_of(
        self,
        kind: &SignalType,
        limit_bytes: usize,
        effective: &EffectiveTargets,
    ) -> Vec<Payload> {
        let limit_bytes = limit_bytes.saturating_sub(envelope_bytes(self.subject));
        let payload = |(part, data)| Payload { kind: kind.clone(), test: self.terms.test_reason.is_some(), part, data };
        self.data(limit_bytes, effective).into_iter().map(payload).collect()
    }

    fn data(self, limit_bytes: usize, effective: &EffectiveTargets) -> Vec<(Option<Part>, Box<RawValue>)> {
        let targets = &self.terms.targets;
        // If the ids alone do not fit, skip making the entries.
        if targets.iter().map(|target| target.id.len()).sum::<usize>() > limit_bytes {
            return self.parts(limit_bytes, effective);
        }
        let whole = self.signal(None, entries(targets, &EffectiveTargets::new()));
        let fits = |data: &RawValue| data.get().len() <= limit_bytes;
        let plain = data_of(&whole);
        let plain_fits = fits(&plain);
        if plain_fits && effective.is_empty() {
            return vec![(None, plain)];
        }
        drop(plain);
        if !plain_fits && !fits(&data_of(&shared(whole))) {
            return self.parts(limit_bytes, effective);
        }
        vec![(None, self.one(None, targets, limit_bytes, effective))]
    }

    /// One message with these targets and as many of their fields as fit.
    fn one(
        self,
        part: Option<Part>,
        targets: &[Target],
        limit_bytes: usize,
        effective: &EffectiveTargets,
    ) -> Box<RawValue> {
        let fits = |data: &RawValue| data.get().len() <= limit_bytes;
        let nothing = EffectiveTargets::new();
        for effective in [effective, &nothing] {
            let signal = self.signal(part, entries(targets, effective));
            let plain = data_of(&signal);
            if fits(&plain) {
                return plain;
            }
            let grouped = data_of(&shared(signal));
            if fits(&grouped) {
                return grouped;
            }
        }
        // A single target with a name larger than a message: the name is dropped and the id remains, so the site is
        // curtailed.
        let nameless: Vec<Target> =
            targets.iter().map(|target| Target { name: None, external_id: None, ..target.clone() }).collect();
        data_of(&shared(self.signal(part, entries(&nameless, &nothing))))
    }

    fn parts(self, limit_bytes: usize, effective: &EffectiveTargets) -> Vec<(Option<Part>, Box<RawValue>)> {
        let mut terms = DispatchTerms { targets: Targets::default(), ..self.terms.clone() };
        let head_bytes =
            |terms: &DispatchTerms| data_of(&Version { terms, ..self }.signal(Some(LAST_PART), Vec::new())).get().len();
        if head_bytes(&terms) > limit_bytes / 2 {
            // Controllers do not act on details and programs. Drop the long ones first.
            terms.details.retain(|_, detail| detail.to_string().len() <= LONG_DETAIL_BYTES);
            for program in &mut terms.programs {
                for label in [&mut program.name, &mut program.market, &mut program.kind, &mut program.timezone] {
                    label.take_if(|text| text.len() > LONG_DETAIL_BYTES);
                }
            }
        }
        let room_bytes = limit_bytes.saturating_sub(head_bytes(&terms) + GROUP_BYTES + limit_bytes / EFFECTIVE_SHARE);
        let chunks = divided(&self.terms.targets, room_bytes);
        let of = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
        let version = Version { terms: &terms, ..self };
        let numbered = (1..=of).zip(chunks);
        numbered
            .map(|(number, targets)| {
                let part = (of > 1).then_some(Part { number, of });
                (part, version.one(part, targets, limit_bytes, effective))
            })
            .collect()
    }

    fn signal(self, part: Option<Part>, targets: Vec<TargetEntry>) -> DispatchSignal {
        let terms = self.terms;
        DispatchSignal {
            key: self.subject.to_string(),
            provider: self.origin.provider.clone(),
            source: self.origin.source.clone(),
            id: self.id.to_owned(),
            version: self.number,
            part: part.map(|part| part.number),
            parts: part.map(|part| part.of),
            status: self.status,
            test: terms.test_reason.is_some(),
            test_reason: terms.test_reason,
            voluntary: terms.voluntary,
            priority: terms.priority,
            start: terms.start,
            end: terms.end,
            request: terms.request,
            targets,
            programs: terms.programs.clone(),
            details: terms.details.clone(),
        }
    }
}

/// The maximum size of the envelope around the data: it contains the subject twice.
fn envelope_bytes(subject: &Subject) -> usize {
    512 + 2 * subject.as_str().len()
}

fn data_of(signal: &DispatchSignal) -> Box<RawValue> {
    payload::data_of("dispatch", signal)
}

fn entries(targets: &[Target], effective: &EffectiveTargets) -> Vec<TargetEntry> {
    let one =
        |target: &Target| TargetEntry::One { effective: effective.get(&target.id).cloned(), target: target.clone() };
    targets.iter().map(one).collect()
}

fn shared(mut signal: DispatchSignal) -> DispatchSignal {
    signal.targets = grouped(signal.targets);
    signal
}

fn is_nameless(target: &Target) -> bool {
    target.name.is_none() && target.external_id.is_none()
}

/// Divides the targets into as few runs as fit the room each; a target larger than the room stands alone. Without
/// targets it returns one empty run.
fn divided(targets: &[Target], room_bytes: usize) -> Vec<&[Target]> {
    let mut runs = Vec::new();
    let (mut from, mut used_bytes) = (0, 0);
    let mut requests: BTreeSet<Option<Request>> = BTreeSet::new();
    for (place, target) in targets.iter().enumerate() {
        let mut bytes = bytes_of(target, &requests);
        if used_bytes + bytes > room_bytes && place > from {
            runs.push(&targets[from..place]);
            requests.clear();
            (from, used_bytes) = (place, 0);
            bytes = bytes_of(target, &requests);
        }
        used_bytes += bytes;
        if is_nameless(target) {
            requests.insert(target.request);
        }
    }
    runs.push(&targets[from..]);
    runs
}

/// The bytes that a target adds to a message that already has groups of these requests.
fn bytes_of(target: &Target, requests: &BTreeSet<Option<Request>>) -> usize {
    let id_bytes = || json_bytes(&target.id);
    match is_nameless(target) {
        false => json_bytes(target),
        true if requests.contains(&target.request) => id_bytes(),
        true => id_bytes() + json_bytes(&target.request) + GROUP_BYTES,
    }
}

/// The size of a value in a JSON list.
fn json_bytes(value: &impl Serialize) -> usize {
    written(value).get().len() + 1
}

/// Groups nameless targets with the same request and `effective`; other targets stay as they are.
fn grouped(entries: Vec<TargetEntry>) -> Vec<TargetEntry> {
    let mut shared: Vec<TargetEntry> = Vec::new();
    let mut places: BTreeMap<(Option<Request>, Option<Arc<Effective>>), usize> = BTreeMap::new();
    for entry in entries {
        let (more, request, effective) = match entry {
            TargetEntry::One { target, effective } if is_nameless(&target) => {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn targets_of_which_the_same_is_said_share_an_entry_and_named_ones_keep_theirs() {
        let other = Subject::dispatch("leap", "e-2");
        let with = Arc::new(Effective::new(None, other.clone(), vec![other]));
        let entry = |id: &str, name: Option<&str>, watts, effective: Option<&Arc<Effective>>| TargetEntry::One {
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
            { "ids": ["e", "f"], "request": one, "effective": { "until": null, "governed_by": "leap/e-2", "with": ["leap/e-2"], "others": 1 } },
        ]);
        assert_eq!(json!(entries), expected);
        // Grouping again changes nothing.
        assert_eq!(json!(grouped(entries)), expected);
    }
}
