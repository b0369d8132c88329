//! The cost of a webhook at a number of other active dispatches in its source: CPU time, calls, units and bytes.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use indicatif::ProgressBar;

use super::{calls::BATCH, instructions, start};
use crate::{
    artifacts::Artifact,
    instance::Instance,
    scene::{self, Scene},
    stub::Call,
    table::Table,
};

/// How many dispatches the measured webhooks are about: the latest ones; no more than the smallest number of active
/// dispatches.
const TURNS: usize = 10;

/// How many webhooks each of the two compared processes handles. A new process first reads every active dispatch.
const COUNTED: [usize; 2] = [10, 60];

/// How long nothing changes before the measurement: recent changes are read again for some time.
const QUIET: Duration = Duration::from_secs(35);

/// Whether the active dispatches share their sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Sites {
    /// Each has two sites of its own.
    Separate,
    /// All have the same two sites.
    Same,
}

/// What a webhook costs the hydrator: an update that is published.
#[derive(Debug)]
pub(crate) struct Cost {
    /// The number of active dispatches.
    active: usize,
    cpu: Duration,
    /// User-space instructions, if valgrind is installed. CPU time also depends on other users of the machine's caches,
    /// such as the stand-in's tables.
    instructions: Option<u64>,
    calls: f64,
    read_units: f64,
    write_units: f64,
    bytes: f64,
}

/// A number of active dispatches with stand-ins and functions of its own.
struct Beside {
    scene: Scene,
    receiver: Instance,
    hydrator: Instance,
    sites: Sites,
    active: usize,
    cpu: Duration,
    calls: Vec<Call>,
}

/// Measures `webhooks` webhooks at each number of active dispatches. They take turns webhook by webhook, since the speed
/// of a machine changes from one minute to the next.
pub(crate) async fn measure(
    artifacts: &[Artifact],
    sites: Sites,
    (counts, webhooks): (&[usize], usize),
) -> Result<Vec<Cost>> {
    ensure!(counts.is_sorted() && counts.first().is_some_and(|least| *least >= TURNS), "from {TURNS} on, rising");
    let find = |name: &str| artifacts.iter().find(|artifact| artifact.name == name).context("a binary is missing");
    let (receiver, hydrator) = (find("receiver")?, find("hydrator")?);
    let bar = ProgressBar::new(counts.iter().sum::<usize>() as u64);
    let mut all = Vec::new();
    for active in counts {
        let scene = Scene::set().await?;
        let (receiver, hydrator) = (start(receiver, &scene).await?, start(hydrator, &scene).await?);
        let mut beside =
            Beside { scene, receiver, hydrator, sites, active: *active, cpu: Duration::ZERO, calls: Vec::new() };
        beside.fill(&bar).await?;
        all.push(beside);
    }
    bar.finish_and_clear();
    tokio::time::sleep(QUIET).await;
    for beside in &mut all {
        // The hydrator reads the earlier changes.
        beside.update(0).await?;
    }
    for turn in 0..webhooks {
        for beside in &mut all {
            beside.measured(turn).await?;
        }
    }
    let valgrind = instructions::valgrind();
    let mut costs = Vec::new();
    for mut beside in all {
        let instructions = match &valgrind {
            Some(valgrind) => Some(beside.instructions(hydrator, valgrind).await?),
            None => None,
        };
        costs.push(beside.cost(webhooks, instructions)?);
    }
    Ok(costs)
}

impl Beside {
    fn id(&self, number: usize) -> String {
        match self.sites {
            Sites::Separate => format!("own{number:06}"),
            Sites::Same => format!("same{number:06}"),
        }
    }

    /// Creates the dispatches.
    async fn fill(&mut self, bar: &ProgressBar) -> Result<()> {
        for first in (0..self.active).step_by(BATCH) {
            let new: Vec<String> = (first..self.active).take(BATCH).map(|number| self.id(number)).collect();
            deliver(&self.scene, (&mut self.receiver, &mut self.hydrator), "dispatch.create", &new).await?;
            bar.inc(new.len() as u64);
        }
        Ok(())
    }

    /// The dispatch of that turn, changed at the provider.
    fn changed(&self, turn: usize) -> String {
        let dispatch = self.id(self.active - TURNS + turn % TURNS);
        self.scene.voltus.modify(&dispatch);
        dispatch
    }

    async fn update(&mut self, turn: usize) -> Result<()> {
        let dispatch = self.changed(turn);
        deliver(&self.scene, (&mut self.receiver, &mut self.hydrator), "dispatch.update", &[dispatch]).await
    }

