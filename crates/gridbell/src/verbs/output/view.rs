//! An output as people and scripts see it.

use anyhow::Result;
use jiff::Timestamp;
use pipeline::{
    config::{Config, Output, OutputTarget},
    outputs::{
        lane::LaneSummary,
        state::{OutputState, TestResult},
    },
    ports::Outputs,
};
use serde::Serialize;

use super::CourierSide;
use crate::console::Console;

/// How many subjects of one output are counted.
const MOST_COUNTED: usize = 10_000;

/// One output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutputView {
    /// Its name.
    pub output: String,
    /// `http`, `sqs` or `eventbridge`.
    pub kind: &'static str,
    /// Where it is, without a secret.
    pub target: String,
    /// The sources whose signals it gets; none: all.
    pub sources: Option<Vec<String>>,
    /// The types that it gets; none: all.
    pub types: Option<Vec<String>>,
    /// Whether it gets tests.
    pub tests: bool,
    /// Whether a signal counts as delivered only when this output has taken it.
    pub required: bool,
    /// Whether it takes signals.
    pub status: OutputStatus,
    /// Since when it fails.
    pub failing_since: Option<Timestamp>,
    /// The latest failure in words.
    pub reason: Option<String>,
    /// When it is tried again.
    pub next_at: Option<Timestamp>,
    /// What waits for it.
    pub waiting: SignalCount,
    /// What it did not take and the courier keeps for a replay.
    pub kept: SignalCount,
    /// When it last took a signal, to the minute.
    pub delivered_at: Option<Timestamp>,
    /// The latest test.
    pub test: Option<TestResult>,
}

/// Whether an output takes signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputStatus {
    /// It takes every signal.
    Delivering,
    /// It has not been sent a signal yet.
    Idle,
    /// It works, but refuses some signals, or did not take some.
    Refusing,
    /// It fails as a whole.
    Failing,
}

impl OutputStatus {
    /// In words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Delivering => "delivering",
            Self::Idle => "nothing sent yet",
            Self::Refusing => "refuses some signals",
            Self::Failing => "failing",
        }
    }
}

/// Signals that wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SignalCount {
    /// How many.
    pub signals: usize,
    /// Of how many subjects.
    pub subjects: usize,
    /// Since when the oldest of those subjects waits.
    pub since: Option<Timestamp>,
}

impl SignalCount {
    fn of<'a>(lanes: impl Iterator<Item = &'a LaneSummary>, count: impl Fn(&LaneSummary) -> usize) -> Self {
        lanes.filter(|lane| count(lane) > 0).fold(Self::default(), |sum, lane| Self {
            signals: sum.signals + count(lane),
            subjects: sum.subjects + 1,
            since: Some(sum.since.map_or(lane.since, |since| since.min(lane.since))),
        })
    }

    /// `3 of 2 subjects`; empty without any.
    pub(crate) fn words(self) -> String {
        match self {
            Self { signals: 0, .. } => String::new(),
            Self { signals, subjects: 1, .. } => format!("{signals} of 1 subject"),
            Self { signals, subjects, .. } => format!("{signals} of {subjects} subjects"),
        }
    }
}

impl OutputView {
    /// An output with its state and its lanes.
    pub fn of(name: &str, output: &Output, state: Option<&OutputState>, lanes: &[LaneSummary]) -> Self {
        let failing = state.and_then(|state| state.failing.as_ref());
        let stuck = lanes.iter().filter(|lane| lane.is_stuck()).min_by_key(|lane| lane.since);
        let delivered_at = state.and_then(|state| state.delivered_at);
        let status = match (failing, stuck, delivered_at) {
            (Some(_), ..) => OutputStatus::Failing,
            (None, Some(_), _) => OutputStatus::Refusing,
            (None, None, Some(_)) => OutputStatus::Delivering,
            (None, None, None) => OutputStatus::Idle,
        };
        let reason = failing.map(|failing| failing.detail.clone());
        Self {
            output: name.to_owned(),
            kind: output.target.kind(),
            target: target(&output.target),
            sources: output.sources.clone(),
            types: output.types.clone(),
            tests: output.tests,
            required: output.required,
            status,
            failing_since: failing.map(|failing| failing.since),
            reason: reason.or_else(|| stuck.and_then(|lane| lane.detail.clone())),
            next_at: failing.map(|failing| failing.next_at),
            waiting: SignalCount::of(lanes.iter(), |lane| lane.waiting),
            kept: SignalCount::of(lanes.iter(), |lane| lane.kept),
            delivered_at,
            test: state.and_then(|state| state.test.clone()),
        }
    }
}

