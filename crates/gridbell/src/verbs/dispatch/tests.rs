//! What `dispatch` shows, golden, from fixed records.

use aws::dynamo::{Failing, Kept, PutAside};
use dispatch::Subject;
use pipeline::{
    record::{Ack, AckState, Due, Record},
    work::{Trouble, TroubleKind},
};

use super::{get, list, timeline, view::View};
use crate::{
    show::{Clockface, Paint},
    verbs::fixtures::{DELIVERY, NOW, at, record, statement, test},
};

fn clock() -> Clockface {
    Clockface::fixed(at(NOW))
}

fn ack(version: u64, state: AckState) -> Ack {
    Ack { version, state, detail: Some("chiller 2 is down".to_owned()), at: at("2026-03-01T11:50:00Z") }
}

/// One in each phase, and one at each risk.
fn records() -> Vec<Record> {
    let running = || statement("2026-03-01T11:55:00Z", Some("2026-03-01T12:25:00Z"));
    let later = || statement("2026-03-01T14:00:00Z", Some("2026-03-01T15:00:00Z"));
    let open = || statement("2026-03-01T11:30:00Z", None);
    let withdrawn = dispatch::Statement { authorized: false, ..later() };
    let told = Record {
        due: Some(Due { at: at("2026-03-01T12:05:00Z"), told: 2, telling: false, told_at: None }),
        ..record("told", [statement("2026-03-01T12:05:00Z", None)])
    };
    vec![
        record("over", [statement("2026-03-01T09:00:00Z", Some("2026-03-01T10:00:00Z"))]),
        record("tomorrow", [test(statement("2026-03-02T09:00:00Z", Some("2026-03-02T10:00:00Z")))]),
        record("later", [later()]),
        record("withdrawn", [later(), withdrawn]),
        Record { ack: Some(ack(1, AckState::Accepted)), due: None, ..record("running", [running()]) },
        Record { ack: Some(ack(1, AckState::Failed)), ..record("open", [open()]) },
        Record { ack: Some(ack(1, AckState::Accepted)), ..record("moved", [later(), running()]) },
        told,
    ]
}

fn views(records: &[Record]) -> Vec<View> {
    list::ordered(records.iter().filter_map(|record| View::of(record, at(NOW))).collect())
}

#[test]
fn the_list() {
    insta::assert_snapshot!(list::text(&views(&records()), &clock(), Paint::none()));
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
        let view = View::whole(&all[index], at(NOW)).expect("a dispatch");
        get::text(&view, &clock(), Paint::none())
    };
    insta::assert_snapshot!(
        ["later", "open", "told"]
            .map(|id| {
                let index = all.iter().position(|record| record.subject.as_str().ends_with(id)).expect("there");
                shown(index)
            })
            .join("\n\n")
    );
}

#[test]
fn a_story_in_order() {
    let mut told = records().pop().expect("some");
    told.history.push(pipeline::record::Entry {
        at: at("2026-03-01T11:55:00Z"),
        delivery: String::new(),
        what: "told that it is not acknowledged; next at 2026-03-01T12:05:00Z".to_owned(),
    });
    let other = "019ca932-ba80-7000-8000-000000000002";
    let failing = Failing {
        id: "retry#voltus-prod/told".to_owned(),
        delivery: other.to_owned(),
        source: "voltus-prod".to_owned(),
        received_at: at("2026-03-01T11:58:00Z"),
        next_at: at("2026-03-01T12:00:30Z"),
        attempt: 1,
        troubles: vec![Trouble::new(TroubleKind::Provider, at("2026-03-01T11:59:00Z"), "the provider answered 500")],
        task: None,
    };
    let aside = PutAside {
        id: format!("{DELIVERY}/voltus-prod/told"),
        source: "voltus-prod".to_owned(),
        received_at: at("2026-03-01T11:40:00Z"),
        at: at("2026-03-01T11:41:00Z"),
        kind: "answer".to_owned(),
        reason: "the answer is about another dispatch".to_owned(),
        replayed_as: Some(other.to_owned()),
    };
    let kept = [Kept::PutAside(aside), Kept::Failing(Box::new(failing))];
    // The failing delivery is not among those that the record knows, and does not say what it looks at.
    let steps = timeline::steps(&told.subject, Some(&told), &kept, &[]);
    insta::assert_snapshot!(timeline::text(&steps, &clock(), Paint::none()));
}

#[test]
fn nothing_known_is_no_story() {
    assert!(timeline::steps(&Subject::dispatch("voltus-prod", "x"), None, &[], &[]).is_empty());
}
