//! The Lambda runtime code that all functions share.

mod api;
pub(crate) mod batch;
mod configured;
mod xray;

use std::future::Future;

use lambda_runtime::{LambdaEvent, service_fn};
use pipeline::ports::Clock;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::Instant;
use tracing::Instrument;

pub use api::{GatewayRequest, GatewayResponse, TRACEPARENT};
pub use batch::{Batch, is_batch, records};
pub(crate) use configured::{Configured, serve_configured};

use crate::{
    configuration::ReadError,
    environment::{Environment, EnvironmentError},
    host::{self, Host},
    metrics, telemetry,
};

/// Why a function stops or an invocation fails.
pub type Error = lambda_runtime::Error;

/// Starts the log and reads the environment. A failure stops the cold start; the error names the variable.
pub(crate) fn cold_start<T>(set_up: impl FnOnce(&Environment<'_>) -> Result<T, EnvironmentError>) -> Result<T, Error> {
    let environment = Environment::process();
    let (filter, complaint) = environment.log();
    telemetry::start(filter, environment.has_spans());
    if let Some(stack) = environment.metrics() {
        metrics::start(stack);
    }
    if let Some(complaint) = complaint {
        tracing::warn!(%complaint, "the log filter is not used");
    }
    // As text: `main` prints its error's debug form, and people read it.
    set_up(&environment).map_err(|error| error.to_string().into())
}

/// Passes every event to the function as raw JSON, so that the function itself answers an event that does not parse.
pub(crate) async fn serve<F, Fut, R>(handle: F) -> Result<(), Error>
where
    F: Fn(Box<RawValue>) -> Fut,
    Fut: Future<Output = Result<R, Error>>,
    R: Serialize,
{
    // Boxed: the compiler cannot lay out the deeply nested futures of the SDK and the runtime as one.
    lambda_runtime::run(service_fn(|event: LambdaEvent<Box<RawValue>>| {
        host::ends_at_ms(event.context.deadline);
        let span = xray::span(event.context.xray_trace_id.as_deref());
        let handled = handle(event.payload).instrument(span);
        Box::pin(async {
            let handled = handled.await;
            metrics::write(Host.now());
            handled
        })
    }))
    .await
}

/// An event without a configuration fails, and is delivered again.
pub(crate) fn failed<R>(error: &ReadError) -> Result<R, Error> {
    Err(error.to_string().into())
}

/// For a log line: the template switches off Lambda's own lines with the duration.
pub(crate) fn ms_since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}
