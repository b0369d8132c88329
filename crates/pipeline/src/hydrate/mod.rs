//! From a delivery to signals: read, fetch what is missing, merge, write once, publish.
//!
//! A batch is processed in phases, so that requests for one resource are fetched once and facts about one subject are
//! written once. A failure concerns only the deliveries that depend on it: they go to the retrier, with the reason.

mod assemble;
mod diagnostics;
mod fetch;
mod fetches;
mod gather;
mod listed;
pub mod overlap_view;
mod overlaps;
mod poll;
mod publish;
mod ramps;
mod settle;
mod waiting;

pub use settle::WRITTEN_S;

use dispatch::{Origin, Subject};
use futures_util::{
    StreamExt,
    future::{join_all, join3},
    stream::{self, FuturesUnordered},
};
use jiff::{SignedDuration, Timestamp};
use providers::{Delivery, Parsed, Provider};
use tracing::{Instrument, Span};

use crate::{
    alerts::condition::Condition,
    config::{Config, Source},
    hydrate::overlap_view::OverlapViews,
    job::{FOREIGN, FailedJob, Failure, FailureKind, Job, JobKind, Message, Waits},
    messages::{self, ReadError, ToHydrate, ToRetry},
    polling::budget::LocalBudgets,
    ports::{Clock, Deliveries, Health, JobQueue, PortError, Ports},
    trace::{self, Hop},
};

use gather::{Gathered, gather, weight_of};
use overlaps::Overlaps;
pub use publish::{PublishOutcome, publish};
use settle::{Brought, By};

/// Concurrent writes and fetches: a large notification must finish within one invocation without overloading a table.
const AT_ONCE: usize = 16;

/// No work begins after this long, so that running work ends within the function's timeout (`Timeout` in the template:
/// 20 s). A body may contain thousands of dispatches, or a few with tens of thousands of meters each.
const ENOUGH: SignedDuration = SignedDuration::from_secs(8);

/// The hydrator.
#[derive(Debug)]
pub struct Hydrate<'a, P: Ports> {
    /// The sources.
    pub config: &'a Config,
    /// `dispatches`.
    pub table: &'a P::Dispatches,
    /// `signals`.
    pub stream: &'a P::SignalStream,
    /// The providers' APIs.
    pub api: &'a P::ProviderApi,
    /// `deliveries`.
    pub deliveries: &'a P::Deliveries,
    /// The inner queues.
    pub job_queue: &'a P::JobQueue,
    /// This process's own share of each source's allowance.
    pub local_budgets: &'a LocalBudgets,
    /// Clock and random numbers.
    pub host: &'a P::Host,
    /// What this process has stored about active dispatches.
    pub views: &'a OverlapViews,
}

/// A message of the batch on its way through the phases.
struct Item {
    message: String,
    /// The job. Its trace goes on with this hop.
    job: Job,
    /// This hop of the trace.
    span: Span,
    source: Option<Bound>,
    parsed: Parsed,
    failure: Option<Failure>,
    /// The last subject that was settled; no time was left for the later ones.
    goes_on_after: Option<Subject>,
    /// The failed delivery that has turned into a fetch request: its booking no longer counts.
    turned: Option<Job>,
    /// It waits: since when, and for how many more seconds.
    waits: Option<(Option<Waits>, u32)>,
}

struct Received {
    message: Message,
    job: Job,
}

struct Beat {
    at: Timestamp,
    message: String,
}

#[derive(Clone)]
struct Bound {
    source: Source,
    origin: Origin,
    provider: &'static dyn Provider,
}

