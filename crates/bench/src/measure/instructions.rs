//! User-space instructions, counted by callgrind: runs differ by a thousandth at most, whatever else the machine does.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use tokio::process::Command;

use super::{EVENTS, Subject};
use crate::{artifacts::Artifact, instance::Instance, scene::Scene};

/// The instructions of one function.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Instructions {
    /// From exec to its first request for an event.
    pub(crate) init: u64,
    /// For the first event, including the connection and its TLS handshake.
    pub(crate) first: u64,
    /// For each later event.
    pub(crate) warm: u64,
}

/// The event numbers between which invocations count as warm.
pub(crate) const WARM: (usize, usize) = (11, EVENTS);

/// How many runs may fail before the function counts as faulty.
const TRIES: usize = 4;

/// The path of valgrind, if it is installed.
pub(crate) fn valgrind() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("valgrind")).find(|file| file.is_file())
}

/// Counts the instructions of each function.
pub(crate) async fn measure(
    scene: &Scene,
    subjects: &[Subject],
    valgrind: &Path,
    keep: Option<&Path>,
) -> Result<Vec<Instructions>> {
    if let Some(folder) = keep {
        std::fs::create_dir_all(folder)?;
    }
    let bar = ProgressBar::new(4 * subjects.len() as u64);
    let mut all = Vec::with_capacity(subjects.len());
    for subject in subjects {
        let mut totals = [0; 4];
        for (total, events) in totals.iter_mut().zip([0, 1, WARM.0, WARM.1]) {
            let name = subject.artifact.name;
            let file = patiently(scene, subject, valgrind, events).await;
            let file = file.with_context(|| format!("{name} under valgrind"))?;
            let written = std::fs::read_to_string(&file).context("callgrind wrote no figures")?;
            *total = in_total(&written).context("callgrind's figures hold no totals")?;
            if let Some(folder) = keep {
                std::fs::write(folder.join(format!("callgrind.{name}.{events}")), written)?;
            }
            std::fs::remove_file(&file)?;
            bar.inc(1);
        }
        let [init, one, some, many] = totals;
        let warm = many.saturating_sub(some) / (WARM.1 - WARM.0) as u64;
        all.push(Instructions { init, first: one.saturating_sub(init), warm });
    }
    bar.finish_and_clear();
    Ok(all)
}

/// Repeats a failed run: on a busy machine a call under valgrind can exceed its time-out.
async fn patiently(scene: &Scene, subject: &Subject, valgrind: &Path, events: usize) -> Result<PathBuf> {
    for _ in 1..TRIES {
        if let Ok(file) = run(scene, subject, valgrind, events).await {
            return Ok(file);
        }
    }
    run(scene, subject, valgrind, events).await
}

/// Runs so many events under callgrind and returns its file.
async fn run(scene: &Scene, subject: &Subject, valgrind: &Path, events: usize) -> Result<PathBuf> {
    scene.aws.reset();
    let (mut instance, file) = start(scene, &subject.artifact, valgrind).await?;
    for event in subject.events.iter().take(events) {
        instance.invoke(event.clone()).await?;
    }
    instance.end().await?;
    Ok(file)
}

/// Starts a function under callgrind, which writes the file when the function ends.
pub(crate) async fn start(scene: &Scene, artifact: &Artifact, valgrind: &Path) -> Result<(Instance, PathBuf)> {
    let file = scene.file("callgrind.out");
    let mut command = Command::new(valgrind);
    command.args(["--quiet", "--tool=callgrind"]);
    command.arg(format!("--callgrind-out-file={}", file.display())).arg(&artifact.path);
    let mut instance = Instance::start(command, &scene.variables, &[]).await?;
    instance.ready().await?;
    Ok((instance, file))
}

/// The total instructions in a callgrind file.
pub(crate) fn total_of(file: &Path) -> Result<u64> {
    let written = std::fs::read_to_string(file).context("callgrind wrote no figures")?;
    in_total(&written).context("callgrind's figures hold no totals")
}

/// The last line `totals: N` of a callgrind file.
fn in_total(file: &str) -> Option<u64> {
    let line = file.lines().rev().find_map(|line| line.strip_prefix("totals:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::in_total;

    #[test]
    fn callgrinds_totals_are_read() {
        assert_eq!(in_total("# callgrind format\nevents: Ir\nfn=(1) x\n1 5\n\ntotals: 1310042\n"), Some(1_310_042));
        assert_eq!(in_total("events: Ir\n"), None);
    }
}
