//! The scenarios as data: what is sent, what the provider answers, what gridbell must produce.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use local_stack::template;
use provider_server::fixtures;
use provider_server::times;

/// A scenario of one source.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenario {
    pub(super) name: String,
    /// One line for people.
    pub(super) title: String,
    pub(super) source: String,
    pub(super) steps: Vec<Step>,
    /// How often each of these must have been requested from the provider by the end; none: any number.
    #[serde(default)]
    pub(super) asked: BTreeMap<String, Option<usize>>,
}

/// One step: prepare, send, then wait for the expected results.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    /// What happens, for people.
    pub(super) says: String,
    /// What the simulator stores from now on.
    pub(super) holds: Option<Content>,
    pub(super) fails: Option<Fails>,
    pub(super) send: Option<Content>,
    /// Sends the body of the step before, this many times in parallel.
    pub(super) again: Option<usize>,
    /// A wrong token, or an unknown source.
    pub(super) endpoint: Option<EndpointKind>,
    #[serde(default)]
    pub(super) answer: Reply,
    /// Exactly these signals, in this order within each subject.
    #[serde(default)]
    pub(super) signals: Vec<Expected>,
    /// Mails: the kind and the key, as in the brackets at the end of their subject lines.
    #[serde(default)]
    pub(super) mails: Vec<String>,
    /// Wait until all work is done: a signal that is not published by then never is.
    #[serde(default)]
    pub(super) worked_off: bool,
    /// How long to wait for the results, in seconds.
    #[serde(default = "usual_wait_s")]
    pub(super) within_s: u64,
}

fn usual_wait_s() -> u64 {
    45
}

/// A body: a fixture, JSON or a text, with changes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Content {
    fixture: Option<String>,
    json: Option<Value>,
    text: Option<String>,
    /// What the same step sends.
    #[serde(default)]
    pub(super) sent: bool,
    /// Texts to replace everywhere; each must occur at least once.
    #[serde(default)]
    replace: BTreeMap<String, String>,
    /// Values to set, by JSON pointer.
    #[serde(default)]
    set: BTreeMap<String, Value>,
}

/// The simulator answers with a status instead.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fails {
    pub(super) about: String,
    pub(super) status: u16,
    /// None: always.
    pub(super) times: Option<u32>,
}

/// An endpoint that is not the source's own.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum EndpointKind {
    WrongToken,
    UnknownSource,
}

/// The receiver's answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// Part of its body; it may have further fields.
    pub(super) body: Value,
}

impl Default for Reply {
    fn default() -> Self {
        Self { status: 200, body: json!({"status": "accepted"}) }
    }
}

/// An expected signal.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    /// The subject without the source.
    about: String,
    /// The type without `gridbell.` and `.v1`.
    #[serde(rename = "type")]
    kind: String,
    /// Part of `data`'s only member; it may have further fields.
    pub(super) data: Value,
}

impl Expected {
    pub(super) fn subject(&self, source: &str) -> String {
        format!("{source}/{}", self.about)
    }

    pub(super) fn kind(&self) -> String {
        format!("gridbell.{}.v1", self.kind)
    }
}

/// Placeholders in contents, such as `{elsewhere}`; their values are known once everything runs.
pub(super) type Names = BTreeMap<&'static str, String>;

/// Reads the scenarios; makes instants relative to `start`.
pub(super) fn load(start: Timestamp) -> Result<Vec<Scenario>> {
    let mut file = template::parse(include_str!("scenarios.yaml")).context("scenarios.yaml cannot be read")?;
    times::resolve(&mut file, start);
    let Value::Array(scenarios) = file else { bail!("scenarios.yaml is no list") };
    let read = |scenario: Value| {
        let name = scenario["name"].to_string();
        serde_json::from_value(scenario).with_context(|| format!("scenarios.yaml: {name}"))
    };
    scenarios.into_iter().map(read).collect()
}

