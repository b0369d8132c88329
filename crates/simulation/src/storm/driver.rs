//! The loop of a storm: runs the next event in virtual time.

use std::{
    collections::{BTreeMap, HashMap},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use jiff::{SignedDuration, Timestamp};
use pipeline::{
    config::{Config, TokenHash},
    incident::IncidentStatus,
    job::Message,
    messages::{self, ToRetry},
};
use serde_json::{Value, json};

use super::{Storm, StormReport, Storming, aws, provider::Voltus, report::Seen};
use crate::{Function, Inner, Invocation, Seed, Simulation, Webhook, sim::BEGINNING, timers::Sleep};

pub(super) const SOURCE: &str = "voltus-prod";
const TOKEN: &str = "a-token-that-nobody-guesses";
const ACK_TOKEN: &str = "another-token-that-nobody-guesses";

/// The source is polled once before the first announcement: dispatches in its first list would not count as missed.
const WARM_UP: SignedDuration = SignedDuration::from_secs(200);

/// The time after the last expected event in which mails about the end are sent.
const AFTERWARDS: SignedDuration = SignedDuration::from_mins(4);

/// The batch size.
const BATCH: usize = 10;

enum Event {
    Post(usize),
    Ack(String, u64),
    Sweep,
    End,
}

enum Purpose {
    Batch(Inner, Vec<Message>),
    Post(usize),
    Other,
}

enum Done {
    Batch(Vec<String>),
    Status(u16),
    Swept,
}

type Task<'w> = Pin<Box<dyn Future<Output = Done> + 'w>>;

struct Running<'w> {
    task: Task<'w>,
    purpose: Purpose,
    function: Function,
    began_at: Timestamp,
}

struct Driver<'w> {
    sim: &'w Simulation,
    storm: &'w Storm,
    agenda: BTreeMap<(Timestamp, u64), Event>,
    order: u64,
    running: BTreeMap<u64, Running<'w>>,
    /// Idle warm environments, by function.
    warm: HashMap<&'static str, u64>,
    random: Seed,
    read: usize,
    seen: Seen,
}

/// When the first webhook is sent.
pub(super) fn begins() -> Timestamp {
    BEGINNING + WARM_UP
}

pub(super) fn run(storm: &Storm) -> StormReport {
    let begins = begins();
    let outage = storm.outage.map(|lasts| (begins + storm.window / 2, begins + storm.window / 2 + lasts));
    let mut voltus = Voltus::new(storm.allowance, outage);
    for _ in 0..storm.active {
        voltus.adds(BEGINNING, BEGINNING + SignedDuration::from_hours(2), storm.sites);
    }
    let count = i64::try_from(storm.dispatches.max(1)).unwrap_or(1);
    let mut posts = Vec::new();
    for number in 0..i64::try_from(storm.dispatches).unwrap_or(0) {
        let at =
            begins + SignedDuration::from_micros(i64::try_from(storm.window.as_micros()).unwrap_or(0) / count * number);
        posts.push((at, voltus.adds(at, storm.start(at, begins + storm.window), storm.sites)));
    }
    let sim = Simulation::new(storm.seed, config(storm));
    sim.with(|state| {
        state.has_heartbeat = true;
        state.storm = Some(Box::new(Storming::new(storm, voltus)));
    });
    let mut driver = Driver {
        sim: &sim,
        storm,
        agenda: BTreeMap::new(),
        order: 0,
        running: BTreeMap::new(),
        warm: HashMap::new(),
        random: Seed::new(storm.seed ^ 0x6472_6976_6572),
        read: 0,
        seen: Seen::new(posts),
    };
    driver.go(outage.map(|(_, to)| to));
    driver.outcome(outage)
}

/// A configuration with Voltus alone, polled as usual.
fn config(storm: &Storm) -> Config {
    let config = json!({
        "sources": { SOURCE: { "provider": "voltus", "api_key": "env:KEY", "tokens": [TokenHash::of(TOKEN)], "poll_s": 300,
            "requests_a_minute": storm.allowance } },
        "deadlines": { "lead_s": 600, "immediate_s": 60, "acknowledge": true },
        "contacts": { "email": ["grid-duty@example.com"], "from": "gridbell@example.com" },
        "acks": { "tokens": [TokenHash::of(ACK_TOKEN)] },
    });
    #[expect(clippy::expect_used, reason = "a constant that does not parse is a bug of the simulator")]
    Config::parse(&config.to_string()).expect("a configuration")
}

