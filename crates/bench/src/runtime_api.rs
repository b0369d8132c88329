//! A stand-in for the Lambda Runtime API: serves the queued events and records the times of requests and answers.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use anyhow::{Context, Result};
use axum::{
    Router,
    extract::{DefaultBodyLimit, Path, State},
    http::StatusCode,
    response::IntoResponse,
    routing::{get, post},
    serve::ListenerExt,
};
use bytes::Bytes;
use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc},
    task::AbortHandle,
};

use crate::clock;

/// The API version in its paths.
const VERSION: &str = "2018-06-01";

/// A step of a function.
#[derive(Debug)]
pub(crate) enum Step {
    /// It requested an event.
    Asked(Instant),
    /// It answered an event.
    Answered(Instant, Bytes),
    /// It reported an error.
    Failed(Bytes),
}

/// The Runtime API of one function. Dropping it stops the server.
#[derive(Debug)]
pub(crate) struct RuntimeApi {
    /// The value of `AWS_LAMBDA_RUNTIME_API`.
    pub(crate) address: SocketAddr,
    events: mpsc::UnboundedSender<Bytes>,
    steps: mpsc::UnboundedReceiver<Step>,
    server: AbortHandle,
}

struct Shared {
    events: Mutex<mpsc::UnboundedReceiver<Bytes>>,
    steps: mpsc::UnboundedSender<Step>,
}

impl RuntimeApi {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port is free")?;
        let address = listener.local_addr()?;
        let (events, queue) = mpsc::unbounded_channel();
        let (noted, steps) = mpsc::unbounded_channel();
        let routes = Router::new()
            .route(&format!("/{VERSION}/runtime/invocation/next"), get(next))
            .route(&format!("/{VERSION}/runtime/invocation/{{id}}/response"), post(response))
            .route(&format!("/{VERSION}/runtime/invocation/{{id}}/error"), post(error))
            .route(&format!("/{VERSION}/runtime/init/error"), post(error))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::new(Shared { events: Mutex::new(queue), steps: noted }));
        // Otherwise Nagle's algorithm and delayed acknowledgements add 40 ms.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let server = tokio::spawn(async move { axum::serve(listener, routes).await }).abort_handle();
        Ok(Self { address, events, steps, server })
    }

    /// Queues an event.
    pub(crate) fn give(&self, event: Bytes) {
        // The server holds the receiver and lives as long as `self`.
        let _ = self.events.send(event);
    }

    /// Waits for the function's next step.
    pub(crate) async fn step(&mut self) -> Result<Step> {
        self.steps.recv().await.context("the stand-in Runtime API has ended")
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let _ = shared.steps.send(Step::Asked(clock::now()));
    let event = shared.events.lock().await.recv().await;
    let headers = [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
        // Far ahead, so that no function reaches its deadline, even under valgrind.
        ("lambda-runtime-deadline-ms", "4102444800000"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:bench"),
        ("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0"),
        ("content-type", "application/json"),
    ];
    match event {
        Some(event) => (StatusCode::OK, headers, event),
        None => (StatusCode::GONE, headers, Bytes::new()),
    }
}

async fn response(State(shared): State<Arc<Shared>>, Path(_): Path<String>, body: Bytes) -> impl IntoResponse {
    let _ = shared.steps.send(Step::Answered(clock::now(), body));
    (StatusCode::ACCEPTED, r#"{"status":"OK"}"#)
}

async fn error(State(shared): State<Arc<Shared>>, body: Bytes) -> impl IntoResponse {
    let _ = shared.steps.send(Step::Failed(body));
    (StatusCode::ACCEPTED, r#"{"status":"OK"}"#)
}
