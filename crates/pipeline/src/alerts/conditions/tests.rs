//! Evidence in, verdict out: a row for each rule of each condition.

mod dispatches;
mod events;
mod services;
mod targets;

use dispatch::{
    Contradiction, DispatchFact, DispatchTerms, Epoch, Fact, FactBody, Origin, PowerEvent, PowerEventKind, Publication,
    Rank, Request, Subject, absorb,
};
use jiff::SignedDuration;

use super::*;
use crate::{
    config::Deadlines,
    dispatches::record::{Ack, AckState, Step},
    job::{Failure, FailureKind},
    queues::Watched,
};

const SOURCE: &str = "voltus-prod";

/// The size limit of a signal's body, in bytes.
const LIMIT_BYTES: usize = 1_000_000;

/// The start of each test. Instants are seconds after it.
fn at(seconds: i64) -> Timestamp {
    Timestamp::constant(1_701_448_800, 0) + SignedDuration::from_secs(seconds)
}

fn hours(hours: i64) -> i64 {
    hours * 3_600
}

fn subject() -> Subject {
    Subject::dispatch(SOURCE, "dkmq")
}

/// The verdict in short: `firing since 60: first`, `resolved at 7`, `undecided`.
fn shown(verdict: &Verdict) -> String {
    let seconds = |instant: Timestamp| instant.duration_since(at(0)).as_secs();
    let firing = |firing: &Firing| {
        let stages: Vec<&str> = firing.news.iter().map(|news| news.stage.as_str()).collect();
        format!("since {}: {}", seconds(firing.since), stages.join(", "))
    };
    match verdict {
        Verdict::Firing(one) => format!("firing {}", firing(one)),
        Verdict::Resolved(Resolved { at, lapsed: None, .. }) => format!("resolved at {}", seconds(*at)),
        Verdict::Resolved(Resolved { at, lapsed: Some(lapsed), .. }) => {
            format!("resolved at {}, lapsed {}", seconds(*at), firing(lapsed))
        }
        Verdict::Undecided => "undecided".to_owned(),
    }
}

fn words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Firing(firing) => {
            firing.news.iter().map(|news| format!("{}: {}", news.about, news.detail)).collect::<Vec<_>>().join("; ")
        }
        Verdict::Resolved(resolved) => resolved.why.clone(),
        Verdict::Undecided => String::new(),
    }
}

/// Judges at `now` what a hint reported at `asked`. The verdict's words contain `said`.
#[track_caller]
fn check_asked(condition: &Condition, evidence: &Evidence, (asked, now): (i64, i64), expected: &str, said: &str) {
    let verdict = condition.judge(evidence, at(asked), at(now));
    assert_eq!(shown(&verdict), expected, "{condition} at {now}: {verdict:?}");
    assert!(words(&verdict).contains(said), "{said:?} is not in {:?}", words(&verdict));
}

/// The same for tests in which the hint's instant does not matter.
#[track_caller]
fn check(condition: &Condition, evidence: &Evidence, now: i64, expected: &str, said: &str) {
    check_asked(condition, evidence, (now, now), expected, said);
}

/// A provider's terms of `dkmq`: from 600 to 1200, changed by the test.
fn terms(change: impl FnOnce(&mut DispatchTerms)) -> DispatchTerms {
    let mut terms = DispatchTerms {
        authorized: true,
        start: at(600),
        end: Some(at(1_200)),
        request: Request::Reduce { watts: 5_000 },
        targets: Vec::new().into(),
        test_reason: None,
        voluntary: false,
        priority: None,
        programs: Vec::new(),
        details: serde_json::Map::new(),
    };
    change(&mut terms);
    terms
}

