//! The registration verbs against the simulators, over real HTTP, with and without misbehaviour.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
};

use anyhow::bail;
use axum::{Router, extract::State, http::StatusCode, routing::any};
use provider_sims::{Fault, Keys, LEAP, Simulated, VOLTUS};
use providers::{Provider, Providers};
use tokio::{net::TcpListener, task::JoinSet};

use super::{api::Api, *};
use crate::endpoint::{HookAddress, endpoint};
use provider_server::{Settings, Simulators, times};

/// A simulator, and a receiver that answers 405 to GET and else the configured status, 200 at first.
struct Bench {
    simulators: Simulators,
    provider: &'static dyn Provider,
    answers: Arc<AtomicU16>,
    endpoint: HookAddress,
    _receiver: JoinSet<()>,
}

fn known(name: &str) -> &'static dyn Provider {
    Providers::default().named(name).expect("known")
}

async fn bench(whom: &'static Simulated) -> Bench {
    let provider = known(whom.name);
    let settings = Settings { keys: Keys::Only(BTreeSet::from(["key".to_owned()])), speed: 600 };
    let simulators = Simulators::start(&[whom], &settings).await.expect("started");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hooks/s", listener.local_addr().expect("bound"));
    let answers = Arc::new(AtomicU16::new(200));
    let handle = |State(answers): State<Arc<AtomicU16>>, method: axum::http::Method| async move {
        let status = if method == "GET" { 405 } else { answers.load(Ordering::Relaxed) };
        StatusCode::from_u16(status).expect("a status")
    };
    let router = Router::new().route("/hooks/s", any(handle)).route("/hooks/s/t0", any(handle));
    let router = router.with_state(Arc::clone(&answers));
    let mut receiver = JoinSet::new();
    receiver.spawn(async move { drop(axum::serve(listener, router).await) });
    Bench { simulators, provider, answers, endpoint: endpoint(&url, "t0"), _receiver: receiver }
}

impl Bench {
    fn api_with(&self, key: &str) -> Api {
        let url = self.simulators.urls()[self.provider.name()].clone();
        Api::new(&http_client().expect("a client"), self.provider, url, aws::secrets::Secret::new(key))
    }

    fn api(&self) -> Api {
        self.api_with("key")
    }

    fn misbehave(&self, what: &str) {
        self.simulators.misbehave(self.provider.name(), &[what.parse::<Fault>().expect("a fault")]);
    }

    async fn probe(&self, endpoint: &HookAddress) -> Result<()> {
        probe::probe(&http_client().expect("a client"), self.provider, endpoint, None).await
    }
}

fn said<T: std::fmt::Debug>(result: Result<T>) -> String {
    let said = format!("{:#}", result.expect_err("refused"));
    assert!(!said.contains('\n') && !said.contains("key\"") && !said.contains("t0"), "{said}");
    said
}

#[tokio::test]
async fn voltus_takes_an_address_once_and_lets_it_go() {
    let bench = bench(&VOLTUS).await;
    let api = bench.api();
    bench.probe(&bench.endpoint).await.expect("there");
    let voltus::Registered::Anew(id) = voltus::register(&api, &bench.endpoint).await.expect("registered") else {
        panic!("it was not there before");
    };
    assert_eq!(voltus::register(&api, &bench.endpoint).await.expect("known"), voltus::Registered::Already(id.clone()));
    let listed = voltus::list(&api).await.expect("a list");
    assert!(listed.len() == 1 && voltus::is_ours(&listed[0], &bench.endpoint));
    voltus::delete(&api, &id).await.expect("deleted");
    assert!(said(voltus::delete(&api, &id).await).starts_with("there is no webhook "));
    assert!(voltus::delete(&api, "../dispatches").await.is_err());
    assert!(voltus::list(&api).await.expect("a list").is_empty());
}

