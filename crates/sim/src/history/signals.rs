//! Signals: numbered without holes, true to what the provider stated, stored before they are sent, each told once.

use std::collections::{BTreeMap, BTreeSet};

use dispatch::fifo_id;
use jiff::Timestamp;
use serde_json::Value;

use super::{Broken, Event, Provider, Said, Story, StreamStory};
use crate::Fifo;

/// What the providers speak of.
type Stories<'s> = (&'s [Story], &'s [StreamStory]);

/// A signal about a dispatch as it was published.
#[derive(Debug, Clone)]
pub(super) struct Published {
    pub(super) at: Timestamp,
    pub(super) sequence: u64,
    pub(super) status: String,
    /// The model's versions that say so.
    pub(super) versions: Vec<usize>,
    text: String,
}

/// What was published so far.
#[derive(Debug, Default)]
pub(super) struct Signals {
    highest: BTreeMap<String, u64>,
    bodies: BTreeMap<(String, u64), (Timestamp, Value)>,
    /// Dispatches, by subject.
    pub(super) published: BTreeMap<String, Vec<Published>>,
    /// Happenings that were told: story, place, which of its signals.
    pub(super) told: BTreeSet<(usize, usize, usize)>,
}

fn broken<T>(invariant: &'static str, subject: &str, detail: impl Into<String>) -> Result<T, Broken> {
    Err(Broken::new(invariant, subject, detail))
}

impl Signals {
    /// The queue took a signal.
    pub(super) fn takes(&mut self, now: Timestamp, signal: &Event, stories: Stories<'_>) -> Result<(), Broken> {
        let Event::Signal { group, deduplication, body, stored } = signal else { return Ok(()) };
        let Ok(event) = serde_json::from_str::<Value>(body) else {
            return broken("envelope", group, "the signal is no JSON");
        };
        let text = |name: &str| event[name].as_str().unwrap_or_default();
        let subject = text("subject");
        let sequence: u64 = text("sequence").parse().unwrap_or(0);
        let id = format!("{subject}#{sequence}");
        if text("id") != id || *group != fifo_id(subject) {
            return broken("envelope", subject, format!("{id} bears another id or group"));
        }
        if let Some(stored) = stored.filter(|stored| *stored < sequence) {
            return broken("stored-before-sent", subject, format!("#{sequence} is out, version {stored} is stored"));
        }
        let highest = self.highest.entry(subject.to_owned()).or_default();
        if sequence <= *highest {
            // Beyond the five minutes that the queue remembers, a repetition comes through; the consumer knows it by its number.
            let (at, before) = self.bodies.get(&(subject.to_owned(), sequence)).cloned().unwrap_or_default();
            if before != without_neighbours(event.clone()) {
                return broken("one-meaning", subject, format!("#{sequence} was published with two meanings"));
            }
            if now.duration_since(at) < Fifo::REMEMBERS {
                return broken("sequence", subject, format!("#{sequence} comes again after #{highest}"));
            }
            return Ok(());
        }
        if sequence != *highest + 1 {
            return broken("sequence", subject, format!("#{sequence} follows #{highest}"));
        }
        *highest = sequence;
        if *deduplication != fifo_id(&id) {
            return broken("envelope", subject, format!("{id} is deduplicated by another name"));
        }
        self.bodies.insert((subject.to_owned(), sequence), (now, without_neighbours(event.clone())));
        let kind = text("type").strip_prefix("gridbell.").and_then(|kind| kind.strip_suffix(".v1")).unwrap_or_default();
        if event["data"]["dispatch"].is_object() {
            self.dispatch(subject, sequence, kind, &event["data"]["dispatch"], stories.0, now)
        } else {
            self.happening(subject, kind, &event["data"], stories.1, now)
        }
    }

