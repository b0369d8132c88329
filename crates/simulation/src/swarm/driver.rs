//! The loop of one seed: runs the next event in virtual time, then checks everything.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    rc::Rc,
};

use jiff::{SignedDuration, Timestamp};
use pipeline::{job::Message, record::SubjectRecord};
use serde_json::json;

use super::{
    Options, Report, Saboteur,
    closing::ResolvedSince,
    configuration::config,
    consumer::{Consumer, Said},
    invocations::TIME_OUT,
    journal::Journal,
    live::Live,
    model::Model,
    monitor::Monitor,
    person::{Follows, Pressed},
    scenario::{FaultKind, Scenario},
};
use crate::{
    Controller, Function, Inner, Invocation, Seed, Simulation, Table,
    history::{Name, Provider},
    mapping::Grouped,
    sim::BEGINNING,
};

/// After this long without faults, everything must be done.
const PATIENCE: SignedDuration = SignedDuration::from_hours(5);

/// After this long without events, an incident resolves whose end is not reported.
const LAPSED: SignedDuration = SignedDuration::from_hours(26);

/// The body of a foreign message in a queue.
pub(super) const FOREIGN: &str = "foreign";

/// The most steps of a history; one with more is in an endless loop. Busy ones have taken 330,000.
const MOST_STEPS: u64 = 1_000_000;

/// An event in virtual time.
#[derive(Debug)]
pub(super) enum Event {
    /// A webhook is sent, or sent again.
    Post(usize),
    /// The controller acknowledges.
    Ack(Said),
    /// A person opens a link.
    Follow(Follows),
    /// The scheduled sweep.
    Sweep,
    /// An invocation times out.
    TimeOut(u64),
    /// The faults end.
    Heal,
    /// A later release's hydrator is deployed.
    Deploy,
    /// The other functions are deployed too, or all are rolled back.
    Deployed {
        /// The later release stays.
        stays: bool,
    },
    /// The table `dispatches` is backed up.
    Backup,
    /// The table is restored while nothing runs, and a new epoch begins.
    Restore,
}

/// The reason for an invocation.
#[derive(Debug)]
pub(super) enum Purpose {
    Batch(Inner, Vec<Message>),
    Signals(Vec<Grouped>),
    Post(usize),
    Ack(Said),
    Follow(Follows),
    Sweep,
}

/// The result of an invocation that did not die.
#[derive(Debug)]
pub(super) enum Done {
    /// The ids of the messages that failed.
    Batch(Vec<String>),
    /// The status of an HTTP answer.
    Status(u16),
    Swept,
}

/// The future of an invocation.
pub(super) type Task<'w> = Pin<Box<dyn Future<Output = Done> + 'w>>;

pub(super) struct Running<'w> {
    pub(super) invocation: Rc<Invocation<'w>>,
    pub(super) task: Task<'w>,
    pub(super) purpose: Purpose,
}

pub(super) struct Driver<'w> {
    pub(super) sim: &'w Simulation,
    agenda: BTreeMap<(Timestamp, u64), Event>,
    order: u64,
    pub(super) running: BTreeMap<u64, Running<'w>>,
    /// When a queue's mapping polls again.
    pub(super) asks_at: BTreeMap<Inner, Timestamp>,
    pub(super) consumer: Consumer,
    monitor: Monitor,
    /// The bodies that a saboteur remembers.
    pub(super) remembered: BTreeSet<(Name, String)>,
    /// The number of mails that the on-call person has read.
    pub(super) mails_read: usize,
    /// By link: how its button was used.
    pub(super) pressed: BTreeMap<String, Pressed>,
    backup: Option<(Timestamp, Table<SubjectRecord>)>,
    pub(super) resolved_since: ResolvedSince,
    /// When the mapping of `signals` polls again.
    pub(super) signals_ask_at: Timestamp,
}

