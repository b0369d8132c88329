//! How a function reads the table of configurations at its cold start, over HTTP: the signature, and which failures it
//! retries.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};

use aws::{
    client::{self, Access},
    configuration::{Current, ReadError},
};
use aws_credential_types::Credentials;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
};
use serde_json::{Value, json};

/// A table with prepared answers, which records the requests.
type Table = Arc<Mutex<Played>>;

#[derive(Default)]
struct Played {
    asked: Vec<Asked>,
    answers: Vec<(u16, String)>,
}

struct Asked {
    path: String,
    headers: HeaderMap,
    body: Value,
}

async fn answer(State(table): State<Table>, uri: Uri, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let mut played = table.lock().unwrap();
    played.asked.push(Asked { path: uri.path().to_owned(), headers, body: serde_json::from_slice(&body).unwrap() });
    let (status, body) = played.answers.remove(0);
    (StatusCode::from_u16(status).unwrap(), body)
}

/// Reads from a table that gives these answers; returns the version and the requests.
async fn read(answers: &[(u16, Value)]) -> (Result<u64, ReadError>, Vec<Asked>) {
    let table = Table::default();
    table.lock().unwrap().answers = answers.iter().map(|(status, body)| (*status, body.to_string())).collect();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new().fallback(answer).with_state(table.clone());
    let server = tokio::spawn(async move { axum::serve(listener, routes).await });
    let mut access = Access::new(Some(&endpoint), "eu-west-1", "AKIDEXAMPLE", "secret");
    access.credentials = Credentials::new("AKIDEXAMPLE", "secret", Some("session".to_owned()), None, "given");
    let read = Current::new(&client::shared(access), "gridbell-ConfigTable-1").read().await.map(|read| read.number);
    server.abort();
    let asked = std::mem::take(&mut table.lock().unwrap().asked);
    (read, asked)
}

/// `{"sources":{}}`, stored as version 3.
fn item() -> Value {
    let json = "eNqrVirOLy1KTi1WsqqurQUAKEYFcw==";
    json!({"Item": {"version": {"S": "current"}, "number": {"N": "3"}, "format": {"N": "1"}, "digest": {"S": "d"}, "json": {"B": json}}})
}

#[tokio::test]
async fn it_is_one_signed_consistent_read_of_one_item() {
    let (read, asked) = read(&[(200, item())]).await;
    assert_eq!(read, Ok(3));
    let [asked] = asked.as_slice() else { panic!("{} requests", asked.len()) };
    let expected =
        json!({"TableName": "gridbell-ConfigTable-1", "Key": {"version": {"S": "current"}}, "ConsistentRead": true});
    assert_eq!((asked.path.as_str(), &asked.body), ("/", &expected));
    let header = |name: &str| asked.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    assert_eq!(header("x-amz-target"), "DynamoDB_20120810.GetItem");
    assert_eq!(header("x-amz-security-token"), "session");
    let signature = header("authorization");
    assert!(signature.contains("/eu-west-1/dynamodb/aws4_request"), "{signature}");
    let signed = "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target";
    assert!(signature.contains(signed), "{signature}");
}

#[tokio::test]
async fn temporary_failures_are_retried_and_refusals_are_not() {
    let throttled = json!({"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException"});
    let (answer, asked) = read(&[(500, json!({})), (400, throttled), (200, item())]).await;
    assert_eq!((answer, asked.len()), (Ok(3), 3));

    let (answer, asked) = read(&[(503, json!({})), (503, json!({})), (503, json!({}))]).await;
    let said = answer.unwrap_err().to_string();
    assert!(asked.len() == 3 && said.contains("the configuration cannot be read") && said.contains("503"), "{said}");

    let denied = json!({"__type": "AccessDeniedException", "Message": "no dynamodb:GetItem"});
    let (answer, asked) = read(&[(400, denied)]).await;
    let said = answer.unwrap_err().to_string();
    assert!(asked.len() == 1 && said.contains("no dynamodb:GetItem"), "{said}");
}