/// The record of `dkmq` after terms that were fetched and settled at those seconds. All signals are sent.
fn settled(terms: Vec<(i64, DispatchTerms)>) -> SubjectRecord {
    let origin = Origin { source: SOURCE.to_owned(), provider: "voltus".to_owned(), sandbox: false };
    let record = terms.into_iter().zip(0..).fold(None, |known, ((seconds, terms), number)| {
        let said = DispatchFact { id: "dkmq".to_owned(), rank: Rank::Numbered(number, at(seconds)), terms };
        let fact = Fact::new(origin.clone(), subject(), FactBody::Dispatch(said));
        Some(absorbed(known, fact, at(seconds)))
    });
    record.expect("a statement")
}

#[expect(clippy::needless_pass_by_value, reason = "each row creates its own value")]
fn absorbed(known: Option<SubjectRecord>, fact: Fact, now: Timestamp) -> SubjectRecord {
    let publication = Publication { epoch: Epoch::at(at(0)), now, limit_bytes: LIMIT_BYTES, traceparent: None };
    let (subject, origin) = (fact.subject.clone(), fact.origin.clone());
    let state = known.as_ref().map(|known: &SubjectRecord| known.state.clone());
    let absorbed = absorb(state, &subject, vec![fact], Contradiction::TakeLatest, publication).expect("a state");
    let deadlines = Deadlines::default();
    let step = Step {
        subject: &subject,
        delivery: "d-1",
        received_at: now,
        deadlines,
        write: "w-1".to_owned(),
        now,
        traceparent: None,
    };
    SubjectRecord { outbox: Vec::new(), ..SubjectRecord::following(known.as_ref(), &origin, absorbed, step) }
}

/// `dkmq` from 600 to 1200, received at 0 and due at 60.
fn dispatch(change: impl FnOnce(&mut SubjectRecord)) -> SubjectRecord {
    changed(settled(vec![(0, terms(|_| {}))]), change)
}

/// The same without an end.
fn open_end() -> SubjectRecord {
    settled(vec![(0, terms(|terms| terms.end = None))])
}

/// The same, withdrawn at 50.
fn withdrawn() -> SubjectRecord {
    settled(vec![(0, terms(|_| {})), (50, terms(|terms| terms.authorized = false))])
}

fn changed(mut record: SubjectRecord, change: impl FnOnce(&mut SubjectRecord)) -> SubjectRecord {
    change(&mut record);
    record
}

fn of_record(record: impl Into<Option<SubjectRecord>>) -> Evidence {
    Evidence { record: record.into(), ..Evidence::default() }
}

#[expect(clippy::unnecessary_wraps, reason = "the field of the record is an Option")]
fn ack(version: u64, state: AckState, seconds: i64) -> Option<Ack> {
    Some(Ack { version, state, detail: None, by: None, at: at(seconds) })
}

/// The poll state of a source that has failed so since then, so many times in a row.
fn polls(failing: Option<(FailureKind, i64, u32)>, change: impl FnOnce(&mut PollState)) -> PollState {
    let known = PollState::claimed(None, SOURCE, at(0), "w-1".to_owned()).expect("a first poll");
    let mut state = known.good(None, None, "w-2".to_owned());
    state.failing = failing.map(|(kind, since, count)| crate::polling::state::Failing {
        since: at(since),
        count,
        last: Failure::new(kind, at(since), "the provider answered 500"),
    });
    change(&mut state);
    state
}

/// A load target from 600 to 1200; its ramp down was received at 590 and is not compliant.
fn power(event: PowerEventKind, (start, end): (i64, Option<i64>), compliant: Option<bool>) -> PowerEvent {
    PowerEvent {
        feed: None,
        correlation_id: "c-1".to_owned(),
        event,
        start: at(start),
        end: end.map(at),
        strategy: None,
        target: Request::Limit { watts: 6_500_000 },
        previous: None,
        measured_w: Some(9_200_000),
        compliant,
    }
}

