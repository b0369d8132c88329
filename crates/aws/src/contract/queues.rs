//! The queues, and mail.

use std::time::Duration;

use aws_sdk_sqs::{
    Client,
    types::{Message, MessageSystemAttributeName},
};
use aws_types::SdkConfig;
use dispatch::{Signal, Subject, fifo_id};
use pipeline::{
    incident::{Kind, News, Notice},
    mail::Mail,
    ports::{Backlog, Chance, Clock, Depths, Intake, Mailer, Outlet, PortError, SignalStream, Watched},
    pulse::{Inquiry, Probe},
    work::{Failed, Task, Trouble, TroubleKind, Work},
};

use super::{Resources, samples};
use crate::{
    ses::Ses,
    sqs::{DeliveriesQueue, InnerQueues, SignalsQueue, WatchedQueues, WatchedUrls},
    world::World,
};

/// What goes into a queue comes out as it was, up to what SQS carries.
pub async fn messages(aws: &SdkConfig, resources: &Resources) {
    let now = World.now();
    let url = |url: &Option<String>| url.clone().expect("a queue");
    let outlet = InnerQueues::new(aws, resources.inner.clone());

    let door = DeliveriesQueue::new(aws, url(&resources.inner.deliveries));
    let message = Work::message("d-1", "contract", now, "{\"a\":\"\u{ffff} ü\"}").unwrap();
    door.take(&message).await.unwrap();
    let came = next(aws, &url(&resources.inner.deliveries)).await;
    assert_eq!(read::<Work>(&came), serde_json::from_str::<Work>(&message).unwrap());
    let largest = format!("\"{}\"", "x".repeat(1_048_574));
    door.take(&largest).await.unwrap();
    assert_eq!(next(aws, &url(&resources.inner.deliveries)).await.body, Some(largest.clone()));
    let error = door.take(&format!("{largest} ")).await.expect_err("SQS has a limit");
    assert!(matches!(error, PortError::Broken { .. }), "{error}");

    let work = samples::work("d-2", Task::Body("{}".to_owned()), now);
    let failed = Failed { failed: Trouble::new(TroubleKind::Provider, now, "500"), work: work.clone() };
    outlet.failed(&failed).await.unwrap();
    assert_eq!(read::<Failed>(&next(aws, &url(&resources.inner.retries)).await), failed);
    let probe = Probe { at: now };
    outlet.probe(probe, 0).await.unwrap();
    assert_eq!(read::<Probe>(&next(aws, &url(&resources.inner.deliveries)).await), probe);
    let inquiry = Inquiry { probe_at: now, again: false };
    outlet.inquiry(inquiry, 0).await.unwrap();
    assert_eq!(read::<Inquiry>(&next(aws, &url(&resources.inner.retries)).await), inquiry);
    let notice = notice();
    outlet.notice(&notice, 0).await.unwrap();
    assert_eq!(read::<Notice>(&next(aws, &url(&resources.inner.alerts)).await), notice);
}

/// A delay is kept, and one beyond what SQS takes is shortened instead of refused.
pub async fn delays(aws: &SdkConfig, resources: &Resources) {
    let url = resources.inner.deliveries.clone().expect("a queue");
    let outlet = InnerQueues::new(aws, resources.inner.clone());
    let work = samples::work("d-3", Task::Body("{}".to_owned()), World.now());
    outlet.work(&work, 90_000).await.unwrap();
    let sent_at = World.now();
    outlet.work(&work, 2).await.unwrap();
    assert!(receive(aws, &url, 1).await.is_none(), "not before its time");
    let came = next(aws, &url).await;
    assert_eq!(read::<Work>(&came), work);
    assert!(World.now().duration_since(sent_at).as_millis() >= 1_900);
}

/// How much waits and how much is in hand, the delayed not counted.
pub async fn depths(aws: &SdkConfig, resources: &Resources) {
    let url = |url: &Option<String>| url.clone().expect("a queue");
    let urls = WatchedUrls {
        deliveries: url(&resources.inner.deliveries),
        retries_dead: url(&resources.inner.retries),
        alerts_dead: url(&resources.inner.alerts),
    };
    let (queues, outlet) = (WatchedQueues::new(aws, urls), InnerQueues::new(aws, resources.inner.clone()));
    for queue in Watched::ALL {
        assert_eq!(queues.depth(queue).await.unwrap(), Backlog::default(), "{queue}");
    }
    let probe = Probe { at: World.now() };
    for delay_s in [0, 0, 600] {
        outlet.probe(probe, delay_s).await.unwrap();
    }
    assert_eq!(queues.depth(Watched::Deliveries).await.unwrap(), Backlog { waiting: 2, in_hand: 0 });
    let client = Client::new(aws);
    let url = url(&resources.inner.deliveries);
    let taken = Box::pin(client.receive_message().queue_url(&url).send()).await.expect("an answer");
    assert_eq!(taken.messages().len(), 1);
    assert_eq!(queues.depth(Watched::Deliveries).await.unwrap(), Backlog { waiting: 1, in_hand: 1 });
    assert_eq!(queues.depth(Watched::RetriesDead).await.unwrap(), Backlog::default());
}

