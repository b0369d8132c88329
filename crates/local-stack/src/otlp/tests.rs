use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};

use super::*;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn line(function: &'static str, name: &str, span_id: &str, more: &str) -> LogLine {
    let text = format!(
        r#"{{"span":{{"name":"{name}","trace_id":"{TRACE}","span_id":"{span_id}","start_ns":"1701448800000000001","end_ns":"1701448800000000002"{more}}}}}"#
    );
    LogLine { function, time_ms: 0, text }
}

/// A collector that answers with that status, and what it received.
async fn collector(status: StatusCode) -> (Url, Arc<Mutex<Vec<Value>>>) {
    let received: Arc<Mutex<Vec<Value>>> = Arc::default();
    let take = async move |State(received): State<Arc<Mutex<Vec<Value>>>>, headers: HeaderMap, body: String| {
        assert_eq!(headers["content-type"], "application/json");
        received.lock().expect("a lock").push(serde_json::from_str(&body).expect("JSON"));
        status
    };
    let app = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&received));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = Url::parse(&format!("http://{}", listener.local_addr().expect("an address"))).expect("a URL");
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, received)
}

#[tokio::test]
async fn spans_leave_the_log_and_arrive_as_otlp() {
    let (url, received) = collector(StatusCode::OK).await;
    let mut exporter = SpanExporter::new(&url).expect("an exporter");
    let log = LogLine { function: "hydrator", time_ms: 0, text: r#"{"level":"INFO","message":"hydrated"}"#.to_owned() };
    let lines = vec![
        line("receiver", "receive", "b7ad6b7169203331", r#","source":"voltus-prod""#),
        log.clone(),
        line("hydrator", "fetch", "00000000000000f7", r#","parent_id":"b7ad6b7169203331","error":"500""#),
    ];
    assert_eq!(exporter.take(lines), [log]);
    exporter.send().await.expect("sent");
    exporter.send().await.expect("nothing to send");
    let received = received.lock().expect("a lock").clone();
    let [request] = &received[..] else { panic!("{received:?}") };
    let resource = |function: &str, span: Value| {
        json!({
            "resource": { "attributes": [
                { "key": "service.name", "value": { "stringValue": function } },
                { "key": "service.namespace", "value": { "stringValue": "gridbell" } },
            ] },
            "scopeSpans": [{ "scope": { "name": "gridbell", "version": env!("CARGO_PKG_VERSION") }, "spans": [span] }],
        })
    };
    let (start, end) = ("1701448800000000001", "1701448800000000002");
    let fetch = json!({
        "traceId": TRACE, "spanId": "00000000000000f7", "parentSpanId": "b7ad6b7169203331", "name": "fetch", "kind": 3,
        "startTimeUnixNano": start, "endTimeUnixNano": end, "attributes": [], "status": { "code": 2, "message": "500" },
    });
    let source = json!([{ "key": "gridbell.source", "value": { "stringValue": "voltus-prod" } }]);
    let receive = json!({
        "traceId": TRACE, "spanId": "b7ad6b7169203331", "name": "receive", "kind": 2,
        "startTimeUnixNano": start, "endTimeUnixNano": end, "attributes": source,
    });
    assert_eq!(*request, json!({ "resourceSpans": [resource("hydrator", fetch), resource("receiver", receive)] }));
}

#[tokio::test]
async fn spans_wait_for_a_viewer_that_refuses_them_and_the_error_names_it() {
    let (url, _) = collector(StatusCode::NOT_FOUND).await;
    let mut exporter = SpanExporter::new(&url).expect("an exporter");
    exporter.take(vec![line("receiver", "receive", "b7ad6b7169203331", "")]);
    let error = exporter.send().await.expect_err("refused").to_string();
    assert!(error.contains(url.as_str()) && error.contains("404"), "{error}");
    let (url, received) = collector(StatusCode::OK).await;
    exporter.url = SpanExporter::new(&url.join("v1/traces/").expect("a URL")).expect("an exporter").url;
    exporter.send().await.expect("sent");
    assert_eq!(received.lock().expect("a lock").len(), 1);
}

#[test]
fn no_more_spans_wait_than_memory_takes() {
    let mut exporter = SpanExporter::new(&Url::parse("http://127.0.0.1:1").expect("a URL")).expect("an exporter");
    let many = |count: usize| (0..count).map(|n| line("receiver", "receive", &format!("{n:016x}"), "")).collect();
    exporter.take(many(MAX_WAITING + 5));
    assert_eq!((exporter.waiting.len(), exporter.waiting[0].1.span_id.as_str()), (MAX_WAITING, "0000000000000005"));
}
