//! The client for the providers' APIs against a server with many kinds of faults.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws::{
    http::{Connections, HttpApi, Limits},
    secrets::{KeySource, Reference, Secret},
};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use pipeline::{
    config::{Config, Source},
    ports::{FetchError, ProviderApi},
};
use providers::{ApiPath, ApiRequest, Id, Method, Providers};

const KEY: &str = "sk-very-secret";

/// Longer than any timeout of a client here.
const WITHIN: jiff::SignedDuration = jiff::SignedDuration::from_secs(20);

/// A key that changes with every read.
struct Keys(Arc<AtomicUsize>);

impl KeySource for Keys {
    async fn read(&self, _reference: &Reference) -> Result<Secret, String> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(Secret::new(KEY)),
            read => Ok(Secret::new(format!("{KEY}-{read}"))),
        }
    }
}

/// The requests at the server: path with query, and headers.
type Seen = Arc<Mutex<Vec<(String, HeaderMap)>>>;

struct Server {
    base: String,
    seen: Seen,
}

async fn serve() -> Server {
    let seen = Seen::default();
    let router = Router::new().fallback(any(answer)).with_state(seen.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    Server { base, seen }
}

async fn answer(State(seen): State<Seen>, request: Request) -> Response {
    let target = request.uri().to_string();
    seen.lock().unwrap().push((target.clone(), request.headers().clone()));
    let json = [(header::CONTENT_TYPE, "application/json")];
    let scenario = request.uri().path().trim_start_matches("/v2/look/").to_owned();
    match scenario.as_str() {
        "good" => (json, r#"{"id":"good"}"#).into_response(),
        "untyped" => r#" [{"id":"good"}]"#.into_response(),
        "redirect" => (StatusCode::FOUND, [(header::LOCATION, "/v2/look/good")]).into_response(),
        "permanent" => (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, "http://localhost:1/")]).into_response(),
        "limit" => (json, format!("[{}]", " ".repeat(1_022))).into_response(),
        "large" => (json, format!("[{}]", " ".repeat(1_023))).into_response(),
        "endless" => {
            let body = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 100]));
            (json, Body::from_stream(body)).into_response()
        }
        "slow" => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            (json, "{}").into_response()
        }
        "drip" => {
            let body = futures_util::stream::unfold((), |()| async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Some((Ok::<_, std::io::Error>("{"), ()))
            });
            (json, Body::from_stream(body)).into_response()
        }
        "refused" => (StatusCode::UNAUTHORIZED, KEY).into_response(),
        "forbidden" => StatusCode::FORBIDDEN.into_response(),
        "rotated" if request.headers()["x-voltus-api-key"] == KEY => StatusCode::UNAUTHORIZED.into_response(),
        "rotated" => (json, "{}").into_response(),
        "missing" => StatusCode::NOT_FOUND.into_response(),
        "busy" => (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "17")]).into_response(),
        "dated" => {
            (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "Fri, 31 Dec 2100 23:59:59 GMT")]).into_response()
        }
        "down" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        "nothing" => StatusCode::NO_CONTENT.into_response(),
        "reset" => StatusCode::RESET_CONTENT.into_response(),
        "empty" => (json, "").into_response(),
        "marked" => (json, b"\xef\xbb\xbf{\"id\":\"good\"}".to_vec()).into_response(),
        coded if coded.starts_with("coded-") => {
            let coding = ["identity", "UTF-8", "", "none", "utf8", "identity, identity", "br", "gzip"]
                [coded["coded-".len()..].parse::<usize>().unwrap()];
            ([(header::CONTENT_ENCODING, coding)], r#"{"id":"good"}"#).into_response()
        }
        status if status.starts_with("status-") => {
            let status = StatusCode::from_bytes(&status.as_bytes()["status-".len()..]).unwrap();
            (status, [(header::CONTENT_TYPE, "text/html")], r#"{"id":"good"}"#).into_response()
        }
        "html" => ([(header::CONTENT_TYPE, "text/html")], "<html></html>").into_response(),
        "latin1" => (json, b"{\"id\":\"caf\xe9\"}".to_vec()).into_response(),
        "utf16" => (json, b"\xff\xfe{\0}\0".to_vec()).into_response(),
        "gzip" => (json, [(header::CONTENT_ENCODING, "gzip")], vec![0x1f, 0x8b]).into_response(),
        "silent-gzip" => (json, vec![0x1f, 0x8b, 8, 0]).into_response(),
        "brotli" => (json, [(header::CONTENT_ENCODING, "br")], vec![0x0b, 0, 0x80, b'{', b'}', 3]).into_response(),
        "text" => (json, "not found").into_response(),
        "cut" => (json, [(header::CONTENT_LENGTH, "1000")], Body::from_stream(cut())).into_response(),
        other => panic!("no such scenario: {other}"),
    }
}

