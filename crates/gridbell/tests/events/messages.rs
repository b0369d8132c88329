//! Batches as SQS delivers them to the functions behind the receiver.

use std::collections::BTreeMap;

use dispatch::{Origin, Subject};
use jiff::Timestamp;
use pipeline::{
    conditions::Condition,
    job::{FailedJob, Failure, FailureKind, Job, JobKind},
    messages::{self, Deadline, Heartbeat, HeartbeatCheck, Hint, ToAlert, ToHydrate, ToRetry},
    ports::{Lane, Watched},
};
use providers::{Delivery, FetchRequest, Providers};
use serde_json::{Value, json};

use crate::{
    bodies::{ALL, Body, CREATE, PING},
    requests::acknowledgement,
};

/// The instant of all these events: 2026-03-01T12:00:00Z.
const AT: Timestamp = Timestamp::constant(1_772_366_400, 0);

/// The dispatch of the retries and hints.
const DISPATCH: &str = "voltus-demo/dkmq";

/// The hydrator's events by name: each provider's bodies, one message each; all of them in one batch; a request that
/// has failed before; a heartbeat.
pub(crate) fn hydrator() -> BTreeMap<String, Value> {
    let bodies = || ALL.iter().filter(|body| body.name != PING.name).enumerate();
    let message = |(index, body): (usize, &Body)| {
        Job::messages(&delivery(index), &body.source(), AT, body.text(), None).remove(0)
    };
    let mut events: BTreeMap<String, Value> = bodies()
        .map(|(index, body)| {
            (format!("{}-{}", body.provider, body.name), batch("deliveries", &[message((index, body))]))
        })
        .collect();
    let some: Vec<String> = bodies().take(10).map(message).collect();
    events.insert("batch".to_owned(), batch("deliveries", &some));
    let fetch = text(&ToHydrate::Job(job(1, JobKind::Fetch(fetch()))));
    events.insert("voltus-look-again".to_owned(), batch("deliveries", &[fetch]));
    let heartbeat = text(&ToHydrate::Heartbeat(Heartbeat { at: AT }));
    events.insert("heartbeat".to_owned(), batch("deliveries", &[heartbeat]));
    events
}

/// The retrier's events by name.
pub(crate) fn retrier() -> BTreeMap<String, Value> {
    let failed = |kind: FailureKind, detail: &str, job: Job| {
        let failed = FailedJob { failure: Failure::new(kind, AT, detail), job };
        batch("retries", &[text(&ToRetry::Failed(failed))])
    };
    let unanswered =
        |before: u32| failed(FailureKind::Provider, "the provider answered 500", job(before, JobKind::Fetch(fetch())));
    let body = || JobKind::Body(CREATE.text().to_owned());
    let unreadable = "`resource` is no path below the API's own host";
    let check = HeartbeatCheck::of(AT);
    [
        ("failed-look", unanswered(0)),
        // After the fifth failure people are notified.
        ("failed-look-often", unanswered(4)),
        (
            "refused-key",
            failed(FailureKind::Credentials, "the provider refused the API key (401)", job(0, JobKind::Fetch(fetch()))),
        ),
        ("unreadable-body", failed(FailureKind::Unreadable, unreadable, job(0, body()))),
        ("unknown-event", failed(FailureKind::UnknownEvent, "dispatch.paused", job(0, body()))),
        // After a crash, SQS moves the hydrator's own message to the retrier.
        ("crash-redrive", batch("retries", &[text(&ToHydrate::Job(job(0, body())))])),
        ("deadline", batch("retries", &[text(&ToRetry::Deadline(Deadline::of(Subject::from_stored(DISPATCH))))])),
        ("heartbeat-check", batch("retries", &[text(&ToRetry::HeartbeatCheck(check))])),
        ("sweep", json!({ "sweep": true })),
        ("acknowledgement", acknowledgement()),
    ]
    .map(|(name, event)| (name.to_owned(), event))
    .into()
}

/// The alerter's events by name: a hint for each condition, a review, a flush.
pub(crate) fn alerter() -> BTreeMap<String, Value> {
    let mut events: BTreeMap<String, Value> = conditions()
        .into_iter()
        .map(|condition| {
            let queue = match Lane::of(&condition) {
                Lane::Urgent => "alerts",
                Lane::CanWait => "reviews",
            };
            let hint = Hint::new(condition.clone(), AT);
            (name(&condition), batch(queue, &[text(&ToAlert::Hint(hint))]))
        })
        .collect();
    let incidents = conditions().iter().take(3).map(Condition::incident).collect();
    events.insert("review".to_owned(), batch("reviews", &[text(&ToAlert::Review { incidents })]));
    let group = "group/dispatch-at-risk/voltus-demo/first".to_owned();
    events.insert("flush".to_owned(), batch("alerts", &[text(&ToAlert::Flush { group, traceparent: None })]));
    events
}

