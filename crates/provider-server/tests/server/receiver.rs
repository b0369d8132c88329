//! A receiver of webhooks.

use std::{
    collections::VecDeque,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use axum::{Router, extract::State, http::StatusCode, routing::post};
use serde_json::Value;
use tokio::{net::TcpListener, task::AbortHandle};

/// The received bodies, and the statuses of the next answers.
type Book = (Arc<Mutex<Vec<Value>>>, Arc<Mutex<VecDeque<u16>>>);

/// A receiver that answers with these statuses in turn, then with 200.
pub(crate) struct Receiver {
    pub(crate) url: String,
    kind: AbortHandle,
    pub(crate) got: Arc<Mutex<Vec<Value>>>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.kind.abort();
    }
}

pub(crate) async fn receiver(statuses: &[u16]) -> Receiver {
    let got = Arc::new(Mutex::new(Vec::new()));
    let statuses = Arc::new(Mutex::new(statuses.iter().copied().collect::<VecDeque<_>>()));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("bound"));
    let handle = |State((got, statuses)): State<Book>, body: String| async move {
        got.lock().expect("whole").push(serde_json::from_str(&body).expect("JSON"));
        StatusCode::from_u16(statuses.lock().expect("whole").pop_front().unwrap_or(200)).expect("a status")
    };
    let router = Router::new().route("/hook", post(handle)).with_state((got.clone(), statuses));
    let kind = tokio::spawn(async move { drop(axum::serve(listener, router).await) }).abort_handle();
    Receiver { url, kind, got }
}
