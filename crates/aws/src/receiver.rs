//! The receiver function: webhooks from the HTTP API into `deliveries`. It holds no secret and makes one call.

use pipeline::receive::{Answer, Incoming, Receive};
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::{
    client,
    environment::Queue,
    lambda::{self, ApiRequest, ApiResponse, Error},
    sqs::DeliveriesQueue,
    world::World,
};

/// Serves until Lambda ends the process.
pub async fn run() -> Result<(), Error> {
    let (config, intake) = lambda::cold_start(|environment| {
        let aws = client::shared(environment.access()?);
        Ok((environment.config()?, DeliveriesQueue::new(&aws, environment.queue(Queue::Deliveries)?)))
    })?;
    let receive = &Receive { config: &config, intake: &intake, world: &World };
    lambda::serve(|event: Box<RawValue>| async move {
        let Some(request) = ApiRequest::parse(&event) else {
            // A header that is none, most likely. Sending it again would not mend it, so it is no 5xx.
            tracing::error!("the event is no request of an HTTP API");
            let body = r#"{"error":{"code":"unreadable","message":"the request cannot be read"}}"#;
            return Ok(ApiResponse::json(400, body.to_owned()));
        };
        let incoming = incoming(&request);
        let began = Instant::now();
        let answer = receive.handle(incoming).await;
        log(&answer, &incoming, receive.config.sources.contains_key(incoming.source), began);
        Ok(ApiResponse::from(answer))
    })
    .await
}

/// A path that is no hook's names no source, and is answered like an unknown one.
fn incoming(request: &ApiRequest) -> Incoming<'_> {
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
        body: &request.body,
    }
}

fn log(answer: &Answer, request: &Incoming<'_>, known: bool, began: Instant) {
    tracing::info!(
        http.status = answer.status,
        outcome = answer.outcome,
        // A token in the wrong place of a path would stand here: only names that we gave are logged.
        source.name = known.then_some(request.source),
        delivery.id = answer.delivery,
        body.bytes = request.body.len(),
        duration.ms = lambda::ms_since(began),
        "webhook"
    );
}
