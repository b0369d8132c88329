//! One HTTP server on loopback for each stand-in: key, fault, answer, in that order; every request is remembered.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use anyhow::{Context, Result};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, Method, StatusCode, Uri},
};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};
use url::Url;

use super::{
    script::{Script, Seen},
    times,
};

/// Larger requests than this are none of ours.
const MAX_REQUEST_BYTES: usize = 1_048_576;

/// A provider's API, as far as gridbell asks it.
pub(super) trait Api: Send + Sync + 'static {
    /// The key that a request carries.
    fn key<'r>(&self, headers: &'r HeaderMap) -> Option<&'r str>;

    /// The status for a request without a key.
    fn without_key(&self) -> u16 {
        401
    }

    /// What a request asks for: a dispatch, events, a meter.
    fn about(&self, asked: &Asked) -> Vec<String>;

    /// The answer to a request with a good key.
    fn answer(&self, asked: &Asked) -> Result<Value, Refusal>;

    /// The provider's envelope of an error.
    fn error(&self, status: u16, message: &str) -> Value;
}

/// A request.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    /// Without the base's own path and without the query.
    pub(super) path: String,
    pub(super) query: BTreeMap<String, String>,
    /// Null where there is none.
    pub(super) body: Value,
}

/// An answer that is none.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) u16, pub(super) &'static str);

/// A server; dropping it ends it.
#[derive(Debug)]
pub(super) struct Server {
    /// What a source's `api_url` is to be.
    pub(super) url: Url,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Served {
    api: Arc<dyn Api>,
    script: Script,
    base: &'static str,
}

/// Serves on a free port, below the path `base` (`""` or such as `/v2`).
pub(super) async fn serve(api: Arc<dyn Api>, script: Script, base: &'static str) -> Result<Server> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port is free for a stand-in")?;
    let url = Url::parse(&format!("http://{}{base}", listener.local_addr()?))?;
    let router = Router::new()
        .fallback(handle)
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .with_state(Arc::new(Served { api, script, base }));
    let task = tokio::spawn(async move {
        // It ends with an error only where the listener is gone; whoever asks then is told by the connection.
        drop(axum::serve(listener, router).await);
    });
    Ok(Server { url, task })
}

async fn handle(
    State(served): State<Arc<Served>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Json<Value>) {
    let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let below = uri.path().strip_prefix(served.base);
    let asked = Asked { method, path: below.unwrap_or_default().to_owned(), query, body };
    let about = served.api.about(&asked);
    let (status, answer) = served.respond(&asked, &headers, &about);
    served.script.saw(Seen {
        at: times::now(),
        method: asked.method.to_string(),
        path: uri.to_string(),
        about,
        status,
    });
    (StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), Json(answer))
}

impl Served {
    fn respond(&self, asked: &Asked, headers: &HeaderMap, about: &[String]) -> (u16, Value) {
        let refused = |status: u16, message: &str| (status, self.api.error(status, message));
        match self.api.key(headers) {
            None => return refused(self.api.without_key(), "no API key"),
            Some(key) if !self.script.takes(key) => return refused(401, "unknown API key"),
            Some(_) => {}
        }
        if let Some(status) = self.script.fault(about) {
            return refused(status, "as the script says");
        }
        match self.api.answer(asked) {
            Ok(answer) => (200, answer),
            Err(Refusal(status, message)) => refused(status, message),
        }
    }
}
