//! Two releases side by side, with a synthetic later one: its hydrator writes messages and records in a format that this release
//! does not read. Between two deployments, and after a rollback, functions of both meet what the other wrote.

use std::collections::BTreeSet;

use dispatch::Subject;
use pipeline::{job::Message, messages::READS, ports::PortError};
use serde_json::{Value, json, value::RawValue};

use crate::{Function, Invocation, Simulation, sim::State};

/// The format that the later release writes.
const LATER: u32 = READS + 1;

/// Who runs the later release, and what it has written.
#[derive(Debug, Default)]
pub(crate) struct Releases {
    later: BTreeSet<Function>,
    /// Subjects whose record is of the later format.
    records: BTreeSet<String>,
}

#[derive(serde::Deserialize)]
struct Ours<'m> {
    #[serde(borrow)]
    message: &'m RawValue,
}

/// The later format: nothing but the version is where it was.
#[derive(serde::Deserialize)]
struct Theirs<'m> {
    v: u32,
    #[serde(borrow)]
    content: &'m RawValue,
}

impl Releases {
    fn is_later(&self, function: Function) -> bool {
        // The sweep is a call of the retrier.
        self.later.contains(&if function == Function::Sweeper { Function::Retrier } else { function })
    }
}

/// A message of this release as the later one writes it.
fn later(body: &str) -> String {
    let Ok(Ours { message }) = serde_json::from_str(body) else { return body.to_owned() };
    json!({ "v": LATER, "content": serde_json::from_str::<Value>(message.get()).unwrap_or_default() }).to_string()
}

/// A message of the later release as this one writes it; as it is where it is none.
fn ours(body: String) -> String {
    match serde_json::from_str::<Theirs<'_>>(&body) {
        Ok(Theirs { v: LATER, content }) => format!(r#"{{"v":1,"message":{content}}}"#),
        _ => body,
    }
}

impl State {
    /// Whether what a function writes is of the later format: the later release's hydrator begins with it.
    fn writes_later(&self, function: Function) -> bool {
        function == Function::Hydrator && self.releases.is_later(function)
    }

    /// The record of a subject was written by that function.
    pub(crate) fn noted_release(&mut self, function: Function, subject: &Subject) {
        if self.writes_later(function) {
            self.releases.records.insert(subject.to_string());
        }
    }
}

impl Invocation<'_> {
    /// A message as this function's release writes it.
    pub(crate) fn in_its_format(&self, body: &str) -> String {
        if self.sim.with(|state| state.writes_later(self.function)) { later(body) } else { body.to_owned() }
    }

    /// Messages as this function reads them: the later release reads both formats.
    pub(crate) fn as_it_reads(&self, messages: Vec<Message>) -> Vec<Message> {
        if !self.sim.with(|state| state.releases.is_later(self.function)) {
            return messages;
        }
        messages.into_iter().map(|message| Message { body: ours(message.body), ..message }).collect()
    }

    /// Whether this function reads the record of a subject, or it is of a format that only the later release reads.
    pub(crate) fn can_read(&self, port: &'static str, subject: &Subject) -> Result<(), PortError> {
        let is_later = self
            .sim
            .with(|state| state.releases.records.contains(subject.as_str()) && !state.releases.is_later(self.function));
        let reason = || format!("the item {subject} has format version {LATER}; this release reads up to {READS}");
        if is_later { Err(PortError::Unavailable { port, reason: reason() }) } else { Ok(()) }
    }
}

impl Simulation {
    /// From here on that function is the later release's.
    pub fn deploy_later(&self, function: Function) {
        self.with(|state| state.releases.later.insert(function));
    }

    /// From here on all functions are this release's.
    pub fn roll_back(&self) {
        self.with(|state| state.releases.later.clear());
    }
}