/// Runs a seed.
pub(super) fn run(seed: u64, options: &Options) -> Report {
    // Generators of their own, so that the provider timelines stay the same when a kind of fault is left out.
    let mut scenario = Scenario::new(&mut Seed::new(seed ^ 0x0070_6c61_6e00), BEGINNING, &options.without);
    let model = Model::new(&mut Seed::new(seed ^ 0x006d_6f64_656c), BEGINNING, &scenario);
    if model.dispatches.iter().any(|story| story.provider != (Provider::Voltus { numbered: true })) {
        // Versions without a number are ordered by our own clocks, and two fetches can be arbitrarily far apart. AWS
        // keeps clocks within milliseconds.
        scenario.skew_ms = scenario.skew_ms.min(5);
    }
    let sim = Simulation::new(seed, config(&scenario));
    let (kinds, index_lag_ms): (Vec<FaultKind>, _) = (scenario.kinds().collect(), scenario.index_lag_ms);
    let mut journal = Journal::new(options.record);
    journal.note(BEGINNING, "plan", || {
        let names: Vec<String> = kinds.iter().map(|kind| format!("{} {}", kind.name(), scenario.rate(*kind))).collect();
        json!({ "seed": seed, "faults": names, "by_priority": scenario.by_priority, "acknowledge": scenario.acknowledge,
            "concurrency": scenario.concurrency, "heals_at": scenario.heals_at })
    });
    let live = Live::new(scenario, model, Seed::new(seed ^ 0x006c_6976_6500), journal, options.saboteur);
    sim.with(|state| {
        state.has_heartbeat = live.scenario.heartbeat;
        state.rules.keeps_receives = live.scenario.keeps_receives;
        state.rules.page_items = live.scenario.page_items;
        state.swarm = Some(Box::new(live));
    });
    sim.lag_indexes(index_lag_ms);
    let mut driver = Driver::new(&sim);
    driver.go();
    let mails = sim.mails().len();
    let signals = sim.signals().len();
    let ended_at = sim.now();
    drop(driver);
    let live = sim.with(|state| state.swarm.take());
    let mut report =
        Report { seed, violation: None, kinds, steps: 0, signals, mails, accepted: 0, ended_at, history: Vec::new() };
    if let Some(live) = live {
        report.steps = live.journal.step();
        report.accepted = live.model.posts.iter().filter(|post| post.taken_at.is_some()).count();
        report.violation = live.violations.into_iter().next();
        report.history = live.journal.into_lines();
    }
    report
}

impl<'w> Driver<'w> {
    fn new(sim: &'w Simulation) -> Self {
        let mut driver = Self {
            sim,
            agenda: BTreeMap::new(),
            order: 0,
            running: BTreeMap::new(),
            asks_at: BTreeMap::new(),
            consumer: Consumer::default(),
            monitor: sim.with(|state| Monitor::new(state.swarm.as_deref_mut())),
            remembered: BTreeSet::new(),
            mails_read: 0,
            pressed: BTreeMap::new(),
            backup: None,
            resolved_since: ResolvedSince::default(),
            signals_ask_at: Timestamp::MIN,
        };
        let (restore, limit_bytes) = driver.live(|live| (live.scenario.restore, live.scenario.signal_limit_bytes));
        if let Some((backup_at, restored_at)) = restore {
            driver.at(backup_at, Event::Backup);
            driver.at(restored_at, Event::Restore);
        }
        if let Some(release) = driver.live(|live| live.scenario.release) {
            driver.at(release.from, Event::Deploy);
            driver.at(release.until, Event::Deployed { stays: release.stays });
        }
        if let Some(bytes) = limit_bytes {
            sim.limit_signals(bytes);
        }
        let (posts, heals_at, silent) = driver.live(|live| {
            let posts: Vec<Timestamp> = live.model.posts.iter().map(|post| post.at).collect();
            (posts, live.scenario.heals_at, live.scenario.has(FaultKind::Silent))
        });
        for (number, at) in posts.into_iter().enumerate() {
            driver.at(at, Event::Post(number));
        }
        driver.at(BEGINNING + SignedDuration::from_mins(1), Event::Sweep);
        driver.at(heals_at, Event::Heal);
        driver.foreign();
        sim.controller(if silent { Controller::IsSilent } else { Controller::Reads });
        driver
    }

    /// Reads or changes the state that the ports use.
    #[expect(clippy::expect_used, reason = "the driver sets it before it starts")]
    pub(super) fn live<T>(&self, act: impl FnOnce(&mut Live) -> T) -> T {
        self.sim.with(|state| act(state.swarm.as_mut().expect("a swarm drives this simulation")))
    }

    pub(super) fn at(&mut self, at: Timestamp, event: Event) {
        self.order += 1;
        self.agenda.insert((at, self.order), event);
    }

