//! The dispatches of the fixed data, made by the pipeline's own merge from what providers would have said.

use dispatch::{
    Contradiction, DispatchFact, DispatchTerms, Epoch, Fact, FactBody, Origin, Program, Publication, Rank, Request,
    Subject, Target, TestReason, absorb,
};
use jiff::SignedDuration;
use pipeline::{
    config::Deadlines,
    record::{Ack, AckState, Step, SubjectRecord},
    timeline::{Event, TimelineEvent},
};

use super::{DELIVERY, EVIL, at, long};

/// The names in a dispatch.
pub(super) struct Names {
    site: String,
    external: String,
    program: String,
    detail: String,
}

impl Names {
    pub(super) fn plain(site: &str) -> Self {
        Self {
            site: site.to_owned(),
            external: "line-2".to_owned(),
            program: "Capacity Bidding".to_owned(),
            detail: "No controller has confirmed this dispatch.".to_owned(),
        }
    }

    pub(super) fn evil() -> Self {
        Self { site: long(), external: EVIL.to_owned(), program: long(), detail: long() }
    }
}

/// A dispatch to make.
pub(super) struct Wanted<'w> {
    pub(super) source: &'w str,
    pub(super) provider: &'w str,
    pub(super) id: &'w str,
    pub(super) sites: &'w [&'w str],
    pub(super) times: (&'w str, Option<&'w str>),
    pub(super) watts: u64,
}

pub(super) fn terms(wanted: &Wanted<'_>, names: &Names) -> DispatchTerms {
    let (start, end) = wanted.times;
    let count = u64::try_from(wanted.sites.len()).expect("few").max(1);
    let target = |(number, id): (usize, &&str)| Target {
        id: (*id).to_owned(),
        name: Some(if number == 0 { names.site.clone() } else { format!("{} {}", names.site, number + 1) }),
        external_id: Some(names.external.clone()),
        request: Some(Request::Reduce { watts: wanted.watts / count }),
    };
    DispatchTerms {
        authorized: true,
        start: at(start),
        end: end.map(at),
        request: Request::Reduce { watts: wanted.watts },
        targets: wanted.sites.iter().enumerate().map(target).collect::<Vec<_>>().into(),
        test_reason: None,
        voluntary: false,
        priority: None,
        programs: vec![Program {
            name: Some(names.program.clone()),
            market: Some("CAISO".to_owned()),
            kind: Some("ancillary_services".to_owned()),
            timezone: Some("PST".to_owned()),
        }],
        details: serde_json::Map::new(),
    }
}

/// The record after those statements, each a modification of the previous one.
pub(super) fn record(wanted: &Wanted<'_>, stated: impl IntoIterator<Item = DispatchTerms>) -> SubjectRecord {
    let origin = Origin { source: wanted.source.to_owned(), provider: wanted.provider.to_owned(), sandbox: false };
    let subject = Subject::dispatch(wanted.source, wanted.id);
    let mut record: Option<SubjectRecord> = None;
    for (number, terms) in (0_u64..).zip(stated) {
        let now = at("11:40:01") + SignedDuration::from_mins(i64::try_from(number).expect("few"));
        let said = DispatchFact { id: wanted.id.to_owned(), rank: Rank::Numbered(number, now), terms };
        let fact = Fact::new(origin.clone(), subject.clone(), FactBody::Dispatch(said));
        let state = record.as_ref().map(|record| record.state.clone());
        let publication =
            Publication { epoch: Epoch::at(at("00:00:00")), now, limit_bytes: usize::MAX, traceparent: None };
        let absorbed = absorb(state, &subject, vec![fact], Contradiction::Fetch, publication).expect("absorbed");
        let deadlines = Deadlines { acknowledge: true, ..Deadlines::default() };
        let step = Step {
            subject: &subject,
            delivery: DELIVERY,
            received_at: at("11:40:00"),
            deadlines,
            write: format!("w{number}"),
            now,
            traceparent: None,
        };
        let mut next = SubjectRecord::following(record.as_ref(), &origin, absorbed, step);
        next.outbox.clear();
        record = Some(next);
    }
    record.expect("a statement at least")
}

fn acknowledged(mut record: SubjectRecord, state: AckState, detail: Option<String>) -> SubjectRecord {
    let (version, at) = (record.state.version, at("11:45:00"));
    record.ack = Some(Ack { version, state, detail, by: None, at });
    record.history.push(TimelineEvent::new(at, Event::Acknowledged { version, state, by: None }));
    record
}

pub(super) fn records(names: impl Fn(&str) -> Names) -> Vec<SubjectRecord> {
    let voltus =
        |id, sites, times, watts| Wanted { source: "voltus-prod", provider: "voltus", id, sites, times, watts };
    let leap =
        |id, times, watts| Wanted { source: "leap-prod", provider: "leap", id, sites: &["meter-7"], times, watts };
    let silent = voltus("dkmq", &["d4z9", "9jeq"], ("12:05:00", None), 55_000);
    let later = voltus("p80m", &["d4z9"], ("12:40:00", Some("15:00:00")), 20_000);
    let test = voltus("test-1", &["b2x1"], ("13:00:00", Some("13:10:00")), 5_000);
    let (urgent, usual) =
        (leap("5d1f", ("11:30:00", Some("14:00:00")), 12_500), leap("77c0", ("13:00:00", Some("17:00:00")), 8_000));
    let over = voltus("early", &["d4z9"], ("08:00:00", Some("09:00:00")), 10_000);
    let (mill, shed, meter, cold) = (names("Mill"), names("Pump house"), names("Cold store"), names("Workshop"));
    let earlier = DispatchTerms { start: at("12:15:00"), ..terms(&silent, &mill) };
    vec![
        record(&silent, [earlier, terms(&silent, &mill)]),
        acknowledged(record(&later, [terms(&later, &mill)]), AckState::Accepted, Some(shed.detail.clone())),
        record(&test, [DispatchTerms { test_reason: Some(TestReason::SelfTest), ..terms(&test, &cold) }]),
        acknowledged(
            record(&urgent, [DispatchTerms { priority: Some(1), ..terms(&urgent, &meter) }]),
            AckState::Completed,
            None,
        ),
        acknowledged(
            record(&usual, [DispatchTerms { priority: Some(2), ..terms(&usual, &meter) }]),
            AckState::Accepted,
            None,
        ),
        record(&over, [terms(&over, &mill)]),
    ]
}
