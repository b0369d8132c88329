//! The table of deliveries: waiting jobs, quarantined jobs, and the state of each source.

use std::collections::BTreeSet;

use dispatch::Subject;
use jiff::{SignedDuration, Timestamp};
use pipeline::{
    conditions::{Condition, NotedEvent, StageReport},
    job::{BodyPart, Failure, FailureKind, Job, JobKind, MAX_BODY_BYTES, StoredBody},
    messages::{self, ToHydrate},
    polling::{budget::Shown, state::PollState},
    ports::{Answered, Clock, Deliveries, Health, PendingRetry, Random, Refusal},
};
use providers::FetchRequest;

use super::{
    helpers::{lost, noise, soon},
    samples,
};
use crate::host::Host;

/// A body that arrives in parts, in any order and twice, is readable once all parts have arrived.
pub async fn bodies(table: &impl Deliveries) {
    let now = Host.now();
    let (delivery, body) = (Host.unique(), format!("\"{}\"", noise(MAX_BODY_BYTES - 2)));
    let messages = Job::messages(&delivery, "contract", now, &body, None);
    assert!(messages.len() > 1, "{} bytes fit into one message", body.len());
    let parts: Vec<BodyPart> = messages
        .iter()
        .map(|message| match read(message).kind {
            JobKind::Part(part) => part,
            kind => panic!("{kind:?}"),
        })
        .collect();
    let stored = StoredBody { delivery: delivery.clone(), chunks: parts[0].of };
    for part in parts.iter().rev() {
        assert_eq!(table.body(&stored).await.unwrap(), None);
        table.keep_part(&delivery, part, now).await.unwrap();
    }
    table.keep_part(&delivery, &parts[1], now).await.unwrap();
    assert!(table.body(&stored).await.unwrap().as_ref() == Some(&body), "it is read back unchanged");
    let other = StoredBody { delivery: Host.unique(), ..stored };
    assert_eq!(table.body(&other).await.unwrap(), None);
}

fn read(message: &str) -> Job {
    match messages::read(message).unwrap() {
        ToHydrate::Job(job) => job,
        other @ ToHydrate::Heartbeat(_) => panic!("{other:?}"),
    }
}

/// A job that fetches a dispatch.
fn fetch(delivery: &str, source: &str, id: &str, now: Timestamp) -> Job {
    let subject = Subject::dispatch(source, id);
    let fetch = FetchRequest { key: subject.to_string(), subject, context: serde_json::Value::Null };
    Job { source: source.to_owned(), ..samples::job(delivery, JobKind::Fetch(fetch), now) }
}

/// Retries: of several deliveries that fail on one resource, one continues.
pub async fn bookings(table: &impl Deliveries) {
    let now = Host.now();
    let at = |seconds: i64| now + SignedDuration::from_secs(seconds);
    let (source, id) = (Host.unique(), Host.unique());
    let pending = |delivery: &str, next_s: i64| samples::pending(fetch(delivery, &source, &id, now), at(next_s), now);
    let key = pending("a", 10).job.key().to_owned();
    assert_eq!(table.retry_state(&key).await.unwrap(), None);
    assert!(table.book(&pending("a", 10), now).await.unwrap());
    assert!(table.book(&pending("a", 10), now).await.unwrap(), "a repetition of its own write");
    assert!(!table.book(&pending("a", 20), now).await.unwrap(), "a duplicate message does not move the booking");
    let mut later = pending("a", 20);
    later.job.attempt += 1;
    later.state.attempt += 1;
    assert!(table.book(&later, now).await.unwrap(), "the next attempt of the same delivery moves its booking");
    assert_eq!(table.retry_state(&key).await.unwrap().as_ref(), Some(&later.state));
    assert!(!table.book(&pending("b", 15), now).await.unwrap(), "another delivery's attempt is still ahead");
    table.settled(&pending("b", 15).job, Timestamp::MIN).await.unwrap();
    table.settled(&pending("b", 15).job, now).await.unwrap();
    assert!(!table.book(&pending("b", 15), now).await.unwrap(), "settling another delivery's booking changes nothing");
    assert!(table.book(&pending("b", 40), at(20)).await.unwrap(), "another delivery's attempt was due and may be lost");
    table.settled(&pending("a", 20).job, Timestamp::MIN).await.unwrap();
    assert!(!table.book(&pending("c", 50), at(20)).await.unwrap());
    table.settled(&pending("b", 40).job, Timestamp::MIN).await.unwrap();
    assert!(table.book(&pending("c", 50), at(20)).await.unwrap());
    table.settled(&pending("a", 20).job, at(1)).await.unwrap();
    assert_eq!(table.retry_state(&key).await.unwrap(), None, "a success settles failures from before it began");
    table.settled(&pending("c", 50).job, Timestamp::MIN).await.unwrap();
    notified(table, now).await;
    overdue(table, now).await;

    // A body of any size can fail, with a key of any length.
    let body = samples::job(&Host.unique(), JobKind::Body(noise(900_000)), now);
    for job in [body, fetch("long", &source, &"ü".repeat(500), now)] {
        let pending = samples::pending(job, at(1), now);
        assert!(table.book(&pending, now).await.unwrap());
        assert_eq!(table.retry_state(pending.job.key()).await.unwrap().as_ref(), Some(&pending.state));
        table.settled(&pending.job, Timestamp::MIN).await.unwrap();
    }
}

