//! The result of a chaos run, for people and for programs.

use std::{collections::BTreeSet, time::Duration};

use serde::Serialize;
use simulation::history::{About, Broken, Event, Line};

use super::{harm::Done, run::Options, schedule::Schedule, watch::Mailroom};

/// Invariants whose violation means that an accepted webhook was lost.
const LOSSES: [&str; 4] = ["truth-arrives", "poison-is-quarantined", "nothing-is-dropped", "drains"];

/// The numbers of the run, and the violations.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Report {
    /// Repeats the same choices; which process a fault hits also depends on the machine.
    pub(super) seed: u64,
    /// Webhooks, including repetitions.
    pub(super) webhooks: usize,
    /// Webhooks with a 2xx response, each counted once.
    pub(super) accepted: usize,
    /// All 2xx responses: a lost acknowledgement, a repetition and a duplicated webhook each add one.
    pub(super) acknowledged: usize,
    /// 2xx responses to webhooks that had been accepted before.
    pub(super) duplicates: usize,
    /// Webhooks that a provider sent again.
    pub(super) resent: usize,
    /// Acknowledgements that a provider never received.
    pub(super) lost_acknowledgements: usize,
    /// Webhooks that a provider gave up without a 2xx: the provider knows, so they do not count.
    pub(super) given_up: usize,
    /// The faults of the stack.
    pub(super) done: Done,
    /// Dispatches, and streams of single events.
    pub(super) subjects: usize,
    /// Signals that the controller read.
    pub(super) signals: usize,
    /// Mails sent.
    pub(super) mails: usize,
    /// Accepted webhooks that are lost.
    pub(super) losses: usize,
    /// All violations.
    pub(super) broken: Vec<Broken>,
    /// From the first webhook to the result.
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

    /// Whether there are no violations.
    pub(super) fn holds(&self) -> bool {
        self.broken.is_empty()
    }

    /// Prints the report for people.
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
