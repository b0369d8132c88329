//! Messages in queues and rows in tables read back as they were written.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

use dispatch::{Epoch, Subject};
use jiff::Timestamp;
use pipeline::{
    alerts::channels::{ChannelLog, Ring},
    conditions::{Condition, NotedEvent, StageReport},
    config::{Channel, Reference},
    group::{AckLink, AlertGroup},
    incident::{Acknowledged, Incident, IncidentKind, IncidentStatus, Snoozed, Waiting},
    job::{FailedJob, Failure, FailureKind, Job, JobKind},
    messages::{self, ByHand, Chain, Deadline, Heartbeat, HeartbeatCheck, Hint, ToAlert, ToHydrate, ToRetry},
    ports::{Refusal, Watched},
    retry::state::RetryState,
};
use providers::FetchRequest;
use serde::{Serialize, de::DeserializeOwned};

pub(crate) const AT: Timestamp = Timestamp::constant(1_701_448_800, 123_456_789);

fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let text = serde_json::to_string(value).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value);
}

/// Through the JSON of a queue.
fn check_message<T: Serialize + DeserializeOwned + PartialEq + Debug>(message: &T) {
    let text = messages::to_json(message).unwrap();
    assert_eq!(&messages::read::<T>(&text).unwrap(), message);
}

pub(crate) fn job(kind: JobKind) -> Job {
    let failure =
        Failure { retry_after_s: Some(7), ..Failure::new(FailureKind::Provider, AT, "the provider answered 500") };
    let job = Job {
        delivery: "d-1".to_owned(),
        source: "voltus-prod".to_owned(),
        received_at: AT,
        attempt: 0,
        failures: Vec::new(),
        after: Some(Subject::dispatch("voltus-prod", "a")),
        waits: None,
        traceparent: None,
        kind,
    };
    job.after(failure)
}

/// A fetch request whose context has numbers that a float or a buffering parser would change.
pub(crate) fn fetch() -> FetchRequest {
    FetchRequest {
        subject: Subject::dispatch("voltus-prod", "a/b ü"),
        key: "voltus-prod/a%2Fb?1".to_owned(),
        context: serde_json::from_str(r#"{"a":1e400,"b":[0.10,{"c":123456789012345678901234567890}],"d":null}"#)
            .unwrap(),
    }
}

/// One of each.
pub(crate) fn conditions() -> Vec<Condition> {
    let (source, dispatch) = (|| "voltus-prod".to_owned(), || fetch().subject);
    vec![
        Condition::Failing { source: source(), key: fetch().key },
        Condition::PartsUnsent { dispatch: dispatch() },
        Condition::DeliveriesUnread,
        Condition::KeyRefused { source: source() },
        Condition::KeysRotated { source: source(), event: "e-1".to_owned() },
        Condition::NotAcknowledged { dispatch: dispatch() },
        Condition::ControllerFailed { dispatch: dispatch() },
        Condition::NoEnd { dispatch: dispatch() },
        Condition::MissedDelivery { dispatch: dispatch() },
        Condition::NotCompliant { subject: Subject::power("dc-1", None, "c-1") },
        Condition::SourceDown { source: source() },
        Condition::Quarantined { source: source(), about: None },
        Condition::Quarantined { source: source(), about: Some(dispatch()) },
        Condition::UnknownEvent { source: source() },
        Condition::GivenUp { source: source(), about: "voltus-prod, delivery d-1".to_owned() },
        Condition::DeadLetters { queue: Watched::AlertsDead },
        Condition::ChannelFailing { channel: "pagerduty/0a1b2c3d".to_owned() },
        Condition::OutputFailing { output: "site-gateway".to_owned() },
    ]
}

#[test]
fn work_of_every_sort() {
    let kinds = [
        JobKind::Body("{\"a\": \"\\ud800\u{7}\"}".to_owned()),
        JobKind::Packed("H4sI".to_owned()),
        JobKind::Fetch(fetch()),
    ];
    for kind in kinds {
        let job = job(kind);
        check_message(&ToHydrate::Job(job.clone()));
        let failed = FailedJob { failure: Failure::new(FailureKind::Credentials, AT, "401"), job: job.clone() };
        check_message(&ToRetry::Failed(failed.clone()));
        // A redriven message is not confused with a passed-on failure.
        let redriven = messages::to_json(&ToHydrate::Job(job.clone())).unwrap();
        assert_eq!(messages::read::<ToRetry>(&redriven).unwrap(), ToRetry::Job(job));
        let handed = messages::to_json(&ToRetry::Failed(failed)).unwrap();
        assert!(messages::read::<ToHydrate>(&handed).is_err() && messages::read::<ToAlert>(&handed).is_err());
    }
}

#[test]
fn deadlines_and_heartbeats() {
    let by_hand = ByHand { by: "Ada".to_owned(), epoch: Epoch::from(1_700_000_000_000), version: 3 };
    let chain = Some(Chain { of: 20, left: 3 });
    check_message(&ToRetry::Deadline(Deadline {
        subject: fetch().subject,
        unread: Some(7),
        by_hand: Some(by_hand),
        chain,
        traceparent: None,
    }));
    check_message(&ToRetry::HeartbeatCheck(HeartbeatCheck { again: true, lay: Some(7), ..HeartbeatCheck::of(AT) }));
    check_message(&ToHydrate::Heartbeat(Heartbeat { at: AT }));
    let redriven = messages::to_json(&ToHydrate::Heartbeat(Heartbeat { at: AT })).unwrap();
    assert_eq!(messages::read::<ToRetry>(&redriven).unwrap(), ToRetry::Heartbeat(Heartbeat { at: AT }));
    // A body that looks like a message is not one.
    let body = Job::messages("d-1", "voltus-prod", AT, &redriven, None).remove(0);
    assert!(matches!(messages::read::<ToHydrate>(&body), Ok(ToHydrate::Job(_))), "{body}");
}

#[test]
fn hints_reviews_and_flushes() {
    for condition in conditions() {
        check_message(&ToAlert::Hint(Hint { attempt: 3, timer: true, ..Hint::new(condition, AT) }));
    }
    let keys: Vec<String> = conditions().iter().map(Condition::incident).collect();
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "each has an incident of its own: {keys:?}");
    check_message(&ToAlert::Review { incidents: keys });
    check_message(&ToAlert::Flush { group: "group/quarantined/voltus-prod/first".to_owned(), traceparent: None });
}

