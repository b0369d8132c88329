//! A provider with malicious names everywhere.

use std::net::Ipv4Addr;

use axum::{
    Router,
    body::Body,
    http::{Method, Response, Uri},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{EVIL, long};

/// Serves until the process ends; returns its address.
pub(crate) async fn start() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move {
        let router = Router::new().fallback(|method: Method, uri: Uri| async move { answer(&method, uri.path()) });
        drop(axum::serve(listener, router).await);
    });
    address
}

fn answer(method: &Method, path: &str) -> Response<Body> {
    let (status, body) = match (method.as_str(), path) {
        ("GET", "/2022-04-15/dispatches") => (200, json!({"dispatches": []})),
        ("GET", path) if path.starts_with("/2022-04-15/dispatches/") => (200, dispatch()),
        ("POST", "/2022-04-15/dispatches" | "/2022-04-15/webhooks") => (200, json!({"id": EVIL})),
        ("GET", "/2022-04-15/webhooks") => {
            let webhook = |id: &str| json!({"id": id, "url": format!("https://evil.example/{EVIL}/x"), "events": [{"name": long()}]});
            (200, json!({"webhooks": [webhook(EVIL), webhook(&long())]}))
        }
        ("GET", "/dispatch/meter/webhook") => {
            (200, json!({"url": "https://evil.example/hook", "headers": [{"name": long(), "value": EVIL}]}))
        }
        ("POST", "/dispatch/meter/webhook/integration_test") => {
            (200, json!({"http_status": 200, "sent_time": EVIL, "body": long(), "error_message": EVIL}))
        }
        ("POST", "/output") => (200, json!({"state": "accepted", "detail": EVIL})),
        _ => (400, json!({"message": long(), "type": EVIL, "code": EVIL})),
    };
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Body::from(body.to_string())).expect("a response")
}

fn dispatch() -> Value {
    let site = |id: &str, name: &str| json!({"id": id, "name": name, "customer_location_id": name, "commitment": 5});
    json!({
        "id": "evil-1", "authorized": true, "test": false, "modification_number": 0, "creation_time": "2026-03-01T12:00:00Z",
        "start_time": "2099-12-10T18:00:00Z", "end_time": "2099-12-10T19:00:00Z", "metadata": {"note": EVIL},
        "program": {"id": 1, "name": long(), "market": "CAISO", "program_type": EVIL, "timezone": "PST"},
        "sites": [site("s1", EVIL), site("s2", &long())],
    })
}
