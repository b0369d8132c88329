//! Fixed records for snapshots of the verbs' output.

use dispatch::{
    Contradiction, DispatchFact, DispatchTerms, Fact, FactBody, Origin, Program, Rank, Request, Subject, Target,
    TestReason, absorb,
};
use jiff::Timestamp;
use pipeline::{
    conditions::{Condition, StageReport},
    config::Deadlines,
    incident::{Acknowledged, Incident, IncidentStatus, Waiting},
    record::{Step, SubjectRecord},
};

/// The current instant.
pub(crate) const NOW: &str = "2026-03-01T12:00:00Z";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

/// The id of the delivery of everything; received at 11:40:00.
pub(crate) const DELIVERY: &str = "019ca932-ba80-7000-8000-000000000001";

/// A provider's statement: two sites, 55 kW, real.
pub(crate) fn terms(start: &str, end: Option<&str>) -> DispatchTerms {
    let target = |id: &str, name: &str, watts| Target {
        id: id.to_owned(),
        name: Some(name.to_owned()),
        external_id: Some(format!("our-{id}")),
        request: Some(Request::Reduce { watts }),
    };
    DispatchTerms {
        authorized: true,
        start: at(start),
        end: end.map(at),
        request: Request::Reduce { watts: 55_000 },
        targets: vec![target("d4z9", "My Site", 5_000), target("9jeq", "Another Site", 50_000)].into(),
        test_reason: None,
        voluntary: false,
        priority: None,
        programs: vec![Program {
            name: Some("A Program".to_owned()),
            market: Some("CAISO".to_owned()),
            kind: Some("ancillary_services".to_owned()),
            timezone: Some("PST".to_owned()),
        }],
        details: serde_json::Map::new(),
    }
}

/// The same terms as a test.
pub(crate) fn test(terms: DispatchTerms) -> DispatchTerms {
    DispatchTerms { test_reason: Some(TestReason::SelfTest), ..terms }
}

/// The record after those statements, each a modification of the previous one, with all signals sent.
pub(crate) fn record(id: &str, terms: impl IntoIterator<Item = DispatchTerms>) -> SubjectRecord {
    let origin = Origin { source: "voltus-prod".to_owned(), provider: "voltus".to_owned(), sandbox: false };
    let subject = Subject::dispatch("voltus-prod", id);
    let mut record: Option<SubjectRecord> = None;
    for (number, terms) in (0_u64..).zip(terms) {
        let now =
            at("2026-03-01T11:40:01Z") + jiff::SignedDuration::from_mins(i64::try_from(number).unwrap_or_default());
        let said = DispatchFact { id: id.to_owned(), rank: Rank::Numbered(number, now), terms };
        let fact = Fact::new(origin.clone(), subject.clone(), FactBody::Dispatch(said));
        let state = record.as_ref().map(|record| record.state.clone());
        let publication = dispatch::Publication {
            epoch: dispatch::Epoch::at(at("2026-03-01T00:00:00Z")),
            now,
            limit_bytes: usize::MAX,
            traceparent: None,
        };
        let absorbed = absorb(state, &subject, vec![fact], Contradiction::Fetch, publication).expect("absorbed");
        let step = Step {
            subject: &subject,
            delivery: DELIVERY,
            received_at: at("2026-03-01T11:40:00Z"),
            deadlines: Deadlines::default(),
            write: format!("write-{number}"),
            now,
            traceparent: None,
        };
        let mut next = SubjectRecord::following(record.as_ref(), &origin, absorbed, step);
        next.outbox.clear();
        record = Some(next);
    }
    record.expect("a statement at least")
}

/// An incident with one mail sent and another pending.
pub(crate) fn incident(dispatch: &Subject) -> Incident {
    let news = |stage: &str| StageReport {
        stage: stage.to_owned(),
        about: dispatch.to_string(),
        detail: "no controller has acknowledged it".to_owned(),
    };
    Incident {
        incident: format!("dispatch-at-risk/{dispatch}"),
        revision: 3,
        write: "w".to_owned(),
        condition: Condition::NotAcknowledged { dispatch: dispatch.clone() },
        about: dispatch.to_string(),
        status: IncidentStatus::Acknowledged,
        opened_at: at("2026-03-01T11:55:00Z"),
        last_at: at("2026-03-01T11:59:58Z"),
        resolved_at: None,
        acknowledged: Some(Acknowledged { by: "Ada".to_owned(), at: at("2026-03-01T11:58:00Z") }),
        snoozed: None,
        level: 0,
        detail: "no controller has acknowledged it".to_owned(),
        mails: [("first".to_owned(), at("2026-03-01T11:55:02Z"))].into(),
        notified: ["duty@example.com".to_owned()].into(),
        waiting: Some(Waiting {
            group: "group/dispatch-at-risk/voltus-prod/start".to_owned(),
            since: at("2026-03-01T11:59:58Z"),
            send_at: at("2026-03-01T12:00:05Z"),
            sorts_by: at("2026-03-01T12:05:00Z"),
            stages: vec![news("start")],
        }),
        channels: Vec::new(),
    }
}
