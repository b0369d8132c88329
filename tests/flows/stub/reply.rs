//! The stub's answers.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{Response, StatusCode, header},
};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::Seen;

/// An answer.
#[derive(Clone)]
pub(crate) enum Reply {
    /// 200 with this JSON.
    Json(Value),
    /// An error status, with `Retry-After` in seconds.
    Fail(u16, Option<u32>),
    /// 200 with these bytes and this type.
    Raw(&'static str, Vec<u8>),
    /// The inner answer, once the gate is open.
    Gated(Gate, Box<Reply>),
    /// An answer computed from the request.
    With(Arc<dyn Fn(&Seen) -> Reply + Send + Sync>),
}

/// Delays requests until it is opened; it stays open.
#[derive(Debug, Clone)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(crate) fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    pub(crate) fn open(&self) {
        self.0.close();
    }

    async fn passed(&self) {
        // An error means that the semaphore is closed, so the gate is open.
        drop(self.0.acquire().await);
    }
}

impl Reply {
    /// 200 with JSON computed from the request.
    pub(crate) fn with(make: impl Fn(&Seen) -> Value + Send + Sync + 'static) -> Self {
        Self::With(Arc::new(move |seen| Self::Json(make(seen))))
    }

    /// 401 for every key but this one.
    pub(crate) fn only_for(key: String, reply: Self) -> Self {
        Self::With(Arc::new(move |seen| if seen.key == key { reply.clone() } else { Self::Fail(401, None) }))
    }

    /// Voltus' answer with one dispatch.
    pub(crate) fn listed(dispatch: &Value) -> Self {
        Self::Json(provider_sims::bodies::voltus::answer(std::slice::from_ref(dispatch)))
    }

    pub(super) async fn response(self, seen: &Seen) -> Response<Body> {
        let mut reply = self;
        loop {
            reply = match reply {
                Self::Gated(gate, inner) => {
                    gate.passed().await;
                    *inner
                }
                Self::With(make) => make(seen),
                other => return other.at_once(),
            };
        }
    }

    fn at_once(self) -> Response<Body> {
        let json = |status: u16, body: &Value| {
            let mut response = Response::new(Body::from(body.to_string()));
            *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
            response
        };
        match self {
            Self::Json(body) => json(200, &body),
            Self::Fail(status, retry_after) => {
                let mut response =
                    json(status, &serde_json::json!({"message": "as the test wants it", "type": "error"}));
                if let Some(seconds) = retry_after {
                    response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
                }
                response
            }
            Self::Raw(kind, bytes) => {
                let mut response = Response::new(Body::from(bytes));
                response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
                response
            }
            // `response` has already unwrapped these.
            Self::Gated(..) | Self::With(_) => json(500, &Value::Null),
        }
    }
}
