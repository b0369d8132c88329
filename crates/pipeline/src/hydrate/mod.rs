//! From a delivery to signals: read, fetch what is missing, merge, write once, publish.
//!
//! A batch goes through in phases, so that looks at one resource are one fetch and facts about one subject are one write.
//! A failure concerns only the deliveries that it touches: they go to the retrier, with the reason.

mod assemble;
mod findings;
mod listed;
mod look;
mod looks;
mod neighbours;
mod poll;
mod publish;
mod ramps;
mod settle;
mod waiting;

pub use settle::WRITTEN_S;

use std::collections::BTreeMap;

use dispatch::{Fact, Origin, Says, Subject};
use futures_util::{
    StreamExt,
    future::{join_all, join3},
    stream::{self, FuturesUnordered},
};
use jiff::{SignedDuration, Timestamp};
use providers::{Delivery, Provider, Reading};

use crate::{
    budget::Shares,
    conditions::Condition,
    config::{Config, Source},
    messages::{self, ReadError, ToHydrate, ToRetry},
    ports::{Chance, Clock, Deliveries, Dispatches, Health, Outlet, PortError, ProviderApi, SignalStream},
    view::Views,
    work::{FOREIGN, Failed, Message, Task, Trouble, TroubleKind, Waits, Work},
};

use neighbours::Neighbours;
pub use publish::{Outcome, publish};
use settle::{Brought, By};

/// Writes and fetches under way at once: a large notification must end within one invocation, a table not be stormed.
const AT_ONCE: usize = 16;

/// So many targets of a dispatch take one of the places at once.
const TARGETS_A_PLACE: usize = 125;

/// After this long nothing is begun any more, so that what is under way ends within the function's time (its `Timeout` in the
/// template is 20 s). A body may hold thousands of dispatches, or a few over tens of thousands of meters each.
const ENOUGH: SignedDuration = SignedDuration::from_secs(8);

/// The hydrator.
#[derive(Debug)]
pub struct Hydrate<'a, T, S, F, D, O, C> {
    /// The sources.
    pub config: &'a Config,
    /// `dispatches`.
    pub table: &'a T,
    /// `signals`.
    pub stream: &'a S,
    /// The providers' APIs.
    pub api: &'a F,
    /// `deliveries`.
    pub deliveries: &'a D,
    /// The inner queues.
    pub outlet: &'a O,
    /// What this process may ask of each source by itself.
    pub shares: &'a Shares,
    /// Time and chance.
    pub world: &'a C,
    /// What this process knows of active dispatches.
    pub views: &'a Views,
}

/// A message of the batch on its way through the phases.
struct Item {
    message: String,
    work: Work,
    source: Option<Bound>,
    reading: Reading,
    trouble: Option<Trouble>,
    /// There was no time for the subjects behind this one.
    goes_on_after: Option<Subject>,
    /// The delivery that failed before and has become a request: what is booked of it counts no more.
    turned: Option<Work>,
    /// It waits: since when, and so many seconds longer.
    waits: Option<(Option<Waits>, u32)>,
}

/// What a batch says of one subject: through which source, first brought by which delivery and when taken, the facts, and the
/// items that they came with.
type Gathered = (Bound, (String, Timestamp), Vec<Fact>, Vec<usize>);

/// The source that a delivery came through, resolved.
#[derive(Clone)]
struct Bound {
    source: Source,
    origin: Origin,
    provider: &'static dyn Provider,
}

