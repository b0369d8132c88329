//! The loop of one seed: the next thing in virtual time happens, then everything is checked.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    rc::Rc,
    task::{Context, Waker},
};

use jiff::{SignedDuration, Timestamp};
use pipeline::{config::Config, token::TokenHash, work::Message};
use serde_json::json;

use super::{
    Options, Report,
    consumer::{Consumer, Said},
    journal::Journal,
    live::Live,
    model::{ACK_TOKEN, Model, TOKEN},
    monitor::Monitor,
    plan::{Kind, Plan},
};
use crate::{
    Controller, Function, Inner, Invocation, Queued, Seed, World,
    history::{Name, Provider},
    world::BEGINNING,
};

/// After this long without faults everything must be done.
const PATIENCE: SignedDuration = SignedDuration::from_hours(5);

/// What lies in a queue and is none of ours.
pub(super) const FOREIGN: &str = "foreign";

/// No history takes more steps; one that does goes round in circles.
const MOST_STEPS: u64 = 200_000;

/// What happens at an instant.
#[derive(Debug)]
pub(super) enum Event {
    /// A webhook is sent (again).
    Post(usize),
    /// The controller acknowledges.
    Ack(Said),
    /// The schedule of every minute comes round.
    Sweep,
    /// An invocation's time is up.
    TimeOut(u64),
    /// From here on nothing goes wrong.
    Heal,
}

/// What an invocation was started for.
#[derive(Debug)]
pub(super) enum Purpose {
    Batch(Inner, Vec<Message>),
    Post(usize),
    Ack(Said),
    Sweep,
}

/// How it ended, where it did not die.
#[derive(Debug)]
pub(super) enum Done {
    /// Messages that nobody took care of.
    Batch(Vec<String>),
    /// The status of an answer.
    Status(u16),
    Swept,
}

/// An invocation's future.
pub(super) type Task<'w> = Pin<Box<dyn Future<Output = Done> + 'w>>;

struct Running<'w> {
    invocation: Rc<Invocation<'w>>,
    task: Task<'w>,
    purpose: Purpose,
}

pub(super) struct Driver<'w> {
    pub(super) world: &'w World,
    agenda: BTreeMap<(Timestamp, u64), Event>,
    order: u64,
    running: BTreeMap<u64, Running<'w>>,
    /// When a queue's mapping asks for messages again.
    pub(super) asks_at: BTreeMap<Inner, Timestamp>,
    pub(super) consumer: Consumer,
    monitor: Monitor,
    /// Bodies that a saboteur remembers.
    pub(super) remembered: BTreeSet<(Name, String)>,
}

/// Plays a seed.
pub(super) fn run(seed: u64, options: &Options) -> Report {
    // Of their own, so that leaving a kind of fault out changes no provider's story.
    let mut plan = Plan::new(&mut Seed::new(seed ^ 0x0070_6c61_6e00), BEGINNING, &options.without);
    let model = Model::new(&mut Seed::new(seed ^ 0x006d_6f64_656c), BEGINNING, &plan);
    if model.dispatches.iter().any(|story| story.provider != (Provider::Voltus { numbered: true })) {
        // What carries no number is ordered by our own clocks: no two changes lie less than a second apart.
        plan.skew_ms = plan.skew_ms.min(400);
    }
    let world = World::new(seed, config(&plan));
    let kinds: Vec<Kind> = plan.kinds().collect();
    let mut journal = Journal::new(options.record);
    journal.note(BEGINNING, "plan", || {
        let names: Vec<String> = kinds.iter().map(|kind| format!("{} {}", kind.name(), plan.rate(*kind))).collect();
        json!({ "seed": seed, "faults": names, "by_priority": plan.by_priority, "acknowledge": plan.acknowledge,
            "concurrency": plan.concurrency, "heals_at": plan.heals_at })
    });
    let live = Live::new(plan, model, Seed::new(seed ^ 0x006c_6976_6500), journal, options.saboteur);
    world.with(|state| state.swarm = Some(Box::new(live)));
    let mut driver = Driver::new(&world);
    driver.go();
    let mails = world.mails().len();
    let signals = world.signals().len();
    let ended_at = world.now();
    drop(driver);
    let live = world.with(|state| state.swarm.take());
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

/// Every provider, in production and sandbox.
fn config(plan: &Plan) -> Config {
    let tokens = [TokenHash::of("the-token-of-yesterday"), TokenHash::of(TOKEN)];
    let source = |provider: &str, environment: &str| json!({ "provider": provider, "environment": environment, "api_key": "env:KEY", "tokens": tokens, "poll_s": 0 });
    let config = json!({
        "sources": {
            "voltus-prod": source("voltus", "production"),
            "voltus-sandbox": source("voltus", "sandbox"),
            "leap-prod": source("leap", "production"),
            "dc-1": source("nvgrid", "production"),
            "openvolt-prod": source("openvolt", "production"),
        },
        "deadlines": { "lead_s": 600, "immediate_s": 60, "acknowledge": plan.acknowledge },
        "contacts": { "email": ["grid-duty@example.com"], "from": "gridbell@example.com" },
        "acks": { "tokens": [TokenHash::of(ACK_TOKEN)] },
    });
    #[expect(
        clippy::expect_used,
        reason = "a constant that does not parse is a bug of the simulator, to be shown at once"
    )]
    Config::parse(&config.to_string()).expect("a configuration")
}