#[tokio::test]
async fn nothing_is_registered_before_our_own_receiver_answers_as_it_must() {
    let bench = bench(&VOLTUS).await;
    assert!(
        said(bench.probe(&endpoint(&bench.endpoint.url.as_str().replace("hooks/s", "hooks/x"), "t0")).await)
            .contains("answers 404")
    );
    bench.answers.store(202, Ordering::Relaxed);
    assert!(said(bench.probe(&bench.endpoint).await).contains("answers 202 Accepted where a receiver answers 200"));
    assert!(said(bench.probe(&endpoint("http://127.0.0.1:9/hooks/s", "t0")).await).contains("does not answer"));
    let outside = url::Url::parse("https://api.voltus.co").expect("an address");
    let http = http_client().expect("a client");
    assert!(said(probe::probe(&http, known("voltus"), &bench.endpoint, Some(&outside)).await).contains("with --url"));
    // Voltus' own findings are reported as well.
    let message = said(voltus::register(&bench.api(), &bench.endpoint).await);
    assert!(message.starts_with("nothing is registered: voltus answered 400 (the webhook's url did not"), "{message}");
}

#[tokio::test]
async fn what_a_refusal_means_is_said_in_one_line() {
    let bench = bench(&VOLTUS).await;
    let wrong = said(voltus::list(&bench.api_with("wrong")).await);
    assert!(
        wrong.contains("401 (unknown API key): the API key is not accepted; check that api_key is a key for http"),
        "{wrong}"
    );
    for (fault, expected) in [
        ("403*1", "the API key is not accepted"),
        ("429-retry-after*1", "too many requests; try again in 2 s"),
        ("429*1", "too many requests; try again in "),
        ("500*1", "the provider has trouble"),
        ("redirect*1", "points elsewhere, which is not followed"),
        ("garbage*1", "cannot be understood: no JSON"),
        ("truncated*1", "cannot be understood: no JSON"),
        ("404*1", "check api_url"),
    ] {
        bench.misbehave(fault);
        let message = said(voltus::list(&bench.api()).await);
        assert!(message.contains(expected), "{fault}: {message}");
    }
}

#[tokio::test]
async fn an_answer_is_read_by_its_bytes_and_not_by_its_headers() {
    type Case = (&'static str, u16, &'static str, &'static [u8], Result<serde_json::Value, &'static str>);
    let answers: [Case; 7] = [
        ("/created", 201, "identity", b"{\"a\":1}", Ok(serde_json::json!({"a": 1}))),
        ("/marked", 203, "UTF-8", b"\xef\xbb\xbf[]", Ok(serde_json::json!([]))),
        ("/called-gzip", 200, "gzip", b"[1]", Ok(serde_json::json!([1]))),
        ("/latin1", 200, "", b"[\"caf\xe9\"]", Ok(serde_json::json!(["caf\u{fffd}"]))),
        ("/nothing", 204, "", b"", Ok(serde_json::Value::Null)),
        ("/gzip", 200, "", &[0x1f, 0x8b, 8, 0], Err("it is compressed")),
        ("/page", 200, "", b"<html></html>", Err("no JSON")),
    ];
    let mut router = Router::new();
    for (path, status, coding, bytes, _) in &answers {
        let status = StatusCode::from_u16(*status).expect("a status");
        let answer = (status, [("content-encoding", (*coding).to_owned())], bytes.to_vec());
        router = router.route(path, any(|| async move { answer }));
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("bound")).parse().expect("an address");
    let mut server = JoinSet::new();
    server.spawn(async move { drop(axum::serve(listener, router).await) });
    let http = http_client().expect("a client");
    let api = Api::new(&http, known("voltus"), base, aws::secrets::Secret::new("key"));
    for (path, .., expected) in answers {
        match (api.call(reqwest::Method::GET, path, None).await, expected) {
            (Ok(read), Ok(expected)) => assert_eq!(read, expected, "{path}"),
            (Err(message), Err(expected)) => assert!(message.to_string().contains(expected), "{path}: {message}"),
            (came, _) => panic!("{path}: {came:?}"),
        }
    }
}

#[tokio::test]
async fn a_registration_whose_answer_is_lost_is_found_in_the_list_or_said_to_be_in_doubt() {
    for fault in ["garbage*1", "truncated*1", "500*1"] {
        let bench = bench(&VOLTUS).await;
        let api = bench.api();
        // The first request is the list, which has no fault.
        assert!(voltus::list(&api).await.expect("a list").is_empty());
        bench.misbehave("stale*1");
        bench.misbehave(fault);
        let came = voltus::register(&api, &bench.endpoint).await;
        let listed = voltus::list(&api).await.expect("a list");
        match came {
            Ok(voltus::Registered::Anew(id)) => assert_eq!(listed[0].id, id),
            Ok(voltus::Registered::Already(_)) => panic!("{fault}: it was not there before"),
            Err(error) => assert!(
                listed.is_empty() && error.to_string().starts_with("nothing is registered"),
                "{fault}: {error:#}"
            ),
        }
    }
    let bench = bench(&VOLTUS).await;
    bench.misbehave("stale*1");
    bench.misbehave("500*2");
    assert!(said(voltus::register(&bench.api(), &bench.endpoint).await).starts_with("it may be registered or not: "));
}