fn cut() -> impl futures_util::Stream<Item = Result<&'static str, std::io::Error>> {
    futures_util::stream::iter([Ok("{"), Err(std::io::Error::other("gone"))])
}

fn api(reads: &Arc<AtomicUsize>) -> HttpApi<Keys> {
    let limits = Limits { connect: Duration::from_millis(300), total: Duration::from_millis(400), bytes: 1_024 };
    HttpApi::new(Connections::new(None, limits).unwrap(), Keys(reads.clone()), limits)
}

fn source(api_url: &str) -> Source {
    let source =
        serde_json::json!({"provider": "voltus", "api_url": api_url, "api_key": "ssm:/gridbell/x", "tokens": []});
    let mut config = Config::parse(&serde_json::json!({ "sources": { "s": source } }).to_string()).unwrap();
    config.sources.remove("s").unwrap()
}

fn request(scenario: &str) -> ApiRequest {
    let path = ApiPath::fixed("/look").join(&Id::parse(scenario).unwrap());
    ApiRequest { method: Method::Get, path, query: vec![("window", "a b&c".to_owned())], body: None, idempotent: true }
}

async fn fetch(server: &Server, scenario: &str) -> Result<String, FetchError> {
    let source = source(&format!("{}/v2", server.base));
    api(&Arc::default()).fetch("voltus-prod", &source, &request(scenario), WITHIN).await
}

