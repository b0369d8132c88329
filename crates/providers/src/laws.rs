//! What holds whatever a body or an answer says: no parser panics, all that comes out can be stored and read again, stays
//! within its source and its bounds, and a sandbox's dispatch is a test. For property tests and fuzzing.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a law that is broken must fail")]

use dispatch::{Diagnostic, Fact, Interval, MAX_TARGET_W, Origin, Request, Says, TestReason};
use jiff::Timestamp;

use crate::{Answer, Delivery, Finding, Look, Provider, Reading, fixtures};

/// When every webhook of the tests was received and every fetch began: 2023-12-01T16:45:00Z.
pub(crate) const NOW: Timestamp = Timestamp::constant(1_701_449_100, 0);

pub(crate) fn origin(provider: &dyn Provider, sandbox: bool) -> Origin {
    let name = provider.name();
    let kind = if sandbox { "sandbox" } else { "prod" };
    Origin { source: format!("{name}-{kind}"), provider: name.to_owned(), sandbox }
}

pub(crate) fn parse_from(provider: &dyn Provider, origin: &Origin, body: &str) -> Result<Reading, String> {
    let delivery = Delivery { id: "01JDELIVERY", received_at: NOW, origin };
    provider.parse(&delivery, body).map_err(|unreadable| unreadable.to_string())
}

/// An answer of one page to the production source.
pub(crate) fn decode(provider: &dyn Provider, look: &Look, page: &str) -> Result<Reading, String> {
    decode_pages(provider, look, &[page])
}

pub(crate) fn decode_pages(provider: &dyn Provider, look: &Look, pages: &[&str]) -> Result<Reading, String> {
    let pages: Vec<String> = pages.iter().map(|page| (*page).to_owned()).collect();
    let origin = origin(provider, look.subject.source().ends_with("-sandbox"));
    let answer = Answer { origin: &origin, look, began_at: NOW, pages: &pages };
    provider.decode(&answer).map_err(|error| error.to_string())
}

/// No text for people is longer than this.
const MAX_TEXT: usize = 400;

/// A field's name holds ids of the provider, in whatever script.
const MAX_FIELD: usize = 600;

fn check_webhook(provider: &dyn Provider, body: &str) {
    let _ = provider.is_ping(body);
    for sandbox in [false, true] {
        let origin = origin(provider, sandbox);
        match parse_from(provider, &origin, body) {
            Ok(reading) => check_reading(provider, &origin, &reading),
            Err(reason) => assert!(reason.len() <= MAX_TEXT, "{reason}"),
        }
    }
}

fn check_answer(provider: &dyn Provider, look: &Look, page: &str) {
    let _ = provider.next_page(look, page);
    match decode(provider, look, page) {
        Ok(reading) => {
            let sandbox = look.subject.source().ends_with("-sandbox");
            check_reading(provider, &origin(provider, sandbox), &reading);
            assert!(reading.facts.iter().all(|fact| fact.subject == look.subject), "{reading:?}");
        }
        Err(reason) => assert!(reason.len() <= MAX_TEXT, "{reason}"),
    }
}

/// A list may hold any dispatch, of its own source alone.
fn check_list(provider: &dyn Provider, look: &Look, page: &str) {
    check_look(provider, look);
    let _ = provider.next_page(look, page);
    match decode(provider, look, page) {
        Ok(reading) => {
            let sandbox = look.subject.source().ends_with("-sandbox");
            check_reading(provider, &origin(provider, sandbox), &reading);
            for pair in reading.facts.windows(2) {
                let _ = provider.is_same_call(&pair[0], &pair[1]);
            }
        }
        Err(reason) => assert!(reason.len() <= MAX_TEXT, "{reason}"),
    }
}

fn check_reading(provider: &dyn Provider, origin: &Origin, reading: &Reading) {
    assert!(!serde_json::to_string(reading).unwrap().is_empty());
    let within = |subject: &dispatch::Subject| subject.as_str().starts_with(&format!("{}/", origin.source));
    for fact in &reading.facts {
        assert!(within(&fact.subject) && fact.origin == *origin, "{fact:?}");
        let stored = serde_json::to_string(fact).unwrap();
        assert_eq!(serde_json::from_str::<Fact>(&stored).unwrap(), *fact);
        check_fact(fact);
        if let Some(look) = provider.settle(fact, None) {
            check_look(provider, &look);
        }
    }
    for look in &reading.looks {
        assert!(within(&look.subject), "{look:?}");
        check_look(provider, look);
    }
    assert!(reading.findings.len() <= 40, "{} findings", reading.findings.len());
    for finding in &reading.findings {
        let texts = match finding {
            Finding::Unreadable { part, reason, about: _ } => [part, reason],
            Finding::NotCompliant { subject: _, what } => [what, what],
            Finding::UnknownEvent { name } => [name, name],
            Finding::KeysRotated { event } => [event, event],
        };
        assert!(texts.iter().all(|text| text.len() <= MAX_TEXT && !text.contains(char::is_control)), "{finding:?}");
    }
}

