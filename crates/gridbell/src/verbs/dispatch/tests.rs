//! Snapshots of the output of `dispatch`, from fixed records.

use aws::dynamo::{Failing, QuarantinedJob, StoredJob};
use dispatch::Subject;
use pipeline::{
    job::{Failure, FailureKind},
    record::{Ack, AckState, SubjectRecord},
    timeline::{Closed, Event, TimelineEvent},
};

use super::{get, list, step::Step, timeline, view::DispatchView};
use crate::{
    show::{Clockface, Paint},
    verbs::fixtures::{DELIVERY, NOW, at, incident, record, terms, test},
};

fn clock() -> Clockface {
    Clockface::fixed(at(NOW))
}

fn ack(version: u64, state: AckState) -> Ack {
    Ack { version, state, detail: Some("chiller 2 is down".to_owned()), by: None, at: at("2026-03-01T11:50:00Z") }
}

/// A dispatch in each phase, and one for each risk.
fn records() -> Vec<SubjectRecord> {
    let running = || terms("2026-03-01T11:55:00Z", Some("2026-03-01T12:25:00Z"));
    let later = || terms("2026-03-01T14:00:00Z", Some("2026-03-01T15:00:00Z"));
    let open = || terms("2026-03-01T11:30:00Z", None);
    let withdrawn = dispatch::DispatchTerms { authorized: false, ..later() };
    let silent = SubjectRecord {
        due: Some(at("2026-03-01T11:55:00Z")),
        ..record("silent", [terms("2026-03-01T12:05:00Z", None)])
    };
    vec![
        record("over", [terms("2026-03-01T09:00:00Z", Some("2026-03-01T10:00:00Z"))]),
        record("tomorrow", [test(terms("2026-03-02T09:00:00Z", Some("2026-03-02T10:00:00Z")))]),
        record("later", [later()]),
        record("withdrawn", [later(), withdrawn]),
        SubjectRecord { ack: Some(ack(1, AckState::Accepted)), due: None, ..record("running", [running()]) },
        SubjectRecord { ack: Some(ack(1, AckState::Failed)), ..record("open", [open()]) },
        SubjectRecord { ack: Some(ack(1, AckState::Accepted)), ..record("moved", [later(), running()]) },
        silent,
    ]
}

fn views(records: &[SubjectRecord]) -> Vec<DispatchView> {
    list::ordered(records.iter().filter_map(|record| DispatchView::of(record, at(NOW))).collect())
}

#[test]
fn the_list() {
    insta::assert_snapshot!(list::text(&views(&records()), &clock(), Paint::none()));
}

#[test]
fn a_person_is_told_from_a_controller() {
    let all = records();
    let silent = all.last().expect("one").subject.clone();
    let view =
        DispatchView::of(all.last().expect("one"), at(NOW)).expect("a dispatch").with_person(&[incident(&silent)]);
    assert_eq!(view.ack_words(), "-", "no controller has answered");
    assert_eq!(view.risk_words().as_deref(), Some("no controller acknowledged it in time; Ada takes care"));
    let by_hand = Ack { by: Some("Ada".to_owned()), ..ack(1, AckState::Accepted) };
    let record = SubjectRecord { ack: Some(by_hand), due: None, ..all.last().expect("one").clone() };
    let view = DispatchView::of(&record, at(NOW)).expect("a dispatch");
    assert_eq!((view.ack_words().as_str(), view.at_risk), ("accepted by hand, Ada", None));
}

#[test]
fn an_empty_list_says_where_the_rest_is() {
    assert!(list::text(&[], &clock(), Paint::none()).contains("--all"));
}

#[test]
fn the_list_as_json() {
    insta::assert_json_snapshot!(&views(&records())[..1]);
}

#[test]
fn one_dispatch() {
    let all = records();
    let shown = |index: usize| {
        let view = DispatchView::whole(&all[index], at(NOW)).expect("a dispatch");
        get::text(&view, &clock(), Paint::none())
    };
    insta::assert_snapshot!(
        ["later", "open", "silent"]
            .map(|id| {
                let index = all.iter().position(|record| record.subject.as_str().ends_with(id)).expect("there");
                shown(index)
            })
            .join("\n\n")
    );
}

/// What the stack knows of the dispatch whose controller is silent.
fn steps_of_the_silent_one() -> Vec<Step> {
    let mut silent = records().pop().expect("some");
    let closed = Event::DeadlineClosed { why: Closed::Lapsed };
    silent.history.push(TimelineEvent::new(at("2026-03-01T11:56:00Z"), closed));
    silent.history.push(TimelineEvent::new(at("2026-03-01T11:57:00Z"), Event::RampSettled));
    let other = "019ca932-ba80-7000-8000-000000000002";
    let failing = Failing {
        id: "retry#voltus-prod/silent".to_owned(),
        delivery: other.to_owned(),
        source: "voltus-prod".to_owned(),
        received_at: at("2026-03-01T11:58:00Z"),
        next_at: at("2026-03-01T12:00:30Z"),
        attempt: 1,
        failures: vec![Failure::new(FailureKind::Provider, at("2026-03-01T11:59:00Z"), "the provider answered 500")],
        kind: None,
        traceparent: None,
    };
    let quarantined = QuarantinedJob {
        id: format!("{DELIVERY}/voltus-prod/silent"),
        source: "voltus-prod".to_owned(),
        received_at: at("2026-03-01T11:40:00Z"),
        at: at("2026-03-01T11:41:00Z"),
        kind: "answer".to_owned(),
        reason: "the answer is about another dispatch".to_owned(),
        replayed_as: Some(other.to_owned()),
    };
    let stored = [StoredJob::Quarantined(quarantined), StoredJob::Failing(Box::new(failing))];
    // The failing delivery is not in the record, and does not say what it fetches.
    let incidents = [incident(&silent.subject), incident(&Subject::dispatch("voltus-prod", "other"))];
    timeline::steps(&silent.subject, Some(&silent), &stored, &incidents)
}

#[test]
fn a_timeline_in_order() {
    insta::assert_snapshot!(timeline::text(&steps_of_the_silent_one(), &clock(), Paint::none()));
}

#[test]
fn a_timeline_as_json_is_events() {
    let steps = steps_of_the_silent_one();
    let one_member = |step: &Step| {
        let event = serde_json::to_value(step).expect("JSON")["event"].take();
        event.as_object().is_some_and(|event| event.len() == 1 && event.values().all(serde_json::Value::is_object))
    };
    assert!(steps.iter().all(one_member), "{steps:?}");
    insta::assert_json_snapshot!(steps);
}

#[test]
fn nothing_known_is_no_timeline() {
    assert!(timeline::steps(&Subject::dispatch("voltus-prod", "x"), None, &[], &[]).is_empty());
}
