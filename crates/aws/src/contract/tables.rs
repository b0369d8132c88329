//! The table of dispatches.

use std::collections::BTreeSet;

use dispatch::{Epoch, Subject};
use futures_util::{StreamExt, future::join_all};
use jiff::{SignedDuration, Timestamp};
use pipeline::{
    dispatches::sent::SentVersion,
    ports::{ActiveSubject, Changed, Clock, Dispatches, DueSubject, Random, WriteError},
    record::{MissedChange, SubjectRecord},
};

use super::{
    helpers::{lost, soon},
    samples,
};
use crate::host::Host;

/// State and outbox: one conditional write, which recognises its own repetition; pending signals are found.
pub async fn records(table: &impl Dispatches) {
    let now = Host.now();
    let subject = Subject::dispatch("contract", &Host.unique());
    assert_eq!(table.read(&subject).await.unwrap(), None);

    let first = samples::record(&subject, "write-1", 1, now);
    table.write(&first, None).await.unwrap();
    assert_eq!(table.read(&subject).await.unwrap().as_ref(), Some(&first));
    // The answer to a write was lost and the write is repeated: the stored record is its own.
    assert_eq!(lost(table.write(&first, None).await), first);

    let missed = MissedChange { found_at: now, what: "gridbell.dispatch.scheduled.v1 #1".to_owned() };
    let second = SubjectRecord {
        revision: 2,
        write: "write-2".to_owned(),
        missed: Some(vec![missed]),
        sent: Some(SentVersion { sequence: 1, start: now, end: None }),
        lapsed: Some(now),
        ..first.clone()
    };
    table.write(&second, Some(1)).await.unwrap();
    let late = SubjectRecord { write: "write-3".to_owned(), ..second.clone() };
    assert_eq!(lost(table.write(&late, Some(1)).await).write, "write-2");
    let nowhere = Subject::dispatch("contract", &Host.unique());
    let stray = SubjectRecord { subject: nowhere, ..second.clone() };
    assert!(matches!(table.write(&stray, Some(1)).await, Err(WriteError::Lost(None))));

    pending_signals(table, &second, now).await;
    grows(table, now).await;
    active(table, now).await;
    to_review(table, now).await;
}

/// Active dispatches are found with their targets until they end, the last to end first.
async fn active(table: &impl Dispatches, now: Timestamp) {
    let at = |seconds: i64| now + SignedDuration::from_secs(seconds);
    // This one is too long for a key: its identifier of 512 bytes is percent-encoded.
    let long = format!("{}{}", "ü".repeat(230), Host.unique());
    let subjects = [long, Host.unique()].map(|id| Subject::dispatch("contract", &id));
    let [open, ending] = subjects.each_ref().map(|subject| samples::record(subject, "write-1", 3, now));
    let ending = samples::ending(&ending, "write-1", at(60), now);
    let ending = SubjectRecord { revision: 1, follows: None, ..ending };
    for record in [&ending, &open] {
        table.write(record, None).await.unwrap();
        assert_eq!(table.read(&record.subject).await.unwrap().as_ref(), Some(record));
    }
    let found = async |source: &str, at: Timestamp| -> Vec<ActiveSubject> {
        let mut active = table.active(source, at).await.unwrap();
        active.retain(|active| subjects.contains(&active.subject));
        active
    };
    let as_found =
        |record: &SubjectRecord| ActiveSubject { subject: record.subject.clone(), active: record.active().unwrap() };
    let both = [as_found(&open), as_found(&ending)];
    assert!(soon(async || found("contract", at(59)).await == both).await);
    assert_eq!(found("contract", at(60)).await, [as_found(&open)], "it is over at its end");
    assert_eq!(found("another-source", now).await, []);
    let ended = samples::ending(&open, "write-2", now, now);
    table.write(&ended, Some(1)).await.unwrap();
    assert!(table.sent(&ended.subject, ended.revision).await.unwrap());
    assert!(soon(async || found("contract", at(0)).await == [as_found(&ending)]).await);
    changes(table, [&ended, &ending], now).await;
}

