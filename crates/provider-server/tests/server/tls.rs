//! TLS in front of the simulator, with the test's own CA.

use std::sync::Arc;

use nvgrid_client::{Client, Endpoint, Origin};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use url::Url;

use crate::nvgrid::{endpoint, login, said, site};

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).expect("sound");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed")
}

/// Terminates TLS with a certificate for `name`, and forwards to `behind`.
async fn in_front_of(behind: &Url, issuer: &Issuer, name: &str) -> (Url, JoinSet<()>) {
    drop(rustls::crypto::ring::default_provider().install_default());
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![name.to_owned()]).expect("sound");
    let certificate = params.signed_by(&key, issuer).expect("signed");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key);
    let mut config = config.expect("sound");
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = Url::parse(&format!("https://{}", listener.local_addr().expect("bound"))).expect("an address");
    let behind = behind.socket_addrs(|| None).expect("an address")[0];
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut open = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            open.spawn(async move {
                if let (Ok(mut outer), Ok(mut inner)) =
                    (acceptor.accept(stream).await, TcpStream::connect(behind).await)
                {
                    drop(copy_bidirectional(&mut outer, &mut inner).await);
                }
            });
        }
    });
    (url, tasks)
}

#[tokio::test]
async fn a_private_ca_is_trusted_by_its_file_alone() {
    let site = site().await;
    let (ours, other) = (authority(), authority());
    let file = |name: &str, text: &str| {
        let file = site.folder.path().join(name);
        std::fs::write(&file, text).expect("written");
        Some(file)
    };
    let (right, wrong) = (file("ca.pem", &ours.pem()), file("other.pem", &other.pem()));
    let (url, _tasks) = in_front_of(&site.url(), &ours, "127.0.0.1").await;
    let connect = |ca, tls_name: Option<&str>, url: &Url| {
        let endpoint = Endpoint { ca, tls_name: tls_name.map(str::to_owned), ..endpoint(url.clone()) };
        async move { Client::connect(&endpoint, &Origin::Reflection, login("operator:pa:ss")).await }
    };
    connect(right.clone(), None, &url).await.expect("trusted").status().await.expect("told");

    let unknown = said(connect(None, None, &url).await);
    assert!(unknown.starts_with("no TLS with https://127.0.0.1:") && unknown.ends_with("with --ca FILE"), "{unknown}");
    let foreign = said(connect(wrong, None, &url).await);
    assert!(foreign.ends_with("other.pem is not the CA that signed it"), "{foreign}");
    let (named, _named_tasks) = in_front_of(&site.url(), &ours, "api.dps").await;
    let name = said(connect(right.clone(), None, &named).await);
    assert!(name.ends_with("give that name with --tls-name NAME"), "{name}");
    connect(right.clone(), Some("api.dps"), &named).await.expect("trusted").status().await.expect("told");

    let no_pem = said(connect(file("no.pem", "text"), None, &url).await);
    assert!(no_pem.contains("no.pem: holds no certificate in PEM"), "{no_pem}");
    let missing = said(connect(Some(site.folder.path().join("missing.pem")), None, &url).await);
    assert!(missing.contains("missing.pem: No such file"), "{missing}");
    let mut plain = site.url();
    plain.set_scheme("https").expect("a scheme");
    let plain = said(connect(right, None, &plain).await);
    assert!(plain.ends_with("speaks no TLS, or no gRPC: check the port"), "{plain}");
    let mut in_the_clear = url.clone();
    in_the_clear.set_scheme("http").expect("a scheme");
    let in_the_clear = said(connect(None, None, &in_the_clear).await);
    assert!(in_the_clear.contains("https"), "{in_the_clear}");
}
