//! The courier's steps: what a signal costs for each output.

use std::slice::from_ref;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{
    calls::{BATCH, Counted, Did},
    start,
};
use crate::{
    artifacts::Artifact,
    instance::Instance,
    scene::{self, OutputKind, Scene},
};

/// What the hydrator publishes for these deliveries, one after the other.
async fn signals(scene: &Scene, hydrator: &Artifact, deliveries: &[String]) -> Result<Vec<String>> {
    let mut hydrator = start(hydrator, scene).await?;
    for delivery in deliveries {
        hydrator.invoke(scene::batch("deliveries", from_ref(delivery))).await?;
    }
    hydrator.end().await?;
    let signals = scene.take("signals.fifo");
    ensure!(signals.len() == deliveries.len(), "{} deliveries led to {} signals", deliveries.len(), signals.len());
    Ok(signals)
}

/// The signals that the cases deliver.
struct Published {
    /// Of one dispatch each: the first version.
    new: Vec<String>,
    /// Of the same dispatches: the second version.
    updated: Vec<String>,
}

/// Counts what the courier does for signals that the hydrator published in `scene`.
pub(crate) async fn count(scene: &Scene, artifacts: &[Artifact]) -> Result<Vec<Counted>> {
    let find = |name: &str| artifacts.iter().find(|artifact| artifact.name == name).context("a binary is missing");
    let published = publish(scene, find("receiver")?, find("hydrator")?).await?;
    let courier = find("courier")?;
    let mut counted = Vec::new();
    let http = delivered(courier, &[OutputKind::Http], &published).await?;
    counted.extend(steps(["a signal to an HTTP output", "… a newer version of it"], http));
    let fifo = delivered(courier, &[OutputKind::Fifo], &published).await?;
    counted.extend(steps(["a signal to a FIFO queue as output", "… a newer version there"], fifo));
    let both = delivered(courier, &[OutputKind::Http, OutputKind::Fifo], &published).await?;
    counted.extend(steps(["a signal to both outputs", "… a newer version at both"], both));
    let down = delivered(courier, &[OutputKind::Down], &published).await?;
    counted.extend(steps(["a signal waits for an output that fails", "… a newer version replaces it"], down));
    Ok(counted)
}

/// Publishes two versions of a dispatch for a warm-up, of one, and of ten.
async fn publish(scene: &Scene, receiver: &Artifact, hydrator: &Artifact) -> Result<Published> {
    let mut receiver = start(receiver, scene).await?;
    let ids: Vec<String> = (0..BATCH + 2).map(|number| format!("courier{number:02}")).collect();
    let mut versions = Vec::new();
    for event in ["dispatch.create", "dispatch.update"] {
        for id in &ids {
            receiver.invoke(scene::webhook(event, id)).await?;
        }
        versions.push(signals(scene, hydrator, &scene.take("deliveries")).await?);
        ids.iter().for_each(|id| scene.voltus.modify(id));
        scene.take("retries");
    }
    receiver.end().await?;
    let updated = versions.pop().context("two versions")?;
    Ok(Published { new: versions.pop().context("two versions")?, updated })
}

/// The courier's work for a first and a second version, alone and for ten of a batch.
async fn delivered(courier: &Artifact, outputs: &[OutputKind], published: &Published) -> Result<[[Did; 2]; 2]> {
    let scene = Scene::with(outputs).await?;
    let mut courier = start(courier, &scene).await?;
    // The first event reads the configuration and the secret, opens the connections, and notes the first delivery or
    // failure.
    taken(&scene, &mut courier, &published.new[..1]).await?;
    let mut of = async |bodies: &[String]| -> Result<[Did; 2]> {
        Ok([taken(&scene, &mut courier, &bodies[1..2]).await?, taken(&scene, &mut courier, &bodies[2..]).await?])
    };
    let results = [of(&published.new).await?, of(&published.updated).await?];
    courier.end().await?;
    Ok(results)
}

async fn taken(scene: &Scene, courier: &mut Instance, bodies: &[String]) -> Result<Did> {
    let (did, answer) = Did::of(scene, courier, scene::batch("signals.fifo", bodies)).await?;
    let answer: Value = serde_json::from_slice(&answer)?;
    let failed = answer["batchItemFailures"].as_array().map_or(0, Vec::len);
    ensure!(failed == 0, "the courier left {failed} of {} signals in their queue", bodies.len());
    Ok(did)
}

fn steps(names: [&'static str; 2], results: [[Did; 2]; 2]) -> Vec<Counted> {
    let steps = names.into_iter().zip(results).map(|(what, [alone, ten])| Counted {
        what,
        function: "courier",
        alone: Some(alone),
        batch: Some(ten),
    });
    steps.collect()
}
