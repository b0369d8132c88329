//! HTTP outputs against a server: what is sent, and what each answer means.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use aws::{
    client::{self, Access},
    http::{Connections, Limits},
    secrets::{KeySource, Reference, Secret},
    targets::Targets,
};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::any,
};
use jiff::{SignedDuration, Timestamp};
use pipeline::{
    config::{Output, OutputTarget},
    outputs::event::{EventHead, EventVersion},
    ports::{OutputTargets, ResponseAck, SendError, SendFailure, Sending},
    record::AckState,
    standard_webhooks::SigningSecrets,
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const BODY: &str = r#"{"id":"voltus-prod/dkmq#7.2","data":{}}"#;

/// The secrets by the names of their variables.
struct Keys;

impl KeySource for Keys {
    async fn read(&self, reference: &Reference) -> Result<Secret, String> {
        match reference {
            Reference::Env(name) if name == "MISSING" => Err("it is not set".to_owned()),
            Reference::Env(name) if name == "SHORT" => Ok(Secret::new("whsec_c2hvcnQ=")),
            _ => Ok(Secret::new(SECRET)),
        }
    }
}

type Seen = Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>;

async fn serve() -> (String, Seen) {
    let seen = Seen::default();
    let router = Router::new().fallback(any(answer)).with_state(seen.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (base, seen)
}

async fn answer(State(seen): State<Seen>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    seen.lock().unwrap().push((uri.path().to_owned(), headers, body));
    match uri.path() {
        "/accepts" => r#"{"state":"accepted","detail":"at once"}"#.into_response(),
        "/empty" => StatusCode::NO_CONTENT.into_response(),
        "/long" => format!(r#"{{"state":"failed","detail":"{}"}}"#, "x".repeat(100_000)).into_response(),
        "/redirect" => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/accepts")]).into_response(),
        "/busy" => (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "7")]).into_response(),
        "/large" => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        "/refuses" => StatusCode::UNPROCESSABLE_ENTITY.into_response(),
        "/down" => StatusCode::BAD_GATEWAY.into_response(),
        "/slow" => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            "ok".into_response()
        }
        _ => "ok".into_response(),
    }
}

fn targets() -> Targets<Keys> {
    let aws = client::shared(Access::new(Some("http://127.0.0.1:1"), "us-east-1", "test", "test"));
    let connections = Connections::new(None, Limits::default()).unwrap();
    Targets::new(&aws, None, connections.client(), Keys).unwrap()
}

fn head() -> EventHead {
    EventHead {
        id: "voltus-prod/dkmq#7.2".to_owned(),
        subject: dispatch::Subject::from_stored("voltus-prod/dkmq".to_owned()),
        version: EventVersion { epoch: 7, sequence: 2, part: 0 },
        parts: None,
        kind: "gridbell.dispatch.updated.v1".to_owned(),
        source: "/gridbell/voltus-prod".to_owned(),
        test: false,
        time: Timestamp::UNIX_EPOCH,
        traceparent: None,
    }
}

async fn send(url: &str, secret: &str, allow_private: bool) -> Result<Option<ResponseAck>, SendError> {
    let secrets = vec![Reference::Env(secret.to_owned())];
    let target = OutputTarget::Http { url: url.to_owned(), secrets, allow_private };
    let output = Output { target, sources: None, types: None, tests: true, required: true };
    let sending = Sending { name: "gateway", output: &output, head: &head(), body: BODY };
    targets().send(sending, SignedDuration::from_secs(2)).await
}

#[tokio::test]
async fn an_event_is_posted_as_it_is_and_signed() {
    let (base, seen) = serve().await;
    let ack = send(&format!("{base}/accepts"), "KEY", true).await.unwrap().unwrap();
    assert_eq!((ack.state, ack.detail.as_deref()), (AckState::Accepted, Some("at once")));
    let (_, headers, body) = seen.lock().unwrap().pop().unwrap();
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    assert_eq!((body.as_ref(), header("content-type").as_str()), (BODY.as_bytes(), "application/cloudevents+json"));
    let (id, at) = (header("webhook-id"), header("webhook-timestamp").parse().unwrap());
    assert_eq!(id, "voltus-prod/dkmq#7.2@gateway");
    let signature = SigningSecrets::parse(SECRET).unwrap().sign(&id, at, BODY.as_bytes());
    assert_eq!(header("webhook-signature"), signature);
}

#[tokio::test]
async fn what_each_answer_means() {
    let (base, seen) = serve().await;
    for taken in ["empty", "long", "anything"] {
        assert_eq!(send(&format!("{base}/{taken}"), "KEY", true).await, Ok(None), "{taken}");
    }
    for (path, kind, retry_after_s) in [
        ("redirect", SendFailure::Output, None),
        ("busy", SendFailure::Output, Some(7)),
        ("down", SendFailure::Output, None),
        ("large", SendFailure::TooLarge, None),
        ("refuses", SendFailure::Event, None),
    ] {
        let error = send(&format!("{base}/{path}"), "KEY", true).await.unwrap_err();
        assert_eq!((error.kind, error.retry_after_s), (kind, retry_after_s), "{path}: {error}");
    }
    let paths: Vec<String> = seen.lock().unwrap().iter().map(|(path, ..)| path.clone()).collect();
    assert!(!paths.contains(&"/accepts".to_owned()), "no redirect is followed: {paths:?}");
}

#[tokio::test]
async fn a_slow_answer_ends_in_time() {
    let (base, _) = serve().await;
    #[expect(clippy::disallowed_methods, reason = "a time-out takes real time")]
    let began = Instant::now();
    let error = send(&format!("{base}/slow"), "KEY", true).await.unwrap_err();
    assert!(error.detail.contains("no whole answer within 2000 ms"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_private_address_is_refused_however_it_is_written() {
    let (base, seen) = serve().await;
    let port = base.rsplit(':').next().unwrap();
    for url in
        [format!("http://127.0.0.1:{port}/"), format!("http://localhost:{port}/"), "https://10.0.0.1/".to_owned()]
    {
        let error = send(&url, "KEY", false).await.unwrap_err();
        assert_eq!(error.kind, SendFailure::Output);
        assert!(error.detail.contains("private address"), "{url}: {error}");
    }
    assert!(seen.lock().unwrap().is_empty());
    assert_eq!(send(&format!("http://localhost:{port}/"), "KEY", true).await, Ok(None));
    let error = send("https://169.254.169.254/", "KEY", true).await.unwrap_err();
    assert!(error.detail.contains("metadata"), "{error}");
}

#[tokio::test]
async fn without_a_usable_secret_nothing_is_sent() {
    let (base, seen) = serve().await;
    for secret in ["MISSING", "SHORT"] {
        let error = send(&base, secret, true).await.unwrap_err();
        assert_eq!(error.kind, SendFailure::Output);
        assert!(error.detail.contains("signing secret") && !error.detail.contains("whsec_c2"), "{error}");
    }
    assert!(seen.lock().unwrap().is_empty());
}