    async fn measured(&mut self, turn: usize) -> Result<()> {
        let before = self.hydrator.cpu()?;
        self.scene.aws.take_calls();
        self.update(turn).await?;
        self.cpu += self.hydrator.cpu()?.saturating_sub(before);
        // Without the receiver's one call.
        let calls = self.scene.aws.take_calls().into_iter();
        self.calls.extend(calls.filter(|call| call.capacity.writes + call.capacity.half_reads > 0));
        Ok(())
    }

    fn cost(&self, webhooks: usize, instructions: Option<u64>) -> Result<Cost> {
        #[expect(clippy::cast_precision_loss, reason = "values of some thousands")]
        let each = |of: fn(&Call) -> usize| self.calls.iter().map(of).sum::<usize>() as f64 / webhooks as f64;
        Ok(Cost {
            active: self.active,
            cpu: self.cpu / u32::try_from(webhooks)?,
            instructions,
            calls: each(|_| 1),
            read_units: each(|call| call.capacity.half_reads) / 2.0,
            write_units: each(|call| call.capacity.writes),
            bytes: each(|call| call.bytes),
        })
    }

    /// Counts the instructions of one webhook, from two processes that handle different numbers of webhooks.
    async fn instructions(&mut self, hydrator: &Artifact, valgrind: &Path) -> Result<u64> {
        let mut totals = [0; 2];
        for (total, webhooks) in totals.iter_mut().zip(COUNTED) {
            let (mut counted, file) = instructions::start(&self.scene, hydrator, valgrind).await?;
            for turn in 0..webhooks {
                let dispatch = self.changed(turn);
                deliver(&self.scene, (&mut self.receiver, &mut counted), "dispatch.update", &[dispatch]).await?;
            }
            counted.end().await?;
            *total = instructions::total_of(&file)?;
        }
        Ok(totals[1].saturating_sub(totals[0]) / (COUNTED[1] - COUNTED[0]) as u64)
    }
}

/// Sends a webhook for each dispatch through both functions. Each must lead to one signal.
async fn deliver(
    scene: &Scene,
    (receiver, hydrator): (&mut Instance, &mut Instance),
    event: &str,
    dispatches: &[String],
) -> Result<()> {
    for dispatch in dispatches {
        receiver.invoke(scene::webhook(event, dispatch)).await?;
    }
    hydrator.invoke(scene::batch("deliveries", &scene.take("deliveries"))).await?;
    let sent = scene.take("signals.fifo").len();
    ensure!(sent == dispatches.len(), "{event} of {dispatches:?} led to {sent} signals");
    Ok(())
}

/// The costs, each compared with the smallest number of active dispatches.
pub(crate) fn table(costs: &[Cost]) -> Table {
    let mut table = Table::new([
        "active",
        "CPU, ms",
        "/ fewest",
        "instructions, M",
        "/ fewest",
        "calls to tables",
        "/ fewest",
        "read units",
        "/ fewest",
        "write units",
        "KB to and from tables",
        "/ fewest",
    ]);
    let Some(least) = costs.first() else { return table };
    for cost in costs {
        let ratio = |of: fn(&Cost) -> f64| format!("{:.2}", of(cost) / of(least));
        table.row([
            cost.active.to_string(),
            format!("{:.2}", cost.cpu.as_secs_f64() * 1_000.0),
            ratio(|cost| cost.cpu.as_secs_f64()),
            cost.instructions.map_or_else(|| "–".to_owned(), |count| format!("{:.2}", millions(count))),
            cost.instructions.map_or_else(|| "–".to_owned(), |_| ratio(|cost| cost.instructions.map_or(0.0, millions))),
            format!("{:.2}", cost.calls),
            ratio(|cost| cost.calls),
            format!("{:.2}", cost.read_units),
            ratio(|cost| cost.read_units),
            format!("{:.2}", cost.write_units),
            format!("{:.1}", cost.bytes / 1_000.0),
            ratio(|cost| cost.bytes),
        ]);
    }
    table
}

#[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
fn millions(count: u64) -> f64 {
    count as f64 / 1_000_000.0
}

/// CPU time of all threads of a process, from the scheduler's statistics.
pub(crate) fn cpu_of(process: u32) -> Result<Duration> {
    let mut threads = BTreeMap::new();
    for thread in std::fs::read_dir(format!("/proc/{process}/task")).context("/proc tells CPU time")? {
        let path = thread?.path().join("schedstat");
        let text = std::fs::read_to_string(&path).with_context(|| format!("{} tells nothing", path.display()))?;
        let nanos: u64 = text.split_whitespace().next().context("no CPU time")?.parse()?;
        threads.insert(path, nanos);
    }
    Ok(Duration::from_nanos(threads.values().sum()))
}
