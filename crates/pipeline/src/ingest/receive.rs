//! The webhook endpoint: admit, check that the body is JSON, queue it durably, answer. Contract, section 3.

use dispatch::TraceParent;
use providers::Provider;
use serde::de::IgnoredAny;

use crate::{
    config::{Config, Source, token},
    ingest::plain,
    job::{Job, MAX_BODY_BYTES},
    ports::{Clock, IngestQueue, Measurement, Metrics, PortError, Ports, Random},
    trace::Hop,
};

/// After how many seconds a provider may send again if the queue did not accept the message.
const RETRY_AFTER_S: u32 = 5;

/// The largest body that is checked for a registration handshake, in bytes; a handshake has a few dozen.
const MAX_PING_BYTES: usize = 4_096;

/// The receiver.
#[derive(Debug)]
pub struct Receive<'a, P: Ports> {
    /// The sources and their tokens.
    pub config: &'a Config,
    /// The queue `deliveries`.
    pub intake: &'a P::IngestQueue,
    /// Clock and random numbers.
    pub host: &'a P::Host,
}

/// A received HTTP request.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// The method in upper case.
    pub method: &'a str,
    /// The source in the path.
    pub source: &'a str,
    /// The token in the path: it counts if both are given.
    pub path_token: Option<&'a str>,
    /// The header `x-api-key`.
    pub header_token: Option<&'a str>,
    /// The header `content-encoding`: it only serves to explain a body that is not plain JSON.
    pub content_encoding: Option<&'a str>,
    /// The header `traceparent`: the delivery continues that trace.
    pub traceparent: Option<&'a str>,
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
    /// The delivery's id, if one was queued.
    pub delivery: Option<String>,
}

impl<P: Ports> Receive<'_, P> {
    /// The request as a hop of the caller's trace, or of a new one.
    pub fn hop(&self, request: &Incoming<'_>) -> Hop {
        Hop::after(request.traceparent.and_then(|header| TraceParent::parse(header).ok()), self.host)
    }

    /// Queues a webhook's body, or answers why not. A 2xx is sent only after the queue has accepted the message.
    pub async fn handle(&self, request: Incoming<'_>, hop: Hop) -> HttpAnswer {
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
        self.queue(source, body, hop).await
    }

    /// The source, if the token is valid for it. An unknown source costs the same comparison as a wrong token.
    fn admit(&self, request: &Incoming<'_>) -> Option<(&str, &'static dyn Provider)> {
        let token = request.path_token.or(request.header_token).unwrap_or_default();
        let known: Option<(&String, &Source)> = self.config.sources.get_key_value(request.source);
        let admitted = token::admits(known.map_or(&[], |(_, source)| source.tokens.as_slice()), token);
        let (name, source) = known.filter(|_| admitted)?;
        Some((name, source.provider))
    }

    async fn queue(&self, source: &str, body: &str, hop: Hop) -> HttpAnswer {
        let delivery = self.host.unique();
        let messages = Job::messages(&delivery, source, self.host.now(), body, Some(hop.context));
        match self.take(&messages).await {
            Ok(()) => {
                self.host.measure(Measurement::Accepted);
                HttpAnswer {
                    outcome: "accepted",
                    delivery: Some(delivery.clone()),
                    ..ok(format!(r#"{{"status":"accepted","delivery":"{delivery}"}}"#))
                }
            }
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

/// The body, if it is plain JSON text within the size limit.
fn plain_json<'a>(request: &Incoming<'a>) -> Result<&'a str, HttpAnswer> {
    if request.body.len() > MAX_BODY_BYTES {
        return Err(refusal(413, "too_large", "a body may be 2 MiB (2097152 bytes)"));
    }
    let unreadable = |code, message| match plain::compression(request.body, request.content_encoding) {
        Some(coding) => refusal(400, "encoded", &format!("the body is compressed ({coding}): send it as plain JSON")),
        None => refusal(400, code, message),
    };
    // A byte order mark is not part of the JSON, and is not stored.
    let body = plain::unmarked(request.body);
    let body = std::str::from_utf8(body).map_err(|_| unreadable("not_utf8", "the body is not UTF-8"))?;
    // Skips values without building them: no depth, number or escape can exhaust memory. If a parser later refuses the
    // body, it is quarantined raw and not lost here.
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