fn channel_log() -> ChannelLog {
    ChannelLog {
        channel: Channel::Webhook { url: "https://a.example.com".to_owned(), secret: Reference::Env("S".to_owned()) },
        known_as: AT,
        notified: true,
        sent: BTreeMap::from([("first".to_owned(), AT)]),
        waiting: Some(Ring {
            stages: vec!["start".to_owned()],
            since: AT,
            next_at: AT,
            failures: 2,
            error: Some("it answered 500".to_owned()),
            claim: Some(("d-4".to_owned(), AT)),
        }),
        ending: Some(("d-5".to_owned(), AT)),
    }
}

#[test]
fn incidents_groups_and_links() {
    let news = StageReport { stage: "first".to_owned(), about: "voltus-prod".to_owned(), detail: "d".to_owned() };
    let waiting = Waiting {
        group: "group/quarantined/voltus-prod/first".to_owned(),
        since: AT,
        send_at: AT,
        sorts_by: Timestamp::MAX,
        stages: vec![news.clone()],
    };
    let log = channel_log();
    for condition in conditions() {
        check(&NotedEvent { condition: condition.clone(), at: AT, news: news.clone() });
        check(&Incident {
            incident: condition.incident(),
            revision: u64::MAX,
            write: "d-3".to_owned(),
            condition,
            about: "voltus-prod".to_owned(),
            status: IncidentStatus::Resolved,
            opened_at: AT,
            last_at: AT,
            resolved_at: Some(AT),
            acknowledged: Some(Acknowledged { by: "somebody".to_owned(), at: AT }),
            snoozed: Some(Snoozed { by: "somebody".to_owned(), at: AT, until: AT }),
            level: 2,
            detail: "d".to_owned(),
            mails: BTreeMap::from([("first".to_owned(), AT)]),
            notified: BTreeSet::from(["grid-duty@example.com".to_owned()]),
            waiting: Some(waiting.clone()),
            channels: vec![log.clone()],
        });
    }
    check(&AlertGroup {
        group: waiting.group,
        revision: 1,
        write: "d-1".to_owned(),
        kind: IncidentKind::Quarantined,
        source: "voltus-prod".to_owned(),
        occasion: "first".to_owned(),
        test: false,
        flush_at: Some(AT),
        flushed_at: Some(AT),
        storm_since: Some(AT),
        failures: 2,
        claim: Some(("d-2".to_owned(), AT)),
        last_at: AT,
    });
    check(&AckLink {
        link: AckLink::key("a secret"),
        revision: 2,
        write: "d-3".to_owned(),
        incidents: vec![("quarantined/voltus-prod".to_owned(), AT)],
        subject: "[gridbell] quarantined: voltus-prod".to_owned(),
        to: vec!["grid-duty@example.com".to_owned()],
        expires_at: AT,
        used_at: Some(AT),
        curtailed_at: Some(AT),
    });
}

#[test]
fn bookings_and_refusals() {
    check(&RetryState {
        source: "voltus-prod".to_owned(),
        about: fetch().subject.to_string(),
        delivery: "d-1".to_owned(),
        attempt: 7,
        failed_at: AT,
        next_at: AT,
        notify_at: AT,
        detail: "the provider answered 500".to_owned(),
    });
    check(&Refusal { source: "voltus-prod".to_owned(), since: AT, at: AT, detail: "401".to_owned() });
}
