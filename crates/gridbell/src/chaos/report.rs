//! What came of it, for people and for programs.

use std::{collections::BTreeSet, time::Duration};

use serde::Serialize;
use simulation::history::{About, Broken, Event, Line};

use super::{Options, harm::Done, schedule::Schedule, watch::Mailroom};
use crate::show::{self, Paint};

/// Invariants of which a breach means that something accepted was lost.
const LOSSES: [&str; 4] = ["truth-arrives", "poison-is-kept", "nothing-is-dropped", "drains"];

/// How much was done, and what does not hold.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Plays the same choices again; who is hit by them is up to the machine.
    pub seed: u64,
    /// Webhooks, repetitions included.
    pub webhooks: usize,
    /// Those that were answered 2xx, once each.
    pub accepted: usize,
    /// All 2xx: a lost acknowledgement, a repetition and a doubled webhook each bring one more.
    pub acknowledged: usize,
    /// 2xx for what had been accepted before.
    pub duplicates: usize,
    /// Webhooks that a provider sent again.
    pub resent: usize,
    /// Acknowledgements that a provider never saw.
    pub lost_acknowledgements: usize,
    /// Webhooks that a provider gave up without a 2xx: it knows, and they count for nothing.
    pub given_up: usize,
    /// What was done to the stack.
    pub done: Done,
    /// Dispatches, and streams of what happens once.
    pub subjects: usize,
    /// Signals that the controller read.
    pub signals: usize,
    /// Mails sent.
    pub mails: usize,
    /// What was accepted and is not accounted for.
    pub losses: usize,
    /// All that does not hold.
    pub broken: Vec<Broken>,
    /// From the first webhook to the verdict.
    pub seconds: u64,
}

impl Report {
    pub(super) fn new(
        Options { seed, .. }: Options,
        schedule: &Schedule,
        mailroom: &Mailroom,
        (done, history, broken): (Done, &[Line], Vec<Broken>),
        took: Duration,
    ) -> Self {
        let count = |is: &dyn Fn(&Event) -> bool| history.iter().filter(|line| is(&line.event)).count();
        let acknowledged = history.iter().filter_map(|line| match &line.event {
            Event::Answered { about, body, status: Some(200..=299), .. } if *about != About::Forged => {
                Some((format!("{about:?}"), body))
            }
            _ => None,
        });
        let acknowledged: Vec<_> = acknowledged.collect();
        let different: BTreeSet<_> = acknowledged.iter().collect();
        Self {
            seed,
            webhooks: schedule.posts.len(),
            accepted: mailroom.accepted.len(),
            duplicates: acknowledged.len() - different.len(),
            acknowledged: acknowledged.len(),
            resent: mailroom.resent,
            lost_acknowledgements: mailroom.lost,
            given_up: mailroom.given_up,
            done,
            subjects: schedule.dispatches.len() + schedule.streams.len(),
            signals: count(&|event| matches!(event, Event::Signal { .. })),
            mails: count(&|event| matches!(event, Event::Mail { .. })),
            losses: broken.iter().filter(|broken| LOSSES.contains(&broken.invariant)).count(),
            broken,
            seconds: took.as_secs(),
        }
    }

    /// Whether everything holds.
    pub fn holds(&self) -> bool {
        self.broken.is_empty()
    }

    /// Prints it for people, what others wrote cleaned.
    pub fn show(&self) -> anyhow::Result<()> {
        let paint = Paint::stdout();
        let line = |name: &str, text: String| show::line(&format!("{}{text}", paint.dim(&format!("{name:<12}"))));
        line("seed", self.seed.to_string())?;
        line(
            "webhooks",
            format!(
                "{} sent, {} accepted, {} of the {} acknowledgements for what had been accepted before",
                self.webhooks, self.accepted, self.duplicates, self.acknowledged
            ),
        )?;
        line(
            "providers",
            format!(
                "{} sent again, {} acknowledgements lost, {} given up",
                self.resent, self.lost_acknowledgements, self.given_up
            ),
        )?;
        line("harm", self.done.to_string())?;
        let kills: Vec<String> = self.done.kills.iter().map(|(name, kills)| format!("{name} {kills}")).collect();
        line("killed", kills.join(", "))?;
        line("came of it", format!("{} signals of {} subjects, {} mails", self.signals, self.subjects, self.mails))?;
        let losses = format!("{} in {} s", self.losses, self.seconds);
        line("losses", if self.losses == 0 { paint.good(&losses) } else { paint.bad(&losses) })
    }
}