    fn dispatch(
        &mut self,
        subject: &str,
        sequence: u64,
        kind: &str,
        data: &Value,
        stories: &[Story],
        now: Timestamp,
    ) -> Result<(), Broken> {
        let Some(story) = stories.iter().find(|story| story.subject == subject) else {
            return broken("traces-to-a-fact", subject, "no provider ever spoke of it");
        };
        if data["test"] != Value::Bool(story.test.is_some()) || data["test_reason"].as_str() != story.test.as_deref() {
            let said = format!("test {}, {}; in truth {:?}", data["test"], data["test_reason"], story.test);
            return broken("test-is-test", subject, said);
        }
        let status = data["status"].as_str().unwrap_or_default().to_owned();
        let spoken = story.versions.iter().enumerate().filter(|(_, said)| said.at <= now);
        let versions: Vec<usize> =
            spoken.filter(|(_, said)| says(data, &status, said, now)).map(|(number, _)| number).collect();
        let Some(newest) = versions.last().copied() else {
            return broken("traces-to-a-fact", subject, format!("#{sequence} says what was never stated: {data}"));
        };
        let before = self.published.entry(subject.to_owned()).or_default();
        if let Some(last) = before.last() {
            let text = meaning(data);
            if last.text == text {
                return broken(
                    "unchanged-is-silent",
                    subject,
                    format!("#{sequence} says what #{} said", last.sequence),
                );
            }
            let oldest = last.versions.first().copied().unwrap_or(0);
            let numbered = story.provider == Provider::Voltus { numbered: true };
            // A test that its own search does not know has no order but that of arrival.
            let searched = story.provider != (Provider::Leap { searched: false });
            if searched && last.status == "cancelled" && status == "scheduled" && newest <= oldest {
                return broken(
                    "cancel-stands",
                    subject,
                    format!("#{sequence} ({kind}) undoes a cancel without a newer authorization"),
                );
            }
            if numbered && newest <= oldest {
                return broken(
                    "newest-wins",
                    subject,
                    format!("#{sequence} says version {newest} after version {oldest}"),
                );
            }
        }
        before.push(Published { at: now, sequence, status, versions, text: meaning(data) });
        Ok(())
    }

    fn happening(
        &mut self,
        subject: &str,
        kind: &str,
        data: &Value,
        stories: &[StreamStory],
        now: Timestamp,
    ) -> Result<(), Broken> {
        for (number, story) in stories.iter().enumerate() {
            for (place, happening) in story.happenings.iter().enumerate().filter(|(_, one)| one.at <= now) {
                for (which, (its_subject, its_kind, held)) in happening.signals.iter().enumerate() {
                    if its_subject == subject && its_kind == kind && holds(held, data) {
                        return if self.told.insert((number, place, which)) {
                            Ok(())
                        } else {
                            broken("told-once", subject, format!("{kind} is told twice"))
                        };
                    }
                }
            }
        }
        broken("traces-to-a-fact", subject, format!("{kind} was never stated: {data}"))
    }
}

/// A signal but for what others ask of its targets: that is as of each publication.
fn without_neighbours(mut event: Value) -> Value {
    let targets = event.pointer_mut("/data/dispatch/targets").and_then(Value::as_array_mut);
    for target in targets.into_iter().flatten() {
        if let Some(target) = target.as_object_mut() {
            target.remove("effective");
        }
    }
    event
}

/// What a controller acts on.
fn meaning(data: &Value) -> String {
    ["status", "start", "end", "request", "targets", "test"].map(|name| data[name].to_string()).join(" ")
}

/// Whether a signal says what that version says.
fn says(data: &Value, status: &str, said: &Said, now: Timestamp) -> bool {
    let instant = |name: &str| data[name].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let targets: Vec<(String, u64)> = data["targets"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|target| {
            let watts = target["request"]["watts"].as_u64().unwrap_or(0);
            (target["id"].as_str().unwrap_or_default().to_owned(), watts / 1_000)
        })
        .collect();
    // Withdrawn and over is withdrawn; over needs an end that has come, give or take a clock's error.
    let over = said.end.is_some_and(|end| end.duration_since(now).as_secs() <= 61);
    let status_holds = match status {
        "cancelled" => !said.authorized,
        "ended" => said.authorized && over,
        _ => said.authorized,
    };
    status_holds
        && instant("start") == Some(said.start)
        && instant("end") == said.end
        && data["request"]["watts"].as_u64() == Some(said.watts())
        && targets == said.targets
}

/// Whether `actual` holds all that `expected` does.
fn holds(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            expected.iter().all(|(name, value)| actual.get(name).is_some_and(|actual| holds(value, actual)))
        }
        (Value::Array(expected), Value::Array(actual)) => {
            expected.len() == actual.len() && expected.iter().zip(actual).all(|(a, b)| holds(a, b))
        }
        (expected, actual) => expected == actual,
    }
}

impl Published {
    /// Whether that version, or a later one, asks for what this says.
    pub(super) fn reflects(&self, story: &Story, version: usize) -> bool {
        story.versions[version..].iter().any(|truth| {
            let same = |said: &usize| story.versions[*said].asks_the_same(truth);
            self.versions.iter().any(same) || (self.status == "cancelled" && !truth.authorized)
        })
    }
}

impl Signals {
    /// In the end all that is stored has been published, and nothing else.
    pub(super) fn stored(&self, subject: &str, version: u64) -> Option<Broken> {
        let sent = self.highest.get(subject).copied().unwrap_or(0);
        let what = || format!("version {version} is stored, #{sent} was published last");
        (sent != version).then(|| Broken::new("stored-is-sent", subject, what()))
    }

    /// Of a story, what was published last.
    pub(super) fn last(&self, story: &Story) -> Option<&Published> {
        self.published.get(&story.subject)?.last()
    }
}