/// Subjects changed since an instant are found in their latest state, active or not, except those that the caller
/// knows.
async fn changes(table: &impl Dispatches, [off, on]: [&SubjectRecord; 2], now: Timestamp) {
    let as_left = |record: &SubjectRecord| Changed {
        subject: record.subject.clone(),
        stamp: record.stamp(),
        active: record.active(),
    };
    let found = async |since: Timestamp, known: Option<&SubjectRecord>| -> Vec<Changed> {
        let is_known =
            |subject: &Subject, stamp| known.is_some_and(|known| known.subject == *subject && known.stamp() == stamp);
        let mut changed = table.changed("contract", since, is_known).await.unwrap();
        changed.retain(|changed| [&off.subject, &on.subject].contains(&&changed.subject));
        changed.sort_by_key(|changed| changed.active.is_some());
        changed
    };
    assert!(off.active().is_none() && on.active().is_some(), "one of each");
    assert!(soon(async || found(now, None).await == [as_left(off), as_left(on)]).await);
    assert_eq!(found(now, Some(off)).await, [as_left(on)]);
    assert_eq!(found(now + SignedDuration::from_nanos(1), None).await, [], "from that instant on");
    assert_eq!(table.changed("another-source", now, |_, _| false).await.unwrap(), []);
}

/// Dispatches without an end are found when they are due for a review, with or without a deadline; the most urgent
/// first.
async fn to_review(table: &impl Dispatches, now: Timestamp) {
    let later = |at: Timestamp| at + SignedDuration::from_secs(1);
    let [subject, other] = [(); 2].map(|()| Subject::dispatch("contract", &Host.unique()));
    let record = SubjectRecord { due: None, ..samples::record(&subject, "write-1", 1, now) };
    let ask_at = record.open_end.expect("the sample has no end");
    let urgent = samples::record(&other, "write-1", 1, now);
    for record in [&record, &urgent] {
        table.write(record, None).await.unwrap();
        assert_eq!(table.read(&record.subject).await.unwrap().as_ref(), Some(record));
    }
    let due = |record: &SubjectRecord| DueSubject { at: record.look_at().unwrap(), subject: record.subject.clone() };
    let found = async |before| {
        let mut due = table.due(before).await.unwrap();
        due.retain(|due| [&subject, &other].contains(&&due.subject));
        due
    };
    assert!(urgent.look_at() < Some(ask_at));
    assert!(soon(async || found(later(ask_at)).await == [due(&urgent), due(&record)]).await);
    assert_eq!(found(ask_at).await, [due(&urgent)], "only earlier ones");
    let done = SubjectRecord { revision: 2, open_end: None, ..record };
    table.write(&done, Some(1)).await.unwrap();
    assert!(soon(async || found(later(ask_at)).await == [due(&urgent)]).await);
}

/// All due subjects and all subjects with pending signals are found, however many pages that takes.
pub async fn pages(table: &impl Dispatches) {
    const MANY: usize = 1_100;
    let now = Host.now();
    let later = now + SignedDuration::from_secs(1);
    let source = Host.unique();
    let subjects: BTreeSet<Subject> = (0..MANY).map(|n| Subject::dispatch(&source, &n.to_string())).collect();
    let record = |subject: &Subject| SubjectRecord { due: Some(now), ..samples::record(subject, "write-1", 1, now) };
    let written = futures_util::stream::iter(&subjects).map(|subject| {
        let record = record(subject);
        async move { table.write(&record, None).await }
    });
    let written: Vec<_> = written.buffer_unordered(16).collect().await;
    assert!(written.into_iter().all(|written| written.is_ok()));
    let again: Vec<SubjectRecord> = subjects.iter().take(20).map(record).collect();
    let refused = join_all(again.iter().map(|record| table.write(record, None))).await;
    assert_eq!(refused.into_iter().map(lost).collect::<Vec<_>>(), again, "each brings its own stored record");
    let ours = |found: Vec<Subject>| -> BTreeSet<Subject> {
        found.into_iter().filter(|subject| subjects.contains(subject)).collect()
    };
    let due = async || table.due(later).await.unwrap().into_iter().map(|due| due.subject).collect();
    assert!(soon(async || ours(due().await) == subjects).await, "due");
    assert!(soon(async || ours(table.unsent(later).await.unwrap()) == subjects).await, "pending");
    let half: BTreeSet<Subject> = subjects.iter().step_by(2).cloned().collect();
    let mark = async |subjects: &BTreeSet<Subject>| {
        let marked = join_all(subjects.iter().map(|subject| table.sent(subject, 1))).await;
        marked.into_iter().collect::<Result<Vec<bool>, _>>().unwrap()
    };
    assert!(mark(&half).await.into_iter().all(|is_marked| is_marked), "marked at the same time");
    let expected: Vec<bool> = subjects.iter().map(|subject| !half.contains(subject)).collect();
    assert_eq!(mark(&subjects).await, expected, "each has a result of its own");
    assert!(soon(async || ours(table.unsent(later).await.unwrap()).is_empty()).await, "none is pending");
}

