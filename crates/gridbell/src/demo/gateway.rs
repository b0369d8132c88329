//! The demo's controller: an HTTP output. It takes what the courier delivers, verifies each signature, and answers one
//! dispatch with an acknowledgement.

use std::{
    collections::BTreeSet,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context, Result};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use config::{Output, OutputTarget, Reference};
use local_stack::UpOptions;
use pipeline::standard_webhooks::{ID_HEADER, SIGNATURE_HEADER, SigningSecrets, TIMESTAMP_HEADER};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc, task::AbortHandle};

use super::observations::Signal;
use provider_server::times;

/// The output's name.
pub(super) const NAME: &str = "demo-gateway";

/// The dispatch that it acknowledges in its response.
pub(super) const ACKNOWLEDGED: &str = "voltus-demo/stumbles";

/// The parameter with its signing secret.
const SECRET: &str = "/gridbell/demo-gateway";

/// How far the sender's clock may differ, in seconds.
const TOLERANCE_S: i64 = 300;

/// The running server. Dropping it ends the server.
#[derive(Debug)]
pub struct Gateway {
    url: String,
    secret: String,
    taken: Arc<Taken>,
    signals: Option<mpsc::UnboundedReceiver<Signal>>,
    server: AbortHandle,
}

/// What it was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Tally {
    /// Events with a valid signature, each counted once.
    pub(super) taken: usize,
    /// Events that came again.
    pub(super) repeated: usize,
    /// Requests that it refused, each with the reason.
    pub(super) refused: Vec<String>,
    /// Events that it answered with an acknowledgement.
    pub(super) acknowledged: Vec<String>,
}

#[derive(Debug)]
struct Taken {
    secrets: SigningSecrets,
    into: mpsc::UnboundedSender<Signal>,
    state: Mutex<(BTreeSet<String>, Tally)>,
}

impl Gateway {
    /// Starts it on a free port, with a new signing secret.
    ///
    /// # Errors
    /// No port is free, or the system provides no randomness.
    pub async fn start() -> Result<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).context("the system gives no randomness")?;
        let secret = format!("whsec_{}", BASE64_STANDARD.encode(key));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port is free")?;
        let url = format!("http://{}/signals", listener.local_addr()?);
        let (into, signals) = mpsc::unbounded_channel();
        let secrets = SigningSecrets::parse(&secret)?;
        let taken = Arc::new(Taken { secrets, into, state: Mutex::default() });
        let routes = Router::new().route("/signals", post(take)).layer(DefaultBodyLimit::disable());
        let routes = routes.with_state(Arc::clone(&taken));
        // The server never returns, and reports no error that a person could act on.
        let server = tokio::spawn(async move { drop(axum::serve(listener, routes).await) }).abort_handle();
        Ok(Self { url, secret, taken, signals: Some(signals), server })
    }

    /// Makes it an output of the stack.
    pub fn receives(&self, options: &mut UpOptions) {
        let secrets = vec![Reference::Ssm(SECRET.to_owned())];
        let target = OutputTarget::Http { url: self.url.clone(), secrets, allow_private: true };
        let output = Output { target, sources: None, types: None, tests: true, required: true };
        options.config.outputs.insert(NAME.to_owned(), output);
        options.secrets.insert(SECRET.to_owned(), self.secret.clone());
    }

    /// The events that it takes, in order; once.
    pub(super) fn signals(&mut self) -> Option<mpsc::UnboundedReceiver<Signal>> {
        self.signals.take()
    }

    pub(super) fn tally(&self) -> Tally {
        self.taken.lock().1.clone()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Taken {
    fn lock(&self) -> MutexGuard<'_, (BTreeSet<String>, Tally)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id of a request with a valid signature.
    fn verified(&self, headers: &HeaderMap, body: &[u8]) -> Result<String, String> {
        let header = |name: &str| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.ok_or_else(|| format!("it has no {name}"))
        };
        let (id, timestamp) = (header(ID_HEADER)?, header(TIMESTAMP_HEADER)?);
        let sent_s: i64 = timestamp.parse().map_err(|_| format!("{TIMESTAMP_HEADER} is no number"))?;
        if (times::now().as_second() - sent_s).abs() > TOLERANCE_S {
            return Err(format!("{TIMESTAMP_HEADER} is not of now"));
        }
        let ours = self.secrets.sign(id, sent_s, body);
        if header(SIGNATURE_HEADER)?.split(' ').any(|theirs| theirs == ours) {
            Ok(id.to_owned())
        } else {
            Err(format!("{SIGNATURE_HEADER} is not the one of {id}"))
        }
    }
}