fn check_fact(fact: &Fact) {
    assert!(fact.diagnostics.len() <= 20, "{} diagnostics", fact.diagnostics.len());
    for Diagnostic { field, reason, digest } in &fact.diagnostics {
        let plain = |text: &str| !text.is_empty() && text.len() <= MAX_FIELD && !text.contains(char::is_control);
        assert!(plain(field) && plain(reason) && digest.len() == 12, "{fact:?}");
    }
    match &fact.says {
        Says::Dispatch(_) | Says::Account(_) => {}
        Says::Power(said) => {
            check_times(said.start, said.end);
            assert!(said.end.is_none_or(|end| end > said.start), "{fact:?}");
        }
        Says::Meter(said) => {
            check_times(said.start, Some(said.end));
            let most = 5_000_000_000 * 366 * 48;
            let sensible = |one: &Interval| one.watt_hours.is_none_or(|watt_hours| watt_hours.unsigned_abs() <= most);
            assert!(said.intervals.iter().all(sensible), "{fact:?}");
        }
    }
    let Says::Dispatch(said) = &fact.says else { return };
    let statement = &said.statement;
    check_times(statement.start, statement.end);
    let shares = statement.targets.iter().filter_map(|target| target.request);
    for request in shares {
        assert!(!matches!(request, Request::Reduce { watts } if watts > MAX_TARGET_W), "{fact:?}");
    }
    assert!(serde_json::to_string(&statement.details).is_ok_and(|text| !text.contains('\u{fdd0}')), "{fact:?}");
    assert!(!fact.origin.sandbox || statement.test_reason == Some(TestReason::Sandbox), "{fact:?}");
    let mut ids: Vec<&str> = statement.targets.iter().map(|target| target.id.as_str()).collect();
    ids.sort_unstable();
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "one share a target: {ids:?}");
}

/// Times lie between the years 2000 and 9999 and have microseconds at most.
fn check_times(start: Timestamp, end: Option<Timestamp>) {
    let sensible = Timestamp::constant(946_684_800, 0)..Timestamp::constant(253_370_764_800, 0);
    for at in std::iter::once(start).chain(end) {
        assert!(sensible.contains(&at) && at.subsec_nanosecond() % 1_000 == 0, "{at}");
    }
}

fn check_look(provider: &dyn Provider, look: &Look) {
    let stored = serde_json::to_string(look).unwrap();
    assert_eq!(serde_json::from_str::<Look>(&stored).unwrap(), *look);
    let ask = provider.ask(look, None).expect("a request");
    assert!(ask.path.as_str().starts_with('/') && !ask.path.as_str().starts_with("//"), "{ask:?}");
    assert!(ask.path.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_".contains(&byte)), "{ask:?}");
}

/// A look that its answers in the fixtures are about.
pub(crate) fn asked(provider: &dyn Provider, sandbox: bool) -> Option<Look> {
    let origin = origin(provider, sandbox);
    let read = |body| parse_from(provider, &origin, body).expect("a webhook");
    match provider.name() {
        "voltus" => read(fixtures::voltus::WEBHOOK_CREATE).looks.pop(),
        "openvolt" => read(fixtures::openvolt::WEBHOOK_METER_DATA).looks.pop(),
        "leap" => provider.settle(&read(fixtures::leap::NOTIFICATION_METER).facts[0], None),
        _ => None,
    }
}

/// Reads a text as the provider's webhook, as its answer and as its list, and checks all that comes of it.
///
/// # Panics
///
/// Where a law is broken.
pub fn check(provider: &dyn Provider, body: &str) {
    check_webhook(provider, body);
    for look in [false, true].into_iter().filter_map(|sandbox| asked(provider, sandbox)) {
        check_answer(provider, &look, body);
    }
    for origin in [false, true].map(|sandbox| origin(provider, sandbox)) {
        for look in provider.listings(&origin, NOW) {
            check_list(provider, &look, body);
        }
    }
}