impl<T, S, F, D, O, C> Hydrate<'_, T, S, F, D, O, C>
where
    T: Dispatches,
    S: SignalStream,
    F: ProviderApi,
    D: Deliveries + Health,
    O: Outlet,
    C: Clock + Chance,
{
    /// Handles a batch; returns the ids of the messages that were not taken care of, to be delivered again.
    pub async fn batch(&self, messages: Vec<Message>) -> Vec<String> {
        let (mut jobs, mut polls, mut beats, mut left) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut listed = Vec::new();
        for message in messages {
            match messages::read(&message.body) {
                Ok(ToHydrate::Heartbeat(beat)) => beats.push((beat.at, message.id)),
                Ok(ToHydrate::Work(work)) if work.task == Task::Poll => polls.push(work),
                Ok(ToHydrate::Work(mut work)) if matches!(work.task, Task::Listed(_)) && message.receives == 1 => {
                    // What it fails at is put back where it was.
                    if let Task::Listed(facts) = std::mem::replace(&mut work.task, Task::Poll) {
                        listed.push((message, work, facts));
                    }
                }
                Ok(ToHydrate::Work(work)) => jobs.push((message, work)),
                Err(ReadError::Foreign(_)) => {
                    // Nothing that gridbell sent: kept as it is, under the name of no source.
                    let work = Work::foreign(&message, self.world.now());
                    jobs.push((Message { receives: 1, ..message }, work));
                }
                Err(error @ ReadError::Newer(v)) => {
                    tracing::error!(delivery.message = message.id, %error, "left for a function of that release");
                    self.report_newer(v).await;
                    left.push(message.id);
                }
            }
        }
        // Before anything of the batch can fail.
        left.extend(self.answer(beats).await);
        let polled = join_all(polls.iter().map(|work| self.poll(work)));
        let listed = join_all(listed.into_iter().map(|(message, work, facts)| self.listed(message.id, work, facts)));
        let (hydrated, _, listed) = join3(self.hydrated(jobs), polled, listed).await;
        left.extend(hydrated);
        left.extend(listed.into_iter().flatten());
        left
    }

    /// Answers heartbeats; returns the ids of those that could not be answered.
    async fn answer(&self, beats: Vec<(Timestamp, String)>) -> Vec<String> {
        let Some(latest) = beats.iter().map(|(at, _)| *at).max() else { return Vec::new() };
        match self.deliveries.answer(latest, self.world.now()).await {
            Ok(()) => Vec::new(),
            Err(error) => {
                tracing::error!(%error, "a heartbeat is left to be answered later");
                beats.into_iter().map(|(_, id)| id).collect()
            }
        }
    }

    async fn hydrated(&self, jobs: Vec<(Message, Work)>) -> Vec<String> {
        let began_at = self.world.now();
        let read = jobs.into_iter().map(|(message, work)| self.read(message, work));
        let mut items: Vec<Item> = join_all(read).await;
        self.report_all(&mut items).await;
        self.fan_out(&mut items).await;
        self.look_up(&mut items).await;
        self.settle_all(&mut items, began_at).await;
        let ends = join_all(items.into_iter().map(|item| self.finish(item, began_at))).await;
        ends.into_iter().flatten().collect()
    }

    /// Phase 1: what the body says. A message that comes a second time is one more failed attempt, and the retrier's: a hydrator died
    /// over it, or could not pass it on, and this time may end no better.
    async fn read(&self, message: Message, mut work: Work) -> Item {
        let now = self.world.now();
        let source = self.bind(&work.source);
        let read = match &source {
            _ if message.receives > 1 => Err(Trouble::crash(now)),
            None if work.source == FOREIGN => {
                Err(Trouble::new(TroubleKind::Unreadable, now, "the message is none of gridbell's"))
            }
            None => Err(Trouble::new(TroubleKind::Config, now, "the configuration does not know the source any more")),
            Some(bound) => match self.body(&mut work).await {
                Ok(body) => {
                    read(&work, bound, body).map_err(|reason| Trouble::new(TroubleKind::Unreadable, now, reason))
                }
                Err(trouble) => Err(trouble),
            },
        };
        let (reading, trouble) = match read {
            Ok(reading) => (remaining(reading, work.after.as_ref()), None),
            Err(trouble) => (Reading::default(), Some(trouble)),
        };
        Item { message: message.id, work, source, reading, trouble, goes_on_after: None, turned: None, waits: None }
    }

    fn bind(&self, name: &str) -> Option<Bound> {
        let (source, origin) = self.config.source(name)?;
        Some(Bound { source: source.clone(), origin, provider: source.provider()? })
    }

    /// Phase 2: several looks of one delivery become work of their own, so that each is retried alone and none waits for another.
    async fn fan_out(&self, items: &mut [Item]) {
        for item in items.iter_mut().filter(|item| item.reading.looks.len() > 1) {
            let looks = std::mem::take(&mut item.reading.looks);
            let work = &item.work;
            let sent = looks.into_iter().map(|look| async move {
                // With a retry of its own: what the delivery failed at ends once all of them are passed on.
                let work = Work { task: Task::Look(look), attempt: 0, troubles: Vec::new(), ..work.clone() };
                self.outlet.deliver(ToHydrate::Work(work), 0).await
            });
            let sent: Vec<Result<(), PortError>> = stream::iter(sent).buffer_unordered(AT_ONCE).collect().await;
            if let Some(error) = sent.into_iter().find_map(Result::err) {
                item.trouble = Some(Trouble::new(TroubleKind::Storage, self.world.now(), error.to_string()));
            }
        }
    }

    /// Phase 4: one merge, one write and one publication for each subject of the batch, in their order. What there is no time for
    /// is left to another invocation.
    async fn settle_all(&self, items: &mut [Item], began_at: Timestamp) {
        let mut subjects = gather(items).into_iter().peekable();
        let neighbours = &Neighbours::new(self.views);
        let mut running = FuturesUnordered::new();
        let (mut weight, mut last) = (0, None);
        loop {
            let has_time = last.is_none() || self.world.now().duration_since(began_at) < ENOUGH;
            let fits = |weight: usize, (_, gathered): &(Subject, Gathered)| {
                weight == 0 || weight + weight_of(&gathered.2) <= AT_ONCE
            };
            while let Some((subject, gathered)) = subjects.next_if(|next| has_time && fits(weight, next)) {
                let (bound, (delivery, received_at), facts, of) = gathered;
                let own = weight_of(&facts);
                weight += own;
                last = Some(subject.clone());
                running.push(async move {
                    let brought =
                        Brought { bound: &bound, subject: &subject, delivery: &delivery, received_at, by: By::Webhook };
                    let from = settle::likely(&facts);
                    (own, of, self.settle(brought, facts, from, neighbours).await)
                });
            }
            let Some((own, of, result)) = running.next().await else { break };
            weight -= own;
            match (result, of.first()) {
                (Ok(settled), Some(first)) => items[*first].reading.findings.extend(settled.findings),
                (Ok(_), None) => {}
                (Err(trouble), _) => of.into_iter().for_each(|index| items[index].trouble = Some(trouble.clone())),
            }
        }
        for (_, (_, _, _, of)) in subjects {
            for index in of {
                items[index].goes_on_after.clone_from(&last);
            }
        }
    }

    /// Phase 5: pass on what failed. Returns the message's id where not even that worked.
    async fn finish(&self, mut item: Item, began_at: Timestamp) -> Option<String> {
        self.report_findings(&mut item).await;
        let Item { message, work, trouble, goes_on_after, turned, waits, .. } = item;
        if trouble.is_none() && waits.is_some() {
            tracing::info!(delivery.id = work.delivery, source.name = work.source, look.key = work.key(), "waits");
        } else {
            log(&work, trouble.as_ref());
        }
        let turned = match &turned {
            Some(delivery) => self.succeeded(delivery, began_at).await,
            None => Ok(()),
        };
        let done = match (trouble, goes_on_after) {
            (None, _) if let Some((waits, delay_s)) = waits => {
                // No attempt: nothing has failed.
                self.outlet.deliver(ToHydrate::Work(Work { waits, ..work }), delay_s).await
            }
            (Some(failed), _) => self.outlet.retry(&[(ToRetry::Failed(Failed { failed, work }), 0)]).await,
            (None, None) => self.succeeded(&work, began_at).await,
            (None, after) => self.outlet.deliver(ToHydrate::Work(Work { after, ..work }), 0).await,
        };
        match turned.and(done) {
            Ok(()) => None,
            Err(error) => {
                tracing::error!(delivery.message = message, %error, "left to be delivered again");
                Some(message)
            }
        }
    }

    /// A success after failures removes what the failures left.
    async fn succeeded(&self, work: &Work, began_at: Timestamp) -> Result<(), PortError> {
        if work.attempt == 0 {
            return Ok(());
        }
        let now = self.world.now();
        self.deliveries.settled(work, began_at).await?;
        self.outlet.hint(work.condition(), now, 0).await?;
        if work.troubles.iter().any(|trouble| trouble.kind == TroubleKind::Credentials) {
            self.deliveries.accept(&work.source, began_at).await?;
            self.outlet.hint(Condition::KeyRefused { source: work.source.clone() }, now, 0).await?;
        }
        Ok(())
    }
}

