//! The acknowledgement client against a server that answers one request.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::error::Error;

use signals::{AckClient, AckError, AckOutcome, AckState, Acknowledgement, Version};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

fn acknowledgement() -> Acknowledgement {
    Acknowledgement {
        dispatch: "s/d".to_owned(),
        epoch: Some(7),
        version: 2,
        state: AckState::Accepted,
        detail: Some("ok".to_owned()),
    }
}

/// What the client returns for an answer, and the body that the server received.
async fn answered(status: &str, body: &str) -> (Result<AckOutcome, AckError>, String) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/acks/secret", listener.local_addr().unwrap());
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut got = Vec::new();
        while !got.ends_with(b"}") {
            let mut buffer = [0; 4_096];
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 0, "the request ended early");
            got.extend_from_slice(&buffer[..read]);
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(got).unwrap()
    };
    let client = AckClient::new(reqwest::Client::builder().no_proxy().build().unwrap(), url);
    assert!(!format!("{client:?}").contains("secret"));
    let acknowledgement = acknowledgement();
    tokio::join!(client.send(&acknowledgement), server)
}

#[tokio::test]
async fn an_acknowledgement_is_sent_as_json() {
    let (outcome, got) = answered("200 OK", r#"{"status":"acknowledged"}"#).await;
    assert_eq!(outcome.unwrap(), AckOutcome::Acknowledged);
    assert!(
        got.starts_with("POST /acks/secret HTTP/1.1\r\n") && got.contains("content-type: application/json"),
        "{got}"
    );
    let body = got.split_once("\r\n\r\n").unwrap().1;
    assert_eq!(body, r#"{"dispatch":"s/d","epoch":"7","version":2,"state":"accepted","detail":"ok"}"#);
    assert_eq!(serde_json::from_str::<Acknowledgement>(body).unwrap(), acknowledgement());
}

#[tokio::test]
async fn a_superseded_version_is_no_error() {
    let body = r#"{"error":{"code":"superseded","message":"m","current":3},"current":3,"epoch":"8"}"#;
    let (outcome, _) = answered("409 Conflict", body).await;
    assert_eq!(outcome.unwrap(), AckOutcome::Superseded { current: Some(Version { epoch: 8, sequence: 3 }) });
    let (outcome, _) = answered("409 Conflict", "").await;
    assert_eq!(outcome.unwrap(), AckOutcome::Superseded { current: None });
}

#[tokio::test]
async fn an_error_says_whether_to_send_again() {
    let body = r#"{"error":{"code":"unknown_dispatch","message":"no such dispatch"}}"#;
    let error = answered("404 Not Found", body).await.0.unwrap_err();
    assert_eq!(error.to_string(), "gridbell refuses the acknowledgement (status 404): no such dispatch");
    assert!(!error.is_temporary());
    assert!(answered("503 Service Unavailable", "").await.0.unwrap_err().is_temporary());
    assert!(answered("429 Too Many Requests", "").await.0.unwrap_err().is_temporary());
}

#[tokio::test]
async fn the_token_is_in_no_error() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    // Port 1 is closed.
    let error = AckClient::new(http, "http://127.0.0.1:1/acks/secret").send(&acknowledgement()).await.unwrap_err();
    assert!(error.is_temporary());
    let (mut text, mut cause): (Vec<String>, Option<&dyn Error>) = (Vec::new(), Some(&error));
    while let Some(error) = cause {
        text.push(format!("{error} {error:?}"));
        cause = error.source();
    }
    assert!(!text.join(" ").contains("secret"), "{text:?}");
}