impl<P: Ports> Hydrate<'_, P> {
    /// Handles a batch; returns the ids of the messages to deliver again.
    pub async fn batch(&self, messages: Vec<Message>) -> Vec<String> {
        let (mut jobs, mut polls, mut beats, mut left) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut listed = Vec::new();
        for message in messages {
            match messages::read(&message.body) {
                Ok(ToHydrate::Heartbeat(beat)) => beats.push(Beat { at: beat.at, message: message.id }),
                Ok(ToHydrate::Job(job)) if job.kind == JobKind::Poll => polls.push(job),
                Ok(ToHydrate::Job(mut job)) if matches!(job.kind, JobKind::Listed(_)) && message.receives == 1 => {
                    // Facts that fail are put back into the job.
                    if let JobKind::Listed(facts) = std::mem::replace(&mut job.kind, JobKind::Poll) {
                        listed.push((message, job, facts));
                    }
                }
                Ok(ToHydrate::Job(job)) => jobs.push(Received { message, job }),
                Err(ReadError::Foreign(_)) => {
                    // A message that gridbell did not send: quarantined unchanged, under no source's name.
                    let job = Job::foreign(&message, self.host.now());
                    jobs.push(Received { message: Message { receives: 1, ..message }, job });
                }
                Err(error @ ReadError::Newer(v)) => {
                    tracing::error!(delivery.message = message.id, %error, "left for a function of that release");
                    self.report_newer(v).await;
                    left.push(message.id);
                }
            }
        }
        // Heartbeats first: before anything of the batch can fail.
        left.extend(self.answer(beats).await);
        let polled = join_all(polls.into_iter().map(|job| {
            let (job, span) = self.next_hop(job, "poll");
            async move { self.poll(&job).await }.instrument(span)
        }));
        let listed = join_all(listed.into_iter().map(|(message, job, facts)| {
            let (job, span) = self.next_hop(job, "list");
            self.listed(message.id, job, facts).instrument(span)
        }));
        let (hydrated, _, listed) = join3(self.hydrated(jobs), polled, listed).await;
        left.extend(hydrated);
        left.extend(listed.into_iter().flatten());
        left
    }

    /// Answers heartbeats; returns the ids of those that it could not answer.
    async fn answer(&self, beats: Vec<Beat>) -> Vec<String> {
        let Some(latest) = beats.iter().map(|beat| beat.at).max() else { return Vec::new() };
        match self.deliveries.answer(latest, self.host.now()).await {
            Ok(()) => Vec::new(),
            Err(error) => {
                tracing::error!(%error, "a heartbeat is left to be answered later");
                beats.into_iter().map(|beat| beat.message).collect()
            }
        }
    }

    async fn hydrated(&self, jobs: Vec<Received>) -> Vec<String> {
        let began_at = self.host.now();
        let read = jobs.into_iter().map(|Received { message, job }| {
            let (job, span) = self.next_hop(job, "hydrate");
            self.read(Received { message, job }, span.clone()).instrument(span)
        });
        let mut items: Vec<Item> = join_all(read).await;
        self.report_all(&mut items).await;
        self.fan_out(&mut items).await;
        self.fetch_all(&mut items).await;
        self.settle_all(&mut items, began_at).await;
        let ends = join_all(items.into_iter().map(|item| {
            let span = item.span.clone();
            self.finish(item, began_at).instrument(span)
        }));
        ends.await.into_iter().flatten().collect()
    }

    /// A job at this hop of its trace; what it sends follows from it.
    fn next_hop(&self, job: Job, name: &'static str) -> (Job, Span) {
        let hop = Hop::after(job.traceparent, self.host);
        let span = hop.span(name, &job.source, &job.delivery);
        (job.traced(hop.context), span)
    }

    /// Phase 1: parse the body. A message that is delivered again counts as a failed attempt and goes to the retrier:
    /// an earlier hydrator died over it or could not pass it on, and that may happen again.
    async fn read(&self, Received { message, mut job }: Received, span: Span) -> Item {
        let now = self.host.now();
        let source = self.bind(&job.source);
        let read = match &source {
            _ if message.receives > 1 => Err(Failure::crash(now)),
            None if job.source == FOREIGN => {
                Err(Failure::new(FailureKind::Unreadable, now, "the message is none of gridbell's"))
            }
            None => Err(Failure::new(FailureKind::Config, now, "the configuration does not know the source any more")),
            Some(bound) => match self.body(&mut job).await {
                Ok(body) => {
                    read(&job, bound, body).map_err(|reason| Failure::new(FailureKind::Unreadable, now, reason))
                }
                Err(failure) => Err(failure),
            },
        };
        let (parsed, failure) = match read {
            Ok(parsed) => (remaining(parsed, job.after.as_ref()), None),
            Err(failure) => (Parsed::default(), Some(failure)),
        };
        Item { message: message.id, job, span, source, parsed, failure, goes_on_after: None, turned: None, waits: None }
    }

    fn bind(&self, name: &str) -> Option<Bound> {
        let (source, origin) = self.config.source(name)?;
        Some(Bound { source: source.clone(), origin, provider: source.provider })
    }

    /// Phase 2: several fetch requests of one delivery become separate jobs, so that each is retried alone and none
    /// waits for another.
    async fn fan_out(&self, items: &mut [Item]) {
        for item in items.iter_mut().filter(|item| item.parsed.fetches.len() > 1) {
            let fetches = std::mem::take(&mut item.parsed.fetches);
            let job = &item.job;
            let sent = fetches.into_iter().map(|fetch| async move {
                // Each has a retry of its own; the delivery's failures end once all jobs are passed on.
                let job = Job { kind: JobKind::Fetch(fetch), attempt: 0, failures: Vec::new(), ..job.clone() };
                self.job_queue.deliver(ToHydrate::Job(job), 0).await
            });
            let sent: Vec<Result<(), PortError>> = stream::iter(sent).buffer_unordered(AT_ONCE).collect().await;
            if let Some(error) = sent.into_iter().find_map(Result::err) {
                item.failure = Some(Failure::new(FailureKind::Storage, self.host.now(), error.to_string()));
            }
        }
    }

    /// Phase 4: one merge, one write and one publication for each subject of the batch, in order. Another invocation
    /// settles the subjects for which no time is left.
    async fn settle_all(&self, items: &mut [Item], began_at: Timestamp) {
        let mut subjects = gather(items).into_iter().peekable();
        let overlaps = &Overlaps::new(self.views, self.config);
        let mut running = FuturesUnordered::new();
        let (mut weight, mut last) = (0, None);
        loop {
            let has_time = last.is_none() || self.host.now().duration_since(began_at) < ENOUGH;
            let fits = |weight: usize, (_, gathered): &(Subject, Gathered)| {
                weight == 0 || weight + weight_of(&gathered.facts) <= AT_ONCE
            };
            while let Some((subject, gathered)) = subjects.next_if(|next| has_time && fits(weight, next)) {
                let Gathered { bound, delivery, received_at, traceparent, span, facts, items: of } = gathered;
                let own = weight_of(&facts);
                weight += own;
                last = Some(subject.clone());
                let settled = async move {
                    let (bound, subject, delivery, by) = (&bound, &subject, delivery.as_str(), By::Webhook);
                    let brought = Brought { bound, subject, delivery, received_at, by, traceparent };
                    let from = settle::likely(&facts, self.views.has(subject));
                    (own, of, self.settle(brought, facts, from, overlaps).await)
                };
                running.push(settled.instrument(span));
            }
            let Some((own, of, result)) = running.next().await else { break };
            weight -= own;
            match (result, of.first()) {
                (Ok(settled), Some(first)) => items[*first].parsed.diagnostics.extend(settled.diagnostics),
                (Ok(_), None) => {}
                (Err(failure), _) => of.into_iter().for_each(|index| items[index].failure = Some(failure.clone())),
            }
        }
        for (_, gathered) in subjects {
            for index in gathered.items {
                items[index].goes_on_after.clone_from(&last);
            }
        }
    }

    /// Phase 5: pass on failures. Returns the message's id if even that failed.
    async fn finish(&self, mut item: Item, began_at: Timestamp) -> Option<String> {
        self.report_diagnostics(&mut item).await;
        let Item { message, job, failure, goes_on_after, turned, waits, .. } = item;
        if failure.is_none() && waits.is_some() {
            tracing::info!(delivery.id = job.delivery, source.name = job.source, fetch.key = job.key(), "waits");
        } else {
            log(&job, failure.as_ref());
            if let Some(failure) = &failure {
                trace::failed(&failure.detail);
            }
        }
        let turned = match &turned {
            Some(delivery) => self.succeeded(delivery, began_at).await,
            None => Ok(()),
        };
        let done = match (failure, goes_on_after) {
            (None, _) if let Some((waits, delay_s)) = waits => {
                // Not an attempt: nothing has failed.
                self.job_queue.deliver(ToHydrate::Job(Job { waits, ..job }), delay_s).await
            }
            (Some(failed), _) => {
                self.job_queue.retry(&[ToRetry::Failed(FailedJob { failure: failed, job }).at_once()]).await
            }
            (None, None) => self.succeeded(&job, began_at).await,
            (None, after) => self.job_queue.deliver(ToHydrate::Job(Job { after, ..job }), 0).await,
        };
        match turned.and(done) {
            Ok(()) => None,
            Err(error) => {
                tracing::error!(delivery.message = message, %error, "left to be delivered again");
                Some(message)
            }
        }
    }

    /// A success after failures removes their booking.
    async fn succeeded(&self, job: &Job, began_at: Timestamp) -> Result<(), PortError> {
        if job.attempt == 0 {
            return Ok(());
        }
        let now = self.host.now();
        self.deliveries.settled(job, began_at).await?;
        self.job_queue.hint_in(job.traceparent, job.condition(), now, 0).await?;
        if job.failures.iter().any(|failure| failure.kind == FailureKind::Credentials) {
            self.deliveries.accept(&job.source, began_at).await?;
            let refused = Condition::KeyRefused { source: job.source.clone() };
            self.job_queue.hint_in(job.traceparent, refused, now, 0).await?;
        }
        Ok(())
    }
}