/// What a batch says of each subject.
fn gather(items: &mut [Item]) -> BTreeMap<Subject, Gathered> {
    let mut subjects: BTreeMap<Subject, Gathered> = BTreeMap::new();
    for (index, item) in items.iter_mut().enumerate() {
        let Some(bound) = &item.source else { continue };
        for fact in std::mem::take(&mut item.reading.facts) {
            let brought = (item.work.delivery.clone(), item.work.received_at);
            let (_, _, facts, of) = subjects
                .entry(fact.subject.clone())
                .or_insert_with(|| (bound.clone(), brought, Vec::new(), Vec::new()));
            if !facts.contains(&fact) {
                facts.push(fact);
            }
            if of.last() != Some(&index) {
                of.push(index);
            }
        }
    }
    subjects
}

/// How many of the [`AT_ONCE`] places facts about one subject take: thousands of targets take all of them, since each that is under
/// way holds its signals and its record in memory.
fn weight_of(facts: &[Fact]) -> usize {
    let targets = |fact: &Fact| if let Says::Dispatch(said) = &fact.says { said.statement.targets.len() } else { 0 };
    (1 + facts.iter().map(targets).sum::<usize>() / TARGETS_A_PLACE).min(AT_ONCE)
}

/// What an earlier invocation had no time for; what else there was to say of the body, it said.
fn remaining(reading: Reading, after: Option<&Subject>) -> Reading {
    let Some(after) = after else { return reading };
    let facts = reading.facts.into_iter().filter(|fact| fact.subject > *after).collect();
    Reading { facts, looks: reading.looks, ..Reading::default() }
}

