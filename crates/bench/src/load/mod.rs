//! Latency and throughput of the local stack, from webhooks to signals.

mod cpu;
mod endpoint;
pub(crate) mod outputs;
mod signals;

use std::{
    io::{Write, stderr, stdout},
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result};
use clap::Args;
use local_stack::{ProviderUrls, Stack, UpOptions, progress};
use stack_client::{Description, http_client};
use tokio::net::TcpListener;

use self::{
    endpoint::{Burst, Endpoint},
    signals::Signals,
};
use crate::{measure::ms, stub::Voltus, table::Table};

/// The pause between webhooks sent one at a time: long enough for the previous one to finish.
const PAUSE: Duration = Duration::from_millis(150);

/// Send thin webhooks and wait for their signals.
#[derive(Debug, Args)]
pub(crate) struct Load {
    /// Number of webhooks sent one at a time, for latency.
    #[arg(long, default_value_t = 50)]
    single: usize,
    /// Number of webhooks sent in a burst, for throughput.
    #[arg(long, default_value_t = 2_000)]
    burst: usize,
    /// Number of concurrent webhooks in the burst.
    #[arg(long, default_value_t = 32)]
    concurrency: usize,
    /// Limit the burst to so many webhooks per second [default: as many as are answered].
    #[arg(long)]
    rate: Option<f64>,
    /// Use the running stack with this `stack.json` instead of a new one. Its Voltus source must call `--provider`.
    #[arg(long, value_name = "FILE", requires = "provider")]
    state: Option<PathBuf>,
    /// Address of the provider's stand-in; port 0 selects a free port.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    provider: SocketAddr,
}

pub(crate) async fn run(load: Load) -> Result<()> {
    let listener = TcpListener::bind(load.provider).await.with_context(|| format!("{} is not free", load.provider))?;
    let provider = format!("http://{}", listener.local_addr()?);
    let routes = Voltus::new().routes();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    if let Some(file) = &load.state {
        let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        return play(&load, &serde_json::from_str(&text)?, None).await;
    }
    let urls = ProviderUrls::from([("voltus", provider.parse()?)]);
    let stack = Stack::up(UpOptions::built_in(&urls)?, progress::on_stderr().as_ref()).await?;
    let played = tokio::select! {
        played = play(&load, stack.description(), stack.process_group()) => played,
        stopped = tokio::signal::ctrl_c() => stopped.context("stopped"),
    };
    stack.shutdown().await?;
    played
}

async fn play(load: &Load, stack: &Description, group: Option<u32>) -> Result<()> {
    if cfg!(debug_assertions) {
        writeln!(stderr(), "a debug build: these figures say nothing about a release")?;
    }
    let http = http_client()?;
    let endpoint = Endpoint::new(http.clone(), stack)?;
    let signals = Signals::read(http, stack)?;
    endpoint.send("warm-up").await?;
    signals.wait_for(1).await;
    let mut table = Table::new([
        "webhooks",
        "acknowledged/s",
        "ack p50, ms",
        "p99",
        "webhook → signal p50, ms",
        "p99",
        "drained after, s",
        "missing",
        "twice",
        "out of order",
    ]);
    let one = endpoint.one_at_a_time(load.single, PAUSE).await?;
    table.row(row(&format!("{} one at a time", load.single), &one, &signals).await);
    let before = group.map(cpu::seconds);
    let burst = Burst { name: "burst", count: load.burst, concurrency: load.concurrency, rate: load.rate };
    let many = endpoint.burst(burst).await?;
    table.row(row(&format!("{} at once, {} under way", load.burst, load.concurrency), &many, &signals).await);
    writeln!(stdout(), "\n## Load\n\n{table}")?;
    if let (Some(group), Some(before)) = (group, before) {
        writeln!(stdout(), "\n## CPU of the burst\n\n{}", cpu::table(&before, &cpu::seconds(group), load.burst))?;
    }
    Ok(())
}

async fn row(name: &str, sent: &endpoint::Sent, signals: &Signals) -> Vec<String> {
    let seen = signals.of(&sent.dispatches).await;
    let mut acks: Vec<Duration> = sent.dispatches.values().map(|dispatch| dispatch.acknowledged_after).collect();
    let mut latencies: Vec<Duration> = seen
        .first_sent
        .iter()
        .filter_map(|(id, at)| Some(at.saturating_sub(sent.dispatches.get(id)?.sent_at)))
        .collect();
    let last_ack = sent.dispatches.values().map(|dispatch| dispatch.sent_at + dispatch.acknowledged_after).max();
    let last_signal = seen.first_sent.values().max().copied();
    let drained = last_signal.unwrap_or_default().saturating_sub(last_ack.unwrap_or_default());
    let at = |values: &mut Vec<Duration>, group: f64| {
        percentile(values, group).map_or("–".to_owned(), |d| format!("{:.1}", ms(d)))
    };
    #[expect(clippy::cast_precision_loss, reason = "values of some thousands")]
    let rate = acks.len() as f64 / sent.took.as_secs_f64();
    vec![
        name.to_owned(),
        format!("{rate:.0}"),
        at(&mut acks, 0.5),
        at(&mut acks, 0.99),
        at(&mut latencies, 0.5),
        at(&mut latencies, 0.99),
        format!("{:.1}", drained.as_secs_f64()),
        (sent.dispatches.len() - seen.first_sent.len()).to_string(),
        seen.twice.to_string(),
        seen.out_of_order.to_string(),
    ]
}

/// The value that this share of the values does not exceed.
fn percentile(values: &mut [Duration], group: f64) -> Option<Duration> {
    values.sort_unstable();
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index into some thousands, by a share between 0 and 1"
    )]
    let rank = (values.len() as f64 * group).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles() {
        let mut values: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&mut values, 0.5), Some(Duration::from_millis(50)));
        assert_eq!(percentile(&mut values, 0.99), Some(Duration::from_millis(99)));
        assert_eq!(percentile(&mut values[..1], 0.5), Some(Duration::from_millis(1)));
        assert_eq!(percentile(&mut [], 0.5), None);
    }
}
