//! Latency from a signal to HTTP outputs: one at a time, in a burst, and in a burst while one of two outputs is down.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    io::{Write, stderr, stdout},
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use clap::Args;
use config::{Output, OutputTarget, Reference};
use jiff::Timestamp;
use local_stack::{ProviderUrls, Stack, UpOptions, progress};
use serde_json::{Value, json};
use stack_client::{Description, http_client};
use tokio::{net::TcpListener, task::AbortHandle};

use super::{
    PAUSE,
    endpoint::{Burst, Dispatch, Endpoint},
    percentile,
};
use crate::{
    clock,
    measure::ms,
    stub::{SECRET, Voltus},
    table::Table,
};

/// After this long without another event, the missing ones count as lost.
const PATIENCE: Duration = Duration::from_mins(1);

/// An output that was down is tried again within so long, and everything is released over some seconds.
const RECOVERS: Duration = Duration::from_mins(5);

/// How often arrivals are counted.
const STEP: Duration = Duration::from_millis(50);

/// Deliver to two HTTP outputs, one of which fails for a while.
#[derive(Debug, Args)]
pub(crate) struct Outputs {
    /// Number of signals published one at a time.
    #[arg(long, default_value_t = 50)]
    single: usize,
    /// Number of signals published in each burst.
    #[arg(long, default_value_t = 1_000)]
    burst: usize,
    /// Number of concurrent webhooks in a burst.
    #[arg(long, default_value_t = 8)]
    concurrency: usize,
    /// Limit the bursts to so many webhooks per second [default: as many as are answered].
    #[arg(long)]
    rate: Option<f64>,
}

/// An event that an output was sent and took.
#[derive(Debug, Clone, Copy)]
struct Arrival {
    /// When the signal was published, since 1970.
    published: Duration,
    /// When it came, since 1970.
    arrived: Duration,
}

/// A running HTTP output. Dropping it ends its server.
#[derive(Debug)]
struct HttpOutput {
    url: String,
    taken: Arc<Taken>,
    server: AbortHandle,
}

#[derive(Debug, Default)]
struct Taken {
    is_down: AtomicBool,
    /// By dispatch, its first arrival.
    came: Mutex<BTreeMap<String, Arrival>>,
    repeated: Mutex<BTreeSet<String>>,
}

impl Taken {
    fn came(&self) -> MutexGuard<'_, BTreeMap<String, Arrival>> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, event: &Value, arrived: Duration) -> Option<()> {
        let dispatch = event.get("subject")?.as_str()?.rsplit('/').next()?.to_owned();
        let published: Timestamp = event.get("time")?.as_str()?.parse().ok()?;
        let published = Duration::from_micros(u64::try_from(published.as_microsecond()).ok()?);
        match self.came().entry(dispatch) {
            Entry::Vacant(first) => {
                first.insert(Arrival { published, arrived });
            }
            Entry::Occupied(known) => {
                self.repeated.lock().unwrap_or_else(PoisonError::into_inner).insert(known.key().clone());
            }
        }
        Some(())
    }
}

async fn take(State(taken): State<Arc<Taken>>, Json(event): Json<Value>) -> (StatusCode, Json<Value>) {
    if taken.is_down.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({})));
    }
    match taken.note(&event, clock::since_epoch()) {
        Some(()) => (StatusCode::OK, Json(json!({}))),
        None => (StatusCode::BAD_REQUEST, Json(json!({}))),
    }
}

impl HttpOutput {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port is free")?;
        let url = format!("http://{}/signals", listener.local_addr()?);
        let taken = Arc::<Taken>::default();
        // The media type is that of CloudEvents, which `Json` accepts as well.
        let routes = Router::new().route("/signals", post(take)).with_state(Arc::clone(&taken));
        let server = tokio::spawn(async move { drop(axum::serve(listener, routes).await) }).abort_handle();
        Ok(Self { url, taken, server })
    }

    fn configured(&self, options: &mut UpOptions, name: &str) {
        let secret = format!("/gridbell/outputs/{name}");
        options.secrets.insert(secret.clone(), SECRET.to_owned());
        let target =
            OutputTarget::Http { url: self.url.clone(), secrets: vec![Reference::Ssm(secret)], allow_private: true };
        let output = Output { target, sources: None, types: None, tests: true, required: true };
        options.config.outputs.insert(name.to_owned(), output);
    }

    /// Waits until it has taken the signals of those dispatches; returns how long each took.
    async fn latencies(&self, dispatches: &BTreeMap<String, Dispatch>, patience: Duration) -> Vec<Duration> {
        let (mut latencies, mut quiet) = (Vec::new(), Duration::ZERO);
        while latencies.len() < dispatches.len() && quiet < patience {
            tokio::time::sleep(STEP).await;
            let came = self.taken.came();
            let of = came.iter().filter(|(id, _)| dispatches.contains_key(*id));
            let now: Vec<Duration> = of.map(|(_, arrival)| arrival.arrived.saturating_sub(arrival.published)).collect();
            drop(came);
            quiet = if now.len() > latencies.len() { Duration::ZERO } else { quiet + STEP };
            latencies = now;
        }
        latencies
    }
}

