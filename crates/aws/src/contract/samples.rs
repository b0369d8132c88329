//! Samples to store and to send.

use dispatch::{
    AccountEvent, Contradiction, DispatchFact, DispatchTerms, Epoch, Fact, FactBody, Origin, Publication, Rank,
    Request, Signal, Subject, Target, TraceParent, absorb,
};
use jiff::Timestamp;
use pipeline::{
    alerts::channels::ChannelHealth,
    conditions::Condition,
    config::Deadlines,
    group::{AckLink, AlertGroup},
    incident::{Incident, IncidentKind, IncidentStatus},
    job::{Job, JobKind},
    ports::{PendingRetry, fifo_id},
    record::{Step, SubjectRecord},
    retry::state::RetryState,
};
use serde_json::json;

/// The origin of facts about a subject.
fn origin(subject: &Subject) -> Origin {
    Origin { source: subject.source().to_owned(), provider: "voltus".to_owned(), sandbox: false }
}

/// A dispatch over this many meters, with its first signal in the outbox.
pub fn record(subject: &Subject, write: &str, meters: usize, now: Timestamp) -> SubjectRecord {
    let target = |n: usize| Target {
        // As random as real ids.
        id: fifo_id(&format!("{n} ").repeat(2)),
        name: None,
        external_id: None,
        request: Some(Request::Reduce { watts: 5_000 }),
    };
    let terms = DispatchTerms {
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
    let fact = DispatchFact { id: "dkmq".to_owned(), rank: Rank::Numbered(1, now), terms };
    following(None, subject, write, FactBody::Dispatch(fact), now)
}

/// The same dispatch with a stated end.
pub(super) fn ending(known: &SubjectRecord, write: &str, end: Timestamp, now: Timestamp) -> SubjectRecord {
    let (_, terms) = known.state.published().expect("a dispatch");
    let rank = Rank::Numbered(known.state.version + 1, now);
    let fact = DispatchFact { id: "dkmq".to_owned(), rank, terms: DispatchTerms { end: Some(end), ..terms } };
    following(Some(known), &known.subject, write, FactBody::Dispatch(fact), now)
}

/// This many signals of one stream.
pub(super) fn signals(subject: &Subject, count: usize, now: Timestamp) -> Vec<Signal> {
    let event = |n: usize| AccountEvent {
        identity: n.to_string(),
        event: "customer.created".to_owned(),
        delivery: "d-1".to_owned(),
        payload: json!({ "n": n, "odd": "\u{ffff} ü" }),
    };
    let record = (0..count).fold(None, |known: Option<SubjectRecord>, n| {
        Some(following(known.as_ref(), subject, "w", FactBody::Account(event(n)), now))
    });
    record.map(|record| record.outbox).unwrap_or_default()
}

fn following(
    known: Option<&SubjectRecord>,
    subject: &Subject,
    write: &str,
    body: FactBody,
    now: Timestamp,
) -> SubjectRecord {
    let fact = Fact::new(origin(subject), subject.clone(), body);
    let publication =
        Publication { epoch: Epoch::from(1), now, limit_bytes: 1_048_576 - 4_096, traceparent: Some(traceparent()) };
    let state = known.map(|record| record.state.clone());
    let absorbed = absorb(state, subject, vec![fact], Contradiction::TakeLatest, publication);
    let step = Step {
        subject,
        delivery: "d-1",
        received_at: now,
        deadlines: Deadlines::default(),
        write: write.to_owned(),
        now,
        traceparent: publication.traceparent,
    };
    SubjectRecord::following(known, &origin(subject), absorbed.expect("a fact makes a state"), step)
}

pub(super) fn job(delivery: &str, kind: JobKind, now: Timestamp) -> Job {
    Job::fresh(delivery, "contract", now, kind).traced(traceparent())
}

/// The trace of everything here.
pub(super) fn traceparent() -> TraceParent {
    TraceParent::begin([0x0af7_6519_16cd_43dd, 0x8448_eb21_1c80_319c, 0xb7ad_6b71_6920_3331])
}

/// A failed job with its next attempt at that time.
pub(super) fn pending(job: Job, next_at: Timestamp, now: Timestamp) -> PendingRetry {
    let state = RetryState {
        source: job.source.clone(),
        about: job.about(),
        delivery: job.delivery.clone(),
        attempt: job.attempt,
        failed_at: now,
        next_at,
        notify_at: next_at,
        detail: "the provider answered 500: ü".to_owned(),
    };
    PendingRetry { job, state }
}

/// A channel that fails.
pub(super) fn channel(name: &str, now: Timestamp) -> ChannelHealth {
    ChannelHealth {
        channel: ChannelHealth::key(name),
        revision: 1,
        write: "write-1".to_owned(),
        name: "PagerDuty (ssm:/gridbell/pagerduty)".to_owned(),
        failing_since: Some(now),
        failures: 3,
        error: Some("it answered 500".to_owned()),
        last_at: now,
    }
}

/// An open incident about the dispatch with that id.
pub(super) fn incident(id: &str, now: Timestamp) -> Incident {
    let dispatch = Subject::dispatch("contract", id);
    let condition = Condition::Failing { source: "contract".to_owned(), key: dispatch.to_string() };
    Incident {
        incident: condition.incident(),
        revision: 1,
        write: "write-1".to_owned(),
        condition,
        about: dispatch.to_string(),
        status: IncidentStatus::Open,
        opened_at: now,
        last_at: now,
        resolved_at: None,
        acknowledged: None,
        snoozed: None,
        level: 1,
        detail: "the provider answered 500".to_owned(),
        mails: [("first".to_owned(), now)].into(),
        notified: ["grid-duty@example.com".to_owned()].into(),
        waiting: None,
        channels: Vec::new(),
    }
}

/// An alert group whose mails are sent soon.
pub(super) fn group(key: &str, now: Timestamp) -> AlertGroup {
    AlertGroup {
        group: key.to_owned(),
        revision: 1,
        write: "write-1".to_owned(),
        kind: IncidentKind::HydrationFailing,
        source: "contract".to_owned(),
        occasion: "first".to_owned(),
        test: false,
        flush_at: Some(now),
        flushed_at: Some(now),
        storm_since: None,
        failures: 7,
        claim: Some(("write-0".to_owned(), now)),
        last_at: now,
    }
}

/// A link that acknowledges this many incidents.
pub(super) fn link(key: &str, incidents: usize, now: Timestamp) -> AckLink {
    let incidents = (0..incidents).map(|n| (format!("hydration-failing/contract/{n}"), now)).collect();
    AckLink {
        link: key.to_owned(),
        revision: 1,
        write: "write-1".to_owned(),
        incidents,
        subject: "[gridbell] hydration-failing contract: 200 dispatches".to_owned(),
        to: vec!["grid-duty@example.com".to_owned()],
        expires_at: now,
        used_at: None,
        curtailed_at: None,
    }
}
