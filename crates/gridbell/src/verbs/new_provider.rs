//! A provider is one folder: only the registry of these tests contains [`Example`], and it goes all the way from
//! `gridbell.toml` and the webhook endpoint to its signals, their overlaps and the output of the commands.

use std::path::Path;

use config::{Config, file::File};
use jiff::SignedDuration;
use providers::{Providers, example::Example};
use serde_json::{Value, json};
use simulation::{Reply, Settled, Simulation, Webhook, streams};

use super::{dispatch, site, webhook};
use crate::{
    console::Console,
    endpoint::Opened,
    show::{Clockface, Paint},
};

const TOKEN: &str = "a-token-that-nobody-guesses";

fn providers() -> Providers {
    Providers::default().and(&Example)
}

/// `gridbell.toml` with one source of this provider.
fn toml(more: &str) -> String {
    let token = ::config::TokenHash::of(TOKEN);
    format!("[sources.ex]\nprovider = 'example'\ntoken = 'sha256:{}'\n{more}", token.to_hex())
}

fn file(more: &str) -> Result<Config, String> {
    let file = File::parse_with("gridbell.toml", &toml(more), providers()).map_err(|error| error.to_string())?;
    Ok(file.config)
}

/// The configuration as the functions read it.
fn functions(more: &str) -> Config {
    let json = file(more).expect("good").to_json();
    Config::parse_with(&json, providers()).expect("the functions read it")
}

const KEY: &str = "api_key = 'ssm:/gridbell/ex'\n";

/// A dispatch of one site.
fn call(id: &str, from: &str, to: &str, limit_kw: u64) -> Value {
    json!({
        "call": id, "from": format!("2023-12-01T{from}:00Z"), "to": format!("2023-12-01T{to}:00Z"),
        "sites": [{ "id": "s-1", "name": "My Site", "limit_kw": limit_kw }],
    })
}

/// Makes the provider answer with these dispatches, one by one and as a list.
fn answers(sim: &Simulation, calls: &[Value]) {
    for call in calls {
        let about = format!("/calls/{}", call["call"].as_str().expect("an id"));
        sim.answers("ex", &about, [Reply::Json(call.to_string())]);
    }
    sim.answers("ex", "/calls", [Reply::Json(json!({ "calls": calls }).to_string())]);
}

fn post(sim: &Simulation, token: &str, body: &str) -> u16 {
    sim.post(Webhook { source: "ex", token, body }).answer().expect("an answer").status
}

/// The bodies of the signals about a dispatch.
fn published(sim: &Simulation, id: &str) -> Vec<Value> {
    streams(&sim.signals()).expect("sound").remove(&format!("ex/{id}")).unwrap_or_default().events
}

#[test]
fn the_configuration_takes_it_and_says_what_it_lacks() {
    let unknown = File::parse("gridbell.toml", &toml(KEY)).expect_err("not shipped").to_string();
    let shipped = Providers::default().names();
    assert!(unknown.ends_with(&format!("sources.ex.provider: unknown provider; known: {shipped}")), "{unknown}");
    let other = toml(KEY).replace("'example'", "'exampel'");
    let other = File::parse_with("gridbell.toml", &other, providers()).expect_err("unknown").to_string();
    assert!(other.ends_with(&format!("known: {shipped}, example")), "{other}");
    let keyless = file("").expect_err("it is asked with a key");
    assert!(keyless.contains("api_key is missing; example is asked with one"), "{keyless}");
    let open = file("api_key = 'a-secret'\n").expect_err("a key in the open");
    assert!(open.contains("a value stands where a reference belongs") && !open.contains("a-secret"), "{open}");

    let config = file(&format!("{KEY}poll = '5m'\nenvironment = 'sandbox'\n")).expect("good");
    let url = config.sources["ex"].api_url.as_deref();
    assert_eq!(url, Some("https://sandbox.provider.example/v1"));
    let sum = super::config::sum(Path::new("gridbell.toml"), &config, 1);
    assert!(
        sum.contains("example sandbox, https://sandbox.provider.example/v1, key ssm:/gridbell/ex, 1 token"),
        "{sum}"
    );
    let names = |config: &str| Config::parse(config).expect_err("not shipped").to_string();
    let json = config.to_json();
    assert!(names(&json).ends_with(&format!("known: {shipped}")), "{}", names(&json));
    assert!(functions(KEY).sources["ex"].is_polled());
}