impl Drop for HttpOutput {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub(crate) async fn run(options: Outputs) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port is free")?;
    let urls = ProviderUrls::from([("voltus", format!("http://{}", listener.local_addr()?).parse()?)]);
    let routes = Voltus::new().routes();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let (steady, failing) = (HttpOutput::start().await?, HttpOutput::start().await?);
    let mut up = UpOptions::built_in(&urls)?;
    steady.configured(&mut up, "steady");
    failing.configured(&mut up, "failing");
    let stack = Stack::up(up, progress::on_stderr().as_ref()).await?;
    let played = tokio::select! {
        played = play(&options, stack.description(), [&steady, &failing]) => played,
        stopped = tokio::signal::ctrl_c() => stopped.context("stopped"),
    };
    stack.shutdown().await?;
    played
}

async fn play(options: &Outputs, stack: &Description, [steady, failing]: [&HttpOutput; 2]) -> Result<()> {
    if cfg!(debug_assertions) {
        writeln!(stderr(), "a debug build: these figures say nothing about a release")?;
    }
    let endpoint = Endpoint::new(http_client()?, stack)?;
    let warm = BTreeMap::from([("warm-up".to_owned(), endpoint.send("warm-up").await?)]);
    for output in [steady, failing] {
        output.latencies(&warm, PATIENCE).await;
    }
    let mut table =
        Table::new(["signals", "output", "published → taken p50, ms", "p99", "longest", "missing", "repeated"]);
    let single = endpoint.one_at_a_time(options.single, PAUSE).await?.dispatches;
    let one = format!("{} one at a time", options.single);
    table.row(row(&one, "steady", steady, &single, PATIENCE).await);
    table.row(row(&one, "failing, while it works", failing, &single, PATIENCE).await);
    let burst = |name| Burst { name, count: options.burst, concurrency: options.concurrency, rate: options.rate };
    let many = format!("{} at once, both work", options.burst);
    let both = endpoint.burst(burst("both")).await?.dispatches;
    table.row(row(&many, "steady", steady, &both, PATIENCE).await);
    table.row(row(&many, "failing, while it works", failing, &both, PATIENCE).await);
    failing.taken.is_down.store(true, Ordering::Relaxed);
    let many = format!("{} at once, one is down", options.burst);
    let one_down = endpoint.burst(burst("down")).await?.dispatches;
    table.row(row(&many, "steady", steady, &one_down, PATIENCE).await);
    failing.taken.is_down.store(false, Ordering::Relaxed);
    let recovered = clock::now();
    table.row(row(&many, "failing, after it recovered", failing, &one_down, RECOVERS).await);
    writeln!(stdout(), "\n## Outputs\n\n{table}")?;
    let seconds = recovered.elapsed().as_secs_f64();
    writeln!(stdout(), "\nAll that waited was taken within {seconds:.0} s after the output worked again.")?;
    Ok(())
}

async fn row(
    signals: &str,
    name: &str,
    output: &HttpOutput,
    dispatches: &BTreeMap<String, Dispatch>,
    patience: Duration,
) -> Vec<String> {
    let mut latencies = output.latencies(dispatches, patience).await;
    let missing = dispatches.len() - latencies.len();
    let repeated = output.taken.repeated.lock().unwrap_or_else(PoisonError::into_inner);
    let repeated = repeated.iter().filter(|id| dispatches.contains_key(*id)).count();
    let mut at = |share: f64| {
        percentile(&mut latencies, share).map_or_else(|| "–".to_owned(), |value| format!("{:.1}", ms(value)))
    };
    vec![signals.to_owned(), name.to_owned(), at(0.5), at(0.99), at(1.0), missing.to_string(), repeated.to_string()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_output_measures_from_the_signals_own_time() {
        let output = HttpOutput::start().await.unwrap();
        let http = http_client().unwrap();
        let send = async |subject: &str| {
            let time = Timestamp::from_microsecond(i64::try_from(clock::since_epoch().as_micros()).unwrap() - 20_000);
            let event = json!({"subject": subject, "time": time.unwrap().to_string()});
            let request = http.post(&output.url).header("content-type", "application/cloudevents+json");
            request.body(event.to_string()).send().await.unwrap().status().as_u16()
        };
        assert_eq!([send("v/a").await, send("v/a").await, send("v/b").await], [200; 3]);
        output.taken.is_down.store(true, Ordering::Relaxed);
        assert_eq!(send("v/c").await, 503);
        let each = Dispatch { sent_at: Duration::ZERO, acknowledged_after: Duration::ZERO };
        let dispatches: BTreeMap<_, _> = ["a", "b"].map(|id| (id.to_owned(), each)).into();
        let latencies = output.latencies(&dispatches, Duration::from_secs(1)).await;
        assert!(latencies.len() == 2 && latencies.iter().all(|it| *it >= Duration::from_millis(20)), "{latencies:?}");
        let row = row("2", "steady", &output, &dispatches, Duration::ZERO).await;
        assert_eq!(row[5..], ["2", "1"], "without patience nothing is waited for");
    }
}
