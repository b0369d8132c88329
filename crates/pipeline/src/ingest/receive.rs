//! A webhook at the door: admit, check that it is JSON, queue it durably, answer. Contract, section 3.

use providers::Provider;
use serde::de::IgnoredAny;

use crate::{
    config::{Config, Source},
    ingest::plain,
    job::{Job, MAX_BODY_BYTES},
    ports::{Clock, IngestQueue, PortError, Ports, Random},
    token,
};

/// Seconds after which a provider may send again what the queue did not take.
const RETRY_AFTER_S: u32 = 5;

/// A registration handshake is a few dozen bytes; nothing larger is looked at for one.
const MAX_PING_BYTES: usize = 4_096;

/// The receiver.
#[derive(Debug)]
pub struct Receive<'a, P: Ports> {
    /// The sources and their tokens.
    pub config: &'a Config,
    /// The door into `deliveries`.
    pub intake: &'a P::IngestQueue,
    /// Clock and random numbers.
    pub host: &'a P::Host,
}

/// A request as it came in.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// In upper case.
    pub method: &'a str,
    /// The name in the path.
    pub source: &'a str,
    /// The token in the path: it counts where both are given.
    pub path_token: Option<&'a str>,
    /// The header `x-api-key`.
    pub header_token: Option<&'a str>,
    /// The header `content-encoding`: it only explains a body that is no plain JSON.
    pub content_encoding: Option<&'a str>,
    /// The raw body.
    pub body: &'a [u8],
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// A header beside `content-type`.
    pub header: Option<(&'static str, String)>,
    /// JSON.
    pub body: String,
    /// What happened, for the log: one word.
    pub outcome: &'static str,
    /// The delivery's id, where one was taken.
    pub delivery: Option<String>,
}

impl<P: Ports> Receive<'_, P> {
    /// Takes a webhook, or says why not. A 2xx goes out after the queue has said yes and never before.
    pub async fn handle(&self, request: Incoming<'_>) -> HttpAnswer {
        let Some((source, provider)) = self.admit(&request) else {
            return refusal(404, "not_found", "no such hook");
        };
        if request.method != "POST" {
            let mut answer = refusal(405, "method_not_allowed", "a hook takes POST");
            answer.header = Some(("allow", "POST".to_owned()));
            return answer;
        }
        let body = match plain_json(&request) {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        if body.len() <= MAX_PING_BYTES && provider.is_ping(body) {
            return HttpAnswer { outcome: "ping", ..ok(r#"{"status":"ok"}"#.to_owned()) };
        }
        self.queue(source, body).await
    }

    /// The source, where the token opens it. An unknown source costs the same comparison as a wrong token.
    fn admit(&self, request: &Incoming<'_>) -> Option<(&str, &'static dyn Provider)> {
        let token = request.path_token.or(request.header_token).unwrap_or_default();
        let known: Option<(&String, &Source)> = self.config.sources.get_key_value(request.source);
        let admitted = token::admits(known.map_or(&[], |(_, source)| source.tokens.as_slice()), token);
        let (name, source) = known.filter(|_| admitted)?;
        Some((name, source.provider))
    }

    async fn queue(&self, source: &str, body: &str) -> HttpAnswer {
        let delivery = self.host.unique();
        match self.take(&Job::messages(&delivery, source, self.host.now(), body)).await {
            Ok(()) => HttpAnswer {
                outcome: "accepted",
                delivery: Some(delivery.clone()),
                ..ok(format!(r#"{{"status":"accepted","delivery":"{delivery}"}}"#))
            },
            Err(error) => {
                tracing::error!(source.name = source, %error, "the queue did not take a webhook; the provider is asked to send it again");
                let mut answer = refusal(503, "unavailable", "not taken; send it again");
                answer.header = Some(("retry-after", RETRY_AFTER_S.to_string()));
                answer
            }
        }
    }

    async fn take(&self, messages: &[String]) -> Result<(), PortError> {
        for message in messages {
            self.intake.take(message).await?;
        }
        Ok(())
    }
}

/// The body, where it is plain JSON text of a size that can be carried.
fn plain_json<'a>(request: &Incoming<'a>) -> Result<&'a str, HttpAnswer> {
    if request.body.len() > MAX_BODY_BYTES {
        return Err(refusal(413, "too_large", "a body may be 2 MiB (2097152 bytes)"));
    }
    let unreadable = |code, message| match plain::compression(request.body, request.content_encoding) {
        Some(coding) => refusal(400, "encoded", &format!("the body is compressed ({coding}): send it as plain JSON")),
        None => refusal(400, code, message),
    };
    // A byte order mark is no part of the JSON, and is not kept.
    let body = plain::unmarked(request.body);
    let body = std::str::from_utf8(body).map_err(|_| unreadable("not_utf8", "the body is not UTF-8"))?;
    // Skips values without building them: no depth, no number and no escape in it can exhaust anything. What a parser then
    // refuses is quarantined with its raw body instead of being lost here.
    serde_json::from_str::<IgnoredAny>(body).map_err(|_| unreadable("not_json", "the body is not JSON"))?;
    Ok(body)
}

fn ok(body: String) -> HttpAnswer {
    HttpAnswer { status: 200, header: None, body, outcome: "ok", delivery: None }
}

fn refusal(status: u16, code: &'static str, message: &str) -> HttpAnswer {
    let body = format!(r#"{{"error":{{"code":"{code}","message":"{message}"}}}}"#);
    HttpAnswer { status, header: None, body, outcome: code, delivery: None }
}