impl<'w> Driver<'w> {
    fn at(&mut self, at: Timestamp, event: Event) {
        self.order += 1;
        self.agenda.insert((at, self.order), event);
    }

    #[expect(clippy::expect_used, reason = "the driver sets it before it starts")]
    fn storming<T>(&self, act: impl FnOnce(&mut Storming) -> T) -> T {
        self.sim.with(|state| act(state.storm.as_mut().expect("a storm drives this simulation")))
    }

    fn go(&mut self, back_at: Option<Timestamp>) {
        for number in 0..self.seen.posts.len() {
            self.at(self.seen.posts[number].at, Event::Post(number));
        }
        self.at(BEGINNING + SignedDuration::from_mins(1), Event::Sweep);
        let last = begins() + self.storm.window;
        // Every deadline has passed by then.
        let ends = last.max(back_at.unwrap_or(last)).max(last + self.storm.notice) + AFTERWARDS;
        self.at(ends, Event::End);
        loop {
            self.take_up();
            let next = self.agenda.keys().next().map(|(at, _)| *at).into_iter();
            let Some(at) = next.chain(self.sim.with(|state| state.timers.next())).chain(self.next_batch_at()).min()
            else {
                return;
            };
            let now = self.sim.with(|state| {
                state.now = state.now.max(at);
                state.now
            });
            if let Some((number, waker)) = self.sim.with(|state| state.timers.ring(now)) {
                waker.wake();
                self.turn(number, now);
            } else if let Some(first) = self.agenda.first_entry().filter(|first| first.key().0 <= now) {
                match first.remove() {
                    Event::End => return,
                    event => self.happens(event, now),
                }
            }
            self.consume(now);
        }
    }

    fn happens(&mut self, event: Event, now: Timestamp) {
        match event {
            Event::Post(number) => {
                let id = self.seen.posts[number].id.clone();
                self.start(Function::Receiver, Purpose::Post(number), move |invocation| {
                    Box::pin(async move {
                        let body = provider_sims::bodies::voltus::webhook("dispatch.create", &id);
                        let request = Webhook { source: SOURCE, token: TOKEN, body: &body.to_string() };
                        Done::Status(invocation.receive(request.into()).await.status)
                    })
                });
            }
            Event::Ack(subject, version) => self.start(Function::Retrier, Purpose::Other, move |invocation| {
                Box::pin(async move {
                    let body = json!({ "dispatch": subject, "version": version, "state": "accepted" }).to_string();
                    Done::Status(invocation.acknowledge(ACK_TOKEN, body.as_bytes()).await.status)
                })
            }),
            Event::Sweep => {
                self.at(now + SignedDuration::from_mins(1), Event::Sweep);
                self.start(Function::Sweeper, Purpose::Other, |invocation| {
                    Box::pin(async move {
                        invocation.sweep().await;
                        Done::Swept
                    })
                });
            }
            Event::End => {}
        }
    }