/// The record of that target after events received at those seconds.
fn heard(events: Vec<(i64, PowerEvent)>) -> SubjectRecord {
    let origin = Origin { source: "dc-1".to_owned(), provider: "nvgrid".to_owned(), sandbox: false };
    let record = events.into_iter().fold(None, |known, (seconds, event)| {
        let fact = Fact::new(origin.clone(), Subject::power("dc-1", None, "c-1"), FactBody::Power(event));
        Some(absorbed(known, fact, at(seconds)))
    });
    record.expect("an event")
}

#[test]
fn each_condition_names_its_incident_its_source_and_its_subject() {
    let check = |condition: Condition, incident: &str, source: &str, subject: &str| {
        assert_eq!(condition.incident(), incident);
        assert_eq!(condition.source(), source, "{incident}");
        assert_eq!(condition.subject().map(|subject| subject.to_string()).unwrap_or_default(), subject, "{incident}");
    };
    let source = || SOURCE.to_owned();
    let failing = |key: &str| Condition::Failing { source: source(), key: key.to_owned() };
    let key = "voltus-prod/dkmq";
    check(failing(key), "hydration-failing/voltus-prod/dkmq", SOURCE, key);
    check(failing("voltus-prod/m1?2023-12"), "hydration-failing/voltus-prod/m1?2023-12", SOURCE, "voltus-prod/m1");
    check(failing("d-1"), "hydration-failing/voltus-prod, delivery d-1", SOURCE, "");
    // A delivery whose name begins like a source's is no dispatch.
    check(failing("voltus-production/x"), "hydration-failing/voltus-prod, delivery voltus-production/x", SOURCE, "");
    check(Condition::PartsUnsent { dispatch: subject() }, "hydration-failing/voltus-prod/dkmq/parts", SOURCE, key);
    check(Condition::DeliveriesUnread, "hydration-failing/deliveries", GRIDBELL, "");
    check(Condition::KeyRefused { source: source() }, "credentials/voltus-prod", SOURCE, "");
    let rotated = Condition::KeysRotated { source: source(), event: "e-1".to_owned() };
    check(rotated, "credentials/voltus-prod/rotated/e-1", SOURCE, "");
    check(Condition::NotAcknowledged { dispatch: subject() }, "dispatch-at-risk/voltus-prod/dkmq", SOURCE, key);
    check(Condition::ControllerFailed { dispatch: subject() }, "dispatch-at-risk/voltus-prod/dkmq/failed", SOURCE, key);
    check(Condition::NoEnd { dispatch: subject() }, "dispatch-at-risk/voltus-prod/dkmq/open", SOURCE, key);
    check(Condition::MissedDelivery { dispatch: subject() }, "missed-delivery/voltus-prod/dkmq", SOURCE, key);
    let target = Subject::power("dc-1", None, "c-1");
    check(Condition::NotCompliant { subject: target }, "not-compliant/dc-1/-/c-1", "dc-1", "dc-1/-/c-1");
    check(Condition::SourceDown { source: source() }, "source-down/voltus-prod", SOURCE, "");
    check(Condition::Quarantined { source: source(), about: None }, "quarantined/voltus-prod", SOURCE, "");
    let about = Condition::Quarantined { source: source(), about: Some(subject()) };
    check(about, "quarantined/voltus-prod/dkmq", SOURCE, key);
    check(Condition::UnknownEvent { source: source() }, "unknown-event/voltus-prod", SOURCE, "");
    let given_up = |about: &str| Condition::GivenUp { source: source(), about: about.to_owned() };
    check(given_up(key), "dead-letter/voltus-prod/dkmq", SOURCE, key);
    check(given_up("voltus-prod, delivery d-1"), "dead-letter/voltus-prod, delivery d-1", SOURCE, "");
    let dead = Condition::DeadLetters { queue: Watched::RetriesDead };
    check(dead, "dead-letter/retries_dead", GRIDBELL, "");
    let failing = Condition::ChannelFailing { channel: "sns/0a1b2c3d".to_owned() };
    check(failing, "channel-failing/sns/0a1b2c3d", GRIDBELL, "");
}