#[tokio::test]
async fn an_answer_is_json_text_and_the_key_travels_in_the_providers_header() {
    let server = serve().await;
    assert_eq!(fetch(&server, "good").await.unwrap(), r#"{"id":"good"}"#);
    assert_eq!(fetch(&server, "untyped").await.unwrap(), r#" [{"id":"good"}]"#);
    assert_eq!(fetch(&server, "limit").await.unwrap().len(), 1_024);
    let seen = server.seen.lock().unwrap();
    let (target, headers) = &seen[0];
    assert_eq!(target, "/v2/look/good?window=a+b%26c");
    assert_eq!(headers["x-voltus-api-key"], KEY);
    assert_eq!(headers["accept"], "application/json");
}

#[tokio::test]
async fn the_body_is_the_answer_whatever_status_and_headers() {
    let server = serve().await;
    for status in [200, 201, 202, 203, 206, 207, 299] {
        assert_eq!(fetch(&server, &format!("status-{status}")).await.unwrap(), r#"{"id":"good"}"#, "{status}");
    }
    for coding in 0..8 {
        assert_eq!(fetch(&server, &format!("coded-{coding}")).await.unwrap(), r#"{"id":"good"}"#, "{coding}");
    }
    assert_eq!(fetch(&server, "marked").await.unwrap(), r#"{"id":"good"}"#);
    assert_eq!(fetch(&server, "latin1").await.unwrap(), "{\"id\":\"caf\u{fffd}\"}");
}

#[tokio::test]
async fn what_may_not_be_taken_is_refused_in_words_and_without_key_or_query() {
    let server = serve().await;
    for (scenario, expected) in [
        ("redirect", "redirects (302)"),
        ("permanent", "redirects (308)"),
        ("large", "larger than 1024 bytes"),
        ("endless", "larger than 1024 bytes"),
        ("slow", "no whole answer within 400 ms"),
        ("drip", "no whole answer within 400 ms"),
        ("html", "not JSON but a page of HTML"),
        ("text", "not JSON"),
        ("utf16", "not JSON"),
        ("empty", "the answer is empty"),
        ("gzip", "compressed (gzip)"),
        ("silent-gzip", "compressed (gzip)"),
        ("brotli", "compressed (br)"),
        ("cut", "broke off"),
    ] {
        let error = fetch(&server, scenario).await.unwrap_err();
        // Failures that a retry cannot solve differ from those that the next answer may solve.
        let lasts = ["large", "endless", "text", "utf16", "gzip", "silent-gzip", "brotli"].contains(&scenario);
        assert_eq!(matches!(error, FetchError::Unreadable(_)), lasts, "{scenario}: {error:?}");
        assert!(lasts || matches!(error, FetchError::Answer(_)), "{scenario}: {error:?}");
        let text = format!("{error} {error:?}");
        assert!(text.contains(expected), "{scenario}: {text}");
        assert!(!text.contains(KEY) && !text.contains("window"), "{scenario}: {text}");
    }
    // One request each: no redirect was followed and nothing was tried again.
    assert_eq!(server.seen.lock().unwrap().len(), 14);
}

#[tokio::test]
async fn statuses_become_what_the_way_on_depends_on() {
    let server = serve().await;
    assert!(matches!(fetch(&server, "refused").await, Err(FetchError::Refused { status: 401 })));
    assert!(matches!(fetch(&server, "forbidden").await, Err(FetchError::Refused { status: 403 })));
    assert!(matches!(fetch(&server, "missing").await, Err(FetchError::Missing)));
    let status = async |scenario: &str| match fetch(&server, scenario).await {
        Err(FetchError::Status { status, retry_after_s, .. }) => (status, retry_after_s),
        other => panic!("{scenario}: {other:?}"),
    };
    assert_eq!(status("busy").await, (429, Some(17)));
    assert_eq!(status("down").await, (500, None));
    assert_eq!(status("nothing").await, (204, None));
    assert_eq!(status("reset").await, (205, None));
    let (code, retry_after_s) = status("dated").await;
    assert!(code == 503 && retry_after_s.is_some_and(|seconds| seconds > 86_400));
}

#[tokio::test]
async fn a_rotated_key_is_read_anew_once_and_only_when_the_last_read_is_a_while_ago() {
    let server = serve().await;
    let reads = Arc::new(AtomicUsize::new(0));
    let api = api(&reads);
    let source = source(&format!("{}/v2", server.base));
    let request = request("rotated");
    let fetch = || api.fetch("voltus-prod", &source, &request, WITHIN);
    assert!(matches!(fetch().await, Err(FetchError::Refused { status: 401 })));
    assert!(matches!(fetch().await, Err(FetchError::Refused { status: 401 })));
    assert_eq!(reads.load(Ordering::Relaxed), 1);

    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    assert_eq!(fetch().await.unwrap(), "{}");
    assert_eq!(fetch().await.unwrap(), "{}");
    assert_eq!(reads.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_source_without_a_usable_api_gives_an_error_and_no_request() {
    let server = serve().await;
    let api = api(&Arc::default());
    let fetch = async |change: fn(&mut Source, &Server)| {
        let mut source = source(&server.base);
        change(&mut source, &server);
        api.fetch("voltus-prod", &source, &request("good"), WITHIN).await.unwrap_err().to_string()
    };
    assert!(fetch(|source, _| source.api_key = None).await.contains("no api_key"));
    assert!(fetch(|source, _| source.api_url = Some("http://192.0.2.1".to_owned())).await.contains("neither https"));
    assert!(
        fetch(|source, _| source.provider = Providers::default().named("nvgrid").unwrap()).await.contains("no API")
    );
    assert!(fetch(|source, _| source.api_url = Some("http://127.0.0.1:1".to_owned())).await.contains("no connection"));
    assert!(server.seen.lock().unwrap().is_empty());
}
