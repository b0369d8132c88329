//! The queues and the mail service.

use aws_types::SdkConfig;
use dispatch::{Signal, Subject};
use jiff::Timestamp;
use pipeline::{
    conditions::Condition,
    job::{FailedJob, Failure, FailureKind, Job, JobKind},
    mail::Mail,
    messages::{self, Deadline, Delayed, Heartbeat, HeartbeatCheck, Hint, ToAlert, ToHydrate, ToRetry},
    ports::{Backlog, Depths, IngestQueue, JobQueue, Lane, Mailer, PortError, Random, SignalStream, Watched, fifo_id},
};

use super::{
    reader::{Queue, Reader, Taken, next},
    samples,
};
use crate::host::Host;

/// A queue returns a message unchanged, up to the size limit of SQS.
pub async fn messages(ingest_queue: &impl IngestQueue, job_queue: &impl JobQueue, reader: &impl Reader) {
    let now = reader.now();
    let message = Job::messages("d-1", "contract", now, "{\"a\":\"\u{ffff} ü\"}", None).remove(0);
    ingest_queue.take(&message).await.unwrap();
    let came = next(reader, Queue::Deliveries).await;
    assert_eq!(read::<ToHydrate>(&came), messages::read(&message).unwrap());
    let largest = format!("\"{}\"", "x".repeat(1_048_574));
    ingest_queue.take(&largest).await.unwrap();
    assert_eq!(next(reader, Queue::Deliveries).await.body, largest);
    let error = ingest_queue.take(&format!("{largest} ")).await.expect_err("SQS has a limit");
    assert!(matches!(error, PortError::Broken { .. }), "{error}");

    let job = samples::job("d-2", JobKind::Body("{}".to_owned()), now);
    let beat = || ToHydrate::Heartbeat(Heartbeat { at: now });
    for message in [ToHydrate::Job(job.clone()), beat()] {
        job_queue.deliver(message.clone(), 0).await.unwrap();
        assert_eq!(read::<ToHydrate>(&next(reader, Queue::Deliveries).await), message);
    }
    let failed = Failure::new(FailureKind::Provider, now, "500");
    let retries = [
        ToRetry::Failed(FailedJob { failure: failed, job }),
        ToRetry::Deadline(Deadline { unread: Some(7), ..Deadline::of(Subject::dispatch("contract", "dkmq")) }),
        ToRetry::HeartbeatCheck(HeartbeatCheck { again: true, lay: Some(7), ..HeartbeatCheck::of(now) }),
    ];
    for message in &retries {
        job_queue.retry(&[message.clone().at_once()]).await.unwrap();
        assert_eq!(read::<ToRetry>(&next(reader, Queue::Retries).await), *message);
    }
    job_queue.retry(&[]).await.unwrap();
    together(job_queue, reader).await;
    alerts(job_queue, reader).await;
}

/// Sends more messages than one call takes.
async fn together(job_queue: &impl JobQueue, reader: &impl Reader) {
    let deadline = |n: usize| ToRetry::Deadline(Deadline::of(Subject::dispatch("contract", &format!("{n:02}"))));
    let deadlines: Vec<ToRetry> = (0..23).map(deadline).collect();
    let messages: Vec<Delayed> = deadlines.iter().map(|deadline| deadline.clone().at_once()).collect();
    job_queue.retry(&messages).await.unwrap();
    let mut came = Vec::new();
    for _ in &deadlines {
        came.push(next(reader, Queue::Retries).await.body);
    }
    came.sort();
    let sent: Vec<String> = deadlines.iter().map(|deadline| messages::to_json(deadline).unwrap()).collect();
    assert_eq!(came, sent);
}

/// Messages that can wait have their own queue, so that urgent ones do not wait behind them.
async fn alerts(job_queue: &impl JobQueue, reader: &impl Reader) {
    let urgent = Condition::NotAcknowledged { dispatch: Subject::dispatch("contract", "dkmq") };
    let can_wait = Condition::SourceDown { source: "contract".to_owned() };
    for (condition, queue) in [(urgent, Queue::Alerts), (can_wait, Queue::Reviews)] {
        job_queue.hint(condition.clone(), reader.now(), 0).await.unwrap();
        let ToAlert::Hint(Hint { condition: hinted, attempt: 0, timer: false, .. }) = read(&next(reader, queue).await)
        else {
            panic!("no hint in {queue:?}")
        };
        assert_eq!(hinted, condition);
    }
    let review = ToAlert::Review { incidents: vec!["source-down/contract".to_owned()] };
    let flush = ToAlert::Flush { group: "group/source-down/contract/first".to_owned(), traceparent: None };
    for (message, lane, queue) in [(review, Lane::CanWait, Queue::Reviews), (flush, Lane::Urgent, Queue::Alerts)] {
        job_queue.alert(&message, lane, 0).await.unwrap();
        assert_eq!(read::<ToAlert>(&next(reader, queue).await), message);
    }
}

