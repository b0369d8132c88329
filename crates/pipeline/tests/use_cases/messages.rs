//! What travels between the queues and lies in the tables reads back as it was written.

use std::{collections::BTreeMap, fmt::Debug};

use dispatch::Subject;
use jiff::Timestamp;
use pipeline::{
    held::{Gate, Held, Link},
    incident::{Acknowledged, Incident, IncidentStatus, Kind, MailState, Notice},
    work::{Check, Failed, Task, Trouble, TroubleKind, Work},
};
use providers::Look;
use serde::{Serialize, de::DeserializeOwned};

const AT: Timestamp = Timestamp::constant(1_701_448_800, 123_456_789);

fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let text = serde_json::to_string(value).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value);
}

fn work(task: Task) -> Work {
    let trouble =
        Trouble { retry_after_s: Some(7), ..Trouble::new(TroubleKind::Provider, AT, "the provider answered 500") };
    let work = Work {
        delivery: "d-1".to_owned(),
        source: "voltus-prod".to_owned(),
        received_at: AT,
        attempt: 0,
        troubles: Vec::new(),
        told: Some("voltus-prod, delivery d-1".to_owned()),
        after: Some(Subject::dispatch("voltus-prod", "a")),
        task,
    };
    work.after(trouble)
}

/// A look whose context holds what neither a float nor a buffer brings back.
fn look() -> Look {
    Look {
        subject: Subject::dispatch("voltus-prod", "a/b ü"),
        key: "voltus-prod/a%2Fb?1".to_owned(),
        context: serde_json::from_str(r#"{"a":1e400,"b":[0.10,{"c":123456789012345678901234567890}],"d":null}"#)
            .unwrap(),
    }
}

#[test]
fn work_of_every_sort() {
    let tasks =
        [Task::Body("{\"a\": \"\\ud800\u{7}\"}".to_owned()), Task::Packed("H4sI".to_owned()), Task::Look(look())];
    for task in tasks {
        let work = work(task);
        check(&work);
        let failed = Failed { failed: Trouble::new(TroubleKind::Credentials, AT, "401"), work: work.clone() };
        check(&failed);
        assert_eq!(Failed::parse(&serde_json::to_string(&failed).unwrap(), AT).unwrap(), failed);
        // What a crash redrove is told from what was handed over, and neither is taken for a deadline.
        let redriven = Failed::parse(&serde_json::to_string(&work).unwrap(), AT).unwrap();
        assert_eq!((redriven.failed.kind, redriven.work), (TroubleKind::Crash, work.clone()));
        assert!(serde_json::from_str::<Check>(&serde_json::to_string(&work).unwrap()).is_err());
        assert!(serde_json::from_str::<Check>(&serde_json::to_string(&failed).unwrap()).is_err());
    }
}

#[test]
fn notices_and_incidents() {
    let happens = Notice::happens(Kind::Quarantined, "voltus-prod", "voltus-prod".to_owned(), AT, "d".to_owned());
    let notices = [
        happens.clone().about_dispatch(Some(look().subject)),
        happens.clone().until_over().gathered_by("x".to_owned()).mailed_as("stage"),
        Notice::unknown_event("voltus-prod", "dispatch.paused", AT),
        Notice::over(Kind::DeadLetter, "voltus-prod", "x", AT, "done".to_owned()),
        Notice { news: pipeline::incident::News::Flush { gate: "gate/x".to_owned() }, ..happens.clone() },
        Notice { news: pipeline::incident::News::Review, attempt: 3, ..happens },
    ];
    for notice in &notices {
        check(notice);
    }
    let mail = MailState { owner: "d-2".to_owned(), claimed_at: AT, sent_at: Some(AT) };
    check(&Incident {
        incident: notices[0].incident(),
        revision: u64::MAX,
        write: "d-3".to_owned(),
        kind: Kind::Quarantined,
        source: "voltus-prod".to_owned(),
        about: "voltus-prod".to_owned(),
        dispatch: Some(look().subject),
        once_a_day: false,
        status: IncidentStatus::Over,
        opened_at: AT,
        last_at: AT,
        over_at: Some(AT),
        count: 1,
        detail: "d".to_owned(),
        acknowledged: Some(Acknowledged { by: "somebody".to_owned(), at: AT }),
        level: 2,
        quiet_s: Some(900),
        mails: BTreeMap::from([("first".to_owned(), mail)]),
    });
}

#[test]
fn gates_and_links() {
    let held = Held {
        incident: "quarantined/voltus-prod".to_owned(),
        opened_at: AT,
        stage: "first".to_owned(),
        about: "voltus-prod".to_owned(),
        detail: "d".to_owned(),
    };
    check(&Gate {
        gate: "gate/quarantined/voltus-prod/first".to_owned(),
        revision: 1,
        write: "d-1".to_owned(),
        kind: Kind::Quarantined,
        source: "voltus-prod".to_owned(),
        occasion: "first".to_owned(),
        test: false,
        last_at: AT,
        passed: vec![held.id()],
        held: vec![held],
        unlisted: 7,
        flush_at: Some(AT),
        message_at: Some(AT),
        batches: 2,
        flushed_at: Some(AT),
        claim: Some(("d-2".to_owned(), AT)),
    });
    check(&Link {
        link: Link::key("a secret"),
        revision: 2,
        write: "d-3".to_owned(),
        incidents: vec![("quarantined/voltus-prod".to_owned(), AT)],
        subject: "[gridbell] quarantined: voltus-prod".to_owned(),
        to: vec!["grid-duty@example.com".to_owned()],
        expires_at: AT,
        used_at: Some(AT),
    });
}
