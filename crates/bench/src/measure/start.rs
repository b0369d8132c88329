//! Cold starts by the wall clock, interleaved, so that whatever else the machine does meets all of them alike; and peak memory.

use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use tokio::process::Command;

use super::{Subject, median};
use crate::{instance::Instance, scene::Scene};

/// Medians of one function's starts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    /// From exec until it asked for its first event.
    pub(crate) ready: Duration,
    /// From exec until it had answered its first event, which lay there from the beginning.
    pub(crate) answered: Duration,
    /// The most memory until then, in KiB.
    pub(crate) peak_rss_kib: u64,
}

/// Starts each function that many times.
pub(crate) async fn measure(scene: &Scene, subjects: &[Subject], runs: usize) -> Result<Vec<Start>> {
    let bar = ProgressBar::new((runs * subjects.len()) as u64);
    let mut all: Vec<Vec<Start>> = subjects.iter().map(|_| Vec::with_capacity(runs)).collect();
    for _ in 0..runs {
        for (subject, starts) in subjects.iter().zip(&mut all) {
            let start = once(scene, subject).await;
            starts.push(start.with_context(|| format!("{} did not start", subject.artifact.name))?);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    all.iter().map(|starts| middle(starts).context("no run")).collect()
}

async fn once(scene: &Scene, subject: &Subject) -> Result<Start> {
    scene.aws.reset();
    let command = Command::new(&subject.artifact.path);
    let mut instance = Instance::start(command, &scene.variables, &subject.events[..1]).await?;
    let ready = instance.ready().await?;
    let (answered, _) = instance.answer().await?;
    instance.settle().await?;
    let peak_rss_kib = instance.peak_rss_kib()?;
    instance.end().await?;
    Ok(Start { ready, answered, peak_rss_kib })
}

fn middle(starts: &[Start]) -> Option<Start> {
    Some(Start {
        ready: median(&mut starts.iter().map(|start| start.ready).collect::<Vec<_>>())?,
        answered: median(&mut starts.iter().map(|start| start.answered).collect::<Vec<_>>())?,
        peak_rss_kib: median(&mut starts.iter().map(|start| start.peak_rss_kib).collect::<Vec<_>>())?,
    })
}
