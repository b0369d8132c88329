//! The simulators over HTTP, and the options of a stack that uses them.

use std::collections::BTreeSet;

use config::Reference;
use local_stack::UpOptions;
use provider_server::{ClientError, KEY, RemoteSimulator, Settings, Simulators, login, times};
use provider_sims::{Hook, Keys, What};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use stack_client::http_client;
use url::Url;

use crate::receiver::receiver;

struct Bench {
    simulators: Simulators,
    http: Client,
}

impl Bench {
    async fn new() -> Self {
        let settings = Settings { keys: Keys::Only(BTreeSet::from(["key".to_owned()])), speed: 600 };
        let simulators = Simulators::start(provider_sims::SIMULATED, &settings).await.expect("started");
        Self { simulators, http: http_client().expect("a client") }
    }

    fn url(&self, provider: &str) -> Url {
        self.simulators.urls()[provider].clone()
    }

    fn at(&self, provider: &str, path: &str) -> String {
        format!("{}{path}", self.url(provider).as_str().trim_end_matches('/'))
    }

    async fn register(&self, url: &str) -> (u16, Value) {
        let events = json!([{"name": "dispatch.create"}, {"name": "dispatch.update"}]);
        let request = self.http.post(self.at("voltus", "/2022-04-15/webhooks"));
        answer(request.header("x-voltus-api-key", "key").json(&json!({"url": url, "events": events}))).await
    }
}

async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.expect("an answer");
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}

#[tokio::test]
async fn a_registration_waits_for_the_receiver_over_http() {
    let bench = Bench::new().await;
    let receiver = receiver(&[202]).await;
    assert_eq!(bench.register(&receiver.url).await.0, 400);
    let (status, made) = bench.register(&receiver.url).await;
    assert_eq!((status, made["url"].as_str()), (200, Some(receiver.url.as_str())));
    assert_eq!(receiver.got.lock().expect("whole").len(), 2);
    assert_eq!(bench.register("http://127.0.0.1:9/nobody").await.0, 400);
    let scenario = provider_sims::voltus_scenario("cancelled", times::now()).expect("there");
    let request = bench.http.post(bench.at("voltus", "/2022-04-15/scenarios"));
    assert_eq!(answer(request.header("x-voltus-api-key", "key").json(&scenario)).await.0, 200);
    while receiver.got.lock().expect("whole").len() < 4 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(receiver.got.lock().expect("whole")[3]["event"]["name"], "dispatch.update");
}

#[tokio::test]
async fn a_play_is_followed_to_its_end_with_its_redeliveries() {
    let bench = Bench::new().await;
    let receiver = receiver(&[500, 503]).await;
    let found = RemoteSimulator::find(&bench.http, &bench.url("leap")).await.expect("found");
    assert_eq!(found.provider(), "leap");
    let hook = Hook { url: receiver.url.clone(), headers: Vec::new() };
    let mut following = found.play("update", Some(hook.clone()), 600, Vec::new()).await.expect("begun");
    let mut told = Vec::new();
    loop {
        match following.next().await.expect("told").what {
            What::Webhook { status, attempt, .. } => told.push((attempt, status)),
            What::Over => break,
            What::Published { .. } | What::GaveUp { .. } => {}
        }
    }
    assert_eq!(told, [(1, Some(500)), (2, Some(503)), (3, Some(200)), (1, Some(200))]);
    let unknown = found.play("no-such", Some(hook), 1, Vec::new()).await.expect_err("refused").to_string();
    assert!(unknown.starts_with("no such scenario; leap has basic, "), "{unknown}");
}

#[tokio::test]
async fn what_is_no_simulator_is_told_apart() {
    let http = http_client().expect("a client");
    let receiver = receiver(&[]).await;
    let url = Url::parse(&receiver.url).expect("an address");
    assert!(matches!(RemoteSimulator::find(&http, &url).await, Err(ClientError::Real { .. })));
    let nobody = Url::parse("http://127.0.0.1:9").expect("an address");
    assert!(matches!(RemoteSimulator::find(&http, &nobody).await, Err(ClientError::Gone { .. })));
}

#[tokio::test]
async fn what_is_held_is_answered_and_what_is_to_fail_fails() {
    let simulators = Simulators::with_the_seeds().await.expect("started");
    let http = http_client().expect("a client");
    let base = simulators.urls()["voltus"].as_str().trim_end_matches('/').to_owned();
    let ask = |id: &str| http.get(format!("{base}/2022-04-15/dispatches/{id}")).header("x-voltus-api-key", KEY);
    let (status, body) = answer(ask("dkmq")).await;
    assert_eq!((status, &body["dispatches"][0]["sites"][1]["commitment"]), (200, &json!(50)));
    let (_, body) = answer(ask("asdf")).await;
    assert!(body["dispatches"][0]["start_time"].as_str().is_some_and(|start| start.ends_with('Z')), "{body}");
    simulators.fail("voltus", "dkmq", 500, Some(1));
    assert_eq!([answer(ask("dkmq")).await.0, answer(ask("dkmq")).await.0], [500, 200]);
    assert_eq!((simulators.requests("voltus", "dkmq"), simulators.seen("voltus").len()), (3, 4));
}

#[tokio::test]
async fn a_stack_asks_the_simulators_whatever_its_configuration_says() {
    let text = "[sources.v]\nprovider = 'voltus'\napi_key = 'env:UNSET'\n[sources.n]\nprovider = 'nvgrid'\n";
    let config = config::file::File::parse("f", text).expect("good").config;
    let simulators = Simulators::with_the_seeds().await.expect("started");
    let mut options = UpOptions::new(config);
    simulators.answer_for(&mut options);
    for (source, provider) in [("v", "voltus"), ("n", "nvgrid")] {
        let asked = options.config.sources[source].api_url.as_ref().map(|url| url.parse().expect("an address"));
        assert_eq!(asked.as_ref(), simulators.urls().get(provider));
    }
    let Some(Reference::Env(variable)) = &options.config.sources["v"].api_key else { panic!("no reference") };
    assert_eq!(options.variables[variable], KEY);
    let Some(Reference::Env(variable)) = &options.config.sources["n"].api_key else { panic!("no reference") };
    assert_eq!(options.variables[variable], login(KEY));
}
