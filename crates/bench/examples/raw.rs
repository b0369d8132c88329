//! The lower bound of the receiver: one SQS `SendMessage` for each event, signed and sent without an SDK over one
//! connection. The TLS calls and warm invocations of the others are compared with it.

use std::{env, sync::Arc, time::SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::Mutex};
use tokio_rustls::TlsConnector;

struct Queue {
    endpoint: Uri,
    url: String,
    region: String,
    credentials: Credentials,
    tls: TlsConnector,
    /// Kept between invocations, as every SDK does.
    connection: Mutex<Option<SendRequest<Full<Bytes>>>>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let queue = &Queue::from_environment()?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move {
        let body = event.payload.get("body").and_then(Value::as_str).unwrap_or_default();
        queue.send(body).await?;
        Ok::<_, Error>(json!({ "statusCode": 200, "body": "{\"status\":\"accepted\"}" }))
    }))
    .await
}

impl Queue {
    fn from_environment() -> Result<Self, Error> {
        let variable = |name: &str| env::var(name).map_err(|_| format!("{name} is not set"));
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Ok(file) = env::var("SSL_CERT_FILE") {
            for certificate in CertificateDer::pem_file_iter(file)? {
                roots.add(certificate?)?;
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            endpoint: variable("AWS_ENDPOINT_URL")?.parse()?,
            url: variable("GRIDBELL_DELIVERIES_QUEUE_URL")?,
            region: variable("AWS_REGION")?,
            credentials: Credentials::new(
                variable("AWS_ACCESS_KEY_ID")?,
                variable("AWS_SECRET_ACCESS_KEY")?,
                env::var("AWS_SESSION_TOKEN").ok(),
                None,
                "environment",
            ),
            tls: TlsConnector::from(Arc::new(config)),
            connection: Mutex::new(None),
        })
    }

    async fn send(&self, body: &str) -> Result<(), Error> {
        let body = Bytes::from(json!({ "QueueUrl": self.url, "MessageBody": body }).to_string());
        let request = self.signed(&body)?;
        let mut connection = self.connection.lock().await;
        let open = match connection.as_mut() {
            Some(open) => open.ready().await.is_ok(),
            None => false,
        };
        if !open {
            *connection = Some(self.connect().await?);
        }
        let answer = connection.as_mut().ok_or("no connection")?.send_request(request).await?;
        let status = answer.status();
        let answer = answer.into_body().collect().await?.to_bytes();
        let id = serde_json::from_slice::<Value>(&answer)?;
        match id.get("MessageId") {
            Some(_) if status.is_success() => Ok(()),
            _ => Err(format!("the queue answered {status}").into()),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a signature contains the time")]
    fn signed(&self, body: &Bytes) -> Result<Request<Full<Bytes>>, Error> {
        let host = self.endpoint.authority().ok_or("AWS_ENDPOINT_URL names no host")?.as_str();
        let mut request = Request::post("/")
            .header(header::HOST, host)
            .header(header::CONTENT_TYPE, "application/x-amz-json-1.0")
            .header("x-amz-target", "AmazonSQS.SendMessage")
            .body(Full::new(body.clone()))?;
        let identity = self.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("sqs")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let headers = request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let signable = SignableRequest::new("POST", format!("https://{host}/"), headers, SignableBody::Bytes(body))?;
        let (instructions, _) = sign(signable, &parameters)?.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Error> {
        let host = self.endpoint.host().ok_or("AWS_ENDPOINT_URL names no host")?;
        let stream = TcpStream::connect((host, self.endpoint.port_u16().unwrap_or(443))).await?;
        stream.set_nodelay(true)?;
        let stream = self.tls.connect(ServerName::try_from(host.to_owned())?, stream).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}
