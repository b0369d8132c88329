//! The table of providers, as seen when a source is configured and when a request is sent.

use dispatch::{Origin, Subject};
use jiff::Timestamp;
use providers::{FetchRequest, PROVIDERS, Providers};
use serde_json::Value;

#[test]
fn each_is_found_by_its_name_and_takes_its_key_where_it_says_so() {
    for (name, header, production, sandbox) in [
        ("voltus", Some(("x-voltus-api-key", "")), Some("https://api.voltus.co"), Some("https://sandbox.voltus.co")),
        (
            "leap",
            Some(("authorization", "Bearer ")),
            Some("https://api.leap.energy/v2"),
            Some("https://api.staging.leap.energy/v2"),
        ),
        ("nvgrid", None, None, None),
        ("openvolt", Some(("x-api-key", "")), Some("https://api.openvolt.com"), Some("https://api.openvolt.com")),
    ] {
        let known = Providers::default().named(name).expect(name);
        assert_eq!(known.name(), name);
        assert_eq!(known.key_header().map(|header| (header.name, header.prefix)), header, "{name}");
        assert_eq!((known.api_url(false), known.api_url(true)), (production, sandbox), "{name}");
        assert_eq!(known.is_time_critical(), name != "openvolt", "readings of the past press nobody");
    }
    for unknown in ["Voltus", ""] {
        let error = Providers::default().named(unknown).expect_err("unknown");
        assert_eq!(error.to_string(), "unknown provider; known: voltus, leap, nvgrid, openvolt");
    }
}

#[test]
fn what_shows_whether_a_key_is_accepted_is_asked_of_each_that_takes_one() {
    for known in PROVIDERS {
        let origin = Origin { source: "s".to_owned(), provider: known.name().to_owned(), sandbox: false };
        let fetch = known.harmless_fetch(&origin, Timestamp::constant(1_701_449_100, 0));
        assert_eq!(fetch.is_some(), known.needs_api_key(), "{known}");
        assert!(fetch.is_none_or(|fetch| known.request(&fetch, None).is_ok()), "{known}");
    }
}

#[test]
fn only_voltus_greets() {
    let greeting = r#"{"event":{"name":""},"resource":""}"#;
    assert_eq!(PROVIDERS.iter().filter_map(|known| known.ping()).collect::<Vec<_>>(), [greeting]);
    let greets: Vec<&str> =
        PROVIDERS.iter().filter(|known| known.is_ping(greeting)).map(|known| known.name()).collect();
    assert_eq!(greets, ["voltus"]);
}

#[test]
fn only_the_answers_of_leap_have_further_pages() {
    let fetch = FetchRequest { subject: Subject::account("s"), key: String::new(), context: Value::Null };
    let page = r#"{"next_page_token":"t-1"}"#;
    let tokens = PROVIDERS.iter().filter_map(|known| Some((known.name(), known.next_page(&fetch, page)?)));
    assert_eq!(tokens.collect::<Vec<_>>(), [("leap", "t-1".to_owned())]);
}
