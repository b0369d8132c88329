//! Marks of what was sent share a call, and are set one by one where DynamoDB refuses that call or a statement of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aws::{
    client::{self, Access},
    dynamo::DispatchesTable,
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use dispatch::Subject;
use futures_util::future::join_all;
use pipeline::ports::Dispatches;
use serde_json::{Value, json};

/// What the stand-in for DynamoDB answers to a batch of statements.
#[derive(Clone, Copy)]
enum Batches {
    /// Each statement but that about `s/2`, whose record was changed.
    Run,
    /// The role may not run statements.
    Denied,
    /// It reads each statement as invalid.
    Invalid,
}

#[derive(Clone)]
struct Table {
    batches: Batches,
    calls: Arc<Mutex<Vec<String>>>,
}

async fn call(State(table): State<Table>, headers: HeaderMap, body: Bytes) -> Response {
    let request: Value = serde_json::from_slice(&body).unwrap();
    let operation = headers["x-amz-target"].to_str().unwrap().rsplit('.').next().unwrap().to_owned();
    table.calls.lock().unwrap().push(operation.clone());
    // The other marks gather meanwhile.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let error = |name: &str| (StatusCode::BAD_REQUEST, Json(json!({ "__type": name }))).into_response();
    let is_changed = |key: &Value| key["S"] == "s/2";
    if operation == "UpdateItem" {
        let is_changed = is_changed(&request["Key"]["subject"]);
        return if is_changed { error("ConditionalCheckFailedException") } else { Json(json!({})).into_response() };
    }
    let run = |statement: &Value| match table.batches {
        Batches::Invalid => json!({ "Error": { "Code": "ValidationError" } }),
        _ if is_changed(&statement["Parameters"][1]) => json!({ "Error": { "Code": "ConditionalCheckFailed" } }),
        _ => json!({}),
    };
    if matches!(table.batches, Batches::Denied) {
        return error("AccessDeniedException");
    }
    let responses: Vec<Value> = request["Statements"].as_array().unwrap().iter().map(run).collect();
    Json(json!({ "Responses": responses })).into_response()
}

/// Marks `s/0` to `s/4` at the same time; returns the results and the calls.
async fn marked(batches: Batches) -> (Vec<bool>, Vec<String>) {
    let table = Table { batches, calls: Arc::default() };
    let router = Router::new().fallback(call).with_state(table.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let aws = client::shared(Access::new(Some(&endpoint), "us-east-1", "test", "test"));
    let dispatches = DispatchesTable::new(&aws, "dispatches");
    let subjects: Vec<Subject> = (0..5).map(|n| Subject::from_stored(format!("s/{n}"))).collect();
    let results = join_all(subjects.iter().map(|subject| dispatches.sent(subject, 1))).await;
    let calls = table.calls.lock().unwrap().clone();
    (results.into_iter().collect::<Result<_, _>>().unwrap(), calls)
}

const RESULTS: [bool; 5] = [true, true, false, true, true];

#[tokio::test]
async fn marks_set_at_the_same_time_share_a_call() {
    let (results, calls) = marked(Batches::Run).await;
    assert_eq!(results, RESULTS);
    assert_eq!(calls, ["UpdateItem", "BatchExecuteStatement"]);
}

#[tokio::test]
async fn what_refuses_statements_is_marked_one_by_one() {
    for batches in [Batches::Denied, Batches::Invalid] {
        let (results, calls) = marked(batches).await;
        assert_eq!(results, RESULTS);
        assert_eq!(calls.iter().filter(|call| *call == "UpdateItem").count(), 5, "{calls:?}");
    }
}
