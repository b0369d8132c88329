//! The measurements, each in its own file.

pub(crate) mod active;
pub(crate) mod calls;
pub(crate) mod courier;
pub(crate) mod instructions;
pub(crate) mod start;

use std::{slice::from_ref, time::Duration};

use anyhow::{Context, Result};
use bytes::Bytes;
use tokio::process::Command;

use crate::{
    artifacts::Artifact,
    instance::Instance,
    scene::{self, Scene},
};

/// How many events are prepared for each function.
pub(crate) const EVENTS: usize = 61;

/// A function and its events.
#[derive(Debug)]
pub(crate) struct Subject {
    /// The binary.
    pub(crate) artifact: Artifact,
    /// The events, in order.
    pub(crate) events: Vec<Bytes>,
}

/// Prepares for each function the events that the functions before it produce.
pub(crate) async fn subjects(scene: &Scene, artifacts: Vec<Artifact>) -> Result<Vec<Subject>> {
    let find = |name: &str| artifacts.iter().find(|artifact| artifact.name == name).context("a binary is missing");
    let mut receiver = start(find("receiver")?, scene).await?;
    for index in 0..EVENTS {
        receiver.invoke(scene::webhook("dispatch.create", &format!("first{index:04}"))).await?;
    }
    let deliveries = scene.take("deliveries");
    receiver.invoke(scene::webhook("dispatch.unheard-of", "first0000")).await?;
    receiver.end().await?;
    let hint = hint(scene, find("hydrator")?, find("retrier")?).await?;
    let webhook = scene::webhook("dispatch.create", "first0000");
    scene.aws.reset();
    Ok(artifacts
        .into_iter()
        // The courier needs a scene with outputs: `calls` has one.
        .filter(|artifact| artifact.name != "courier")
        .map(|artifact| {
            let events = match artifact.name {
                "hydrator" => deliveries.iter().map(|body| scene::batch("deliveries", from_ref(body))).collect(),
                "retrier" => vec![scene::sweep(); EVENTS],
                "alerter" => vec![scene::batch("reviews", from_ref(&hint)); EVENTS],
                _ => vec![webhook.clone(); EVENTS],
            };
            Subject { artifact, events }
        })
        .collect())
}

/// The hint for the alerter that an unknown event leads to.
async fn hint(scene: &Scene, hydrator: &Artifact, retrier: &Artifact) -> Result<String> {
    for (artifact, from) in [(hydrator, "deliveries"), (retrier, "retries")] {
        let messages = scene.take(from);
        let mut instance = start(artifact, scene).await?;
        instance.invoke(scene::batch(from, &messages)).await?;
        instance.end().await?;
    }
    scene.take("reviews").pop().context("an unknown event led to no hint")
}

/// Starts a function without an event.
pub(crate) async fn start(artifact: &Artifact, scene: &Scene) -> Result<Instance> {
    let mut instance = Instance::start(Command::new(&artifact.path), &scene.variables, &[]).await?;
    instance.ready().await.with_context(|| format!("{} does not start", artifact.name))?;
    Ok(instance)
}

/// The median.
pub(crate) fn median<T: Copy + Ord>(values: &mut [T]) -> Option<T> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// The duration in milliseconds.
pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
