//! The stub's server: one port for all providers, distinguished by their paths.

use std::{
    collections::{BTreeMap, VecDeque},
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, Response, Uri},
};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

use super::Reply;
use crate::harness::{Checked, eventually, instant};

/// The id of requests for Voltus' list of dispatches, which is empty unless a case changes it.
pub(crate) const LIST: &str = "the list of dispatches";

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: HeaderMap,
    /// The body as text, and as JSON; null if there is none.
    pub(crate) raw: String,
    pub(crate) body: Value,
    /// The API key, from whichever header.
    pub(crate) key: String,
    /// The id in it: a dispatch, an event, a meter.
    pub(crate) about: String,
}

#[derive(Default)]
struct Script {
    replies: BTreeMap<String, VecDeque<Reply>>,
    seen: Vec<Seen>,
}

/// The server. Dropping it stops it.
pub(crate) struct Stub {
    /// The URL, without a path and without a slash at the end.
    pub(crate) base: String,
    script: Arc<Mutex<Script>>,
    kind: JoinHandle<()>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.kind.abort();
    }
}

fn lock(script: &Mutex<Script>) -> MutexGuard<'_, Script> {
    // A panic elsewhere leaves nothing half done.
    script.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stub {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port is free for the stub")?;
        let base = format!("http://{}", listener.local_addr()?);
        let empty = Reply::Json(provider_sims::bodies::voltus::answer(&[]));
        let replies = BTreeMap::from([(LIST.to_owned(), VecDeque::from([empty]))]);
        let script = Arc::new(Mutex::new(Script { replies, ..Script::default() }));
        let router = Router::new().fallback(handle).with_state(script.clone());
        let kind = tokio::spawn(async move {
            // It fails only if the listener is gone; then a client's connection fails.
            drop(axum::serve(listener, router).await);
        });
        Ok(Self { base, script, kind })
    }

    /// Sets the answers to requests about `about`, in order; the last one repeats. Without a script, the answer is 404.
    pub(crate) fn answers(&self, about: &str, replies: impl IntoIterator<Item = Reply>) {
        lock(&self.script).replies.insert(about.to_owned(), replies.into_iter().collect());
    }

    /// Sets the answer to all requests about `about`.
    pub(crate) fn answer(&self, about: &str, reply: Reply) {
        self.answers(about, [reply]);
    }

    /// Sets an answer for each id.
    pub(crate) fn answer_each(&self, ids: &[String], reply: impl Fn(&str) -> Reply) {
        for id in ids {
            self.answer(id, reply(id));
        }
    }

    /// The requests about `about` so far.
    pub(crate) fn asked(&self, about: &str) -> Vec<Seen> {
        lock(&self.script).seen.iter().filter(|seen| seen.about == about).cloned().collect()
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        lock(&self.script).seen.clone()
    }

    /// Waits for that many requests about `about`.
    pub(crate) async fn asked_times(&self, about: &str, times: usize, within: Duration) -> Result<Vec<Seen>> {
        eventually(within, &format!("{times} requests about {about}"), || async {
            let asked = self.asked(about);
            Ok(if asked.len() >= times {
                Checked::Found(asked)
            } else {
                Checked::NotYet(format!("{} requests", asked.len()))
            })
        })
        .await
    }
}

async fn handle(
    State(script): State<Arc<Mutex<Script>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let raw = String::from_utf8_lossy(&body).into_owned();
    let body: Value = serde_json::from_str(&raw).unwrap_or_default();
    let query = uri.query().unwrap_or_default();
    let query: BTreeMap<String, String> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let path = uri.path().to_owned();
    let (at, about, key) = (instant(), about(&path, &query, &body), key(&headers));
    let (seen, reply) = {
        let mut script = lock(&script);
        let seen = Seen { at, method, path, query, headers, raw, body, key, about };
        script.seen.push(seen.clone());
        let reply = match script.replies.get_mut(&seen.about) {
            Some(replies) if replies.len() > 1 => replies.pop_front(),
            Some(replies) => replies.front().cloned(),
            None => None,
        };
        (seen, reply)
    };
    reply.unwrap_or(Reply::Fail(404, None)).response(&seen).await
}

fn about(path: &str, query: &BTreeMap<String, String>, body: &Value) -> String {
    let searched = |list: &str| body[list][0].as_str().map(str::to_owned);
    let dispatch = || path.split_once("/dispatches/").map(|(_, id)| id.to_owned());
    let meter = || query.get("meter_id").cloned();
    let found = searched("meter_event_ids").or_else(|| searched("market_group_event_ids")).or_else(meter);
    if path.starts_with("/rings/") {
        return path.to_owned();
    }
    let list = || path.ends_with("/dispatches").then(|| LIST.to_owned());
    found.or_else(dispatch).or_else(list).unwrap_or_default()
}

fn key(headers: &HeaderMap) -> String {
    let names = ["x-voltus-api-key", "x-api-key", "authorization"];
    let key = names.iter().find_map(|name| headers.get(*name)?.to_str().ok());
    key.unwrap_or_default().to_owned()
}