async fn pending_signals(table: &impl Dispatches, record: &SubjectRecord, now: Timestamp) {
    let subject = &record.subject;
    let later = now + SignedDuration::from_secs(1);
    let is_pending = async |before| table.unsent(before).await.unwrap().contains(subject);
    assert!(soon(async || is_pending(later).await).await);
    assert!(!table.unsent(now).await.unwrap().contains(subject), "only older ones");
    assert!(!table.sent(subject, 1).await.unwrap(), "another write was faster");
    assert!(table.sent(subject, 2).await.unwrap());
    assert!(soon(async || !is_pending(later).await).await);
    let cleared = SubjectRecord { revision: 3, outbox: Vec::new(), sent: None, ..record.clone() };
    assert_eq!(table.read(subject).await.unwrap(), Some(cleared));
    assert!(!table.sent(subject, 2).await.unwrap(), "once");
}

async fn grows(table: &impl Dispatches, now: Timestamp) {
    let subject = Subject::dispatch("contract", &Host.unique());
    let mut record = samples::record(&subject, "write-1", 5_000, now);
    // The queue refused signals for a while, and three are pending.
    for _ in 0..2 {
        record.outbox.extend(record.outbox.first().cloned());
    }
    table.write(&record, None).await.unwrap();
    assert_eq!(table.read(&subject).await.unwrap().as_ref(), Some(&record));
}

/// A record of any size acts as one record: it is read whole with its targets, replaced whole, and returned whole by a
/// refused write.
pub async fn large(table: &impl Dispatches) {
    const METERS: usize = 50_000;
    let now = Host.now();
    let subject = Subject::dispatch("contract-large", &Host.unique());
    let first = samples::record(&subject, "write-1", METERS, now);
    assert!(first.outbox.len() > 1, "its signal comes in parts");
    table.write(&first, None).await.unwrap();
    assert!(table.read(&subject).await.unwrap().as_ref() == Some(&first), "it is read as it was written");
    // The answer to its first attempt was lost: the items that it put are still in use.
    assert!(lost(table.write(&first, None).await) == first, "a refused write brings it along");
    assert!(table.read(&subject).await.unwrap().as_ref() == Some(&first), "a repeated write deleted it");
    let active = async || {
        let active = table.active("contract-large", now).await.unwrap();
        active.into_iter().find(|active| active.subject == subject).map(|active| active.active)
    };
    assert!(soon(async || active().await == first.active()).await);
    let changed = async || {
        let changed = table.changed("contract-large", now, |_, _| false).await.unwrap();
        changed.into_iter().find(|changed| changed.subject == subject).map(|changed| changed.active)
    };
    assert!(soon(async || changed().await == Some(first.active())).await);
    let second = first.clone().noting(None, "write-2".to_owned());
    table.write(&second, Some(1)).await.unwrap();
    let late = first.clone().noting(None, "write-3".to_owned());
    assert!(lost(table.write(&late, Some(1)).await).write == "write-2");
    let stored = table.read(&subject).await.unwrap().unwrap();
    assert!(stored == SubjectRecord { follows: None, ..second }, "a failed write deleted something");
    assert!(soon(async || active().await == first.active()).await);
    assert!(table.sent(&subject, 2).await.unwrap());
    assert!(table.read(&subject).await.unwrap().unwrap().outbox.is_empty());
    let ended = samples::ending(&SubjectRecord { revision: 3, ..stored }, "write-4", now, now);
    table.write(&ended, Some(3)).await.unwrap();
    assert!(soon(async || active().await.is_none()).await);
}

/// The first caller gives the table its epoch, and every caller gets the same one.
pub async fn epoch(table: &impl Dispatches, other: &impl Dispatches) {
    let now = Host.now();
    let epoch = table.epoch(now).await.unwrap();
    assert_eq!(epoch, Epoch::at(now));
    let later = now + SignedDuration::from_secs(5);
    assert_eq!(other.epoch(later).await.unwrap(), epoch);
    assert_eq!(table.epoch(later).await.unwrap(), epoch);
}
