//! Both clients over TLS: they refuse a server without a trusted certificate, and a private authority can be added.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{net::Ipv4Addr, sync::Arc};

use aws::{
    client::{self, Access},
    http::{HttpApi, Limits},
    secrets::{KeySource, Reference, Secret},
    sqs::DeliveriesQueue,
};
use pipeline::{
    config::{Config, Source},
    ports::{FetchError, IngestQueue, ProviderApi},
};
use providers::{ApiPath, ApiRequest, Method};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

struct Keys;

impl KeySource for Keys {
    async fn read(&self, _reference: &Reference) -> Result<Secret, String> {
        Ok(Secret::new("key"))
    }
}

/// A server with its own authority: its address, and the authority as PEM.
async fn serve() -> (String, Vec<u8>) {
    let (listener, acceptor, authority) = listen().await;
    let base = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(acceptor.clone(), stream));
        }
    });
    (base, authority)
}

async fn listen() -> (TcpListener, TlsAcceptor, Vec<u8>) {
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    (listener, acceptor, authority.into_bytes())
}

/// Sends one answer on each connection, whatever the request: the answer of SQS to a message, which is valid JSON too.
async fn answer(acceptor: TlsAcceptor, stream: TcpStream) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut request = vec![0; 65_536];
    let _ = stream.read(&mut request).await?;
    let body = r#"{"MessageId":"1","MD5OfMessageBody":"x"}"#;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length:";
    stream.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes()).await?;
    stream.shutdown().await
}

fn configured(source: &serde_json::Value) -> Source {
    let mut config = Config::parse(&serde_json::json!({ "sources": { "s": source } }).to_string()).unwrap();
    config.sources.remove("s").unwrap()
}

#[tokio::test]
async fn a_provider_without_a_trusted_certificate_gets_no_request() {
    let (base, authority) = serve().await;
    let source = serde_json::json!({"provider": "voltus", "api_url": base, "api_key": "ssm:/gridbell/x", "tokens": []});
    let source = configured(&source);
    let request =
        ApiRequest { method: Method::Get, path: ApiPath::fixed("/x"), query: Vec::new(), body: None, idempotent: true };
    let fetch = async |roots: Option<&[u8]>| {
        HttpApi::new(aws::http::Connections::new(roots, Limits::default()).unwrap(), Keys, Limits::default())
            .fetch("voltus-prod", &source, &request, jiff::SignedDuration::from_secs(20))
            .await
    };
    let said = fetch(None).await.unwrap_err();
    assert!(matches!(&said, FetchError::Answer(said) if said.contains("certificate")), "{said}");
    assert!(fetch(Some(&authority)).await.unwrap().contains("MessageId"));
}

/// A server that keeps its connections, and drops each at its second request without the closing message of TLS.
async fn serve_once_each() -> (String, Vec<u8>) {
    let (listener, acceptor, authority) = listen().await;
    let base = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await?;
                let mut request = vec![0; 65_536];
                let _ = stream.read(&mut request).await?;
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await?;
                stream.read(&mut request).await
            });
        }
    });
    (base, authority)
}

#[tokio::test]
async fn a_kept_connection_that_is_cut_without_a_word_costs_a_new_one() {
    let (base, authority) = serve_once_each().await;
    let source = serde_json::json!({"provider": "leap", "api_url": base, "api_key": "ssm:/gridbell/x", "tokens": []});
    let source = configured(&source);
    let body = Some(serde_json::json!({"meter_ids": []}));
    let request =
        ApiRequest { method: Method::Post, path: ApiPath::fixed("/x"), query: Vec::new(), body, idempotent: true };
    let limits = Limits::default();
    let api = HttpApi::new(aws::http::Connections::new(Some(&authority), limits).unwrap(), Keys, limits);
    for _ in 0..3 {
        assert_eq!(api.fetch("leap-prod", &source, &request, jiff::SignedDuration::from_secs(20)).await.unwrap(), "{}");
    }
}

#[tokio::test]
async fn an_aws_endpoint_without_a_trusted_certificate_gets_no_call() {
    let (base, authority) = serve().await;
    let take = async |extra_roots: Option<Vec<u8>>| {
        let access = Access { extra_roots, ..Access::new(Some(&base), "us-east-1", "key", "secret") };
        DeliveriesQueue::new(&client::shared(access), format!("{base}/1/deliveries")).take("{}").await
    };
    let said = take(None).await.unwrap_err().to_string();
    assert!(said.contains("certificate"), "{said}");
    take(Some(authority)).await.unwrap();
}
