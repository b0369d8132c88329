//! Long lists are split as they arrive, within a size limit, and a call never takes longer than its caller's time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{future::pending, time::Duration};

use aws::{
    http::{Connections, HttpApi, Limits},
    secrets::{KeySource, Reference, Secret},
};
use axum::{
    Router,
    body::Body,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::SignedDuration;
use pipeline::{
    config::{Config, Source},
    ports::{FetchError, MAX_LIST_BYTES, ProviderApi},
};
use providers::{ApiPath, ApiRequest, Elements, Id, Method};
use serde_json::{Value, json};

struct Keys;

impl KeySource for Keys {
    async fn read(&self, reference: &Reference) -> Result<Secret, String> {
        match reference.to_string().as_str() {
            "ssm:/slow" => pending().await,
            _ => Ok(Secret::new("sk-very-secret")),
        }
    }
}

/// Ten thousand dispatches, some 7 MB.
fn long() -> String {
    let one = |n: usize| json!({"id": format!("d{n}"), "name": "x".repeat(650)});
    json!({"dispatches": (0..10_000).map(one).collect::<Vec<_>>(), "page": 0}).to_string()
}

fn flood() -> Response {
    let begin = futures_util::stream::iter([Ok::<_, std::io::Error>(b"{\"dispatches\":[".to_vec())]);
    let rest = futures_util::stream::repeat_with(|| Ok(vec![b' '; 1_024 * 1_024]));
    Body::from_stream(futures_util::StreamExt::chain(begin, rest)).into_response()
}

async fn serve() -> String {
    let busy = [(header::RETRY_AFTER, "7"), (header::HeaderName::from_static("x-ratelimit-limit"), "120")];
    let router = Router::new()
        .route("/v/long", get(|| async { long() }))
        .route("/v/flood", get(|| async { flood() }))
        .route("/v/short", get(|| async { r#"{"dispatches":[{"id":"a"}]}"# }))
        .route("/v/html", get(|| async { "<html></html>" }))
        .route("/v/busy", get(move || async move { (StatusCode::TOO_MANY_REQUESTS, busy).into_response() }))
        .route("/v/slow", get(|| async { pending::<()>().await }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

fn source(base: &str, key: &str) -> Source {
    let source = json!({ "provider": "voltus", "api_url": base, "api_key": key, "tokens": [] });
    let mut config = Config::parse(&json!({ "sources": { "s": source } }).to_string()).unwrap();
    config.sources.remove("s").unwrap()
}

fn request(what: &str) -> ApiRequest {
    let path = ApiPath::fixed("/v").join(&Id::parse(what).unwrap());
    ApiRequest { method: Method::Get, path, query: Vec::new(), body: None, idempotent: true }
}

fn api() -> HttpApi<Keys> {
    let limits = Limits::default();
    HttpApi::new(Connections::new(None, limits).unwrap(), Keys, limits)
}

async fn list(base: &str, what: &str) -> Result<Vec<Value>, FetchError> {
    let within = SignedDuration::from_secs(60);
    let list =
        api().fetch_list("v", &source(base, "env:KEY"), &request(what), within, Elements::of("dispatches")).await?;
    Ok(list.into_pages().map(|page| serde_json::from_slice(&page).unwrap()).collect())
}

#[tokio::test]
async fn a_list_longer_than_any_answer_comes_whole_in_pages() {
    let base = serve().await;
    let pages = list(&base, "long").await.unwrap();
    let ids: Vec<&str> = pages
        .iter()
        .flat_map(|page| page["dispatches"].as_array().unwrap())
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert!(pages.len() >= 100 && pages[0]["page"] == 0, "{} pages", pages.len());
    assert!(ids.iter().enumerate().all(|(n, id)| *id == format!("d{n}")) && ids.len() == 10_000);
    assert_eq!(list(&base, "short").await.unwrap(), [json!({"dispatches": [{"id": "a"}]})]);
}

#[tokio::test]
async fn a_list_without_end_and_what_is_none_are_refused() {
    let base = serve().await;
    let error = list(&base, "flood").await.unwrap_err().to_string();
    assert!(error.contains(&MAX_LIST_BYTES.to_string()), "{error}");
    assert!(list(&base, "html").await.unwrap_err().to_string().contains("a page of HTML"));
    let busy = list(&base, "busy").await.unwrap_err();
    let expected = FetchError::Status { status: 429, retry_after_s: Some(7), a_minute: Some(120) };
    assert_eq!(format!("{busy:?}"), format!("{expected:?}"));
}

#[tokio::test]
async fn neither_an_answer_nor_its_key_takes_longer_than_there_is_time() {
    let base = serve().await;
    let within = SignedDuration::from_millis(200);
    for (what, key) in [("slow", "env:KEY"), ("short", "ssm:/slow")] {
        let source = source(&base, key);
        let api = api();
        let request = request(what);
        let asked = api.fetch("v", &source, &request, within);
        let error = tokio::time::timeout(Duration::from_secs(4), asked).await.expect("it gives up").unwrap_err();
        assert!(error.to_string().contains(" ms"), "{error}");
    }
}
