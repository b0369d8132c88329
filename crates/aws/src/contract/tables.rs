//! The tables.

use std::time::Duration;

use dispatch::{Epoch, Subject};
use jiff::{SignedDuration, Timestamp};
use pipeline::{
    held::{Gate, Link, MAX_LISTED},
    incident::Incident,
    poll::PollState,
    ports::{Active, Chance, Clock, Deliveries, Dispatches, Health, Incidents, Pending, Vitals, Watched, WriteError},
    record::{Missed, Record},
    work::{BodyPart, MAX_BODY_BYTES, StoredBody, Task, Trouble, TroubleKind, Work},
};
use providers::Look;

use super::samples;
use crate::world::World;

/// State and outbox: one conditional write, one's own recognised, what is owed found.
pub async fn records(table: &impl Dispatches) {
    let now = World.now();
    let subject = Subject::dispatch("contract", &World.unique());
    assert_eq!(table.read(&subject).await.unwrap(), None);

    let first = samples::record(&subject, "write-1", 1, now);
    table.write(&first, None).await.unwrap();
    assert_eq!(table.read(&subject).await.unwrap().as_ref(), Some(&first));
    // The answer to a write was lost and the write is repeated: what stands there is one's own.
    assert_eq!(lost(table.write(&first, None).await), first);

    let missed = Missed { found_at: now, what: "gridbell.dispatch.scheduled.v1 #1".to_owned(), told: false };
    let second = Record { revision: 2, write: "write-2".to_owned(), missed: Some(missed), ..first.clone() };
    table.write(&second, Some(1)).await.unwrap();
    let late = Record { write: "write-3".to_owned(), ..second.clone() };
    assert_eq!(lost(table.write(&late, Some(1)).await).write, "write-2");
    let nowhere = Subject::dispatch("contract", &World.unique());
    let stray = Record { subject: nowhere, ..second.clone() };
    assert!(matches!(table.write(&stray, Some(1)).await, Err(WriteError::Lost(None))));

    owed(table, &second, now).await;
    grows(table, now).await;
    active(table, now).await;
    looked_at(table, now).await;
}

/// What is on is found with its plan until it is over, the last to be over first.
async fn active(table: &impl Dispatches, now: Timestamp) {
    let at = |seconds: i64| now + SignedDuration::from_secs(seconds);
    // One is too long for a key: its identifier of 512 bytes is percent-encoded.
    let long = format!("{}{}", "ü".repeat(230), World.unique());
    let subjects = [long, World.unique()].map(|id| Subject::dispatch("contract", &id));
    let [open, ending] = subjects.each_ref().map(|subject| samples::record(subject, "write-1", 3, now));
    let ending = samples::ending(&ending, "write-1", at(60), now);
    let ending = Record { revision: 1, follows: None, ..ending };
    for record in [&ending, &open] {
        table.write(record, None).await.unwrap();
        assert_eq!(table.read(&record.subject).await.unwrap().as_ref(), Some(record));
    }
    let found = async |source: &str, at: Timestamp| -> Vec<Active> {
        let mut active = table.active(source, at).await.unwrap();
        active.retain(|active| subjects.contains(&active.subject));
        active
    };
    let as_found = |record: &Record| Active { subject: record.subject.clone(), plan: record.plan().unwrap() };
    let both = [as_found(&open), as_found(&ending)];
    assert!(soon(async || found("contract", at(59)).await == both).await);
    assert_eq!(found("contract", at(60)).await, [as_found(&open)], "it is over at its end");
    assert_eq!(found("another-source", now).await, []);
    let ended = samples::ending(&open, "write-2", now, now);
    table.write(&ended, Some(1)).await.unwrap();
    assert!(table.sent(&ended.subject, ended.revision).await.unwrap());
    assert!(soon(async || found("contract", at(0)).await == [as_found(&ending)]).await);
}

/// What has no end is found when a person is to be asked about it, whether or not it still has a deadline.
async fn looked_at(table: &impl Dispatches, now: Timestamp) {
    let subject = Subject::dispatch("contract", &World.unique());
    let record = Record { due: None, ..samples::record(&subject, "write-1", 1, now) };
    let ask_at = record.open_end.expect("the sample has no end").ask_at;
    table.write(&record, None).await.unwrap();
    assert_eq!(table.read(&subject).await.unwrap().as_ref(), Some(&record));
    let found = async |before| table.due(before).await.unwrap().contains(&subject);
    assert!(soon(async || found(ask_at + SignedDuration::from_secs(1)).await).await);
    assert!(!found(ask_at).await, "only what is earlier than asked for");
    let done = Record { revision: 2, open_end: None, ..record };
    table.write(&done, Some(1)).await.unwrap();
    assert!(soon(async || !found(ask_at + SignedDuration::from_secs(1)).await).await);
}