/// A queue respects a delay.
pub async fn delays(job_queue: &impl JobQueue, reader: &impl Reader) {
    let job = ToHydrate::Job(samples::job("d-3", JobKind::Body("{}".to_owned()), reader.now()));
    let sent_at = reader.now();
    job_queue.deliver(job.clone(), 4).await.unwrap();
    let check = ToRetry::HeartbeatCheck(HeartbeatCheck::of(sent_at));
    job_queue.retry(&[check.clone().after(4)]).await.unwrap();
    assert_eq!(reader.receive(Queue::Deliveries).await, None, "not before its time");
    assert_eq!(reader.receive(Queue::Retries).await, None, "not before its time");
    reader.pass(2).await;
    assert_eq!(read::<ToHydrate>(&next(reader, Queue::Deliveries).await), job);
    assert_eq!(read::<ToRetry>(&next(reader, Queue::Retries).await), check);
    assert!(reader.now().duration_since(sent_at).as_millis() >= 3_900);
}

/// A delay beyond the limit of SQS is shortened instead of refused.
pub async fn shortened(job_queue: &impl JobQueue, reader: &impl Reader) {
    let job = samples::job("d-4", JobKind::Body("{}".to_owned()), reader.now());
    job_queue.deliver(ToHydrate::Job(job.clone()), 90_000).await.unwrap();
    assert_eq!(reader.receive(Queue::Deliveries).await, None, "it waits for a quarter of an hour");
    job_queue.retry(&[ToRetry::Job(job).after(90_000)]).await.unwrap();
    assert_eq!(reader.receive(Queue::Retries).await, None, "it waits for a quarter of an hour");
}

/// A received message is hidden from other readers for a while. If the reader does not delete it, it is delivered
/// again, with its receive count. So after a partly failed batch exactly the failed part is delivered again.
pub async fn visibility<R: Reader>(job_queue: &impl JobQueue, reader: &R) {
    for number in 0..2 {
        let at = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(number);
        let check = ToRetry::HeartbeatCheck(HeartbeatCheck::of(at));
        job_queue.retry(&[check.at_once()]).await.unwrap();
    }
    let mut batch = [taken(reader, Queue::Retries).await, taken(reader, Queue::Retries).await];
    batch.sort_by(|a, b| a.body.cmp(&b.body));
    let [done, failed] = batch;
    assert_ne!(done.body, failed.body, "each is received once");
    assert_eq!((done.receives, failed.receives), (1, 1));
    assert_eq!(reader.receive(Queue::Retries).await, None, "both are hidden");
    reader.delete(Queue::Retries, &done).await;
    reader.pass(R::VISIBILITY_S).await;
    let again = taken(reader, Queue::Retries).await;
    assert_eq!((&again.body, again.receives), (&failed.body, 2));
    reader.delete(Queue::Retries, &again).await;
    reader.pass(R::VISIBILITY_S).await;
    assert_eq!(reader.receive(Queue::Retries).await, None, "both are gone");
}

/// A message that was received too often moves to the next queue, unchanged. Whether its receive count continues there
/// is not promised: the check accepts both, and no use case may depend on it.
pub async fn redrive<R: Reader>(job_queue: &impl JobQueue, reader: &R) {
    let beat = Heartbeat { at: Timestamp::UNIX_EPOCH };
    job_queue.deliver(ToHydrate::Heartbeat(beat), 0).await.unwrap();
    for receives in 1..=R::MAX_RECEIVES {
        let came = taken(reader, Queue::Deliveries).await;
        assert_eq!((read::<ToHydrate>(&came), came.receives), (ToHydrate::Heartbeat(beat), receives));
        reader.pass(R::VISIBILITY_S).await;
    }
    assert_eq!(reader.receive(Queue::Deliveries).await, None, "it has moved");
    let came = taken(reader, Queue::Retries).await;
    assert_eq!(read::<ToRetry>(&came), ToRetry::Heartbeat(beat));
    assert!(came.receives == 1 || came.receives > R::MAX_RECEIVES, "{} receives", came.receives);
    reader.delete(Queue::Retries, &came).await;
}

async fn taken(reader: &impl Reader, queue: Queue) -> Taken {
    for _ in 0..5 {
        if let Some(taken) = reader.receive(queue).await {
            return taken;
        }
    }
    panic!("nothing is visible in {queue:?}");
}

