//! The faults of a chaos run: it kills the functions' processes, pauses AWS and makes providers misbehave. A run of
//! `upgrade` deploys other builds instead.

use std::{collections::BTreeMap, fmt, time::Duration};

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use provider_sims::{Fault, Misbehaviour, SIMULATED};
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use simulation::Seed;

use super::upgrade::Upgrade;
use local_stack::Stack;
use provider_server::{Simulators, times};

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Blow {
    /// Kill one of the processes of that function: the index chooses it.
    Kill(&'static str, usize),
    /// Pause AWS for this many milliseconds.
    Pause(u64),
    /// Make that provider misbehave.
    Misbehave(&'static str, Fault),
    /// Deploy that build.
    Deploy(Which),
}

/// One of the two builds of an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Before,
    After,
}

/// The functions to kill. A function is hit more often if it is in the list more often.
const VICTIMS: [&str; 9] =
    ["hydrator", "hydrator", "hydrator", "hydrator", "receiver", "receiver", "retrier", "retrier", "alerter"];

/// Misbehaviour of providers. Older responses after newer ones are missing: only polling repairs those (TESTING.md).
const MISDEEDS: [Misbehaviour; 14] = [
    Misbehaviour::Slow,
    Misbehaviour::TooMany,
    Misbehaviour::TooManyRetryAfter,
    Misbehaviour::Status(500),
    Misbehaviour::Status(503),
    Misbehaviour::Status(404),
    Misbehaviour::Status(403),
    Misbehaviour::Garbage,
    Misbehaviour::Truncated,
    Misbehaviour::Huge,
    Misbehaviour::Redirect,
    Misbehaviour::Duplicate,
    Misbehaviour::Reorder,
    Misbehaviour::LostAcknowledgement,
];

/// The faults between two instants, the earliest first.
pub(super) fn blows(random: &mut Seed, from: Timestamp, until: Timestamp) -> Vec<(Timestamp, Blow)> {
    let mut blows = Vec::new();
    let mut every = |least_ms: u64, most_ms: u64, blow: &dyn Fn(&mut Seed) -> Blow| {
        let mut at = from;
        loop {
            let pause_ms = least_ms + random.up_to(most_ms - least_ms);
            at += SignedDuration::from_millis(i64::try_from(pause_ms).unwrap_or(0));
            if at >= until {
                return;
            }
            blows.push((at, blow(random)));
        }
    };
    every(500, 2_500, &|random| Blow::Kill(VICTIMS[random.place(VICTIMS.len())], random.place(8)));
    every(6_000, 30_000, &|random| Blow::Pause(1_000 + random.up_to(3_000)));
    every(200, 1_000, &|random| {
        let what = MISDEEDS[random.place(MISDEEDS.len())];
        let times = u32::try_from(1 + random.up_to(3)).ok();
        Blow::Misbehave(SIMULATED[random.place(SIMULATED.len())].name, Fault { what, about: None, times })
    });
    blows.sort_by_key(|(at, _)| *at);
    blows
}

/// The faults of an upgrade: of those of chaos, the misbehaviour of providers, so that work is in flight; and three
/// deployments, the second of which is a rollback.
pub(super) fn deployments(blows: &mut Vec<(Timestamp, Blow)>, from: Timestamp, until: Timestamp) {
    blows.retain(|(_, blow)| matches!(blow, Blow::Misbehave(..)));
    let quarter = until.duration_since(from) / 4;
    let builds = [Which::After, Which::Before, Which::After];
    blows.extend((1..).zip(builds).map(|(number, which)| (from + quarter * number, Blow::Deploy(which))));
    blows.sort_by_key(|(at, _)| *at);
}

/// How often each fault happened.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Done {
    /// Killed processes per function.
    pub(super) kills: BTreeMap<&'static str, usize>,
    /// Number of pauses of AWS.
    pub(super) pauses: usize,
    /// Their total time.
    pub(super) paused_ms: u64,
    /// Misbehaviour by name; each affects up to four requests.
    pub(super) misbehaviour: BTreeMap<String, usize>,
    /// Number of deployments.
    pub(super) deployments: usize,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kills: usize = self.kills.values().sum();
        let deeds: usize = self.misbehaviour.values().sum();
        let paused_s = self.paused_ms / 1_000;
        let (pauses, deployments) = (self.pauses, self.deployments);
        write!(f, "{kills} processes killed, AWS stopped {pauses} times for {paused_s} s, {deeds} misdeeds")?;
        if deployments > 0 { write!(f, ", {deployments} deployments") } else { Ok(()) }
    }
}

/// A suspended process; dropping the value resumes it.
struct Suspended(Pid);

impl Drop for Suspended {
    fn drop(&mut self) {
        // This fails only if the process has ended; then nothing is suspended.
        let _ = kill_process(self.0, Signal::CONT);
    }
}

fn pid(number: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(number).ok()?)
}

/// Applies each fault at its time.
pub(super) async fn deal(
    blows: &[(Timestamp, Blow)],
    stack: &Stack,
    simulators: &Simulators,
    upgrade: Option<&Upgrade>,
    said: impl Fn(&Done),
) -> Result<Done> {
    let mut done = Done::default();
    for (at, blow) in blows {
        tokio::time::sleep(at.duration_since(times::now()).try_into().unwrap_or_default()).await;
        match blow {
            Blow::Kill(function, place) => {
                let processes = stack.function_processes(function);
                let victim = processes.get(place % processes.len().max(1)).copied().and_then(pid);
                // If no process runs now, or it has just ended, the fault has no effect.
                if victim.is_some_and(|victim| kill_process(victim, Signal::KILL).is_ok()) {
                    *done.kills.entry(function).or_default() += 1;
                }
            }
            Blow::Pause(ms) => {
                let Some(emulator) = stack.emulator_process().and_then(pid) else { continue };
                if kill_process(emulator, Signal::STOP).is_ok() {
                    let held = Suspended(emulator);
                    tokio::time::sleep(Duration::from_millis(*ms)).await;
                    drop(held);
                    (done.pauses, done.paused_ms) = (done.pauses + 1, done.paused_ms + ms);
                }
            }
            Blow::Misbehave(provider, fault) => {
                simulators.misbehave(provider, std::slice::from_ref(fault));
                *done.misbehaviour.entry(fault.what.to_string()).or_default() += 1;
            }
            Blow::Deploy(which) => {
                upgrade.context("no builds to deploy")?.deploy(*which, stack).await?;
                done.deployments += 1;
            }
        }
        said(&done);
    }
    Ok(done)
}