/// Whether it becomes so within some seconds: an index follows its table, in AWS a moment later.
async fn soon(is_so: impl AsyncFn() -> bool) -> bool {
    for _ in 0..50 {
        if is_so().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    false
}

async fn owed(table: &impl Dispatches, record: &Record, now: Timestamp) {
    let subject = &record.subject;
    let later = now + SignedDuration::from_secs(1);
    let owes = async |before| table.unsent(before).await.unwrap().contains(subject);
    assert!(soon(async || owes(later).await).await);
    assert!(!table.unsent(now).await.unwrap().contains(subject), "only what is older than asked for");
    assert!(!table.sent(subject, 1).await.unwrap(), "another write came first");
    assert!(table.sent(subject, 2).await.unwrap());
    assert!(soon(async || !owes(later).await).await);
    let cleared = Record { revision: 3, outbox: Vec::new(), ..record.clone() };
    assert_eq!(table.read(subject).await.unwrap(), Some(cleared));
    assert!(!table.sent(subject, 2).await.unwrap(), "once");
}

async fn grows(table: &impl Dispatches, now: Timestamp) {
    let subject = Subject::dispatch("contract", &World.unique());
    let mut record = samples::record(&subject, "write-1", 5_000, now);
    // The queue did not take signals for a while, and three are owed.
    for _ in 0..2 {
        record.outbox.extend(record.outbox.first().cloned());
    }
    table.write(&record, None).await.unwrap();
    assert_eq!(table.read(&subject).await.unwrap().as_ref(), Some(&record));
}

/// A record of any size is one record: it is found whole with its plan, replaced whole, and brought along whole by a refused write.
pub async fn large(table: &impl Dispatches) {
    const METERS: usize = 50_000;
    let now = World.now();
    let subject = Subject::dispatch("contract-large", &World.unique());
    let first = samples::record(&subject, "write-1", METERS, now);
    assert!(first.outbox.len() > 1, "its signal comes in parts");
    table.write(&first, None).await.unwrap();
    assert!(table.read(&subject).await.unwrap().as_ref() == Some(&first), "it is read as it was written");
    // Its own answer was lost: what was put with it is still in use.
    assert!(lost(table.write(&first, None).await) == first, "a refused write brings it along");
    assert!(table.read(&subject).await.unwrap().as_ref() == Some(&first), "a write sent again took it away");
    let plan = async || {
        let active = table.active("contract-large", now).await.unwrap();
        active.into_iter().find(|active| active.subject == subject).map(|active| active.plan)
    };
    assert!(soon(async || plan().await == first.plan()).await);
    let second = first.clone().noting(None, "write-2".to_owned());
    table.write(&second, Some(1)).await.unwrap();
    let late = first.clone().noting(None, "write-3".to_owned());
    assert!(lost(table.write(&late, Some(1)).await).write == "write-2");
    let stored = table.read(&subject).await.unwrap().unwrap();
    assert!(stored == Record { follows: None, ..second }, "a write that lost took something away");
    assert!(soon(async || plan().await == first.plan()).await);
    assert!(table.sent(&subject, 2).await.unwrap());
    assert!(table.read(&subject).await.unwrap().unwrap().outbox.is_empty());
    let ended = samples::ending(&Record { revision: 3, ..stored }, "write-4", now, now);
    table.write(&ended, Some(3)).await.unwrap();
    assert!(soon(async || plan().await.is_none()).await);
}

/// The first who asks gives the table its epoch, and everybody is told the same.
pub async fn epoch(table: &impl Dispatches, other: &impl Dispatches) {
    let now = World.now();
    let epoch = table.epoch(now).await.unwrap();
    assert_eq!(epoch, Epoch::at(now));
    let later = now + SignedDuration::from_secs(5);
    assert_eq!(other.epoch(later).await.unwrap(), epoch);
    assert_eq!(table.epoch(later).await.unwrap(), epoch);
}

/// A body that came in parts, in any order and twice, is there once all of them are.
pub async fn bodies(table: &impl Deliveries) {
    let now = World.now();
    let (delivery, body) = (World.unique(), format!("\"{}\"", noise(MAX_BODY_BYTES - 2)));
    let messages = Work::messages(&delivery, "contract", now, &body);
    assert!(messages.len() > 1, "{} bytes fit into one message", body.len());
    let parts: Vec<BodyPart> = messages
        .iter()
        .map(|message| match serde_json::from_str::<Work>(message).unwrap().task {
            Task::Part(part) => part,
            task => panic!("{task:?}"),
        })
        .collect();
    let stored = StoredBody { delivery: delivery.clone(), chunks: parts[0].of };
    for part in parts.iter().rev() {
        assert_eq!(table.body(&stored).await.unwrap(), None);
        table.keep_part(&delivery, part, now).await.unwrap();
    }
    table.keep_part(&delivery, &parts[1], now).await.unwrap();
    assert!(table.body(&stored).await.unwrap().as_ref() == Some(&body), "it comes back as it was");
    let other = StoredBody { delivery: World.unique(), ..stored };
    assert_eq!(table.body(&other).await.unwrap(), None);
}

/// Bookings: of several deliveries that fail over one resource, one goes on.
pub async fn bookings(table: &impl Deliveries) {
    let now = World.now();
    let at = |seconds: i64| now + SignedDuration::from_secs(seconds);
    let subject = Subject::dispatch("contract", &World.unique());
    let look = Look { key: subject.to_string(), subject, context: serde_json::Value::Null };
    let pending = |delivery: &str, next_s: i64| Pending {
        work: samples::work(delivery, Task::Look(look.clone()), now),
        next_at: at(next_s),
    };
    assert!(table.book(&pending("a", 10), now).await.unwrap());
    assert!(table.book(&pending("a", 10), now).await.unwrap(), "its own write, sent again");
    assert!(!table.book(&pending("a", 20), now).await.unwrap(), "a doubled message joins its twin");
    let mut later = pending("a", 20);
    later.work.attempt += 1;
    assert!(table.book(&later, now).await.unwrap(), "the same delivery's next attempt moves its booking");
    assert!(!table.book(&pending("b", 15), now).await.unwrap(), "another's attempt lies ahead");
    table.settled(&pending("b", 15).work).await.unwrap();
    assert!(!table.book(&pending("b", 15), now).await.unwrap(), "settling another's booking changes nothing");
    assert!(table.book(&pending("b", 40), at(20)).await.unwrap(), "another's attempt was due and may be lost");
    table.settled(&pending("a", 20).work).await.unwrap();
    assert!(!table.book(&pending("c", 50), at(20)).await.unwrap());
    table.settled(&pending("b", 40).work).await.unwrap();
    assert!(table.book(&pending("c", 50), at(20)).await.unwrap());
    table.settled(&pending("c", 50).work).await.unwrap();
    table.settled(&pending("c", 50).work).await.unwrap();

    // A body of any size can fail.
    let body = Pending { work: samples::work(&World.unique(), Task::Body(noise(900_000)), now), next_at: at(1) };
    assert!(table.book(&body, now).await.unwrap());
    table.settled(&body.work).await.unwrap();
}

/// What was put aside comes back whole, whatever its size, and a look leaves the body that it began with alone.
/// `kept` reads back what stands under a name.
pub async fn quarantine(table: &impl Deliveries, kept: impl AsyncFn(&str) -> Option<(Work, String)>) {
    let now = World.now();
    let delivery = World.unique();
    let reason = Trouble::new(TroubleKind::Unreadable, now, "not a known shape");
    let small = samples::work(&World.unique(), Task::Body("{}".to_owned()), now);
    let large = samples::work(&delivery, Task::Body(noise(MAX_BODY_BYTES)), now);
    let subject = Subject::dispatch("contract", "dkmq");
    let look = Look { key: subject.to_string(), subject, context: serde_json::Value::Null };
    let look = samples::work(&delivery, Task::Look(look), now);
    for work in [&small, &large, &look, &large] {
        table.quarantine(work, &reason).await.unwrap();
    }
    for work in [&small, &large] {
        let (known, reason) = kept(&work.delivery).await.expect("it was put aside");
        assert!(known == *work, "{}", work.delivery);
        assert_eq!(reason, "not a known shape");
    }
    assert!(kept(&World.unique()).await.is_none());
    assert!(kept(&format!("{delivery}#1")).await.is_none(), "a part is not the whole");
}

/// What gridbell knows of itself: an older answer never replaces a newer one, and what was told is noted once.
pub async fn health(table: &impl Health) {
    let now = World.now();
    let at = |seconds: i64| now + SignedDuration::from_secs(seconds);
    assert_eq!(table.vitals().await.unwrap(), Vitals::default());
    table.over(Watched::Deliveries, now).await.unwrap();
    for seconds in [10, 10, 20, 15] {
        table.answered(at(seconds)).await.unwrap();
    }
    table.told(Watched::Deliveries, at(1)).await.unwrap();
    table.told(Watched::Deliveries, at(2)).await.unwrap();
    table.told(Watched::AlertsDead, at(3)).await.unwrap();
    let vitals = table.vitals().await.unwrap();
    assert_eq!(vitals.answered, Some(at(20)));
    assert_eq!(vitals.told, [(Watched::Deliveries, at(1)), (Watched::AlertsDead, at(3))].into());
    table.over(Watched::Deliveries, at(2)).await.unwrap();
    assert_eq!(table.vitals().await.unwrap(), vitals, "another's word is not over");
    for _ in 0..2 {
        table.over(Watched::Deliveries, at(1)).await.unwrap();
    }
    let vitals = table.vitals().await.unwrap();
    assert_eq!((vitals.answered, vitals.told), (Some(at(20)), [(Watched::AlertsDead, at(3))].into()));
}

/// How a source's polling stands: one conditional write, one's own recognised. The source that it was tried with.
pub async fn polls(table: &impl Deliveries) -> String {
    let now = World.now();
    let source = World.unique();
    assert_eq!(table.poll_state(&source).await.unwrap(), None);
    let (first, _) = PollState::claimed(None, &source, now, "write-1".to_owned()).expect("a first poll");
    table.write_poll_state(&first, None).await.unwrap();
    assert_eq!(table.poll_state(&source).await.unwrap().as_ref(), Some(&first));
    assert_eq!(lost(table.write_poll_state(&first, None).await), first);
    let trouble = Trouble::new(TroubleKind::Provider, now, "the provider answered 500");
    let (second, _) = first.clone().failed(&trouble, now, "write-2".to_owned());
    table.write_poll_state(&second, Some(1)).await.unwrap();
    let late = PollState { write: "write-3".to_owned(), ..second.clone() };
    assert_eq!(lost(table.write_poll_state(&late, Some(1)).await), second);
    assert_eq!(table.poll_state(&source).await.unwrap(), Some(second));
    source
}

/// Incidents: one conditional write, one's own recognised.
pub async fn incidents(table: &impl Incidents) {
    let now = World.now();
    let key = format!("hydration-failing/{}", World.unique());
    assert_eq!(table.read(&key).await.unwrap(), None);
    let first = samples::incident(&key, 1, "write-1", now);
    table.write(&first, None).await.unwrap();
    assert_eq!(table.read(&key).await.unwrap().as_ref(), Some(&first));
    assert_eq!(lost(table.write(&first, None).await), first);
    let second = samples::incident(&key, 2, "write-2", now);
    table.write(&second, Some(1)).await.unwrap();
    let late: Incident = samples::incident(&key, 2, "write-3", now);
    assert_eq!(lost(table.write(&late, Some(1)).await), second);
}

/// What lies beside the incidents: the same conditions, and neither is taken for the other or for an incident.
pub async fn gates_and_links(table: &impl Incidents) {
    let now = World.now();
    let name = World.unique();
    let gate = samples::gate(&format!("gate/hydration-failing/{name}/first"), MAX_LISTED, now);
    assert_eq!(table.gate(&gate.gate).await.unwrap(), None);
    table.write_gate(&gate, None).await.unwrap();
    assert_eq!(table.gate(&gate.gate).await.unwrap().as_ref(), Some(&gate));
    assert_eq!(lost(table.write_gate(&gate, None).await), gate);
    let next = Gate { revision: 2, write: "write-2".to_owned(), held: Vec::new(), ..gate.clone() };
    table.write_gate(&next, Some(1)).await.unwrap();
    assert_eq!(lost(table.write_gate(&gate, Some(1)).await), next);

    let link = samples::link(&format!("link/{name}"), MAX_LISTED, now);
    assert_eq!(table.link(&link.link).await.unwrap(), None);
    table.write_link(&link, None).await.unwrap();
    let used = Link { revision: 2, used_at: Some(now), ..link.clone() };
    table.write_link(&used, Some(1)).await.unwrap();
    assert_eq!(lost(table.write_link(&used, Some(1)).await), used, "used once");
    assert_eq!(table.link(&link.link).await.unwrap(), Some(used));
}

/// What stood there when a write did not happen.
fn lost<T: std::fmt::Debug>(written: Result<(), WriteError<T>>) -> T {
    match written {
        Err(WriteError::Lost(Some(old))) => *old,
        other => panic!("a write that must lose, and tell to what: {other:?}"),
    }
}

/// Text that hardly compresses.
fn noise(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 64);
    for n in 0.. {
        if text.len() >= bytes {
            break;
        }
        text.push_str(&dispatch::fifo_id(&format!("noise {n}")));
    }
    text.truncate(bytes);
    text
}
