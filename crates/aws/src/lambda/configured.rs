//! A function that reads its configuration at the cold start and answers the configuration probe.

use std::{cell::Cell, future::Future, time::Duration};

use pipeline::{config::Config, ports::Clock};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::{sync::OnceCell, time::Instant};

use super::{Error, serve};
use crate::{
    configuration::{Current, Probed, ReadError, Running, is_probe},
    host::Host,
};

/// A function's further check of a configuration.
type Demand = fn(&Config) -> Result<(), String>;

/// How long a function remembers that there is no permit: strangers who name the built-in source cause no more reads.
const NO_PERMIT: Duration = Duration::from_secs(5);

/// A function's configuration: read once; without one, read again with each event.
#[derive(Debug)]
pub(crate) struct Configured {
    function: &'static str,
    current: Current,
    demand: Demand,
    running: OnceCell<Running>,
    /// Until when no permit is looked for.
    unpermitted_until: Cell<Option<Instant>>,
}

/// A function's answer to the probe or to an event.
#[derive(Serialize)]
#[serde(untagged)]
enum ProbeOrResponse<R> {
    Probed(Probed),
    Handled(R),
}

impl Configured {
    /// Reads the configuration. Without one the function still starts, so that it can report the problem.
    pub(crate) async fn read(function: &'static str, current: Current, demand: Demand) -> Self {
        let running = OnceCell::new();
        let configured = Self { function, current, demand, running, unpermitted_until: Cell::new(None) };
        // Logs the problem once here; each event without a configuration logs it again.
        let _ = configured.running().await;
        configured
    }

    async fn running(&self) -> Result<&Running, ReadError> {
        let read = async || {
            let running = self.current.read().await?;
            (self.demand)(&running.config).map_err(|reason| ReadError::Unusable { number: running.number, reason })?;
            Ok(running)
        };
        let running = self.running.get_or_try_init(read).await;
        if let Err(error) = &running {
            tracing::error!(%error, "no configuration");
        }
        running
    }

    /// The configuration with the permit of `gridbell verify`; none without a valid one.
    pub(crate) async fn permitting(&self, config: &Config) -> Option<Config> {
        let permit = self.current.permit().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "no permit of `gridbell verify` can be read");
            None
        });
        permit.and_then(|permit| config.permitting(permit, Host.now()))
    }

    /// The same for requests of strangers: it remembers for a while that there is no permit.
    pub(crate) async fn permitting_strangers(&self, config: &Config) -> Option<Config> {
        let began = Instant::now();
        if self.unpermitted_until.get().is_some_and(|until| began < until) {
            return None;
        }
        let permitting = self.permitting(config).await;
        self.unpermitted_until.set(permitting.is_none().then(|| began + NO_PERMIT));
        permitting
    }

    async fn probed(&self) -> Probed {
        let running = self.running().await;
        let running_as = running.as_ref().ok();
        let probed = Probed {
            function: self.function.to_owned(),
            release: env!("CARGO_PKG_VERSION").to_owned(),
            number: running_as.map(|running| running.number),
            digest: running_as.map(|running| running.digest.clone()),
            problem: running.as_ref().err().map(ToString::to_string),
        };
        tracing::info!(config.number = probed.number, config.digest = probed.digest, "probe");
        probed
    }
}

/// Passes every event to the function with its configuration. Without one, `without` makes the answer.
pub(crate) async fn serve_configured<'c, F, Fut, R>(
    configured: &'c Configured,
    without: impl Fn(&ReadError) -> Result<R, Error>,
    handle: F,
) -> Result<(), Error>
where
    F: Fn(&'c Config, Box<RawValue>) -> Fut,
    Fut: Future<Output = Result<R, Error>>,
    R: Serialize,
{
    let (without, handle) = (&without, &handle);
    serve(|event: Box<RawValue>| async move {
        if is_probe(event.get()) {
            return Ok(ProbeOrResponse::Probed(configured.probed().await));
        }
        match configured.running().await {
            Ok(running) => handle(&running.config, event).await.map(ProbeOrResponse::Handled),
            Err(error) => without(&error).map(ProbeOrResponse::Handled),
        }
    })
    .await
}