/// Conditions that a person must know about are found by source and time; a time moves forward, never back.
async fn notified(table: &impl Deliveries, now: Timestamp) {
    let at = |seconds: i64| now + SignedDuration::from_secs(seconds);
    let (source, other) = (Host.unique(), Host.unique());
    let pending = |source: &str, id: &str, notify_s: i64| {
        let mut pending = samples::pending(fetch(id, source, id, now), at(10), now);
        pending.state.notify_at = at(notify_s);
        pending
    };
    // This one is too long for a key.
    let long = "ü".repeat(400);
    let [first, second, third] = [pending(&source, "first", 60), pending(&source, &long, 90), pending(&other, "o", 30)];
    for pending in [&first, &second, &third] {
        assert!(table.book(pending, now).await.unwrap());
    }
    let fires = async |at: Timestamp, expected: &[&PendingRetry]| {
        let expected: BTreeSet<Condition> = expected.iter().map(|pending| pending.job.condition()).collect();
        soon(async || BTreeSet::from_iter(table.firing(&source, at).await.unwrap()) == expected).await
    };
    assert!(fires(at(90), &[&first, &second]).await);
    assert!(fires(at(60), &[&first]).await, "at the exact instant");
    assert!(fires(at(59), &[]).await);
    table.hasten(second.job.key(), at(100)).await.unwrap();
    assert_eq!(table.retry_state(second.job.key()).await.unwrap().as_ref(), Some(&second.state));
    table.hasten(second.job.key(), at(20)).await.unwrap();
    let state = table.retry_state(second.job.key()).await.unwrap().expect("it is booked");
    assert_eq!(state.notify_at, at(20));
    assert!(fires(at(20), &[&second]).await);
    table.hasten("a key of nothing", at(1)).await.unwrap();
    assert_eq!(table.retry_state("a key of nothing").await.unwrap(), None);
    for pending in [&first, &second, &third] {
        table.settled(&pending.job, Timestamp::MIN).await.unwrap();
    }
    assert!(fires(at(90), &[]).await);
}

/// Overdue retries are found by their source, whenever a person must be notified of them.
async fn overdue(table: &impl Deliveries, now: Timestamp) {
    let at = |seconds: i64| now + SignedDuration::from_secs(seconds);
    let (source, other) = (Host.unique(), Host.unique());
    let long = "ü".repeat(400);
    let pending = |source: &str, id: &str, next_s: i64| samples::pending(fetch(id, source, id, now), at(next_s), now);
    let [first, second, third] = [pending(&source, "first", 10), pending(&source, &long, 20), pending(&other, "o", 5)];
    for pending in [&first, &second, &third] {
        assert!(table.book(pending, now).await.unwrap());
    }
    table.hasten(second.job.key(), at(1)).await.unwrap();
    let mut second = second;
    second.state.notify_at = at(1);
    let finds = async |before: Timestamp, expected: &[&PendingRetry]| {
        soon(async || {
            let found = table.overdue(&source, before).await.unwrap();
            found.len() == expected.len() && expected.iter().all(|pending| found.contains(pending))
        })
        .await
    };
    assert!(finds(at(21), &[&first, &second]).await);
    assert!(finds(at(20), &[&first]).await, "only earlier ones");
    assert!(finds(at(10), &[]).await);
    for pending in [&first, &second, &third] {
        table.settled(&pending.job, Timestamp::MIN).await.unwrap();
    }
    assert!(finds(at(60), &[]).await);
}

/// A refusal of a key stays until a request that began later succeeds.
pub async fn refusals(table: &impl Deliveries) {
    let now = Host.now();
    let at = |seconds: i64| now + SignedDuration::from_secs(seconds);
    let source = Host.unique();
    assert_eq!(table.refusal(&source).await.unwrap(), None);
    table.accept(&source, now).await.unwrap();
    let refusal = |at| Refusal { source: source.clone(), since: now, at, detail: "401".to_owned() };
    for seconds in [0, 10] {
        table.refuse(&refusal(at(seconds))).await.unwrap();
    }
    assert_eq!(table.refusal(&source).await.unwrap(), Some(refusal(at(10))));
    table.accept(&source, at(10)).await.unwrap();
    table.accept(&Host.unique(), at(60)).await.unwrap();
    assert_eq!(table.refusal(&source).await.unwrap(), Some(refusal(at(10))), "it was refused since");
    for _ in 0..2 {
        table.accept(&source, at(11)).await.unwrap();
    }
    assert_eq!(table.refusal(&source).await.unwrap(), None);
}

