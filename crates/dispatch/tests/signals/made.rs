//! Facts as the parsers make them from the providers' samples.

use dispatch::{
    Contradiction, DispatchFact, DispatchTerms, Epoch, Fact, FactBody, Origin, Program, Publication, Rank, Request,
    Signal, State, Subject, Target, absorb,
};
use jiff::Timestamp;
use serde_json::{Map, Value};

/// An instant on the day of the samples, such as `16:40:03.12`.
pub(crate) fn at(time: &str) -> Timestamp {
    format!("2023-12-01T{time}Z").parse().expect("a time of day")
}

pub(crate) fn origin(source: &str, provider: &str) -> Origin {
    Origin { source: source.to_owned(), provider: provider.to_owned(), sandbox: source.ends_with("-sandbox") }
}

pub(crate) fn kilowatts(kilowatts: u64) -> Request {
    Request::Reduce { watts: kilowatts * 1_000 }
}

/// The contract's example, with an end.
pub(crate) fn terms() -> DispatchTerms {
    DispatchTerms {
        authorized: true,
        start: at("16:50:00"),
        end: Some(at("17:00:00")),
        request: kilowatts(5),
        targets: vec![Target {
            id: "d4z9".to_owned(),
            name: Some("My Site".to_owned()),
            external_id: Some("democustomerlocationid".to_owned()),
            request: Some(kilowatts(5)),
        }]
        .into(),
        test_reason: None,
        voluntary: false,
        priority: None,
        programs: vec![Program {
            name: Some("A Program".to_owned()),
            market: Some("CAISO".to_owned()),
            kind: Some("ancillary_services".to_owned()),
            timezone: Some("PST".to_owned()),
        }],
        details: details(r#"{"modification_number":1}"#),
    }
}

pub(crate) fn details(json: &str) -> Map<String, Value> {
    serde_json::from_str(json).expect("a JSON object")
}

/// A fetched fact about `dkmq`; the fetch began at that time.
pub(crate) fn fetched(number: u64, time: &str, terms: DispatchTerms) -> Fact {
    stated("voltus-prod", "voltus", "dkmq", Rank::Numbered(number, at(time)), terms)
}

pub(crate) fn stated(source: &str, provider: &str, id: &str, rank: Rank, terms: DispatchTerms) -> Fact {
    Fact::new(
        origin(source, provider),
        Subject::dispatch(source, id),
        FactBody::Dispatch(DispatchFact { id: id.to_owned(), rank, terms }),
    )
}

/// The maximum size of a signal's body: the limit of SQS minus room for the attributes.
pub(crate) const LIMIT_BYTES: usize = 1_048_576 - 4_096;

/// The epoch of all signals here.
pub(crate) fn epoch() -> Epoch {
    Epoch::at(at("00:00:00"))
}

pub(crate) fn published_at(now: Timestamp) -> Publication {
    Publication { epoch: epoch(), now, limit_bytes: LIMIT_BYTES, traceparent: None }
}

/// Absorbs facts one after the other, each at the given instant.
pub(crate) fn play(facts: impl IntoIterator<Item = (&'static str, Fact)>) -> (State, Vec<Signal>) {
    let mut state = None;
    let mut signals = Vec::new();
    for (time, fact) in facts {
        let subject = fact.subject.clone();
        let after = absorb(state, &subject, vec![fact], Contradiction::Fetch, published_at(at(time))).expect("a state");
        signals.extend(after.signals);
        state = Some(after.state);
    }
    (state.expect("at least one fact"), signals)
}

pub(crate) fn data(signal: &Signal) -> Value {
    serde_json::from_str::<Value>(&signal.body).expect("JSON")["data"].take()
}
