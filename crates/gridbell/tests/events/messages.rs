//! Batches as SQS hands them to the functions behind the door.

use std::collections::BTreeMap;

use dispatch::{Origin, Subject};
use jiff::Timestamp;
use pipeline::{
    incident::{Kind, Notice},
    work::{Failed, Task, Trouble, TroubleKind, Work},
};
use providers::{Delivery, Look};
use serde_json::{Value, json};

use crate::{
    bodies::{ALL, Body, CREATE, PING},
    requests::acknowledgement,
};

/// When everything in these events happened: 2026-03-01T12:00:00Z.
const AT: Timestamp = Timestamp::constant(1_772_366_400, 0);

/// The dispatch that retries and notices are about.
const DISPATCH: &str = "voltus-demo/dkmq";

/// The hydrator's events by name: each provider's bodies, one message each; all of them in one batch; a look that was tried before.
pub(crate) fn hydrator() -> BTreeMap<String, Value> {
    let bodies = || ALL.iter().filter(|body| body.name != PING.name).enumerate();
    let message =
        |(index, body): (usize, &Body)| Work::messages(&delivery(index), &body.source(), AT, body.text()).remove(0);
    let mut events: BTreeMap<String, Value> = bodies()
        .map(|(index, body)| {
            (format!("{}-{}", body.provider, body.name), batch("deliveries", &[message((index, body))]))
        })
        .collect();
    let some: Vec<String> = bodies().take(10).map(message).collect();
    events.insert("batch".to_owned(), batch("deliveries", &some));
    let look = text(&work(1, Task::Look(look())));
    events.insert("voltus-look-again".to_owned(), batch("deliveries", &[look]));
    events
}

/// The retrier's events by name.
pub(crate) fn retrier() -> BTreeMap<String, Value> {
    let failed = |kind: TroubleKind, detail: &str, work: Work| {
        let failed = Failed { failed: Trouble::new(kind, AT, detail), work };
        batch("retries", &[text(&failed)])
    };
    let unanswered =
        |before: u32| failed(TroubleKind::Provider, "the provider answered 500", work(before, Task::Look(look())));
    let body = || Task::Body(CREATE.text().to_owned());
    let unreadable = "`resource` is no path below the API's own host";
    [
        ("failed-look", unanswered(0)),
        // The fifth failure: a person is told.
        ("failed-look-often", unanswered(4)),
        (
            "refused-key",
            failed(TroubleKind::Credentials, "the provider refused the API key (401)", work(0, Task::Look(look()))),
        ),
        ("unreadable-body", failed(TroubleKind::Unreadable, unreadable, work(0, body()))),
        ("unknown-event", failed(TroubleKind::UnknownEvent, "dispatch.paused", work(0, body()))),
        // What a crash redrives is the message as the hydrator had it.
        ("crash-redrive", batch("retries", &[text(&work(0, body()))])),
        ("sweep", json!({ "sweep": true })),
        ("acknowledgement", acknowledgement()),
    ]
    .map(|(name, event)| (name.to_owned(), event))
    .into()
}

/// The alerter's events by name: a notice of each kind, and that one is over.
pub(crate) fn alerter() -> BTreeMap<String, Value> {
    let about_dispatch = |kind, detail: &str| {
        Notice::happens(kind, "voltus-demo", DISPATCH.to_owned(), AT, detail.to_owned())
            .gathered_by(DISPATCH.to_owned())
            .about_dispatch(Some(Subject::from_stored(DISPATCH)))
            .until_over()
    };
    let about_source =
        |kind, source: &str, detail: &str| Notice::happens(kind, source, source.to_owned(), AT, detail.to_owned());
    let correlation = "nvgrid-demo/main_power_feed/curtailment-20251024-170000";
    let not_compliant = Notice::happens(
        Kind::NotCompliant,
        "nvgrid-demo",
        correlation.to_owned(),
        AT,
        "measured 9200000 W where 6500000 W are the limit".to_owned(),
    );
    let notices = [
        about_dispatch(Kind::DispatchAtRisk, "nobody has acknowledged it, and it starts in 10 minutes"),
        about_dispatch(Kind::HydrationFailing, "the provider answered 500 (attempt 5)"),
        about_source(Kind::Quarantined, "voltus-demo", "`resource` is no path below the API's own host"),
        Notice::unknown_event("voltus-demo", "dispatch.paused", AT),
        not_compliant.gathered_by(correlation.to_owned()),
        about_source(Kind::Credentials, "voltus-demo", "the provider refused the API key (401)"),
        about_dispatch(Kind::MissedDelivery, "listed by the provider, and no webhook brought it"),
        about_source(Kind::SourceDown, "voltus-demo", "the provider answered 500").until_over(),
        about_dispatch(Kind::DeadLetter, "given up after 60 attempts; the last: the provider answered 500"),
    ];
    let over = Notice::over(Kind::HydrationFailing, "voltus-demo", DISPATCH, AT, "it worked at attempt 7".to_owned());
    let mut events: BTreeMap<String, Value> =
        notices.iter().map(|notice| (notice.kind.to_string(), batch("alerts", &[text(notice)]))).collect();
    events.insert("hydration-failing-over".to_owned(), batch("alerts", &[text(&over)]));
    events
}

fn work(attempt: u32, task: Task) -> Work {
    let trouble = |_| Trouble::new(TroubleKind::Provider, AT, "the provider answered 500");
    Work {
        delivery: delivery(0),
        source: "voltus-demo".to_owned(),
        received_at: AT,
        attempt,
        troubles: (0..attempt).map(trouble).collect(),
        told: None,
        after: None,
        task,
    }
}

/// The look that the body of `voltus/create.json` leads to.
fn look() -> Look {
    let origin = Origin { source: "voltus-demo".to_owned(), provider: "voltus".to_owned(), sandbox: false };
    let delivery = Delivery { id: "d", received_at: AT, origin: &origin };
    let provider = providers::provider("voltus").expect("Voltus");
    provider.parse(&delivery, CREATE.text()).expect("a body").looks.remove(0)
}

/// A delivery's id: a UUID of version 7, as the receiver makes them.
fn delivery(index: usize) -> String {
    format!("019ca95e-6400-7000-8000-{index:012x}")
}

fn text(message: &impl serde::Serialize) -> String {
    serde_json::to_string(message).expect("JSON")
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

/// Everything in a batch is what the functions read.
#[test]
fn the_messages_are_those_that_the_functions_read() {
    let bodies = |event: &Value| -> Vec<String> {
        let records = event["Records"].as_array().cloned().unwrap_or_default();
        records.iter().map(|record| record["body"].as_str().expect("a body").to_owned()).collect()
    };
    for (name, event) in hydrator() {
        assert!(bodies(&event).iter().all(|body| serde_json::from_str::<Work>(body).is_ok()), "{name}");
    }
    for (name, event) in retrier() {
        assert!(bodies(&event).iter().all(|body| Failed::parse(body, AT).is_ok()), "{name}");
    }
    for (name, event) in alerter() {
        assert!(bodies(&event).iter().all(|body| serde_json::from_str::<Notice>(body).is_ok()), "{name}");
    }
}
