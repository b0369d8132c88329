//! Signals: numbered without gaps, true to the provider's statements, stored before they are sent, each published once.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Broken, Event, Numbered, Provider, ProviderTimeline, Said, StreamStory,
    envelope::{Message, Queued, faults},
    mismatch,
};
use crate::Fifo;

/// The dispatches and streams of the providers.
pub(super) type Stories<'s> = (&'s [ProviderTimeline], &'s [StreamStory]);

/// A published signal about a dispatch.
#[derive(Debug, Clone)]
pub(super) struct Published {
    pub(super) at: Timestamp,
    pub(super) number: Numbered,
    pub(super) status: String,
    pub(super) end: Option<Timestamp>,
    /// The versions in the model that match it.
    pub(super) versions: Vec<usize>,
    text: String,
}

/// The signals published so far.
#[derive(Debug, Default)]
pub(super) struct Signals {
    pub(super) highest: BTreeMap<String, Numbered>,
    /// By subject, version and part.
    bodies: BTreeMap<(String, Numbered, u64), (Timestamp, Value)>,
    /// The parts of each incomplete version, by subject.
    pub(super) begun: BTreeMap<String, Vec<Value>>,
    /// Dispatches, by subject.
    pub(super) published: BTreeMap<String, Vec<Published>>,
    /// What heartbeats left out, and must not have left out if it is the last version of its dispatch.
    pub(super) left_out: Vec<(String, Numbered)>,
    /// Published happenings and their epoch, by stream, happening, and signal of the happening.
    pub(super) happenings: BTreeMap<(usize, usize, usize), u64>,
}

pub(super) fn broken<T>(invariant: &'static str, subject: &str, detail: impl Into<String>) -> Result<T, Broken> {
    Err(Broken::new(invariant, subject, detail))
}

impl Signals {
    /// Checks a signal that the queue accepted.
    pub(super) fn takes(&mut self, now: Timestamp, signal: &Event, stories: Stories<'_>) -> Result<(), Broken> {
        let Event::Signal { group, deduplication, body, stored } = signal else { return Ok(()) };
        let Ok(event) = serde_json::from_str::<Value>(body) else {
            return broken("envelope", group, "the signal is no JSON");
        };
        self.follows(now, &event, *stored, stories)?;
        let message = Message { event: &event, queued: Some(Queued { group, deduplication }), attributes: None };
        match faults(&message).into_iter().next() {
            Some(fault) => broken("envelope", event["subject"].as_str().unwrap_or(group), fault),
            None => Ok(()),
        }
    }

    /// Checks its number and its content.
    fn follows(
        &mut self,
        now: Timestamp,
        event: &Value,
        stored: Option<Numbered>,
        stories: Stories<'_>,
    ) -> Result<(), Broken> {
        let text = |name: &str| event[name].as_str().unwrap_or_default();
        let decimal = |name: &str| text(name).parse().unwrap_or(0);
        let subject = text("subject");
        let number = Numbered { epoch: decimal("epoch"), sequence: decimal("sequence") };
        let dispatch = &event["data"]["dispatch"];
        let (part, parts) = (dispatch["part"].as_u64().unwrap_or(1), dispatch["parts"].as_u64().unwrap_or(1));
        let suffix = if parts > 1 { format!(".{part}") } else { String::new() };
        let id = format!("{subject}{number}{suffix}");
        if let Some(stored) = stored.filter(|stored| *stored < number) {
            return broken("stored-before-sent", subject, format!("{number} is out, version {stored} is stored"));
        }
        let highest = self.highest.entry(subject.to_owned()).or_default();
        let begun = self.begun.get(subject).map_or(0, Vec::len) as u64;
        let is_known = number < *highest || (number == *highest && (begun == 0 || part <= begun));
        if is_known {
            // After the queue's five minutes of deduplication, a repetition passes; the consumer recognizes it by its
            // number.
            let (at, before) = self.bodies.get(&(subject.to_owned(), number, part)).cloned().unwrap_or_default();
            if before != without_neighbours(event.clone()) {
                return broken("one-meaning", subject, format!("{id} was published with two meanings"));
            }
            if now.duration_since(at) < Fifo::REMEMBERS {
                return broken("sequence", subject, format!("{id} comes again after {highest}"));
            }
            return Ok(());
        }
        let first = if number.epoch > highest.epoch { 1 } else { highest.sequence + 1 };
        let follows = if begun > 0 && number == *highest {
            part == begun + 1
        } else {
            begun == 0 && part == 1 && number.sequence == first
        };
        // A version that was sent in part before the epoch is never completed.
        let begins_epoch = number.epoch > highest.epoch && (number.sequence, part) == (1, 1);
        if !follows && !begins_epoch {
            return broken("sequence", subject, format!("{id} follows {highest}, of which {begun} part(s) were sent"));
        }
        if begins_epoch {
            self.begun.remove(subject);
        }
        *highest = number;
        self.bodies.insert((subject.to_owned(), number, part), (now, without_neighbours(event.clone())));
        let kind = text("type").strip_prefix("gridbell.").and_then(|kind| kind.strip_suffix(".v1")).unwrap_or_default();
        if kind == "heartbeat" {
            return self.heartbeat(number, &event["data"]["heartbeat"], stories);
        }
        if !dispatch.is_object() {
            return self.happening((subject, number.epoch), kind, &event["data"], stories.1, now);
        }
        let Some(whole) = self.joined(subject, dispatch, part == parts) else { return Ok(()) };
        self.dispatch(subject, number, kind, &whole, stories.0, now)
    }