/// The facts for which an earlier invocation had no time. That invocation reported the diagnostics.
fn remaining(parsed: Parsed, after: Option<&Subject>) -> Parsed {
    let Some(after) = after else { return parsed };
    let facts = parsed.facts.into_iter().filter(|fact| fact.subject > *after).collect();
    Parsed { facts, fetches: parsed.fetches, ..Parsed::default() }
}

fn read(job: &Job, bound: &Bound, stored: Option<String>) -> Result<Parsed, String> {
    let body = match (stored, job.body()) {
        (Some(body), _) => body,
        (None, Some(body)) => body.map_err(|error| error.to_string())?,
        (None, None) => {
            let JobKind::Fetch(fetch) = &job.kind else { return Ok(Parsed::default()) };
            return Ok(Parsed { fetches: vec![fetch.clone()], ..Parsed::default() });
        }
    };
    let delivery = Delivery { id: &job.delivery, received_at: job.received_at, origin: &bound.origin };
    bound.provider.parse(&delivery, &body).map_err(|unreadable| unreadable.to_string())
}

/// One line for each delivery. A failure has no other line here: the retrier logs the rest.
fn log(job: &Job, failure: Option<&Failure>) {
    let (delivery, source, attempt) = (&job.delivery, &job.source, job.attempt + 1);
    let fetch = if let JobKind::Fetch(fetch) = &job.kind { Some(&fetch.key) } else { None };
    match failure {
        None => tracing::info!(
            delivery.id = delivery,
            source.name = source,
            fetch.key = fetch,
            delivery.attempt = attempt,
            "hydrated"
        ),
        Some(failure) => tracing::warn!(
            delivery.id = delivery,
            source.name = source,
            fetch.key = fetch,
            delivery.attempt = attempt,
            failure.kind = ?failure.kind,
            failure.detail = failure.detail,
            "not hydrated"
        ),
    }
}
