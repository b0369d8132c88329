//! New records share a call, and so do marks of what was sent. They are written one by one where DynamoDB refuses that
//! call or a statement of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aws::{
    client::{self, Access},
    contract::record,
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
use jiff::Timestamp;
use pipeline::{
    ports::{Dispatches, WriteError},
    record::SubjectRecord,
};
use serde_json::{Value, json};

/// What the stand-in for DynamoDB answers to a batch of statements.
#[derive(Clone, Copy)]
enum Batches {
    /// Each statement but that about `s/2`, whose record was written before.
    Run,
    /// The role may not run statements.
    Denied,
    /// It reads each statement as invalid.
    Invalid,
    /// The service fails.
    Down,
}

#[derive(Clone)]
struct Table {
    batches: Batches,
    calls: Arc<Mutex<Vec<String>>>,
    /// The stored item of `s/2`.
    known: Arc<Mutex<Option<Value>>>,
}

async fn call(State(table): State<Table>, headers: HeaderMap, body: Bytes) -> Response {
    let request: Value = serde_json::from_slice(&body).unwrap();
    let operation = headers["x-amz-target"].to_str().unwrap().rsplit('.').next().unwrap().to_owned();
    table.calls.lock().unwrap().push(operation.clone());
    // The other writes gather meanwhile.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let error = |name: &str| (StatusCode::BAD_REQUEST, Json(json!({ "__type": name }))).into_response();
    let is_known = |key: &Value| key["S"] == "s/2";
    let is_refused = is_known(&request["Key"]["subject"]) || is_known(&request["Item"]["subject"]);
    let mut known = table.known.lock().unwrap();
    match operation.as_str() {
        "GetItem" => return Json(json!({ "Item": *known })).into_response(),
        "PutItem" if is_refused && known.is_none() => *known = Some(request["Item"].clone()),
        "PutItem" if is_refused => {
            let refused = json!({ "__type": "ConditionalCheckFailedException", "Item": *known });
            return (StatusCode::BAD_REQUEST, Json(refused)).into_response();
        }
        "UpdateItem" if is_refused => return error("ConditionalCheckFailedException"),
        _ => {}
    }
    drop(known);
    if operation != "BatchExecuteStatement" {
        return Json(json!({})).into_response();
    }
    let run = |statement: &Value| {
        let is_insert = statement["Statement"].as_str().unwrap().starts_with("INSERT");
        let refused = if is_insert { "DuplicateItem" } else { "ConditionalCheckFailed" };
        match table.batches {
            Batches::Invalid => json!({ "Error": { "Code": "ValidationError" } }),
            _ if statement["Parameters"].as_array().unwrap().iter().any(is_known) => {
                json!({ "Error": { "Code": refused } })
            }
            _ => json!({}),
        }
    };
    match table.batches {
        Batches::Denied => return error("AccessDeniedException"),
        Batches::Down => return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({}))).into_response(),
        Batches::Run | Batches::Invalid => {}
    }
    let responses: Vec<Value> = request["Statements"].as_array().unwrap().iter().map(run).collect();
    Json(json!({ "Responses": responses })).into_response()
}

/// The table over a stand-in, and its calls.
async fn table(batches: Batches) -> (DispatchesTable, Arc<Mutex<Vec<String>>>) {
    let table = Table { batches, calls: Arc::default(), known: Arc::default() };
    let router = Router::new().fallback(call).with_state(table.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let aws = client::shared(Access::new(Some(&endpoint), "us-east-1", "test", "test"));
    (DispatchesTable::new(&aws, "dispatches"), table.calls)
}

fn subjects() -> [Subject; 5] {
    [0, 1, 2, 3, 4].map(|n| Subject::from_stored(format!("s/{n}")))
}

/// Marks `s/0` to `s/4` at the same time; returns the results and the calls.
async fn marked(batches: Batches) -> (Vec<bool>, Vec<String>) {
    let (dispatches, calls) = table(batches).await;
    let results = join_all(subjects().each_ref().map(|subject| dispatches.sent(subject, 1))).await;
    let calls = calls.lock().unwrap().clone();
    (results.into_iter().collect::<Result<_, _>>().unwrap(), calls)
}

/// Writes new records of `s/0` to `s/4` at the same time, when `s/2` exists; returns what was in their way, and the
/// calls.
async fn written(batches: Batches) -> (Vec<Option<SubjectRecord>>, Vec<String>) {
    let (dispatches, calls) = table(batches).await;
    dispatches.write(&new("s/2", "before"), None).await.unwrap();
    calls.lock().unwrap().clear();
    let records = subjects().map(|subject| new(subject.as_str(), "now"));
    let results = join_all(records.each_ref().map(|record| dispatches.write(record, None))).await;
    let refused = |result| match result {
        Ok(()) => None,
        Err(WriteError::Lost(known)) => Some(*known.unwrap()),
        Err(other) => panic!("{other:?}"),
    };
    let calls = calls.lock().unwrap().clone();
    (results.into_iter().map(refused).collect(), calls)
}

fn new(subject: &str, write: &str) -> SubjectRecord {
    record(&Subject::from_stored(subject), write, 1, Timestamp::UNIX_EPOCH)
}

const MARKED: [bool; 5] = [true, true, false, true, true];

#[tokio::test]
async fn marks_set_at_the_same_time_share_a_call() {
    let (results, calls) = marked(Batches::Run).await;
    assert_eq!(results, MARKED);
    assert_eq!(calls, ["UpdateItem", "BatchExecuteStatement"]);
}

#[tokio::test]
async fn what_refuses_statements_is_marked_one_by_one() {
    for batches in [Batches::Denied, Batches::Invalid] {
        let (results, calls) = marked(batches).await;
        assert_eq!(results, MARKED);
        assert_eq!(calls.iter().filter(|call| *call == "UpdateItem").count(), 5, "{calls:?}");
    }
}

#[tokio::test]
async fn new_records_written_at_the_same_time_share_a_call_and_bring_what_is_stored() {
    let (refused, calls) = written(Batches::Run).await;
    assert_eq!(refused, [None, None, Some(new("s/2", "before")), None, None]);
    assert_eq!(calls, ["PutItem", "BatchExecuteStatement", "GetItem"]);
}

#[tokio::test]
async fn what_refuses_statements_takes_new_records_one_by_one() {
    for batches in [Batches::Denied, Batches::Invalid] {
        let (refused, calls) = written(batches).await;
        assert_eq!(refused, [None, None, Some(new("s/2", "before")), None, None]);
        assert_eq!(calls.iter().filter(|call| *call == "PutItem").count(), 5, "{calls:?}");
    }
}

#[tokio::test]
async fn a_table_that_does_not_answer_is_not_asked_again_for_each_item() {
    let (dispatches, calls) = table(Batches::Down).await;
    let records = subjects().map(|subject| new(subject.as_str(), "now"));
    let written = join_all(records.each_ref().map(|record| dispatches.write(record, None))).await;
    let marked = join_all(subjects().each_ref().map(|subject| dispatches.sent(subject, 1))).await;
    assert_eq!(written.iter().filter(|written| written.is_ok()).count(), 1, "the first one, which is put alone");
    assert_eq!(marked.iter().filter(|marked| marked.is_ok()).count(), 1);
    let alone = |call: &&String| *call != "BatchExecuteStatement";
    assert_eq!(calls.lock().unwrap().iter().filter(alone).collect::<Vec<_>>(), ["PutItem", "UpdateItem"]);
}