/// The numbers of waiting and in-flight messages, without delayed ones. Needs fresh queues.
pub async fn depths(queues: &impl Depths, job_queue: &impl JobQueue, reader: &impl Reader) {
    let all = [Watched::Deliveries, Watched::Signals, Watched::Reviews, Watched::RetriesDead, Watched::AlertsDead];
    for queue in all {
        assert_eq!(queues.depth(queue).await.unwrap(), Backlog::default(), "{queue}");
    }
    for delay_s in [0, 0, 600] {
        job_queue.deliver(ToHydrate::Heartbeat(Heartbeat { at: reader.now() }), delay_s).await.unwrap();
    }
    let review = ToAlert::Review { incidents: vec!["source-down/contract".to_owned()] };
    job_queue.alert(&review, Lane::CanWait, 0).await.unwrap();
    assert_eq!(queues.depth(Watched::Reviews).await.unwrap(), Backlog { waiting: 1, in_hand: 0 });
    assert_eq!(queues.depth(Watched::Deliveries).await.unwrap(), Backlog { waiting: 2, in_hand: 0 });
    taken(reader, Queue::Deliveries).await;
    // One call may already return both messages.
    let Backlog { waiting, in_hand } = queues.depth(Watched::Deliveries).await.unwrap();
    assert!(waiting + in_hand == 2 && in_hand > 0, "{waiting} wait, {in_hand} are in flight");
    assert_eq!(queues.depth(Watched::RetriesDead).await.unwrap(), Backlog::default());
}

/// Signals of one subject arrive in order and once, with the attributes for filters; other subjects do not wait for
/// them.
pub async fn fifo(stream: &impl SignalStream, reader: &impl Reader) {
    let now = reader.now();
    let long = "x".repeat(200);
    let subjects = [Subject::dispatch("contract", &Host.unique()), Subject::dispatch("contract", &long)];
    for subject in &subjects {
        let signals = samples::signals(subject, 5, now);
        stream.publish(&signals[..3]).await.unwrap();
        stream.publish(&signals).await.unwrap(); // again, because the first answer was lost
        let mut came = Vec::new();
        while came.len() < signals.len() {
            came.push(next(reader, Queue::Signals).await);
        }
        for (message, signal) in came.iter().zip(&signals) {
            same(message, signal);
        }
    }
    assert_eq!(reader.receive(Queue::Signals).await, None, "each is delivered once");
    held_back(stream, reader, now).await;

    let [signal] = &samples::signals(&subjects[0], 1, now)[..] else { panic!("one signal") };
    let large = Signal { body: format!("\"{}\"", "x".repeat(1_048_560)), ..signal.clone() };
    let error = stream.publish(&[large]).await.expect_err("SQS has a limit");
    assert!(matches!(error, PortError::Broken { .. }), "{error}");
}

/// While one signal of a subject is in flight, the next one of the subject waits, and another subject's does not.
async fn held_back(stream: &impl SignalStream, reader: &impl Reader, now: Timestamp) {
    let subjects = [(); 2].map(|()| Subject::dispatch("contract", &Host.unique()));
    let [first, other] = subjects.each_ref().map(|subject| samples::signals(subject, 2, now));
    stream.publish(&first).await.unwrap();
    let in_hand = taken(reader, Queue::Signals).await;
    same(&in_hand, &first[0]);
    assert_eq!(reader.receive(Queue::Signals).await, None, "the second waits for the first");
    stream.publish(&other[..1]).await.unwrap();
    same(&next(reader, Queue::Signals).await, &other[0]);
    reader.delete(Queue::Signals, &in_hand).await;
    same(&next(reader, Queue::Signals).await, &first[1]);
}

fn same(message: &Taken, signal: &Signal) {
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    assert_eq!(json(&message.body), json(&signal.body));
    let attribute = |name: &str| message.attributes.get(name).map(String::as_str);
    assert_eq!(attribute("type"), Some(signal.kind.as_str()));
    assert_eq!(attribute("source"), Some(signal.source.as_str()));
    assert_eq!(attribute("test"), Some("false"));
    assert_eq!(message.group, Some(fifo_id(signal.subject.as_str())));
    assert_eq!(message.deduplication, Some(fifo_id(&signal.id())));
}

/// Sends a mail from a verified sender. Returns its subject, so that a caller who can read mail can find it.
pub async fn mail(mailer: &impl Mailer, from: &str, to: &str) -> String {
    let sent = a_mail(from, to);
    mailer.send(&sent).await.unwrap();
    sent.subject
}

/// The service refuses a sender that is not verified.
pub async fn unverified(mailer: &impl Mailer, to: &str) {
    mailer.send(&a_mail("nobody@unverified.invalid", to)).await.expect_err("a sender that is not verified");
}

fn a_mail(from: &str, to: &str) -> Mail {
    Mail {
        from: from.to_owned(),
        to: vec![to.to_owned()],
        subject: format!("[gridbell] contract: ü {}", Host.unique()),
        text: "The site at Straße 1 …\n".to_owned(),
        html: "<p>The site at Straße 1 …</p>".to_owned(),
        calendar: Some("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n".to_owned()),
        thread: "<contract@example.com>".to_owned(),
    }
}

/// Verifies a sender address, on an emulator that allows it without confirmation.
pub async fn verify_sender(aws: &SdkConfig, address: &str) {
    let client = aws_sdk_sesv2::Client::new(aws);
    Box::pin(client.create_email_identity().email_identity(address).send()).await.expect("an identity");
}

fn read<T: serde::de::DeserializeOwned>(message: &Taken) -> T {
    messages::read(&message.body).expect("a message of ours")
}
