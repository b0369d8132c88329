//! TLS on loopback, with a certificate authority for this run.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result};
use axum::{Router, serve::Listener};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::{ServerSessionMemoryCache, StoresServerSessions},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// A private certificate authority. `SSL_CERT_FILE` names its certificate.
#[derive(Debug)]
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
    sessions: Arc<Sessions>,
}

/// TLS sessions that a client may resume until [`Sessions::forget`]. The one address stands for several AWS hosts, and
/// a session of one host cannot be resumed with another.
#[derive(Debug)]
pub(crate) struct Sessions(Mutex<Arc<ServerSessionMemoryCache>>);

/// The most sessions stored at once.
const MOST_SESSIONS: usize = 256;

impl Sessions {
    fn new() -> Self {
        Self(Mutex::new(ServerSessionMemoryCache::new(MOST_SESSIONS)))
    }

    /// Makes the next connection perform a full handshake.
    pub(crate) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = ServerSessionMemoryCache::new(MOST_SESSIONS);
    }

    fn current(&self) -> Arc<ServerSessionMemoryCache> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.current().put(key, value)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.current().get(key)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.current().take(key)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

impl Authority {
    /// Creates an authority and writes its certificate into `folder`.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let file = folder.join("authority.pem");
        std::fs::write(&file, params.self_signed(&key)?.pem()).context("the authority cannot be written")?;
        Ok(Self { issuer: Issuer::new(params, key), file, sessions: Arc::new(Sessions::new()) })
    }

    /// The sessions of every server of this authority.
    pub(crate) fn sessions(&self) -> Arc<Sessions> {
        self.sessions.clone()
    }

    /// The path of its certificate.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Serves on a free loopback port until this process ends.
    pub(crate) async fn serve(&self, routes: Router) -> Result<SocketAddr> {
        let key = KeyPair::generate()?;
        let leaf = CertificateParams::new(vec![Ipv4Addr::LOCALHOST.to_string()])?.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)?;
        config.session_storage = self.sessions.clone();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port is free")?;
        let address = listener.local_addr()?;
        let (accepted, streams) = mpsc::channel(64);
        tokio::spawn(accept(listener, TlsAcceptor::from(Arc::new(config)), accepted));
        tokio::spawn(async move { axum::serve(TlsListener { address, streams }, routes).await });
        Ok(address)
    }
}

type Accepted = (TlsStream<TcpStream>, SocketAddr);

/// Performs each client's handshake in a task of its own, so that a slow client delays no other.
async fn accept(listener: TcpListener, tls: TlsAcceptor, accepted: mpsc::Sender<Accepted>) {
    while let Ok((stream, peer)) = listener.accept().await {
        let (tls, accepted) = (tls.clone(), accepted.clone());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            // A client whose handshake fails gets an error itself.
            if let Ok(stream) = tls.accept(stream).await {
                let _ = accepted.send((stream, peer)).await;
            }
        });
    }
}

struct TlsListener {
    address: SocketAddr,
    streams: mpsc::Receiver<Accepted>,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Accepted {
        match self.streams.recv().await {
            Some(accepted) => accepted,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.address)
    }
}
