//! Things to store and to send.

use dispatch::{
    AccountEvent, Contradiction, DispatchFact, Epoch, Fact, Origin, Publication, Rank, Request, Says, Signal,
    Statement, Subject, Target, absorb,
};
use jiff::Timestamp;
use pipeline::{
    config::Deadlines,
    held::{Gate, Held, Link},
    incident::{Incident, IncidentStatus, Kind},
    record::{Record, Step},
    work::{Task, Work},
};
use serde_json::json;

/// The origin of what is about it.
fn origin(subject: &Subject) -> Origin {
    Origin { source: subject.source().to_owned(), provider: "voltus".to_owned(), sandbox: false }
}

/// A dispatch over so many meters, which owes its first signal.
pub(super) fn record(subject: &Subject, write: &str, meters: usize, now: Timestamp) -> Record {
    let target = |n: usize| Target {
        // As unlike one another as real ids are.
        id: dispatch::fifo_id(&format!("{n} ").repeat(2)),
        name: None,
        external_id: None,
        request: Some(Request::Reduce { watts: 5_000 }),
    };
    let statement = Statement {
        authorized: true,
        start: now,
        end: None,
        request: Request::Reduce { watts: 5_000 * u64::try_from(meters).unwrap() },
        targets: (0..meters).map(target).collect(),
        test_reason: None,
        voluntary: false,
        priority: None,
        programs: Vec::new(),
        details: serde_json::Map::new(),
    };
    let fact = DispatchFact { id: "dkmq".to_owned(), rank: Rank::Numbered(1, now), statement };
    following(None, subject, write, Says::Dispatch(fact), now)
}

/// The same dispatch, stated to end then.
pub(super) fn ending(known: &Record, write: &str, end: Timestamp, now: Timestamp) -> Record {
    let (_, statement) = known.state.published().expect("a dispatch");
    let rank = Rank::Numbered(known.state.version + 1, now);
    let fact = DispatchFact { id: "dkmq".to_owned(), rank, statement: Statement { end: Some(end), ..statement } };
    following(Some(known), &known.subject, write, Says::Dispatch(fact), now)
}

/// So many signals of one stream.
pub(super) fn signals(subject: &Subject, count: usize, now: Timestamp) -> Vec<Signal> {
    let event = |n: usize| AccountEvent {
        identity: n.to_string(),
        event: "customer.created".to_owned(),
        delivery: "d-1".to_owned(),
        payload: json!({ "n": n, "odd": "\u{ffff} ü" }),
    };
    let record = (0..count).fold(None, |known: Option<Record>, n| {
        Some(following(known.as_ref(), subject, "w", Says::Account(event(n)), now))
    });
    record.map(|record| record.outbox).unwrap_or_default()
}

fn following(known: Option<&Record>, subject: &Subject, write: &str, says: Says, now: Timestamp) -> Record {
    let fact = Fact::new(origin(subject), subject.clone(), says);
    let publication = Publication { epoch: Epoch::from(1), now, limit_bytes: 1_048_576 - 4_096 };
    let state = known.map(|record| record.state.clone());
    let absorbed = absorb(state, subject, vec![fact], Contradiction::TakeLatest, publication);
    let step = Step {
        subject,
        delivery: "d-1",
        received_at: now,
        deadlines: Deadlines::default(),
        write: write.to_owned(),
        now,
    };
    Record::following(known, &origin(subject), absorbed.expect("a fact makes a state"), step)
}

pub(super) fn work(delivery: &str, task: Task, now: Timestamp) -> Work {
    Work::fresh(delivery, "contract", now, task)
}

pub(super) fn incident(key: &str, revision: u64, write: &str, now: Timestamp) -> Incident {
    let incident = json!({
        "incident": key,
        "revision": revision,
        "write": write,
        "kind": Kind::HydrationFailing,
        "source": "contract",
        "about": "contract/dkmq",
        "status": IncidentStatus::Open,
        "opened_at": now,
        "last_at": now,
        "count": 1,
        "detail": "the provider answered 500",
        "mails": {},
    });
    serde_json::from_value(incident).expect("an incident")
}

/// A gate that holds so many mails, each as long as it can be.
pub(super) fn gate(key: &str, count: usize, now: Timestamp) -> Gate {
    let held = |n: usize| Held {
        incident: format!("hydration-failing/{}", dispatch::fifo_id(&format!("{n} ").repeat(200))),
        opened_at: now,
        stage: "first".to_owned(),
        about: "ü".repeat(160),
        detail: dispatch::fifo_id(&n.to_string()).repeat(2),
    };
    let gate = json!({
        "gate": key, "revision": 1, "write": "write-1", "kind": Kind::HydrationFailing, "source": "contract",
        "occasion": "first", "test": false, "last_at": now, "passed": ["a", "b", "c"],
        "held": (0..count).map(held).collect::<Vec<_>>(), "unlisted": 7, "flush_at": now,
    });
    serde_json::from_value(gate).expect("a gate")
}

/// A link that takes so many incidents on.
pub(super) fn link(key: &str, incidents: usize, now: Timestamp) -> Link {
    let incidents = (0..incidents).map(|n| (format!("hydration-failing/contract/{n}"), now)).collect();
    Link {
        link: key.to_owned(),
        revision: 1,
        write: "write-1".to_owned(),
        incidents,
        subject: "[gridbell] hydration-failing contract: 200 dispatches".to_owned(),
        to: vec!["grid-duty@example.com".to_owned()],
        expires_at: now,
        used_at: None,
    }
}