/// Signals of one subject come out in order and once, with what a consumer filters by; other subjects do not wait for them.
pub async fn fifo(aws: &SdkConfig, resources: &Resources) {
    let now = World.now();
    let stream = SignalsQueue::new(aws, &resources.signals);
    let long = "x".repeat(200);
    let subjects = [Subject::dispatch("contract", &World.unique()), Subject::dispatch("contract", &long)];
    for subject in &subjects {
        let signals = samples::signals(subject, 5, now);
        stream.publish(&signals[..3]).await.unwrap();
        stream.publish(&signals).await.unwrap(); // again, because the first answer was lost
        let mut came = Vec::new();
        while came.len() < signals.len() {
            came.push(next(aws, &resources.signals).await);
        }
        for (message, signal) in came.iter().zip(&signals) {
            same(message, signal);
        }
    }
    assert!(receive(aws, &resources.signals, 1).await.is_none(), "each came once");

    let [signal] = &samples::signals(&subjects[0], 1, now)[..] else { panic!("one signal") };
    let large = Signal { body: format!("\"{}\"", "x".repeat(1_048_560)), ..signal.clone() };
    let error = stream.publish(&[large]).await.expect_err("SQS has a limit");
    assert!(matches!(error, PortError::Broken { .. }), "{error}");
}

fn same(message: &Message, signal: &Signal) {
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    assert_eq!(json(message.body().expect("a body")), json(&signal.body));
    let attribute = |name: &str| message.message_attributes().and_then(|all| all.get(name)?.string_value());
    assert_eq!(attribute("type"), Some(signal.kind.as_str()));
    assert_eq!(attribute("source"), Some(signal.source.as_str()));
    assert_eq!(attribute("test"), Some("false"));
    let system = |name| message.attributes().and_then(|all| all.get(&name)).map(String::as_str);
    assert_eq!(system(MessageSystemAttributeName::MessageGroupId), Some(fifo_id(signal.subject.as_str()).as_str()));
    assert_eq!(system(MessageSystemAttributeName::MessageDeduplicationId), Some(fifo_id(&signal.id()).as_str()));
}

/// Sends a mail from a verified sender; whoever can read mail looks for the subject that comes back.
pub async fn mail(aws: &SdkConfig, from: &str, to: &str) -> String {
    let mail = |from: &str| Mail {
        from: from.to_owned(),
        to: vec![to.to_owned()],
        subject: format!("[gridbell] contract: ü {}", World.unique()),
        text: "The site at Straße 1 …\n".to_owned(),
        html: "<p>The site at Straße 1 …</p>".to_owned(),
        calendar: Some("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n".to_owned()),
        thread: "<contract@example.com>".to_owned(),
    };
    let sent = mail(from);
    Ses::new(aws).send(&sent).await.unwrap();
    Ses::new(aws).send(&mail("nobody@unverified.invalid")).await.expect_err("a sender that is not verified");
    sent.subject
}

/// Makes an address a verified sender, where the endpoint lets anybody do that: an emulator.
pub async fn verify_sender(aws: &SdkConfig, address: &str) {
    let client = aws_sdk_sesv2::Client::new(aws);
    Box::pin(client.create_email_identity().email_identity(address).send()).await.expect("an identity");
}

fn notice() -> Notice {
    let news = News::Over { detail: "it is over".to_owned() };
    let notice = serde_json::json!({
        "kind": Kind::Quarantined, "source": "contract", "about": "contract", "gather": "contract", "at": World.now(), "news": news,
    });
    serde_json::from_value(notice).expect("a notice")
}

fn read<T: serde::de::DeserializeOwned>(message: &Message) -> T {
    serde_json::from_str(message.body().expect("a body")).expect("JSON of ours")
}

/// The next message, deleted.
async fn next(aws: &SdkConfig, url: &str) -> Message {
    for _ in 0..10 {
        if let Some(message) = receive(aws, url, 1).await {
            return message;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("no message in {url}");
}

async fn receive(aws: &SdkConfig, url: &str, wait_s: i32) -> Option<Message> {
    let client = Client::new(aws);
    let request = client
        .receive_message()
        .queue_url(url)
        .max_number_of_messages(1)
        .wait_time_seconds(wait_s)
        .message_attribute_names("All")
        .message_system_attribute_names(MessageSystemAttributeName::All);
    let message = Box::pin(request.send()).await.expect("an answer").messages.unwrap_or_default().into_iter().next()?;
    let handle = message.receipt_handle().expect("a handle");
    Box::pin(client.delete_message().queue_url(url).receipt_handle(handle).send()).await.expect("deleted");
    Some(message)
}