    fn go(&mut self) {
        loop {
            self.take_up();
            let Some(at) = self.next_at() else { return };
            let now = self.sim.with(|state| {
                state.now = state.now.max(at);
                state.now
            });
            let step = self.live(|live| {
                live.journal.next_step();
                live.journal.step()
            });
            if let Some((number, waker)) = self.sim.with(|state| state.timers.ring(now)) {
                waker.wake();
                self.turn(number);
            } else if let Some(first) = self.agenda.first_entry().filter(|first| first.key().0 <= now) {
                let event = first.remove();
                if self.happens(event, now) {
                    break;
                }
            }
            self.consume(now);
            self.read_mails(now);
            self.monitor.step(self.sim);
            if self.live(|live| !live.violations.is_empty()) {
                return;
            }
            let heals_at = self.live(|live| live.scenario.heals_at);
            let left = if now > heals_at + PATIENCE || step > MOST_STEPS { self.left() } else { String::new() };
            if !left.is_empty() && (now > heals_at + LAPSED || step > MOST_STEPS || !self.only_incidents()) {
                self.live(|live| live.violated(now, "drains", "queues and outbox", left));
                return;
            }
        }
        self.monitor.at_the_end(self.sim);
    }

    fn next_at(&self) -> Option<Timestamp> {
        let agenda = self.agenda.keys().next().map(|(at, _)| *at);
        let timer = self.sim.with(|state| state.timers.next());
        agenda.into_iter().chain(timer).chain(self.next_batch_at()).min()
    }

    /// Runs an event. Returns true at the end of the history.
    fn happens(&mut self, event: Event, now: Timestamp) -> bool {
        match event {
            Event::Post(post) => self.post(post, now),
            Event::Ack(said) => self.acknowledge(said),
            Event::Follow(follows) => self.follow(follows, now),
            Event::TimeOut(number) => self.dies(number, now, TIME_OUT),
            Event::Heal => self.heal(now),
            Event::Deploy => self.sim.deploy_later(Function::Hydrator),
            Event::Deployed { stays: true } => self.deploy_all(),
            Event::Deployed { stays: false } => self.sim.roll_back(),
            Event::Backup => self.backup = Some((now, self.sim.backup())),
            Event::Restore => self.restore(now),
            Event::Sweep => {
                self.check_incidents(now);
                if self.live(|live| live.healed) {
                    self.redrive();
                }
                if self.live(|live| live.strikes(FaultKind::Expiry)) {
                    self.sim.with(|state| state.bookings.pop_first());
                }
                if self.is_over() {
                    return true;
                }
                self.at(now + SignedDuration::from_mins(1), Event::Sweep);
                if self.sweep_matters(now) {
                    self.start(Function::Sweeper, Purpose::Sweep, |invocation| {
                        Box::pin(async move {
                            Box::pin(invocation.sweep()).await;
                            Done::Swept
                        })
                    });
                }
            }
        }
        false
    }

    /// Restores the table as an operator does: nothing runs, the table is restored, a new epoch begins. The providers
    /// repeat their webhooks since the backup, as the operator requests.
    fn restore(&mut self, now: Timestamp) {
        let Some((backed_up_at, backup)) = self.backup.take() else { return };
        for number in self.running.keys().copied().collect::<Vec<u64>>() {
            self.dies(number, now, "stopped for a restore");
        }
        self.sim.restore(backup);
        if self.live(|live| live.saboteur) != Some(Saboteur::RestoreWithoutEpoch) {
            self.sim.begin_epoch();
        }
        let lost: Vec<usize> = self.live(|live| {
            // A webhook's dispatch may have been read much later, after retries.
            let since = backed_up_at - SignedDuration::from_hours(1);
            let posts = live.model.posts.iter().enumerate();
            posts.filter(|(_, post)| post.taken_at.is_some_and(|at| at >= since)).map(|(number, _)| number).collect()
        });
        for number in lost {
            let after_s = 5 + self.live(|live| live.random.up_to(30));
            self.at(now + SignedDuration::from_secs(i64::try_from(after_s).unwrap_or(5)), Event::Post(number));
        }
    }

    fn is_over(&self) -> bool {
        let is_pending = |event: &Event| !matches!(event, Event::Sweep | Event::TimeOut(_));
        let polled = self.live(|live| live.polled_until) <= self.sim.now();
        polled && !self.agenda.values().any(is_pending) && self.running.is_empty() && self.left().is_empty()
    }
}