/// All outputs of the configuration that the functions run with.
///
/// # Errors
/// In one line: the configuration has outputs and the stack has no courier, or AWS refused.
pub(crate) async fn views(console: &Console, config: &Config) -> Result<Vec<OutputView>> {
    if config.outputs.is_empty() {
        return Ok(Vec::new());
    }
    let CourierSide { table, .. } = CourierSide::of(console)?;
    let table = &table;
    let each = config.outputs.iter().map(|(name, output)| async move {
        let state = table.output_state(name).await?;
        let lanes = table.lanes(name, Timestamp::MAX, MOST_COUNTED).await?;
        Ok(OutputView::of(name, output, state.as_ref(), &lanes))
    });
    let views: Result<Vec<_>, pipeline::ports::PortError> = futures_util::future::try_join_all(each).await;
    views.map_err(|error| console.refusal(error).into())
}

/// Where an output is. A query may contain a token, so it is left out.
pub(crate) fn target(target: &OutputTarget) -> String {
    match target {
        OutputTarget::Http { url, .. } => match url.split_once('?') {
            Some((url, _)) => format!("{url}?…"),
            None => url.clone(),
        },
        OutputTarget::Sqs { queue_url } => queue_url.clone(),
        OutputTarget::Eventbridge { bus } => bus.clone(),
    }
}

/// What an output gets: `voltus-prod; gridbell.dispatch.*; no tests`.
pub(crate) fn wants(sources: Option<&Vec<String>>, types: Option<&Vec<String>>, tests: bool) -> String {
    let mut parts: Vec<String> = [sources, types].into_iter().flatten().map(|names| names.join(", ")).collect();
    if parts.is_empty() {
        parts.push("all signals".to_owned());
    }
    if !tests {
        parts.push("no tests".to_owned());
    }
    parts.join("; ")
}

#[cfg(test)]
pub(super) mod tests {
    use dispatch::Subject;
    use pipeline::outputs::{lane::LaneKey, state::OutputFailure};
    use serde_json::json;

    use super::*;

    pub(in super::super) fn at(time: &str) -> Timestamp {
        format!("2026-03-01T{time}Z").parse().expect("an instant")
    }

    pub(in super::super) fn output() -> Output {
        let target =
            json!({"http": {"url": "https://ems.example.com/in?key=s3cr3t", "secrets": ["ssm:/gridbell/gateway"]}});
        serde_json::from_value(json!({"target": target, "types": ["gridbell.dispatch.*"], "tests": false}))
            .expect("an output")
    }

    pub(in super::super) fn lane(subject: &str, waiting: usize, kept: usize) -> LaneSummary {
        LaneSummary {
            key: LaneKey { output: "gateway".to_owned(), subject: Subject::from_stored(subject.to_owned()) },
            waiting,
            kept,
            since: at("11:50:00"),
            next_at: at("12:00:10"),
            test: false,
            attempts: 1,
            is_whole_output: true,
            detail: Some("it answered 422".to_owned()),
        }
    }

    pub(in super::super) fn failing() -> OutputState {
        let failing = OutputFailure {
            since: at("11:52:00"),
            attempts: 9,
            at: at("11:59:50"),
            next_at: at("12:00:40"),
            detail: "no connection".to_owned(),
        };
        OutputState { failing: Some(failing), delivered_at: Some(at("11:51:00")), ..OutputState::new("gateway") }
    }

    #[test]
    fn a_target_is_shown_without_what_may_be_a_secret() {
        assert_eq!(target(&output().target), "https://ems.example.com/in?…");
    }

    #[test]
    fn the_status_of_an_output() {
        let of =
            |state: Option<&OutputState>, lanes: &[LaneSummary]| OutputView::of("gateway", &output(), state, lanes);
        assert_eq!(of(None, &[]).status, OutputStatus::Idle);
        let worked = OutputState { delivered_at: Some(at("11:51:00")), ..OutputState::new("gateway") };
        assert_eq!(of(Some(&worked), &[lane("s/a", 1, 0)]).status, OutputStatus::Delivering);
        let refusing = of(Some(&worked), &[lane("s/a", 1, 0), lane("s/b", 0, 2)]);
        assert_eq!((refusing.status, refusing.reason.as_deref()), (OutputStatus::Refusing, Some("it answered 422")));
        let down = of(Some(&failing()), &[lane("s/a", 1, 0), lane("s/b", 2, 2)]);
        assert_eq!((down.status, down.reason.as_deref()), (OutputStatus::Failing, Some("no connection")));
        assert_eq!(down.waiting, SignalCount { signals: 3, subjects: 2, since: Some(at("11:50:00")) });
        assert_eq!(down.kept.words(), "2 of 1 subject");
    }
}
