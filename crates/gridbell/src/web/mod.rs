//! The web console: a page on this machine for the on-call people, with the same functions as the verbs.

mod access;
mod acts;
mod app;
mod fields;
mod guard;
mod live;
mod opened;
mod page;
mod pages;
mod parts;
mod server;
mod signals;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use anyhow::{Context, Result};
use tokio::{net::TcpListener, task::JoinHandle};

pub use access::{
    Answer, CheckResult, Contents, DeliveryKind, DeliveryView, Lines, OutputStatus, OutputView, Preview, Replayed,
    ReplayedSignal, SignalCount, SignalPreview, StackAccess, Tested, Verdict,
};
pub(crate) use opened::OpenedStack;

use self::{app::App, guard::Guard};

/// A running console. Dropping this ends it.
#[derive(Debug)]
pub struct Serving {
    /// The address for a browser, with the token.
    pub url: String,
    task: JoinHandle<()>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves a stack's console on 127.0.0.1; port 0: a free port. `utc`: show times in UTC.
///
/// # Errors
/// The port is taken, or the system provides no randomness.
pub async fn serve(access: Arc<dyn StackAccess>, port: u16, utc: bool) -> Result<Serving> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let port = listener.local_addr()?.port();
    let guard = Guard::new(port).context("the system gives no randomness")?;
    let url = format!("http://127.0.0.1:{port}/?token={}", guard.token);
    let app = server::router(Arc::new(App::new(access, guard, utc)));
    // The server never returns, and reports no error that a person could act on.
    let task = tokio::spawn(async move { drop(axum::serve(listener, app).await) });
    Ok(Serving { url, task })
}