    /// The dispatch with the targets of all parts; none before the last part.
    fn joined(&mut self, subject: &str, dispatch: &Value, is_last: bool) -> Option<Value> {
        let begun = self.begun.entry(subject.to_owned()).or_default();
        begun.push(dispatch.clone());
        if !is_last {
            return None;
        }
        let parts = self.begun.remove(subject)?;
        let targets = parts.iter().filter_map(|part| part["targets"].as_array()).flatten().cloned().collect();
        let mut whole = dispatch.clone();
        whole["targets"] = Value::Array(targets);
        Some(whole)
    }

    fn dispatch(
        &mut self,
        subject: &str,
        number: Numbered,
        kind: &str,
        data: &Value,
        stories: &[ProviderTimeline],
        now: Timestamp,
    ) -> Result<(), Broken> {
        let Some(story) = stories.iter().find(|story| story.subject == subject) else {
            return broken("traces-to-a-fact", subject, "no provider ever spoke of it");
        };
        if data["test"] != Value::Bool(story.test.is_some()) || data["test_reason"].as_str() != story.test.as_deref() {
            let said = format!("test {}, {}; in truth {:?}", data["test"], data["test_reason"], story.test);
            return broken("test-is-test", subject, said);
        }
        let instant = |name: &str| data[name].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        if instant("end").is_some_and(|end| instant("start").is_none_or(|start| end <= start)) {
            let times = format!("{number} starts at {} and ends at {}", data["start"], data["end"]);
            return broken("ends-after-its-start", subject, times);
        }
        let status = data["status"].as_str().unwrap_or_default().to_owned();
        let spoken = story.versions.iter().enumerate().filter(|(_, said)| said.at <= now);
        let versions: Vec<usize> =
            spoken.filter(|(_, said)| body(data, &status, said, now)).map(|(number, _)| number).collect();
        let Some(newest) = versions.last().copied() else {
            return broken("traces-to-a-fact", subject, format!("{number} says what was never stated: {data}"));
        };
        let before = self.published.entry(subject.to_owned()).or_default();
        // A restored table has no record of what was published before its epoch.
        if let Some(last) = before.last().filter(|last| last.number.epoch == number.epoch) {
            let text = meaning(data);
            if last.text == text {
                return broken("unchanged-is-silent", subject, format!("{number} says what {} said", last.number));
            }
            let oldest = last.versions.first().copied().unwrap_or(0);
            let numbered = story.provider == Provider::Voltus { numbered: true };
            // A test that the provider's search does not know is ordered only by arrival.
            let searched = story.provider != (Provider::Leap { searched: false });
            if searched && last.status == "cancelled" && status == "scheduled" && newest <= oldest {
                return broken(
                    "cancel-stands",
                    subject,
                    format!("{number} ({kind}) undoes a cancel without a newer authorization"),
                );
            }
            // A dispatch first seen with an end before its start gets the status `ended` once an earlier version shows
            // that it was active.
            let called_off = status == "ended" && story.versions[newest].possible_end() != story.versions[newest].end;
            if numbered && newest <= oldest && !(called_off && newest == oldest) {
                return broken(
                    "newest-wins",
                    subject,
                    format!("{number} says version {newest} after version {oldest}"),
                );
            }
        }
        before.push(Published { at: now, number, status, end: instant("end"), versions, text: meaning(data) });
        Ok(())
    }