impl<'w> Driver<'w> {
    fn new(world: &'w World) -> Self {
        let mut driver = Self {
            world,
            agenda: BTreeMap::new(),
            order: 0,
            running: BTreeMap::new(),
            asks_at: BTreeMap::new(),
            consumer: Consumer::default(),
            monitor: world.with(|state| Monitor::new(state.swarm.as_deref_mut())),
            remembered: BTreeSet::new(),
        };
        let (posts, heals_at, silent) = driver.live(|live| {
            let posts: Vec<Timestamp> = live.model.posts.iter().map(|post| post.at).collect();
            (posts, live.plan.heals_at, live.plan.has(Kind::Silent))
        });
        for (number, at) in posts.into_iter().enumerate() {
            driver.at(at, Event::Post(number));
        }
        driver.at(BEGINNING + SignedDuration::from_mins(1), Event::Sweep);
        driver.at(heals_at, Event::Heal);
        driver.foreign();
        world.controller(if silent { Controller::IsSilent } else { Controller::Reads });
        driver
    }

    /// Looks at or changes what the ports reach.
    #[expect(clippy::expect_used, reason = "the driver put it there before it began")]
    pub(super) fn live<T>(&self, act: impl FnOnce(&mut Live) -> T) -> T {
        self.world.with(|state| act(state.swarm.as_mut().expect("a swarm drives this world")))
    }

    pub(super) fn at(&mut self, at: Timestamp, event: Event) {
        self.order += 1;
        self.agenda.insert((at, self.order), event);
    }

    fn go(&mut self) {
        loop {
            self.take_up();
            let Some(at) = self.next_at() else { return };
            let now = self.world.with(|state| {
                state.now = state.now.max(at);
                state.now
            });
            let step = self.live(|live| {
                live.journal.next_step();
                live.journal.step()
            });
            if let Some((number, waker)) = self.live(|live| live.ring(now)) {
                waker.wake();
                self.turn(number);
            } else if let Some(first) = self.agenda.first_entry().filter(|first| first.key().0 <= now) {
                let event = first.remove();
                if self.happens(event, now) {
                    break;
                }
            }
            self.consume(now);
            self.monitor.step(self.world);
            if self.live(|live| !live.violations.is_empty()) {
                return;
            }
            let heals_at = self.live(|live| live.plan.heals_at);
            if now > heals_at + PATIENCE || step > MOST_STEPS {
                let left = self.left();
                self.live(|live| live.violated(now, "drains", "queues and outbox", left));
                return;
            }
        }
        self.monitor.at_the_end(self.world);
    }

    fn next_at(&self) -> Option<Timestamp> {
        let agenda = self.agenda.keys().next().map(|(at, _)| *at);
        let timer = self.live(|live| live.next_timer());
        agenda.into_iter().chain(timer).chain(self.next_batch_at()).min()
    }

    /// Returns true once everything is over.
    fn happens(&mut self, event: Event, now: Timestamp) -> bool {
        match event {
            Event::Post(post) => self.post(post, now),
            Event::Ack(said) => self.acknowledge(said),
            Event::TimeOut(number) => self.dies(number, now, "time-out"),
            Event::Heal => self.heal(now),
            Event::Sweep => {
                if self.live(|live| live.healed) {
                    self.redrive();
                }
                if self.live(|live| live.strikes(Kind::Expiry)) {
                    self.world.with(|state| state.bookings.pop_first());
                }
                if self.is_over() {
                    return true;
                }
                self.at(now + SignedDuration::from_mins(1), Event::Sweep);
                if self.sweep_matters(now) {
                    self.start(Function::Sweeper, Purpose::Sweep, |invocation| {
                        Box::pin(async move {
                            invocation.sweep().await;
                            Done::Swept
                        })
                    });
                }
            }
        }
        false
    }

    /// In the quiet after all faults, hours pass in which there is nothing to sweep.
    fn sweep_matters(&self, now: Timestamp) -> bool {
        self.world.with(|state| {
            let healed = state.swarm.as_ref().is_some_and(|live| live.healed);
            let soon = now + SignedDuration::from_mins(4);
            !healed || state.owes() || state.dispatches.rows().any(|record| record.due.is_some_and(|due| due.at < soon))
        })
    }

    fn is_over(&self) -> bool {
        let pending = self.agenda.values().any(|event| matches!(event, Event::Post(_) | Event::Ack(_) | Event::Heal));
        !pending && self.running.is_empty() && self.left().is_empty()
    }