#[tokio::test]
async fn a_scenario_and_a_self_test_are_scheduled() {
    let bench = bench(&VOLTUS).await;
    let api = bench.api();
    voltus::register(&api, &bench.endpoint).await.expect("registered");
    voltus::post_scenario(&api, "ancillary-services", times::now()).await.expect("taken");
    while voltus::dispatches(&api).await.expect("a list").is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(voltus::post_scenario(&api, "no-such", times::now()).await.is_err());
    let id = voltus::self_test(&api, times::now()).await.expect("taken").expect("named");
    while !voltus::dispatches(&api).await.expect("a list").contains(&id) {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn leaps_webhook_is_read_before_it_is_replaced_and_its_token_rotates() {
    let bench = bench(&LEAP).await;
    let (api, level) = (bench.api(), leap::Level::Meter);
    bench.probe(&bench.endpoint).await.expect("there");
    let never = |_: &leap::Set| -> Result<()> { panic!("nothing foreign is there") };
    assert_eq!(leap::register(&api, level, &bench.endpoint, never).await.expect("set"), leap::Registered::Anew);
    assert_eq!(leap::register(&api, level, &bench.endpoint, never).await.expect("set"), leap::Registered::Already);
    let other_token = endpoint(bench.endpoint.url.as_str(), "t1");
    assert_eq!(leap::register(&api, level, &other_token, never).await.expect("set"), leap::Registered::Rotated);
    let elsewhere = endpoint("http://127.0.0.1:9/hooks/other", "t0");
    let refuse = |set: &leap::Set| bail!("{}", set.shown());
    let shown = said(leap::register(&api, level, &elsewhere, refuse).await);
    assert!(shown.starts_with("http://127.0.0.1:") && shown.ends_with("/… with headers x-api-key"), "{shown}");
    assert!(leap::get(&api, level).await.expect("read").expect("set").goes_to(&bench.endpoint));
    assert!(leap::get(&api, leap::Level::Group).await.expect("read").is_none());
    assert!(leap::unregister(&api, level, &elsewhere, refuse).await.is_err());
    assert!(leap::unregister(&api, level, &bench.endpoint, never).await.expect("deleted"));
    assert!(!leap::unregister(&api, level, &bench.endpoint, never).await.expect("nothing there"));
}

#[tokio::test]
async fn leaps_put_is_read_back_where_its_answer_says_nothing() {
    let bench = bench(&LEAP).await;
    let set = |_: &leap::Set| Ok(());
    for (level, fault) in [(leap::Level::Meter, "garbage*1"), (leap::Level::Group, "truncated*1")] {
        bench.misbehave("other-shape*1");
        bench.misbehave(fault);
        leap::register(&bench.api(), level, &bench.endpoint, set).await.expect("read back");
    }
    bench.misbehave("other-shape*1");
    bench.misbehave("500*2");
    let elsewhere = endpoint("http://127.0.0.1:9/hooks/other", "t0");
    let message = said(leap::register(&bench.api(), leap::Level::Meter, &elsewhere, set).await);
    assert!(message.contains("it may be set or not"), "{message}");
    bench.misbehave("500*1");
    let message = said(leap::register(&bench.api(), leap::Level::Meter, &elsewhere, set).await);
    assert!(message.starts_with("nothing is changed: what is set now cannot be read"), "{message}");
}

#[tokio::test]
async fn leaps_test_reports_how_we_answered() {
    let bench = bench(&LEAP).await;
    let (api, level) = (bench.api(), leap::Level::Meter);
    leap::register(&api, level, &bench.endpoint, |_| Ok(())).await.expect("set");
    let report = leap::test(&api, level, "e", times::now()).await.expect("a report");
    assert_eq!(report.status, Some(200));
    assert!(report.lines.iter().any(|line| line == "http_status: 200") && report.lines.len() >= 3, "{report:?}");
    bench.answers.store(503, Ordering::Relaxed);
    assert_eq!(leap::test(&api, level, "e", times::now()).await.expect("a report").status, Some(503));
}
