//! One HTTP server on loopback for each simulator: the provider's API, and below `/_simulator` its controls.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context, Result};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{DefaultBodyLimit, Request as HttpRequest, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use prost_reflect::DescriptorPool;
use provider_sims::{PostId, Reply, Request, Simulated, Simulator};
use tokio::{
    net::TcpListener,
    sync::{Notify, oneshot},
    task::JoinSet,
};
use url::Url;

use super::{HOST, Settings, admin, grpc, post, run_number, times};

/// Largest accepted request.
const MAX_REQUEST_BYTES: usize = 4 * 1_048_576;

/// A server; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Server {
    /// The value for a source's `api_url`.
    pub(crate) url: Url,
    served: Arc<Served>,
    _tasks: JoinSet<()>,
}

/// A simulator, and the requests that wait for it.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) whom: &'static Simulated,
    pub(crate) speed: u32,
    state: Mutex<Inner>,
    /// The gRPC description, if the provider uses gRPC.
    described: Option<DescriptorPool>,
    /// Signals that something may be due earlier than expected.
    pub(crate) changed: Notify,
}

#[derive(Debug)]
struct Inner {
    simulator: Simulator,
    /// Requests that wait for a webhook's answer.
    waiting: HashMap<PostId, oneshot::Sender<provider_sims::Response>>,
}

impl Server {
    /// Serves on `port` (0: a free one), below the provider's base path.
    pub(crate) async fn start(whom: &'static Simulated, port: u16, settings: &Settings) -> Result<Self> {
        let listener = TcpListener::bind((HOST, port)).await;
        let listener = listener.with_context(|| match port {
            0 => "no port is free for a simulator".to_owned(),
            port => format!("port {port} is taken; name another with --port, or leave it out"),
        })?;
        let url = Url::parse(&format!("http://{}{}", listener.local_addr()?, whom.base))?;
        let run = run_number(times::now());
        let simulator = Simulator::new(whom, settings.keys.clone(), settings.speed, run);
        let mut router = Router::new().nest("/_simulator", admin::routes());
        let mut described = None;
        if let Some(proto) = whom.proto {
            let (with_reflection, pool) = grpc::serve(router, proto)?;
            (router, described) = (with_reflection, Some(pool));
        }
        let served = Arc::new(Served {
            whom,
            speed: settings.speed,
            state: Mutex::new(Inner { simulator, waiting: HashMap::new() }),
            described,
            changed: Notify::new(),
        });
        let router =
            router.fallback(handle).layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES)).with_state(Arc::clone(&served));
        let mut kinds = JoinSet::new();
        kinds.spawn(async move {
            // It fails only if the listener is gone; clients then see a connection error.
            drop(axum::serve(listener, router).await);
        });
        kinds.spawn(post::run(Arc::clone(&served), stack_client::http_client()?));
        Ok(Self { url, served, _tasks: kinds })
    }

    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Simulator) -> T) -> T {
        self.served.with(act)
    }
}

impl Served {
    /// Changes the simulator, and wakes the task that sends its webhooks.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Simulator) -> T) -> T {
        let result = act(&mut self.lock().simulator);
        self.changed.notify_one();
        result
    }

    /// The same without waking that task, for the task itself.
    pub(crate) fn look<T>(&self, act: impl FnOnce(&mut Simulator) -> T) -> T {
        act(&mut self.lock().simulator)
    }

    /// Reports the answer to a webhook, also to the request that waits for it.
    pub(crate) fn answered(&self, id: PostId, outcome: &provider_sims::WebhookOutcome) {
        let mut inner = self.lock();
        if let Some(response) = inner.simulator.answered(id, outcome, times::now())
            && let Some(waiting) = inner.waiting.remove(&id)
        {
            // The waiting client may have hung up.
            drop(waiting.send(response));
        }
        drop(inner);
        self.changed.notify_one();
    }

    pub(crate) async fn respond(&self, request: &Request) -> Option<provider_sims::Response> {
        let waited_for = {
            let mut inner = self.lock();
            match inner.simulator.handle(request, times::now()) {
                Reply::Now(response) => Err(response),
                Reply::After(id) => {
                    let (told, waits) = oneshot::channel();
                    inner.waiting.insert(id, told);
                    Ok(waits)
                }
            }
        };
        self.changed.notify_one();
        match waited_for {
            Err(response) => Some(response),
            Ok(waits) => waits.await.ok(),
        }
    }

    /// A panic elsewhere leaves no half-done change here.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn handle(State(served): State<Arc<Served>>, request: HttpRequest) -> Response {
    match served.described.clone().filter(|_| grpc::is_call(&request)) {
        Some(pool) => grpc::handle(served, &pool, request).await,
        None => over_http(&served, request).await,
    }
}

async fn over_http(served: &Served, request: HttpRequest) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_REQUEST_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let query = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let text = |value: &axum::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers: BTreeMap<String, String> =
        parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let path = parts.uri.path().strip_prefix(served.whom.base).unwrap_or_default().to_owned();
    let request = Request { method: parts.method.to_string(), path, query, headers, body: body.to_vec() };
    let Some(response) = served.respond(&request).await else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    tokio::time::sleep(response.delay.try_into().unwrap_or_default()).await;
    let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = (status, Body::from(response.body)).into_response();
    answer.headers_mut().remove(CONTENT_TYPE);
    for (name, value) in response.headers {
        if let Ok(value) = value.parse() {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}
