//! The outputs of the fixed data, and the signals that one of them did not take.

use gridbell::web::{OutputStatus, OutputView, SignalCount, SignalPreview};

use super::{OUTPUT, at};

/// A failing output that did not take two signals, one that works, and one of that name.
pub(super) fn outputs(reason: &str, name: &str) -> Vec<OutputView> {
    let waiting = |signals, subjects| SignalCount { signals, subjects, since: Some(at("11:52:00")) };
    let failing = OutputView {
        output: OUTPUT.to_owned(),
        kind: "http",
        target: "https://ems.example.com/in?…".to_owned(),
        sources: Some(vec!["voltus-prod".to_owned(), name.to_owned()]),
        types: Some(vec!["gridbell.dispatch.*".to_owned()]),
        tests: false,
        required: true,
        status: OutputStatus::Failing,
        failing_since: Some(at("11:52:00")),
        reason: Some(reason.to_owned()),
        next_at: Some(at("12:00:40")),
        waiting: waiting(3, 2),
        kept: waiting(2, 1),
        delivered_at: Some(at("11:51:00")),
        test: None,
    };
    let works = OutputView {
        output: "historian".to_owned(),
        kind: "sqs",
        target: "https://sqs.eu-west-1.amazonaws.com/123456789012/history".to_owned(),
        sources: None,
        types: None,
        tests: true,
        required: false,
        status: OutputStatus::Delivering,
        failing_since: None,
        reason: None,
        next_at: None,
        waiting: SignalCount::default(),
        kept: SignalCount::default(),
        ..failing.clone()
    };
    let other = OutputView { output: name.to_owned(), target: name.to_owned(), ..failing.clone() };
    vec![failing, works, other]
}

pub(super) fn kept_signals(subject: &str) -> Vec<SignalPreview> {
    let signal = |sequence: u64, possible: bool, outcome: &str| SignalPreview {
        id: format!("{subject}#7.{sequence}"),
        subject: subject.to_owned(),
        kind: "gridbell.dispatch.cancelled.v1".to_owned(),
        test: !possible,
        since: at("11:30:00"),
        possible,
        outcome: outcome.to_owned(),
    };
    vec![signal(4, true, "delivered"), signal(2, false, "dropped: the output has taken a newer version")]
}
