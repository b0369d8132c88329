//! The receiver function: puts webhooks from the HTTP API into `deliveries`. It has no secret and makes one call; a
//! cold start reads the configuration with another. A webhook of `gridbell verify` reads its permit, too.

use pipeline::{
    config::VERIFY,
    ingest::receive::{HttpAnswer, Incoming, Receive},
};
use tokio::time::Instant;
use tracing::Instrument;

use crate::{
    client,
    environment::Queue,
    host::Host,
    lambda::{self, Configured, Error, GatewayRequest, GatewayResponse, TRACEPARENT, serve_configured},
    ports::AwsPorts,
    sqs::DeliveriesQueue,
};

/// `Retry-After` of a webhook that comes before there is a configuration, in seconds.
const RETRY_AFTER_S: u32 = 30;

/// Serves until Lambda ends the process.
pub async fn run() -> Result<(), Error> {
    let (current, intake) = lambda::cold_start(|environment| {
        let aws = client::shared(environment.access()?);
        Ok((environment.configuration(&aws)?, DeliveriesQueue::new(&aws, environment.queue(Queue::Deliveries)?)))
    })?;
    let configured = Configured::read("receiver", current, |_| Ok(())).await;
    let (intake, configured) = (&intake, &configured);
    serve_configured(
        configured,
        |_| Ok(unconfigured()),
        |config, event| async move {
            let Some(request) = GatewayRequest::parse(&event) else {
                // Most likely a bad header. A retry of the provider would not help, so this is not a 5xx.
                tracing::error!("the event is no request of an HTTP API");
                let body = r#"{"error":{"code":"unreadable","message":"the request cannot be read"}}"#;
                return Ok(GatewayResponse::json(400, body.to_owned()));
            };
            let incoming = incoming(&request);
            let permitting =
                if incoming.source == VERIFY { configured.permitting_strangers(config).await } else { None };
            let config = permitting.as_ref().unwrap_or(config);
            let receive = Receive::<AwsPorts> { config, intake, host: &Host };
            let known = config.sources.contains_key(incoming.source);
            let hop = receive.hop(&incoming);
            let received = async {
                let began = Instant::now();
                let answer = receive.handle(incoming, hop).await;
                log(&answer, &incoming, known, began);
                GatewayResponse::from(answer)
            };
            // A misplaced token could stand where the source's name does.
            let source = if known { incoming.source } else { "" };
            Ok(received.instrument(hop.span("receive", source, "")).await)
        },
    )
    .await
}

/// Without a configuration no token can be checked. The provider sends the webhook again, so nothing is lost.
fn unconfigured() -> GatewayResponse {
    let body = r#"{"error":{"code":"unavailable","message":"there is no configuration yet; send it again"}}"#;
    let mut response = GatewayResponse::json(503, body.to_owned());
    response.headers.insert("retry-after", RETRY_AFTER_S.to_string());
    response
}

/// A path that is not a hook's gives no source, and gets the answer of an unknown source.
fn incoming(request: &GatewayRequest) -> Incoming<'_> {
    let (source, path_token) = match request.below("hooks") {
        Some([source]) => (source.as_str(), None),
        Some([source, token]) => (source.as_str(), Some(token.as_str())),
        _ => ("", None),
    };
    Incoming {
        method: &request.method,
        source,
        path_token,
        header_token: request.header("x-api-key"),
        content_encoding: request.header("content-encoding"),
        traceparent: request.header(TRACEPARENT),
        body: &request.body,
    }
}

fn log(answer: &HttpAnswer, request: &Incoming<'_>, known: bool, began: Instant) {
    tracing::info!(
        http.status = answer.status,
        outcome = answer.outcome,
        // A misplaced token could appear here, so only known names are logged.
        source.name = known.then_some(request.source),
        delivery.id = answer.delivery,
        body.bytes = request.body.len(),
        duration.ms = lambda::ms_since(began),
        "webhook"
    );
}
