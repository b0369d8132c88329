//! Reuses connections. If the server has dropped one, the only cost is a new connection.

use std::{
    collections::HashMap,
    error::Error as StdError,
    io::ErrorKind,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hyper_util::client::legacy::connect::HttpInfo;
use reqwest::{Client, Request, Response, redirect::Policy};
use tokio::time::Instant;

use super::{Guard, HttpApiError, Limits};
use crate::roots;

/// Idle connections are dropped after this time. Servers close theirs after 5 s (Node.js) to 75 s (nginx), and a frozen
/// function notices only when it runs again. The pool checks the clock when it takes a connection out, so after a
/// freeze it discards old ones, if the monotonic clock continued meanwhile, as it does on Lambda. Otherwise, and if a
/// server closes sooner, the request that meets the dropped connection is repeated.
const IDLE: Duration = Duration::from_secs(10);

/// The connections to the providers.
#[derive(Debug)]
pub struct Connections {
    client: Mutex<Client>,
    /// Creates another client; none if a dropped connection counts as any other error.
    recipe: Option<Recipe>,
    /// The last answer on each connection, by the connection's local address.
    answered: Mutex<HashMap<SocketAddr, Instant>>,
}

#[derive(Debug)]
struct Recipe {
    tls: rustls::ClientConfig,
    limits: Limits,
    /// Which addresses may be connected to; none: all.
    guard: Option<Guard>,
}

impl Recipe {
    fn client(&self) -> reqwest::Result<Client> {
        let mut builder = Client::builder();
        if let Some(guard) = &self.guard {
            builder = builder.dns_resolver(Arc::new(guard.clone()));
        }
        builder
            .tls_backend_preconfigured(self.tls.clone())
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .connect_timeout(self.limits.connect)
            .timeout(self.limits.total)
            .pool_idle_timeout(IDLE)
            .build()
    }
}

/// For a process that sends few requests: it does not keep a connection long enough to lose it.
impl From<Client> for Connections {
    fn from(client: Client) -> Self {
        Self { client: Mutex::new(client), recipe: None, answered: Mutex::default() }
    }
}

impl Connections {
    /// Connections that trust the public authorities and those in `extra_roots` (PEM).
    pub fn new(extra_roots: Option<&[u8]>, limits: Limits) -> Result<Self, HttpApiError> {
        Self::made(extra_roots, limits, None)
    }

    /// The same, to addresses that the guard admits and no other.
    pub(crate) fn guarded(extra_roots: Option<&[u8]>, limits: Limits, guard: Guard) -> Result<Self, HttpApiError> {
        Self::made(extra_roots, limits, Some(guard))
    }

    fn made(extra_roots: Option<&[u8]>, limits: Limits, guard: Option<Guard>) -> Result<Self, HttpApiError> {
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots::public(extra_roots))
            .with_no_client_auth();
        let recipe = Recipe { tls, limits, guard };
        Ok(Self { client: Mutex::new(recipe.client()?), recipe: Some(recipe), answered: Mutex::default() })
    }

    /// The client that keeps the connections.
    pub fn client(&self) -> Client {
        lock(&self.client).clone()
    }

    /// Sends a request. If an idempotent one meets a dropped connection, sends it once more at once, within what is
    /// left of the total time. The repeat uses a new client, so that it cannot meet the next dropped connection of the
    /// same pool; later requests use the new client too.
    pub(crate) async fn send(
        &self,
        request: Request,
        idempotent: bool,
        total: Duration,
    ) -> Result<Response, reqwest::Error> {
        let began = Instant::now();
        let again = if idempotent { request.try_clone() } else { None };
        let error = match self.client().execute(request).await {
            Ok(response) => {
                self.note(&response);
                return Ok(response);
            }
            Err(error) => error,
        };
        let left = total.saturating_sub(began.elapsed());
        let (Some(mut again), Some(recipe)) = (again, &self.recipe) else { return Err(error) };
        if left.is_zero() || !self.was_dropped(&error) {
            return Err(error);
        }
        let Ok(fresh) = recipe.client() else { return Err(error) };
        tracing::debug!("the provider had dropped a kept connection; the request is sent once more over a new one");
        *again.timeout_mut() = Some(left);
        let response = fresh.execute(again).await?;
        self.note(&response);
        *lock(&self.client) = fresh;
        Ok(response)
    }

    fn note(&self, response: &Response) {
        let Some(info) = response.extensions().get::<HttpInfo>() else { return };
        let now = Instant::now();
        let mut answered = lock(&self.answered);
        // A connection without an answer for this long has left the pool; another connection may soon get its port.
        answered.retain(|_, at| now.duration_since(*at) < 2 * IDLE);
        answered.insert(info.local_addr(), now);
    }

    /// True if the connection had answered before and then broke before a whole head of an answer arrived. If a new
    /// connection breaks, the provider failed; if a reused one breaks, most likely the server's idle timeout has
    /// passed. A partial status line counts as no answer.
    fn was_dropped(&self, error: &reqwest::Error) -> bool {
        let (mut was_kept, mut broke) = (false, false);
        let mut cause = error.source();
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
                was_kept |= local_address(error).is_some_and(|address| lock(&self.answered).contains_key(&address));
            }
            if let Some(error) = error.downcast_ref::<hyper::Error>() {
                broke |= error.is_incomplete_message() || error.is_canceled() || error.is_closed();
            }
            broke |= error.downcast_ref::<std::io::Error>().is_some_and(|error| is_broken(error.kind()));
            cause = error.source();
        }
        was_kept && broke
    }
}

fn is_broken(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::BrokenPipe
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::NotConnected
            | ErrorKind::UnexpectedEof
    )
}

/// The local address of the connection that a request failed on, if there was one.
fn local_address(error: &hyper_util::client::legacy::Error) -> Option<SocketAddr> {
    let mut extras = http::Extensions::new();
    error.connect_info()?.get_extras(&mut extras);
    extras.get::<HttpInfo>().map(HttpInfo::local_addr)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics with half-done changes under this lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
