//! Cold starts in wall-clock time, interleaved so that other load affects all functions alike; and peak memory.

use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use tokio::process::Command;

use super::{Subject, median};
use crate::{instance::Instance, scene::Scene};

/// The medians of one function's starts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    /// From exec to its first request for an event.
    pub(crate) ready: Duration,
    /// From exec to the answer to its first event, which was available from the beginning.
    pub(crate) answered: Duration,
    /// Peak memory until then, in KiB.
    pub(crate) peak_rss_kib: u64,
}

/// Starts each function `runs` times.
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