async fn take(State(taken): State<Arc<Taken>>, headers: HeaderMap, body: Bytes) -> (StatusCode, Json<Value>) {
    let arrived_at = times::now();
    let mut state = taken.lock();
    let (known, tally) = &mut *state;
    let id = match taken.verified(&headers, &body) {
        Ok(id) => id,
        Err(why) => {
            tally.refused.push(why);
            return (StatusCode::UNAUTHORIZED, Json(json!({})));
        }
    };
    let event: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let acknowledges = event["subject"] == ACKNOWLEDGED;
    if known.insert(id.clone()) {
        tally.taken += 1;
        if acknowledges {
            tally.acknowledged.push(id.clone());
        }
        // The demo may be over.
        drop(taken.into.send(Signal { arrived_at, event, webhook_id: id }));
    } else {
        tally.repeated += 1;
    }
    let answer = if acknowledges { json!({"state": "accepted", "detail": "the demo's controller"}) } else { json!({}) };
    (StatusCode::OK, Json(answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn send(gateway: &Gateway, id: &str, body: &str, signed: &str) -> (u16, Value) {
        let secrets = SigningSecrets::parse(&gateway.secret).expect("a secret");
        let sent_s = times::now().as_second();
        let signature = secrets.sign(id, sent_s, signed.as_bytes());
        let http = stack_client::http_client().expect("a client");
        let request = http.post(&gateway.url).header(ID_HEADER, id).header(TIMESTAMP_HEADER, sent_s);
        let answer = request.header(SIGNATURE_HEADER, signature).body(body.to_owned()).send().await.expect("answered");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    #[tokio::test]
    async fn only_signed_events_are_taken_once_and_one_is_acknowledged() {
        let mut gateway = Gateway::start().await.expect("started");
        let event = |subject: &str| json!({"subject": subject}).to_string();
        let (other, stumbles) = (event("voltus-demo/dkmq"), event(ACKNOWLEDGED));
        assert_eq!(send(&gateway, "a", &other, &other).await, (200, json!({})));
        assert_eq!(send(&gateway, "a", &other, &other).await, (200, json!({})));
        assert_eq!(send(&gateway, "b", &other, "something else").await.0, 401);
        assert_eq!(send(&gateway, "c", &stumbles, &stumbles).await.1["state"], "accepted");
        let tally = gateway.tally();
        assert_eq!((tally.taken, tally.repeated, tally.acknowledged), (2, 1, vec!["c".to_owned()]));
        assert_eq!(tally.refused, ["webhook-signature is not the one of b"]);
        let mut signals = gateway.signals().expect("the first time");
        let came = [signals.recv().await, signals.recv().await].map(|signal| signal.expect("came").webhook_id);
        assert_eq!(came, ["a", "c"]);
    }

    #[tokio::test]
    async fn it_is_an_output_of_the_stack() {
        let gateway = Gateway::start().await.expect("started");
        let mut options = UpOptions::built_in(&local_stack::ProviderUrls::new()).expect("good");
        gateway.receives(&mut options);
        let OutputTarget::Http { url, secrets, allow_private } = &options.config.outputs[NAME].target else {
            panic!("an HTTP output")
        };
        assert!(url.starts_with("http://127.0.0.1:") && *allow_private);
        assert_eq!(secrets, &[Reference::Ssm(SECRET.to_owned())]);
        assert!(options.secrets[SECRET].starts_with("whsec_"));
    }
}