    fn happening(
        &mut self,
        (subject, epoch): (&str, u64),
        kind: &str,
        data: &Value,
        stories: &[StreamStory],
        now: Timestamp,
    ) -> Result<(), Broken> {
        for (number, story) in stories.iter().enumerate() {
            for (place, happening) in story.happenings.iter().enumerate().filter(|(_, one)| one.at <= now) {
                for (which, (its_subject, its_kind, expected)) in happening.signals.iter().enumerate() {
                    if its_subject == subject && its_kind == kind && mismatch(expected, data).is_none() {
                        return if self.happenings.insert((number, place, which), epoch) == Some(epoch) {
                            broken("published-once", subject, format!("{kind} is published twice"))
                        } else {
                            Ok(())
                        };
                    }
                }
            }
        }
        broken("traces-to-a-fact", subject, format!("{kind} was never stated: {data}"))
    }
}

/// A signal without the overlaps of its targets: they are as of each publication and decide which targets share an
/// entry.
fn without_neighbours(mut event: Value) -> Value {
    let Some(targets) = event.pointer_mut("/data/dispatch/targets").and_then(Value::as_array_mut) else { return event };
    let entries = std::mem::take(targets);
    for mut entry in entries {
        let ids = entry["ids"].as_array().cloned();
        if let Some(entry) = entry.as_object_mut() {
            entry.retain(|name, value| !["effective", "ids"].contains(&name.as_str()) && !value.is_null());
        }
        match ids {
            None => targets.push(entry),
            Some(ids) => targets.extend(ids.into_iter().map(|id| {
                let mut one = entry.clone();
                one["id"] = id;
                one
            })),
        }
    }
    targets.sort_by_cached_key(|target| target["id"].to_string());
    for target in targets {
        if let Some(target) = target.as_object_mut() {
            target.sort_keys();
        }
    }
    event
}

/// The fields that a controller acts on.
fn meaning(data: &Value) -> String {
    ["status", "start", "end", "request", "targets", "test"].map(|name| data[name].to_string()).join(" ")
}

/// Whether a signal matches that version.
fn body(data: &Value, status: &str, said: &Said, now: Timestamp) -> bool {
    let instant = |name: &str| data[name].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let of_entry = |entry: &Value| -> Vec<(String, u64)> {
        let watts = entry["request"]["watts"].as_u64().unwrap_or(0);
        // If space is short, targets with the same terms share an entry.
        let ids = entry["ids"].as_array().cloned().unwrap_or_else(|| vec![entry["id"].clone()]);
        ids.iter().map(|id| (id.as_str().unwrap_or_default().to_owned(), watts / 1_000)).collect()
    };
    let mut targets: Vec<(String, u64)> = data["targets"].as_array().into_iter().flatten().flat_map(of_entry).collect();
    let mut spoken = said.targets.clone();
    targets.sort_unstable();
    spoken.sort_unstable();
    // A cancelled dispatch that has ended is `cancelled`. `ended` needs an end that has passed, within the error of a
    // clock.
    let over = said.end.is_some_and(|end| end.duration_since(now).as_secs() <= 61);
    let status_holds = match status {
        "cancelled" => !said.authorized,
        "ended" => said.authorized && over,
        _ => said.authorized,
    };
    status_holds
        && instant("start") == Some(said.start)
        && instant("end") == said.possible_end()
        && data["request"]["watts"].as_u64() == Some(said.watts())
        && targets == spoken
}

impl Published {
    /// Whether that version or a later one has the terms of this signal.
    pub(super) fn reflects(&self, story: &ProviderTimeline, version: usize) -> bool {
        story.versions[version..].iter().any(|truth| {
            let is_over = self.status != "ended" || truth.end.is_some();
            let same = |said: &usize| is_over && story.versions[*said].asks_the_same(truth);
            self.versions.iter().any(same) || (self.status == "cancelled" && !truth.authorized)
        })
    }
}

impl Signals {
    /// At the end, every stored version is published, and nothing else.
    pub(super) fn stored(&self, subject: &str, version: Numbered) -> Option<Broken> {
        let sent = self.highest.get(subject).copied().unwrap_or_default();
        let what = || format!("version {version} is stored, {sent} was published last");
        // An ended dispatch is not published again in a newer epoch.
        let is_of_before = version.sequence == 0 && version.epoch > sent.epoch;
        (sent != version && !is_of_before).then(|| Broken::new("stored-is-sent", subject, what()))
    }

    /// The last published signal of a dispatch.
    pub(super) fn last(&self, story: &ProviderTimeline) -> Option<&Published> {
        self.published.get(&story.subject)?.last()
    }
}