    /// Starts an invocation, in an idle warm environment if there is one.
    fn start(&mut self, function: Function, purpose: Purpose, task: impl FnOnce(Rc<Invocation<'w>>) -> Task<'w>) {
        let now = self.sim.now();
        let idle = self.warm.entry(pool(function)).or_default();
        let is_warm = *idle > 0;
        *idle -= u64::from(is_warm);
        let range = if is_warm { self.storm.aws.warm_ms } else { self.storm.aws.cold_ms };
        let after_ms = range.0 + self.random.up_to(range.1 - range.0);
        let until = now + SignedDuration::from_millis(i64::try_from(after_ms).unwrap_or(0));
        let invocation = Rc::new(Invocation::new(self.sim, function));
        let number = invocation.number();
        let job = task(Rc::clone(&invocation));
        let task: Task<'w> = Box::pin(async move {
            Sleep { invocation: &invocation, until, order: None }.await;
            job.await
        });
        self.running.insert(number, Running { task, purpose, function, began_at: now });
        self.turn(number, now);
    }

    fn turn(&mut self, number: u64, now: Timestamp) {
        let Some(running) = self.running.get_mut(&number) else { return };
        let Poll::Ready(done) = running.task.as_mut().poll(&mut Context::from_waker(Waker::noop())) else { return };
        let Some(Running { purpose, function, began_at, .. }) = self.running.remove(&number) else { return };
        *self.warm.entry(pool(function)).or_default() += 1;
        self.storming(|storming| storming.busy_until.remove(&number));
        self.seen.ran(function, aws::has_http(function), now.duration_since(began_at), function.timeout());
        match (purpose, done) {
            (Purpose::Batch(queue, messages), Done::Batch(failed)) => {
                for message in messages.iter().filter(|message| !failed.contains(&message.id)) {
                    self.storming(|storming| storming.line(queue).delete(&message.id));
                    if let Ok(ToRetry::Deadline(deadline)) = messages::read(&message.body) {
                        self.seen.checked(&deadline.subject, now);
                    }
                }
            }
            (Purpose::Post(post), Done::Status(status)) => {
                self.seen.posts[post].taken_at = (status == 200).then_some(now);
            }
            _ => {}
        }
    }

    /// Starts batches of visible messages, as far as each mapping's concurrency allows.
    fn take_up(&mut self) {
        let now = self.sim.now();
        for queue in Inner::READ {
            while self.batch_at(queue).is_some_and(|at| at <= now) {
                let messages = self.storming(|storming| storming.line(queue).receive(now, BATCH));
                let Some(function) = Function::of(queue).filter(|_| !messages.is_empty()) else { break };
                self.seen.batches += 1;
                let batch = messages.clone();
                self.start(function, Purpose::Batch(queue, messages), move |invocation| {
                    Box::pin(async move {
                        Done::Batch(match function {
                            Function::Hydrator => invocation.hydrate(batch).await,
                            Function::Alerter => invocation.alert(batch).await,
                            _ => invocation.retry(batch).await,
                        })
                    })
                });
            }
        }
    }

    fn next_batch_at(&self) -> Option<Timestamp> {
        Inner::READ.into_iter().filter_map(|queue| self.batch_at(queue)).min()
    }

    fn batch_at(&self, queue: Inner) -> Option<Timestamp> {
        let of = |running: &&Running<'_>| matches!(running.purpose, Purpose::Batch(its, _) if its == queue);
        let running = self.running.values().filter(of).count() as u64;
        let place = Inner::READ.iter().position(|read| *read == queue)?;
        let aws = &self.storm.aws;
        // A mapping's concurrency grows from the start of the storm.
        let since_s = self.sim.now().duration_since(begins()).as_secs().max(0).unsigned_abs();
        let most = (aws.begins_with + aws.grows_by * since_s).min(*aws.most.get(place)?);
        (running < most).then(|| self.storming(|storming| storming.line(queue).next_at())).flatten()
    }

    /// The controller reads signals and acknowledges each within three seconds.
    fn consume(&mut self, now: Timestamp) {
        let new = self.sim.with(|state| {
            let sent = state.signals.sent();
            let new: Vec<(Timestamp, String)> =
                sent[self.read..].iter().map(|sent| (sent.at, sent.body.clone())).collect();
            self.read = sent.len();
            new
        });
        for (at, body) in new {
            let Ok(event) = serde_json::from_str::<Value>(&body) else { continue };
            let subject = event["subject"].as_str().unwrap_or_default().to_owned();
            let version = event["sequence"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
            self.seen.signal(&subject, at);
            let after_ms = i64::try_from(1_000 + self.random.up_to(2_000)).unwrap_or(1_000);
            self.at(now + SignedDuration::from_millis(after_ms), Event::Ack(subject, version));
        }
    }

    fn outcome(self, outage: Option<(Timestamp, Timestamp)>) -> StormReport {
        let Self { sim, storm, seen, .. } = self;
        let incidents = sim.incidents().all();
        let open = incidents.iter().filter(|incident| incident.status != IncidentStatus::Resolved).count();
        let first = incidents.iter().take(5).map(|incident| incident.incident.clone()).collect();
        let (mails, fifo) = (sim.mails(), sim.signals().len());
        sim.with(|state| {
            let Some(storming) = state.storm.take() else { return StormReport::default() };
            seen.outcome(storm, &storming, outage, ((incidents.len(), open), first), &mails, fifo)
        })
    }
}

/// The pool of environments: acknowledgements and the sweep run in the retrier's.
fn pool(function: Function) -> &'static str {
    match function {
        Function::Receiver => "receiver",
        Function::Hydrator => "hydrator",
        Function::Retrier | Function::Sweeper => "retrier",
        Function::Alerter => "alerter",
        Function::Courier => "courier",
    }
}
