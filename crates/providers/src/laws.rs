//! Properties of every body and response: no parser panics, all results can be stored and read again, they stay within
//! their source and limits, and a sandbox's dispatch is a test. For property tests and fuzzing.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a violated property must fail")]

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use dispatch::{Fact, FactBody, FieldError, Interval, MAX_TARGET_W, Origin, Request, TestReason};
use jiff::Timestamp;

use crate::{ApiResponse, Delivery, Diagnostic, FetchRequest, Parsed, Provider, fixtures};

/// When each test webhook was received and each fetch began: 2023-12-01T16:45:00Z.
pub(crate) const NOW: Timestamp = Timestamp::constant(1_701_449_100, 0);

pub(crate) fn origin(provider: &dyn Provider, sandbox: bool) -> Origin {
    let name = provider.name();
    let kind = if sandbox { "sandbox" } else { "prod" };
    Origin { source: format!("{name}-{kind}"), provider: name.to_owned(), sandbox }
}

pub(crate) fn parse_from(provider: &dyn Provider, origin: &Origin, body: &str) -> Result<Parsed, String> {
    let delivery = Delivery { id: "01JDELIVERY", received_at: NOW, origin };
    provider.parse(&delivery, body).map_err(|unreadable| unreadable.to_string())
}

/// Decodes a one-page response.
pub(crate) fn decode(provider: &dyn Provider, fetch: &FetchRequest, page: &str) -> Result<Parsed, String> {
    decode_pages(provider, fetch, &[page])
}

pub(crate) fn decode_pages(provider: &dyn Provider, fetch: &FetchRequest, pages: &[&str]) -> Result<Parsed, String> {
    let pages: Vec<String> = pages.iter().map(|page| (*page).to_owned()).collect();
    let origin = origin(provider, fetch.subject.source().ends_with("-sandbox"));
    let answer = ApiResponse { origin: &origin, fetch, began_at: NOW, pages: &pages };
    provider.decode(&answer).map_err(|error| error.to_string())
}

/// Longest text for people.
const MAX_TEXT: usize = 400;

/// Longest field name: it can contain a provider's ids, in any script.
const MAX_FIELD: usize = 600;

fn check_webhook(provider: &dyn Provider, body: &str) {
    let _ = provider.is_ping(body);
    assert!(provider.ping().is_none_or(|ping| provider.is_ping(ping)), "{provider} does not know its own ping");
    for sandbox in [false, true] {
        let origin = origin(provider, sandbox);
        match parse_from(provider, &origin, body) {
            Ok(parsed) => check_reading(provider, &origin, &parsed),
            Err(reason) => assert!(reason.len() <= MAX_TEXT, "{reason}"),
        }
    }
}

fn check_answer(provider: &dyn Provider, fetch: &FetchRequest, page: &str) {
    let _ = provider.next_page(fetch, page);
    match decode(provider, fetch, page) {
        Ok(parsed) => {
            let sandbox = fetch.subject.source().ends_with("-sandbox");
            check_reading(provider, &origin(provider, sandbox), &parsed);
            assert!(parsed.facts.iter().all(|fact| fact.subject == fetch.subject), "{parsed:?}");
        }
        Err(reason) => assert!(reason.len() <= MAX_TEXT, "{reason}"),
    }
}

/// A list may contain any dispatch of its own source.
fn check_list(provider: &dyn Provider, fetch: &FetchRequest, page: &str) {
    check_fetch(provider, fetch);
    let _ = provider.next_page(fetch, page);
    match decode(provider, fetch, page) {
        Ok(parsed) => {
            let sandbox = fetch.subject.source().ends_with("-sandbox");
            check_reading(provider, &origin(provider, sandbox), &parsed);
            for pair in parsed.facts.windows(2) {
                let _ = provider.is_same_call(&pair[0], &pair[1]);
            }
        }
        Err(reason) => assert!(reason.len() <= MAX_TEXT, "{reason}"),
    }
}

fn check_reading(provider: &dyn Provider, origin: &Origin, parsed: &Parsed) {
    assert!(!serde_json::to_string(parsed).unwrap().is_empty());
    let within = |subject: &dispatch::Subject| subject.as_str().starts_with(&format!("{}/", origin.source));
    for fact in &parsed.facts {
        assert!(within(&fact.subject) && fact.origin == *origin, "{fact:?}");
        let stored = serde_json::to_string(fact).unwrap();
        assert_eq!(serde_json::from_str::<Fact>(&stored).unwrap(), *fact);
        check_fact(fact);
        let overlaps = matches!(fact.body, FactBody::Dispatch(_) | FactBody::Power(_));
        assert!(!overlaps || provider.governs().is_some(), "{provider} orders no overlaps: {fact:?}");
        if let Some(fetch) = provider.settle(fact, None) {
            check_fetch(provider, &fetch);
        }
    }
    for fetch in &parsed.fetches {
        assert!(within(&fetch.subject), "{fetch:?}");
        check_fetch(provider, fetch);
    }
    assert!(parsed.diagnostics.len() <= 40, "{} findings", parsed.diagnostics.len());
    for diagnostic in &parsed.diagnostics {
        let texts = match diagnostic {
            Diagnostic::Unreadable { part, reason, about: _ } => [part, reason],
            Diagnostic::NotCompliant { subject: _, what } => [what, what],
            Diagnostic::UnknownEvent { name } => [name, name],
            Diagnostic::KeysRotated { event } => [event, event],
        };
        assert!(texts.iter().all(|text| text.len() <= MAX_TEXT && !text.contains(char::is_control)), "{diagnostic:?}");
    }
}

