//! A stand-in for an HTTP output: takes every event, or none.

use axum::{
    Json, Router,
    http::{StatusCode, header::RETRY_AFTER},
    routing::post,
};
use serde_json::{Value, json};

/// The parameter with its signing secret.
pub(crate) const SECRET_NAME: &str = "/gridbell/gateway";

/// Its signing secret.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// An HTTP output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gateway;

impl Gateway {
    /// Its routes: `/up` takes events, `/down` fails.
    pub(crate) fn routes() -> Router {
        let taken = async || -> Json<Value> { Json(json!({})) };
        // No other attempt falls into a measurement.
        let fails = async || (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "3600")]);
        Router::new().route("/up", post(taken)).route("/down", post(fails))
    }
}