/// One of each condition.
fn conditions() -> Vec<Condition> {
    let dispatch = || Subject::from_stored(DISPATCH);
    let source = || "voltus-demo".to_owned();
    let subject = Subject::from_stored("nvgrid-demo/main_power_feed/curtailment-20251024-170000");
    vec![
        Condition::NotAcknowledged { dispatch: dispatch() },
        Condition::Failing { source: source(), key: DISPATCH.to_owned() },
        Condition::KeyRefused { source: source() },
        Condition::PartsUnsent { dispatch: dispatch() },
        Condition::DeliveriesUnread,
        Condition::KeysRotated { source: "openvolt-demo".to_owned(), event: "d-1".to_owned() },
        Condition::ControllerFailed { dispatch: dispatch() },
        Condition::NoEnd { dispatch: dispatch() },
        Condition::MissedDelivery { dispatch: dispatch() },
        Condition::NotCompliant { subject },
        Condition::SourceDown { source: source() },
        Condition::Quarantined { source: source(), about: None },
        Condition::UnknownEvent { source: source() },
        Condition::GivenUp { source: source(), about: DISPATCH.to_owned() },
        Condition::DeadLetters { queue: Watched::RetriesDead },
        Condition::ChannelFailing { channel: "pagerduty/0a1b2c3d".to_owned() },
    ]
}

/// The serialized name, in the style of file names.
fn name(condition: &Condition) -> String {
    let value = serde_json::to_value(condition).expect("JSON");
    let name = value.as_object().and_then(|condition| condition.keys().next()).cloned();
    name.or_else(|| value.as_str().map(str::to_owned)).expect("a name").replace('_', "-")
}

fn job(attempt: u32, kind: JobKind) -> Job {
    let failure = |_| Failure::new(FailureKind::Provider, AT, "the provider answered 500");
    Job {
        delivery: delivery(0),
        source: "voltus-demo".to_owned(),
        received_at: AT,
        attempt,
        failures: (0..attempt).map(failure).collect(),
        after: None,
        waits: None,
        traceparent: None,
        kind,
    }
}

/// The fetch request that results from the body `voltus/create.json`.
fn fetch() -> FetchRequest {
    let origin = Origin { source: "voltus-demo".to_owned(), provider: "voltus".to_owned(), sandbox: false };
    let delivery = Delivery { id: "d", received_at: AT, origin: &origin };
    let provider = Providers::default().named("voltus").expect("Voltus");
    provider.parse(&delivery, CREATE.text()).expect("a body").fetches.remove(0)
}

/// A delivery's id: a UUID of version 7, as from the receiver.
fn delivery(index: usize) -> String {
    format!("019ca95e-6400-7000-8000-{index:012x}")
}

fn text(message: &impl serde::Serialize) -> String {
    messages::to_json(message).expect("JSON")
}

fn batch(queue: &str, bodies: &[String]) -> Value {
    let record = |(index, body): (usize, &String)| {
        let at_ms = AT.as_millisecond().to_string();
        json!({
            "messageId": format!("00000000-0000-4000-8000-{index:012x}"),
            "receiptHandle": format!("receipt-{index}"),
            "body": body,
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": at_ms,
                "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                "ApproximateFirstReceiveTimestamp": at_ms,
            },
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{queue}"),
            "awsRegion": "us-east-1",
        })
    };
    json!({ "Records": bodies.iter().enumerate().map(record).collect::<Vec<_>>() })
}

/// The functions can read every message.
#[test]
fn the_messages_are_those_that_the_functions_read() {
    let bodies = |event: &Value| -> Vec<String> {
        let records = event["Records"].as_array().cloned().unwrap_or_default();
        records.iter().map(|record| record["body"].as_str().expect("a body").to_owned()).collect()
    };
    for (name, event) in hydrator() {
        assert!(bodies(&event).iter().all(|body| messages::read::<ToHydrate>(body).is_ok()), "{name}");
    }
    for (name, event) in retrier() {
        assert!(bodies(&event).iter().all(|body| messages::read::<ToRetry>(body).is_ok()), "{name}");
    }
    for (name, event) in alerter() {
        assert!(bodies(&event).iter().all(|body| messages::read::<ToAlert>(body).is_ok()), "{name}");
    }
}