fn check_fact(fact: &Fact) {
    assert!(fact.field_errors.len() <= 20, "{} diagnostics", fact.field_errors.len());
    for FieldError { field, reason, digest } in &fact.field_errors {
        let plain = |text: &str| !text.is_empty() && text.len() <= MAX_FIELD && !text.contains(char::is_control);
        assert!(plain(field) && plain(reason) && digest.len() == 12, "{fact:?}");
    }
    match &fact.body {
        FactBody::Dispatch(_) | FactBody::Account(_) => {}
        FactBody::Power(said) => {
            check_times(said.start, said.end);
            assert!(said.end.is_none_or(|end| end > said.start), "{fact:?}");
        }
        FactBody::Meter(said) => {
            check_times(said.start, Some(said.end));
            let most = 5_000_000_000 * 366 * 48;
            let sensible = |one: &Interval| one.watt_hours.is_none_or(|watt_hours| watt_hours.unsigned_abs() <= most);
            assert!(said.intervals.iter().all(sensible), "{fact:?}");
        }
    }
    let FactBody::Dispatch(said) = &fact.body else { return };
    let terms = &said.terms;
    check_times(terms.start, terms.end);
    let shares = terms.targets.iter().filter_map(|target| target.request);
    for request in shares {
        assert!(!matches!(request, Request::Reduce { watts } if watts > MAX_TARGET_W), "{fact:?}");
    }
    assert!(serde_json::to_string(&terms.details).is_ok_and(|text| !text.contains('\u{fdd0}')), "{fact:?}");
    assert!(!fact.origin.sandbox || terms.test_reason == Some(TestReason::Sandbox), "{fact:?}");
    let mut ids: Vec<&str> = terms.targets.iter().map(|target| target.id.as_str()).collect();
    ids.sort_unstable();
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "one share a target: {ids:?}");
}

/// Times are between the years 2000 and 9999 and have at most microseconds.
fn check_times(start: Timestamp, end: Option<Timestamp>) {
    let sensible = Timestamp::constant(946_684_800, 0)..Timestamp::constant(253_370_764_800, 0);
    for at in std::iter::once(start).chain(end) {
        assert!(sensible.contains(&at) && at.subsec_nanosecond() % 1_000 == 0, "{at}");
    }
}

fn check_fetch(provider: &dyn Provider, fetch: &FetchRequest) {
    let stored = serde_json::to_string(fetch).unwrap();
    assert_eq!(serde_json::from_str::<FetchRequest>(&stored).unwrap(), *fetch);
    let request = provider.request(fetch, None).expect("a request");
    assert!(request.path.as_str().starts_with('/') && !request.path.as_str().starts_with("//"), "{request:?}");
    assert!(
        request.path.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_".contains(&byte)),
        "{request:?}"
    );
}

/// By the provider's name, and whether the source is a sandbox.
type AskedOf = BTreeMap<(String, bool), Option<FetchRequest>>;

/// Of the requests that the provider's webhooks cause, the one that the fixtures answer with most data; none if there
/// is no such request.
pub(crate) fn asked(provider: &dyn Provider, sandbox: bool) -> Option<FetchRequest> {
    static ASKED: Mutex<AskedOf> = Mutex::new(AskedOf::new());
    let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
    asked.entry((provider.name().to_owned(), sandbox)).or_insert_with(|| most_answered(provider, sandbox)).clone()
}

fn most_answered(provider: &dyn Provider, sandbox: bool) -> Option<FetchRequest> {
    let origin = origin(provider, sandbox);
    let bodies = || fixtures::of(provider.name()).map(|(_, body)| body);
    let of_webhook = |body| {
        let mut parsed = parse_from(provider, &origin, body).ok()?;
        parsed.fetches.pop().or_else(|| provider.settle(parsed.facts.first()?, None))
    };
    let said = |fetch: &FetchRequest| -> usize {
        let answers = bodies().filter_map(|body| decode(provider, fetch, body).ok());
        answers.map(|parsed| serde_json::to_string(&parsed.facts).unwrap().len()).sum()
    };
    bodies().filter_map(of_webhook).max_by_key(said)
}

/// Parses a text as the provider's webhook, response and list, and checks the results.
///
/// # Panics
///
/// If a property is violated.
pub fn check(provider: &dyn Provider, body: &str) {
    check_webhook(provider, body);
    for fetch in [false, true].into_iter().filter_map(|sandbox| asked(provider, sandbox)) {
        check_answer(provider, &fetch, body);
    }
    for origin in [false, true].map(|sandbox| origin(provider, sandbox)) {
        for fetch in provider.listings(&origin, NOW) {
            check_list(provider, &fetch, body);
        }
    }
}