impl Scenario {
    /// The subjects that must have signals.
    pub(super) fn subjects(&self) -> Vec<String> {
        self.subjects_of(&self.steps)
    }

    /// The subjects of a step: those of its signals, else of the steps before, else of all steps, else the source.
    pub(super) fn concerned(&self, index: usize) -> Vec<String> {
        let of = |steps: Option<&[Step]>| self.subjects_of(steps.unwrap_or_default());
        let asked = self.asked.keys().map(|about| format!("{}/{about}", self.source)).collect();
        [
            of(self.steps.get(index..=index)),
            of(self.steps.get(..index)),
            self.subjects(),
            asked,
            vec![self.source.clone()],
        ]
        .into_iter()
        .find(|subjects| !subjects.is_empty())
        .unwrap_or_default()
    }

    fn subjects_of(&self, steps: &[Step]) -> Vec<String> {
        let mut subjects: Vec<String> = Vec::new();
        for subject in steps.iter().flat_map(|step| &step.signals).map(|expected| expected.subject(&self.source)) {
            if !subjects.contains(&subject) {
                subjects.push(subject);
            }
        }
        subjects
    }
}

impl Content {
    /// The body as it is sent.
    pub(super) fn body(&self, names: &Names) -> Result<String> {
        let mut body = match (&self.fixture, &self.json, &self.text) {
            (Some(fixture), None, None) => fixtures::text(fixture)?.to_owned(),
            (None, Some(json), None) => json.to_string(),
            (None, None, Some(text)) => text.clone(),
            _ => bail!("a content is one of fixture, json and text"),
        };
        for (from, to) in &self.replace {
            ensure!(body.contains(from.as_str()), "{from:?} is to be replaced and does not stand there");
            body = body.replace(from.as_str(), to);
        }
        if !self.set.is_empty() {
            let mut json: Value = serde_json::from_str(&body).context("only in JSON a value can be set")?;
            for (pointer, value) in &self.set {
                *json.pointer_mut(pointer).with_context(|| format!("{pointer} is not there"))? = value.clone();
            }
            body = json.to_string();
        }
        for (name, value) in names {
            body = body.replace(name, value);
        }
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn scenarios() -> Vec<Scenario> {
        load("2026-03-01T12:00:00Z".parse().expect("an instant")).expect("good scenarios")
    }

    #[test]
    fn every_content_of_every_scenario_can_be_made() {
        for scenario in scenarios() {
            for step in &scenario.steps {
                let contents = [&step.holds, &step.send].into_iter().flatten().filter(|content| !content.sent);
                for content in contents {
                    let body =
                        content.body(&Names::new()).unwrap_or_else(|error| panic!("{}: {error:#}", scenario.name));
                    assert!(!body.contains("now+") && !body.contains("now-"), "{}: {body}", scenario.name);
                }
                assert!(step.send.is_none() || step.again.is_none(), "{}", scenario.name);
            }
        }
    }

    #[test]
    fn no_two_scenarios_share_a_name_or_a_subject() {
        let mut names = BTreeSet::new();
        let mut subjects = BTreeSet::new();
        for scenario in scenarios() {
            assert!(scenario.subjects().into_iter().all(|subject| subjects.insert(subject)), "{}", scenario.name);
            assert!(names.insert(scenario.name.clone()), "{}", scenario.name);
        }
    }

    #[test]
    fn a_replacement_that_would_do_nothing_is_refused() {
        let content: Content =
            serde_json::from_value(json!({"text": "abc", "replace": {"x": "y"}})).expect("a content");
        assert!(content.body(&Names::new()).is_err());
        let content: Content =
            serde_json::from_value(json!({"json": {"a": [1]}, "set": {"/a/0": "{n}"}})).expect("a content");
        assert_eq!(content.body(&Names::from([("{n}", "z".to_owned())])).expect("a body"), r#"{"a":["z"]}"#);
    }
}
