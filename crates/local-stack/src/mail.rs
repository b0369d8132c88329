//! The mails that an emulator has sent, in one format: a JSON array of objects with subject, from, to, text, html and
//! time.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use super::aws_api::AwsApi;

/// The server on loopback; dropping it closes it.
#[derive(Debug)]
pub(super) struct MailBox {
    pub(super) url: String,
    server: JoinHandle<()>,
}

impl Drop for MailBox {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Serves the mails that the endpoint's SES has sent.
pub(super) async fn serve(api: AwsApi) -> Result<MailBox> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port is free for the mail's read-back")?;
    let url = format!("http://{}/", listener.local_addr()?);
    let router = Router::new().route("/", get(list)).with_state(api);
    let server = tokio::spawn(async move {
        // It fails only if the listener is gone; then clients get no connection.
        drop(axum::serve(listener, router).await);
    });
    Ok(MailBox { url, server })
}

async fn list(State(api): State<AwsApi>) -> (StatusCode, Json<Value>) {
    match sent(&api).await {
        Ok(mail) => (StatusCode::OK, Json(Value::Array(mail))),
        Err(error) => {
            (StatusCode::BAD_GATEWAY, Json(json!({"error": {"code": "emulator", "message": format!("{error:#}")}})))
        }
    }
}

/// The sent mails, the oldest first.
pub(super) async fn sent(api: &AwsApi) -> Result<Vec<Value>> {
    let own = api.http.get(format!("{}/_ministack/ses/messages?account={}", api.base(), api.account())).send().await?;
    if own.status().is_success() {
        return Ok(ministack(&own.json().await?));
    }
    let other = api.http.get(format!("{}/_aws/ses", api.base())).send().await?;
    anyhow::ensure!(other.status().is_success(), "the endpoint has no read-back of mail that gridbell knows");
    Ok(localstack(&other.json().await?))
}

fn ministack(answer: &Value) -> Vec<Value> {
    let accounts = answer.get("messages").and_then(Value::as_object).into_iter().flatten();
    accounts
        .flat_map(|(_, messages)| messages.as_array().into_iter().flatten())
        .map(|message| {
            json!({
                "id": message["MessageId"], "subject": message["Subject"], "from": message["Source"], "to": message["To"],
                "text": message["BodyText"], "html": message["BodyHtml"], "time": time(&message["Timestamp"]),
            })
        })
        .collect()
}

/// Seconds since 1970, with a fraction, as RFC 3339.
fn time(seconds: &Value) -> Value {
    let written = seconds.as_f64().and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok());
    let instant = written.and_then(|since| jiff::Timestamp::UNIX_EPOCH.checked_add(since).ok());
    instant.map_or_else(|| seconds.clone(), |instant| Value::String(format!("{instant:.6}")))
}

fn localstack(answer: &Value) -> Vec<Value> {
    let messages = answer.get("messages").and_then(Value::as_array).into_iter().flatten();
    messages
        .map(|message| {
            json!({
                "id": message["Id"], "subject": message["Subject"], "from": message["Source"], "to": message["Destination"]["ToAddresses"],
                "text": message["Body"]["text_part"], "html": message["Body"]["html_part"], "time": message["Timestamp"],
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_emulators_one_shape() {
        let expected = json!([{"id": "1", "subject": "[gridbell] x", "from": "a@b.c", "to": ["d@e.f"], "text": "t", "html": "h", "time": "2026-01-01T00:00:00.500000Z"}]);
        let own = json!({"messages": {"000000000000": [{"MessageId": "1", "Subject": "[gridbell] x", "Source": "a@b.c", "To": ["d@e.f"], "CC": [], "BodyText": "t", "BodyHtml": "h", "Timestamp": 1_767_225_600.5}]}});
        let other = json!({"messages": [{"Id": "1", "Subject": "[gridbell] x", "Source": "a@b.c", "Destination": {"ToAddresses": ["d@e.f"]}, "Body": {"text_part": "t", "html_part": "h"}, "Timestamp": "2026-01-01T00:00:00.500000Z"}]});
        assert_eq!(Value::Array(ministack(&own)), expected);
        assert_eq!(Value::Array(localstack(&other)), expected);
    }
}
