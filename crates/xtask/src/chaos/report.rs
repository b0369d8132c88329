//! What came of it, for people and for programs.

use std::{collections::BTreeSet, time::Duration};

use serde::Serialize;
use simulation::history::{About, Broken, Event, Line};

use super::{harm::Done, run::Options, schedule::Schedule, watch::Mailroom};

/// Invariants of which a breach means that something accepted was lost.
const LOSSES: [&str; 4] = ["truth-arrives", "poison-is-kept", "nothing-is-dropped", "drains"];

/// How much was done, and what does not hold.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Report {
    /// Plays the same choices again; who is hit by them is up to the machine.
    pub(super) seed: u64,
    /// Webhooks, repetitions included.
    pub(super) webhooks: usize,
    /// Those that were answered 2xx, once each.
    pub(super) accepted: usize,
    /// All 2xx: a lost acknowledgement, a repetition and a doubled webhook each bring one more.
    pub(super) acknowledged: usize,
    /// 2xx for what had been accepted before.
    pub(super) duplicates: usize,
    /// Webhooks that a provider sent again.
    pub(super) resent: usize,
    /// Acknowledgements that a provider never saw.
    pub(super) lost_acknowledgements: usize,
    /// Webhooks that a provider gave up without a 2xx: it knows, and they count for nothing.
    pub(super) given_up: usize,
    /// What was done to the stack.
    pub(super) done: Done,
    /// Dispatches, and streams of what happens once.
    pub(super) subjects: usize,
    /// Signals that the controller read.
    pub(super) signals: usize,
    /// Mails sent.
    pub(super) mails: usize,
    /// What was accepted and is not accounted for.
    pub(super) losses: usize,
    /// All that does not hold.
    pub(super) broken: Vec<Broken>,
    /// From the first webhook to the verdict.
    pub(super) seconds: u64,
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
    pub(super) fn holds(&self) -> bool {
        self.broken.is_empty()
    }

    /// Prints it for people.
    pub(super) fn show(&self) {
        let line = |name: &str, text: String| println!("{name:<12}{text}");
        line("seed", self.seed.to_string());
        line(
            "webhooks",
            format!(
                "{} sent, {} accepted, {} of the {} acknowledgements for what had been accepted before",
                self.webhooks, self.accepted, self.duplicates, self.acknowledged
            ),
        );
        line(
            "providers",
            format!(
                "{} sent again, {} acknowledgements lost, {} given up",
                self.resent, self.lost_acknowledgements, self.given_up
            ),
        );
        line("harm", self.done.to_string());
        let kills: Vec<String> = self.done.kills.iter().map(|(name, kills)| format!("{name} {kills}")).collect();
        line("killed", kills.join(", "));
        line("came of it", format!("{} signals of {} subjects, {} mails", self.signals, self.subjects, self.mails));
        line("losses", format!("{} in {} s", self.losses, self.seconds));
    }
}