fn read(work: &Work, bound: &Bound, stored: Option<String>) -> Result<Reading, String> {
    let body = match (stored, work.body()) {
        (Some(body), _) => body,
        (None, Some(body)) => body.map_err(|error| error.to_string())?,
        (None, None) => {
            let Task::Look(look) = &work.task else { return Ok(Reading::default()) };
            return Ok(Reading { looks: vec![look.clone()], ..Reading::default() });
        }
    };
    let delivery = Delivery { id: &work.delivery, received_at: work.received_at, origin: &bound.origin };
    bound.provider.parse(&delivery, &body).map_err(|unreadable| unreadable.to_string())
}

/// One line for each delivery: it is a failure's only line here, since the retrier logs what becomes of it.
fn log(work: &Work, trouble: Option<&Trouble>) {
    let (delivery, source, attempt) = (&work.delivery, &work.source, work.attempt + 1);
    let look = if let Task::Look(look) = &work.task { Some(&look.key) } else { None };
    match trouble {
        None => tracing::info!(
            delivery.id = delivery,
            source.name = source,
            look.key = look,
            delivery.attempt = attempt,
            "hydrated"
        ),
        Some(trouble) => tracing::warn!(
            delivery.id = delivery,
            source.name = source,
            look.key = look,
            delivery.attempt = attempt,
            trouble.kind = ?trouble.kind,
            trouble.detail = trouble.detail,
            "not hydrated"
        ),
    }
}