    /// What is still to be done, in words.
    fn left(&self) -> String {
        self.world.with(|state| {
            let mut left = Vec::new();
            // A review of an incident comes round until somebody could be told; while our own services failed, that may have been
            // lost (TESTING.md names it).
            let excused = state.swarm.as_ref().is_some_and(|live| live.plan.kinds().any(Kind::is_ours));
            for queue in Inner::READ {
                let awaited = |message: &&Queued| !(excused && message.body.contains("\"news\":\"review\""));
                let count = state.queue(queue).messages().iter().filter(awaited).count();
                if count > 0 {
                    left.push(format!("{count} in {queue:?}"));
                }
            }
            left.extend(state.owes().then(|| "signals are owed".to_owned()));
            let due = state.dispatches.rows().filter(|record| record.due.is_some()).count();
            left.extend((due > 0).then(|| format!("{due} deadlines")));
            left.join(", ")
        })
    }

    /// Starts an invocation, unless it dies before it begins.
    pub(super) fn start(
        &mut self,
        function: Function,
        purpose: Purpose,
        task: impl FnOnce(Rc<Invocation<'w>>) -> Task<'w>,
    ) {
        let now = self.world.now();
        let invocation = Rc::new(Invocation::new(self.world, function));
        let number = invocation.number();
        let stillborn = self.live(|live| {
            live.journal.note(
                now,
                "start",
                || json!({ "function": format!("{function:?}"), "invocation": number, "for": format!("{purpose:?}") }),
            );
            live.strikes(Kind::ColdStart)
        });
        let task = task(Rc::clone(&invocation));
        self.running.insert(number, Running { invocation, task, purpose });
        if stillborn {
            return self.dies(number, now, "cold start");
        }
        let timeout_s = if function == Function::Receiver { 10 } else { 20 };
        self.at(now + SignedDuration::from_secs(timeout_s), Event::TimeOut(number));
        self.turn(number);
    }

    /// Batches of a queue that are being worked off.
    pub(super) fn batches_of(&self, queue: Inner) -> usize {
        let of = |running: &&Running<'_>| matches!(running.purpose, Purpose::Batch(its, _) if its == queue);
        self.running.values().filter(of).count()
    }

    /// An invocation goes on as far as it can.
    fn turn(&mut self, number: u64) {
        let Some(running) = self.running.get_mut(&number) else { return };
        let polled = running.task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let now = self.world.now();
        match polled {
            std::task::Poll::Ready(done) => {
                if let Some(Running { purpose, .. }) = self.running.remove(&number) {
                    self.live(|live| {
                        live.journal.note(now, "end", || json!({ "invocation": number, "with": format!("{done:?}") }));
                    });
                    self.ended(purpose, Some(done), now);
                }
            }
            std::task::Poll::Pending if running.invocation.is_dead() => self.dies(number, now, "crash"),
            std::task::Poll::Pending => {}
        }
    }

    fn dies(&mut self, number: u64, now: Timestamp, why: &str) {
        let Some(Running { purpose, .. }) = self.running.remove(&number) else { return };
        self.live(|live| live.journal.note(now, "died", || json!({ "invocation": number, "why": why })));
        self.ended(purpose, None, now);
    }

    fn ended(&mut self, purpose: Purpose, done: Option<Done>, now: Timestamp) {
        match (purpose, done) {
            (Purpose::Batch(queue, messages), Some(Done::Batch(failed))) => {
                self.worked_off(queue, &messages, &failed, now);
            }
            (Purpose::Post(post), done) => {
                let status = if let Some(Done::Status(status)) = done { Some(status) } else { None };
                self.answered(post, status, now);
            }
            (Purpose::Ack(said), done) => {
                let status = if let Some(Done::Status(status)) = done { Some(status) } else { None };
                self.acknowledged(said, status, now);
            }
            _ => {}
        }
    }

    /// From here on nothing goes wrong, and what was given up by dying over it is handed in again, as an operator would.
    fn heal(&mut self, now: Timestamp) {
        self.live(|live| {
            live.healed = true;
            live.journal.note(now, "healed", || json!({}));
        });
        self.world.controller(Controller::Reads);
        self.redrive();
        self.owe_acknowledgements(now);
    }

    /// An operator hands in again what was given up by dying over it; what is none of ours stays.
    fn redrive(&mut self) {
        for (dead, queue) in [(Inner::RetriesDead, Inner::Retries), (Inner::AlertsDead, Inner::Alerts)] {
            let foreign_only = self.world.queued(dead).iter().all(|message| message.body == FOREIGN);
            if foreign_only {
                continue;
            }
            for message in self.world.take(dead) {
                let into = if message.body == FOREIGN { dead } else { queue };
                self.world.put(into, &message.body);
            }
        }
    }
}