/// A quarantined job is read back whole, whatever its size, and quarantining a fetch does not overwrite the body of its
/// delivery. `quarantined` reads what is quarantined under an id.
pub async fn quarantine(table: &impl Deliveries, quarantined: impl AsyncFn(&str) -> Option<(Job, String)>) {
    let now = Host.now();
    let delivery = Host.unique();
    let reason = Failure::new(FailureKind::Unreadable, now, "not a known shape");
    let small = samples::job(&Host.unique(), JobKind::Body("{}".to_owned()), now);
    let large = samples::job(&delivery, JobKind::Body(noise(MAX_BODY_BYTES)), now);
    let fetch = fetch(&delivery, "contract", "dkmq", now);
    for job in [&small, &large, &fetch, &large] {
        table.quarantine(job, &reason, &[]).await.unwrap();
    }
    for job in [&small, &large] {
        let (known, reason) = quarantined(&job.delivery).await.expect("it was quarantined");
        assert!(known == *job, "{}", job.delivery);
        assert_eq!(reason, "not a known shape");
    }
    assert!(quarantined(&Host.unique()).await.is_none());
    assert!(quarantined(&format!("{delivery}#1")).await.is_none(), "a part is not a job");
    assert!(quarantined(&format!("{delivery}#events")).await.is_none());
}

/// Events count until each body quarantined with them is replayed; events without a body keep counting. `replayed`
/// marks the body quarantined under an id as replayed.
pub async fn events(table: &impl Deliveries, replayed: impl AsyncFn(&str)) {
    let now = Host.now();
    let at = |seconds: i64| now + SignedDuration::from_secs(seconds);
    let (source, reason) = (Host.unique(), Failure::new(FailureKind::Unreadable, now, "not a known shape"));
    let dispatch = Subject::dispatch(&source, &"ü".repeat(400));
    let [unknown, lost] = [
        Condition::UnknownEvent { source: source.clone() },
        Condition::Quarantined { source: source.clone(), about: Some(dispatch) },
    ];
    let event = |condition: &Condition, stage: &str, at: Timestamp| {
        let detail = "x".repeat(700);
        let news = StageReport { stage: stage.to_owned(), about: source.clone(), detail };
        NotedEvent { condition: condition.clone(), at, news }
    };
    let are = async |condition: &Condition, since: Timestamp, expected: &[&NotedEvent]| {
        soon(async || table.events(condition, since).await.unwrap().iter().eq(expected.iter().copied())).await
    };
    let fire = async |now: Timestamp, expected: &[&Condition]| {
        let expected: BTreeSet<Condition> = expected.iter().map(|condition| (*condition).clone()).collect();
        soon(async || BTreeSet::from_iter(table.firing(&source, now).await.unwrap()) == expected).await
    };
    assert!(are(&unknown, Timestamp::MIN, &[]).await && fire(now, &[]).await);

    let [a, b] = [Host.unique(), Host.unique()].map(|id| samples::job(&id, JobKind::Body("{}".to_owned()), now));
    let [first, again] = [0, 5].map(|seconds| event(&unknown, "resumed", at(seconds)));
    let (second, other) = (event(&unknown, "paused", at(3)), event(&lost, "lost", at(4)));
    table.quarantine(&a, &reason, std::slice::from_ref(&first)).await.unwrap();
    assert!(are(&unknown, at(-1), &[&first]).await);
    table.quarantine(&a, &reason, std::slice::from_ref(&second)).await.unwrap();
    table.quarantine(&b, &reason, &[again.clone(), other.clone()]).await.unwrap();
    assert!(are(&unknown, at(-1), &[&second, &again]).await, "a repetition moves its instant");
    assert!(are(&unknown, at(4), &[&again]).await, "only later ones");
    assert!(are(&lost, at(-1), &[&other]).await);
    assert!(are(&Condition::UnknownEvent { source: Host.unique() }, at(-1), &[]).await, "only of its own incident");
    assert!(fire(at(10), &[&unknown, &lost]).await);
    assert!(fire(at(2 * 3_600), &[]).await, "within the hour");

    for _ in 0..2 {
        replayed(&a.quarantined_as()).await;
    }
    assert!(are(&unknown, at(-1), &[&again]).await, "the other body is not replayed");
    replayed(&b.quarantined_as()).await;
    assert!(are(&unknown, at(-1), &[]).await && are(&lost, at(-1), &[]).await && fire(at(10), &[]).await);
    table.quarantine(&b, &reason, std::slice::from_ref(&again)).await.unwrap();
    assert!(are(&unknown, at(-1), &[&again]).await, "it happens again");

    let bare = event(&lost, "lost", at(7));
    table.note(&event(&lost, "lost", at(6))).await.unwrap();
    table.note(&bare).await.unwrap();
    table.quarantine(&a, &reason, std::slice::from_ref(&bare)).await.unwrap();
    replayed(&a.quarantined_as()).await;
    assert!(are(&lost, at(-1), &[&bare]).await, "a replay does not affect an event without a body");
    assert!(fire(at(10), &[&unknown, &lost]).await);
    replayed("nothing of that name").await;
}

