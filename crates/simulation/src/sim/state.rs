//! The state of a simulation: the queues, the tables, the providers, the clock, and what went out.

use std::collections::BTreeMap;

use dispatch::Epoch;
use jiff::{SignedDuration, Timestamp};
use pipeline::{
    alerts::channels::ChannelHealth,
    group::{AckLink, AlertGroup},
    incident::Incident,
    mail::Mail,
    outputs::{lane::Lane, state::OutputState},
    polling::{budget::Shown, state::PollState},
    ports::{Answered, Refusal},
    record::SubjectRecord,
};

use super::{BEGINNING, Process};
use crate::{
    Booking, Controller, Fifo, Function, Inner, Noted, Quarantined, Rung, Seed, Standard, Table, fault::Faults,
    lagging::Lagging, provider::Scripts, release::Releases, rules::Rules, storm::Storming, swarm::live::Live,
    targets::Targets, timers::Timers,
};

/// The default limit of a signal's body: the SQS limit less space for the attributes.
const SIGNAL_LIMIT_BYTES: usize = 1_048_576 - 4_096;

/// The mutable state.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) now: Timestamp,
    pub(crate) seed: Seed,
    /// Apart from the seed, so that they change no history.
    pub(crate) trace_ids: Seed,
    pub(crate) names: u64,
    pub(crate) invocations: u64,
    pub(crate) faults: Faults,
    pub(crate) queues: BTreeMap<Inner, Standard>,
    pub(crate) signals: Fifo,
    pub(crate) controller: Controller,
    pub(crate) dispatches: Table<SubjectRecord>,
    pub(crate) lagging: Lagging,
    /// The idle processes of the hydrator.
    pub(crate) idle_hydrators: Vec<Process>,
    /// The epoch of the table `dispatches`; none before the first read.
    pub(crate) epoch: Option<Epoch>,
    /// The maximum size of a signal's body.
    pub(crate) signal_limit_bytes: usize,
    /// Chunks of bodies stored in parts, by delivery and number.
    pub(crate) chunks: BTreeMap<(String, u32), Vec<u8>>,
    pub(crate) incidents: Table<Incident>,
    pub(crate) polls: Table<PollState>,
    /// The content of the latest list that a fetch waited for, by source.
    pub(crate) shown_lists: BTreeMap<String, Shown>,
    pub(crate) groups: Table<AlertGroup>,
    pub(crate) links: Table<AckLink>,
    pub(crate) bookings: BTreeMap<String, Booking>,
    pub(crate) quarantined: BTreeMap<String, Quarantined>,
    /// By incident and stage.
    pub(crate) events: BTreeMap<(String, String), Noted>,
    /// By source.
    pub(crate) refusals: BTreeMap<String, Refusal>,
    pub(crate) mails: Vec<(Timestamp, Mail)>,
    /// The messages that the other channels accepted.
    pub(crate) rings: Vec<Rung>,
    pub(crate) channels: Table<ChannelHealth>,
    /// What waits for the outputs, by output and subject.
    pub(crate) lanes: Table<Lane>,
    pub(crate) output_states: Table<OutputState>,
    /// Long events, by name.
    pub(crate) texts: BTreeMap<String, String>,
    pub(crate) targets: Targets,
    /// Whether the configuration has outputs.
    pub(crate) has_courier: bool,
    /// The groups of `signals` that a failed batch of the courier hides, and until when.
    pub(crate) hidden_groups: BTreeMap<String, Timestamp>,
    /// The measurements, in words.
    pub(crate) measured: Vec<String>,
    pub(crate) providers: Scripts,
    /// The latest heartbeat that the hydrator answered.
    pub(crate) answered: Option<Answered>,
    /// Whether the rest of the daily mail quota is small.
    pub(crate) is_short_of_mails: bool,
    /// What AWS leaves open, or only the template decides.
    pub(crate) rules: Rules,
    /// The release of each function.
    pub(crate) releases: Releases,
    /// The functions that do not run.
    pub(crate) stopped: Vec<Function>,
    /// Whether each sweep sends heartbeats.
    pub(crate) has_heartbeat: bool,
    pub(crate) next_sweep: Timestamp,
    /// The sleeping futures.
    pub(crate) timers: Timers,
    /// The state of the swarm, if one drives the simulation.
    pub(crate) swarm: Option<Box<Live>>,
    /// The state of the storm, if one drives the simulation.
    pub(crate) storm: Option<Box<Storming>>,
}

impl State {
    /// The state at the beginning, of a stack with or without outputs.
    pub(super) fn new(seed: u64, has_courier: bool) -> Self {
        Self {
            now: BEGINNING,
            seed: Seed::new(seed),
            trace_ids: Seed::new(!seed),
            names: 0,
            invocations: 0,
            faults: Faults::default(),
            queues: BTreeMap::new(),
            signals: Fifo::default(),
            controller: Controller::Reads,
            dispatches: Table::default(),
            lagging: Lagging::default(),
            idle_hydrators: Vec::new(),
            epoch: None,
            signal_limit_bytes: SIGNAL_LIMIT_BYTES,
            chunks: BTreeMap::new(),
            incidents: Table::default(),
            polls: Table::default(),
            shown_lists: BTreeMap::new(),
            groups: Table::default(),
            links: Table::default(),
            bookings: BTreeMap::new(),
            quarantined: BTreeMap::new(),
            events: BTreeMap::new(),
            refusals: BTreeMap::new(),
            mails: Vec::new(),
            rings: Vec::new(),
            channels: Table::default(),
            lanes: Table::default(),
            output_states: Table::default(),
            texts: BTreeMap::new(),
            targets: Targets::default(),
            has_courier,
            hidden_groups: BTreeMap::new(),
            measured: Vec::new(),
            providers: Scripts::default(),
            answered: None,
            is_short_of_mails: false,
            rules: Rules::default(),
            releases: Releases::default(),
            stopped: Vec::new(),
            has_heartbeat: false,
            next_sweep: BEGINNING + SignedDuration::from_mins(1),
            timers: Timers::default(),
            swarm: None,
            storm: None,
        }
    }

    /// A unique name.
    pub(crate) fn name(&mut self, of: &str) -> String {
        self.names += 1;
        format!("{of}-{}", self.names)
    }

    pub(crate) fn queue(&mut self, queue: Inner) -> &mut Standard {
        self.queues.entry(queue).or_default()
    }

    pub(crate) fn send(&mut self, queue: Inner, body: &str, delay_s: u32, chain: u32) {
        let (id, now) = (self.name("m"), self.now);
        if let Some(storm) = &mut self.storm {
            return storm.send(queue, id, body, now, delay_s);
        }
        if let Some(live) = &mut self.swarm {
            live.message(now, queue, &id, body, delay_s);
        }
        self.queue(queue).send(id, body, now, delay_s, chain);
    }

    /// Adds the few milliseconds of a call.
    pub(crate) fn pass_some_time(&mut self) {
        if self.swarm.is_some() || self.storm.is_some() {
            return; // their calls sleep
        }
        let millis = 1 + self.seed.up_to(8);
        self.now += SignedDuration::from_millis(i64::try_from(millis).unwrap_or(1));
    }
}