#[test]
fn a_webhook_becomes_a_signal_and_its_overlaps_are_ordered_as_it_says() {
    let sim = Simulation::new(1, functions(&format!("{KEY}poll = 'off'\n")));
    // The first to start governs, although the other starts later, requests more and has the smaller id.
    let (first, other) = (call("c-2", "16:50", "17:00", 7), call("c-1", "16:55", "17:10", 2));
    answers(&sim, &[first, other]);
    assert_eq!(post(&sim, "wrong", r#"{"call":"c-2"}"#), 404);
    assert_eq!(post(&sim, TOKEN, r#"{"call":"c-2"}"#), 200);
    assert_eq!(sim.settle(SignedDuration::from_mins(5)), Settled::Drained);
    assert_eq!(post(&sim, TOKEN, r#"{"call":"c-1"}"#), 200);
    assert_eq!(sim.settle(SignedDuration::from_mins(5)), Settled::Drained);

    let signals = published(&sim, "c-2");
    assert_eq!(signals.len(), 1, "{signals:?}");
    let said = &signals[0]["data"]["dispatch"];
    assert_eq!((&said["provider"], &said["request"]), (&json!("example"), &json!({ "kind": "limit", "watts": 7_000 })));
    let target = &published(&sim, "c-1")[0]["data"]["dispatch"]["targets"][0];
    assert_eq!(target["effective"]["governed_by"], "ex/c-2", "{target}");
    assert_eq!(target["effective"]["until"], "2023-12-01T17:10:00Z", "{target}");

    let records = sim.dispatches().all();
    let clock = Clockface::fixed(sim.now());
    let sites = site::sites(&sim.config, &records, sim.now()).expect("sites");
    let shown = site::listed(&sites, &clock, Paint::none());
    assert!(shown.contains("ex/s-1") && shown.contains("My Site") && shown.contains("c-2"), "{shown}");
    let segments: Vec<&str> = sites[0].windows[0].segments.iter().map(|segment| segment.governed_by.as_str()).collect();
    assert_eq!(segments, ["ex/c-2", "ex/c-2", "ex/c-1"]);
    let views: Vec<_> = records.iter().filter_map(|record| dispatch::DispatchView::of(record, sim.now())).collect();
    let shown = dispatch::listed(&views, &clock, Paint::none());
    assert!(shown.contains("ex/c-1") && shown.contains("ex/c-2"), "{shown}");
}

#[test]
fn a_poll_finds_what_no_webhook_brought_and_a_withdrawal_cancels_it() {
    let sim = Simulation::new(1, functions(&format!("{KEY}poll = '1m'\n")));
    let called = call("c-1", "17:50", "18:00", 7);
    answers(&sim, std::slice::from_ref(&called));
    sim.pass(SignedDuration::from_mins(3));
    assert_eq!(published(&sim, "c-1").len(), 1);
    let mut withdrawn = called;
    withdrawn["withdrawn"] = json!(true);
    answers(&sim, &[withdrawn]);
    assert_eq!(post(&sim, TOKEN, r#"{"call":"c-1"}"#), 200);
    sim.pass(SignedDuration::from_mins(1));
    let types = streams(&sim.signals()).expect("sound").remove("ex/c-1").unwrap_or_default().types;
    assert_eq!(types, ["dispatch.scheduled", "dispatch.cancelled"]);
}

#[tokio::test]
async fn its_webhook_is_registered_by_hand() {
    let config = functions(KEY);
    let console = Console::nowhere("https://stack.example", stack_client::http_client().expect("a client"));
    let opened = Opened::of(&console, &config, "ex").expect("there");
    let listing = webhook::registered(&opened).await.expect("nothing is asked");
    let found = "example lists its webhooks where they were entered".to_owned();
    assert_eq!(listing, webhook::Listing::Unknown { found, mend: None });
}