/// Of very many events only the latest are read. None is lost for a replay, though an event cannot name all its bodies.
pub async fn many_events(table: &impl Deliveries, replayed: impl AsyncFn(&str)) {
    const BODIES: usize = 103;
    let now = Host.now();
    let source = Host.unique();
    let condition = Condition::UnknownEvent { source: source.clone() };
    let reason = Failure::new(FailureKind::UnknownEvent, now, "an unknown event");
    let event = |n: usize| NotedEvent {
        condition: condition.clone(),
        at: now + SignedDuration::from_millis(i64::try_from(n).unwrap()),
        news: StageReport { stage: format!("stage {n}"), about: source.clone(), detail: "d".to_owned() },
    };
    let job = samples::job(&Host.unique(), JobKind::Body("{}".to_owned()), now);
    let all: Vec<NotedEvent> = (0..120).map(event).collect();
    table.quarantine(&job, &reason, &all).await.unwrap();
    let since = now - SignedDuration::from_secs(1);
    let read = async || table.events(&condition, since).await.unwrap();
    assert!(soon(async || read().await.last() == all.last()).await);
    let found = read().await;
    assert!(found.len() >= 50 && found == all[all.len() - found.len()..], "{} found", found.len());
    replayed(&job.quarantined_as()).await;
    assert!(soon(async || read().await.is_empty()).await);

    let bodies: Vec<Job> =
        (0..BODIES).map(|_| samples::job(&Host.unique(), JobKind::Body("{}".to_owned()), now)).collect();
    for body in &bodies {
        table.quarantine(body, &reason, &all[..1]).await.unwrap();
    }
    for body in &bodies[..BODIES - 1] {
        replayed(&body.quarantined_as()).await;
    }
    assert!(soon(async || read().await == all[..1]).await, "a body is not replayed");
}

/// The heartbeat: an older answer never replaces a newer one.
pub async fn health(table: &impl Health) {
    let now = Host.now();
    let at = |seconds: i64| now + SignedDuration::from_secs(seconds);
    assert_eq!(table.answered().await.unwrap(), None);
    for (seconds, latest) in [(10, 10), (10, 10), (20, 20), (15, 20)] {
        table.answer(at(seconds), at(seconds + 1)).await.unwrap();
        let answered = Answered { sent_at: at(latest), at: at(latest + 1) };
        assert_eq!(table.answered().await.unwrap(), Some(answered));
    }
}

/// The polling state of a source: one conditional write, which recognises its own repetition. Returns the source used.
pub async fn polls(table: &impl Deliveries) -> String {
    let now = Host.now();
    let source = Host.unique();
    assert_eq!(table.poll_state(&source).await.unwrap(), None);
    let first = PollState::claimed(None, &source, now, "write-1".to_owned()).expect("a first poll");
    table.write_poll_state(&first, None).await.unwrap();
    assert_eq!(table.poll_state(&source).await.unwrap().as_ref(), Some(&first));
    assert_eq!(lost(table.write_poll_state(&first, None).await), first);
    let failure = Failure::new(FailureKind::Provider, now, "the provider answered 500");
    let second = first.clone().failed(&failure, now, "write-2".to_owned());
    table.write_poll_state(&second, Some(1)).await.unwrap();
    let late = PollState { write: "write-3".to_owned(), ..second.clone() };
    assert_eq!(lost(table.write_poll_state(&late, Some(1)).await), second);
    assert_eq!(table.poll_state(&source).await.unwrap(), Some(second));
    shown(table, &source).await;
    source
}

/// What a list showed: the latest state, whatever its length.
async fn shown(table: &impl Deliveries, source: &str) {
    assert_eq!(table.shown(source).await.unwrap(), None);
    for (list, count) in [(1, 30_000), (2, 3), (3, 0)] {
        let subjects: Vec<Subject> = (0..count).map(|n| Subject::dispatch(source, &format!("d{n}"))).collect();
        let shown = Shown::of(source, list, &subjects).expect("it fits");
        table.show(&shown).await.unwrap();
        assert_eq!(table.shown(source).await.unwrap(), Some(shown));
    }
}
