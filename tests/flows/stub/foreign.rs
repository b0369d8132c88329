//! A server that gridbell must never contact.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result};
use tokio::{net::TcpListener, task::JoinHandle};

/// Counts connections. Dropping it stops the server.
pub(crate) struct Foreign {
    /// `host:port`.
    pub(crate) host: String,
    came: Arc<AtomicUsize>,
    kind: JoinHandle<()>,
}

impl Drop for Foreign {
    fn drop(&mut self) {
        self.kind.abort();
    }
}

impl Foreign {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port is free")?;
        let host = listener.local_addr()?.to_string();
        let came = Arc::new(AtomicUsize::new(0));
        let count = came.clone();
        let kind = tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Ok(Self { host, came, kind })
    }

    /// The number of connections.
    pub(crate) fn came(&self) -> usize {
        self.came.load(Ordering::SeqCst)
    }
}
