//! Sends Voltus webhooks, each of a new dispatch, to the stack's endpoint.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use indicatif::ProgressBar;
use provider_sims::bodies::voltus::webhook;
use reqwest::Client;
use stack_client::{Description, SourceDescription};

use crate::clock;

/// The endpoint, as a provider uses it.
#[derive(Debug)]
pub(super) struct Endpoint {
    http: Client,
    source: SourceDescription,
}

/// The webhooks sent.
#[derive(Debug)]
pub(super) struct Sent {
    /// By dispatch id.
    pub(super) dispatches: BTreeMap<String, Dispatch>,
    /// From the first webhook to the last answer.
    pub(super) took: Duration,
}

/// Webhooks to send concurrently.
#[derive(Debug, Clone, Copy)]
pub(super) struct Burst {
    /// What the ids of its dispatches begin with.
    pub(super) name: &'static str,
    /// How many.
    pub(super) count: usize,
    /// How many are under way at the same time.
    pub(super) concurrency: usize,
    /// At most so many per second.
    pub(super) rate: Option<f64>,
}

/// One webhook.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dispatch {
    /// When it was sent, since 1970.
    pub(super) sent_at: Duration,
    /// The time until its answer.
    pub(super) acknowledged_after: Duration,
}

impl Endpoint {
    pub(super) fn new(http: Client, stack: &Description) -> Result<Self> {
        let source = stack.sources.values().find(|source| source.provider == "voltus");
        Ok(Self { http, source: source.context("the stack has no Voltus source")?.clone() })
    }

    /// Announces one dispatch.
    pub(super) async fn send(&self, id: &str) -> Result<Dispatch> {
        let body = webhook("dispatch.create", id);
        let mut request = self.http.post(&self.source.url).header("content-type", "application/json");
        for (name, value) in &self.source.headers {
            request = request.header(name, value);
        }
        let (sent_at, begun) = (clock::since_epoch(), clock::now());
        let answer = request.body(body.to_string()).send().await.context("the endpoint does not answer")?;
        let status = answer.status();
        let answer = answer.text().await?;
        ensure!(status.is_success(), "a webhook was answered with {status}: {answer}");
        Ok(Dispatch { sent_at, acknowledged_after: begun.elapsed() })
    }

    /// Sends webhooks one at a time, with a pause after each.
    pub(super) async fn one_at_a_time(&self, count: usize, pause: Duration) -> Result<Sent> {
        let bar = ProgressBar::new(count as u64);
        let (mut dispatches, mut took) = (BTreeMap::new(), Duration::ZERO);
        for index in 0..count {
            let id = format!("single{index:06}");
            let dispatch = self.send(&id).await?;
            took += dispatch.acknowledged_after;
            dispatches.insert(id, dispatch);
            tokio::time::sleep(pause).await;
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(Sent { dispatches, took })
    }

    /// Sends webhooks concurrently.
    pub(super) async fn burst(&self, burst: Burst) -> Result<Sent> {
        let Burst { name, count, concurrency, rate } = burst;
        let bar = ProgressBar::new(count as u64);
        let begun = clock::now();
        let sends = (0..count).map(|index| {
            let bar = bar.clone();
            async move {
                if let Some(rate) = rate {
                    #[expect(clippy::cast_precision_loss, reason = "values of some thousands")]
                    let due = begun + Duration::from_secs_f64(index as f64 / rate);
                    tokio::time::sleep_until(due.into()).await;
                }
                let id = format!("{name}{index:06}");
                let dispatch = self.send(&id).await?;
                bar.inc(1);
                anyhow::Ok((id, dispatch))
            }
        });
        let dispatches = stream::iter(sends).buffer_unordered(concurrency).try_collect().await?;
        bar.finish_and_clear();
        Ok(Sent { dispatches, took: begun.elapsed() })
    }
}
