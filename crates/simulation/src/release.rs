//! Two releases side by side. The later one is synthetic: its hydrator writes messages and records in a format that
//! this release does not read. During a deployment, and after a rollback, functions of each release read what the other
//! wrote.

use std::collections::BTreeSet;

use dispatch::Subject;
use pipeline::{job::Message, messages::READS, ports::PortError};
use serde_json::{Value, json, value::RawValue};

use crate::{Function, Invocation, Simulation, sim::State};

/// The format of the later release.
const LATER: u32 = READS + 1;

/// The functions of the later release, and what it wrote.
#[derive(Debug, Default)]
pub(crate) struct Releases {
    later: BTreeSet<Function>,
    /// Subjects with a record in the later format.
    records: BTreeSet<String>,
}

#[derive(serde::Deserialize)]
struct Ours<'m> {
    #[serde(borrow)]
    message: &'m RawValue,
}

/// The later format: only the version is in the same place.
#[derive(serde::Deserialize)]
struct Theirs<'m> {
    v: u32,
    #[serde(borrow)]
    content: &'m RawValue,
}

impl Releases {
    fn is_later(&self, function: Function) -> bool {
        // The sweep runs in the retrier.
        self.later.contains(&if function == Function::Sweeper { Function::Retrier } else { function })
    }
}

/// Translates a message into the later format.
fn later(body: &str) -> String {
    let Ok(Ours { message }) = serde_json::from_str(body) else { return body.to_owned() };
    json!({ "v": LATER, "content": serde_json::from_str::<Value>(message.get()).unwrap_or_default() }).to_string()
}

/// Translates a message of the later format into this release's. Leaves any other as it is.
fn ours(body: String) -> String {
    match serde_json::from_str::<Theirs<'_>>(&body) {
        Ok(Theirs { v: LATER, content }) => format!(r#"{{"v":1,"message":{content}}}"#),
        _ => body,
    }
}

impl State {
    /// Whether the function writes the later format: only the later release's hydrator does.
    fn writes_later(&self, function: Function) -> bool {
        function == Function::Hydrator && self.releases.is_later(function)
    }

    /// Records that the function wrote a subject's record.
    pub(crate) fn noted_release(&mut self, function: Function, subject: &Subject) {
        if self.writes_later(function) {
            self.releases.records.insert(subject.to_string());
        }
    }
}

impl Invocation<'_> {
    /// A message in the format of this function's release.
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

    /// Whether this function can read a subject's record: only the later release reads the later format.
    pub(crate) fn can_read(&self, port: &'static str, subject: &Subject) -> Result<(), PortError> {
        let is_later = self
            .sim
            .with(|state| state.releases.records.contains(subject.as_str()) && !state.releases.is_later(self.function));
        let reason = || format!("the item {subject} has format version {LATER}; this release reads up to {READS}");
        if is_later { Err(PortError::Unavailable { port, reason: reason() }) } else { Ok(()) }
    }
}

impl Simulation {
    /// Deploys the later release of that function.
    pub fn deploy_later(&self, function: Function) {
        self.with(|state| state.releases.later.insert(function));
    }

    /// Deploys this release of all functions.
    pub fn roll_back(&self) {
        self.with(|state| state.releases.later.clear());
    }
}
