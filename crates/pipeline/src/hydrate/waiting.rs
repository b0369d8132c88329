//! How a fetch request is answered: by a request of its own while there are few, by the source's list in a burst.

use std::{collections::BTreeSet, sync::Arc};

use jiff::SignedDuration;
use providers::FetchRequest;
use tracing::Instrument;

use super::{Bound, Hydrate};
use crate::{
    job::{Failure, FailureKind, Job, JobKind, Waits},
    polling::{
        budget::{Remembered, UNBOUNDED_A_MINUTE, USUAL_A_MINUTE},
        state::PollState,
    },
    ports::{Clock, Deliveries, PortError, Ports, Random},
    trace::Hop,
    update::{Change, From, PollStates, update},
};

/// A fetch request that waits for longer is a failure, so that it is booked and a person is notified in time.
const MAX_WAIT: SignedDuration = SignedDuration::from_secs(40);

/// The same for one that waits for a list, which comes every few seconds or not at all: each pass through a queue may
/// duplicate a message.
const MAX_LIST_WAIT: SignedDuration = SignedDuration::from_secs(15);

/// A fetch request that waits for a list is tried again after so many seconds, plus at most as many again.
const AGAIN_S: u32 = 3;

/// The same if the allowance is used up.
const TURN_S: u32 = 10;

/// The time that an invocation needs to read a list.
const LIST_TAKES: SignedDuration = SignedDuration::from_secs(14);

/// A resource that a job of the batch wants to fetch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) fetch: &'a FetchRequest,
    pub(super) job: &'a Job,
}

/// How a fetch request is answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum FetchDecision {
    Fetch,
    /// A list has answered it: its facts are settled or passed on.
    Answered,
    /// It is tried again after so many seconds.
    Wait(Option<Waits>, u32),
    /// It cannot be answered.
    Fail(Failure),
}

struct Asked {
    state: PollState,
    /// How many single requests are permitted.
    granted: u32,
    /// How many reads of the list had begun before.
    lists: u64,
    is_burst: bool,
    /// This invocation reads the list now.
    is_claimed: bool,
}

impl<P: Ports> Hydrate<'_, P> {
    /// Permission for one request that no list can replace.
    pub(super) async fn permit(&self, bound: &Bound) -> Result<(), Failure> {
        let (source, a_minute) = (&bound.origin.source, allowance(bound, None));
        if self.local_budgets.take(source, 1, a_minute, self.host.now()) {
            return Ok(());
        }
        let asked = self.ask_for(bound, 1, None).await.map_err(|error| self.port_failure(&error))?;
        if asked.granted > 0 { Ok(()) } else { Err(self.too_much(&asked.state)) }
    }

    /// The provider allows no more requests: stores that for all processes. If the write fails, the next refusal
    /// repeats it.
    pub(super) async fn slow_down(&self, bound: &Bound, wait_s: Option<u32>, said: Option<u32>) {
        let (source, now) = (&bound.origin.source, self.host.now());
        let a_minute = bound.source.requests_a_minute.unwrap_or(USUAL_A_MINUTE);
        self.local_budgets.none(source, now);
        let noted = update(PollStates(self.deliveries), source.as_str(), From::Stored, async |known| {
            let mut next = self.following(known, source);
            next.slowed(wait_s, now);
            next.budget.lower(said, a_minute, now);
            Ok::<_, PortError>(Change::Write(Box::new(next), ()))
        });
        if let Err(error) = noted.await {
            tracing::warn!(source.name = source, %error, "that the provider allows less could not be stored");
        }
    }

    /// Requests permission for so many single requests, or for those and a list if `fetches` wait for one.
    async fn ask_for(&self, bound: &Bound, others: u32, fetches: Option<Looks>) -> Result<Asked, PortError> {
        let source = &bound.origin.source;
        let can_list = self.left() >= LIST_TAKES;
        let updated = update(PollStates(self.deliveries), source.as_str(), From::Stored, async |known| {
            let now = self.host.now();
            let a_minute = allowance(bound, known.as_ref());
            let mut next = self.following(known.clone(), source);
            if a_minute == UNBOUNDED_A_MINUTE && next.budget.lowered(now).is_none() && !next.must_wait(now) {
                self.local_budgets.unbound(source, now);
            }
            let (mut granted, mut is_claimed) = (0, false);
            let lists = next.budget.lists;
            let mut is_burst = fetches.is_some_and(|fetches| {
                (fetches.is_waiting && a_minute != UNBOUNDED_A_MINUTE)
                    || next.budget.burst(now).is_some()
                    || next.budget.is_too_much(fetches.count, a_minute, now)
            });
            let wanted = others + fetches.filter(|_| !is_burst).map_or(0, |fetches| fetches.count);
            let mut is_changed = false;
            if !next.must_wait(now) {
                granted = next.budget.take(wanted, a_minute, now);
                is_changed = granted > 0;
                is_burst |= fetches.is_some() && granted < wanted;
                if is_burst {
                    is_changed |= next.budget.bursts(now);
                    let claimed = next.clone().claimed_for_fetches(now, next.write.clone()).filter(|_| can_list);
                    if let Some(mut claimed) = claimed
                        && claimed.budget.take(1, a_minute, now) > 0
                    {
                        // One revision after the stored one, however many changes it has.
                        next = PollState { revision: next.revision, ..claimed };
                        (is_changed, is_claimed) = (true, true);
                    }
                }
            }
            let asked = Asked { state: next.clone(), granted, lists, is_burst, is_claimed };
            Ok::<_, PortError>(if is_changed {
                Change::Write(Box::new(next), asked)
            } else {
                Change::Keep(Asked { state: known.unwrap_or(asked.state.clone()), ..asked })
            })
        });
        Ok(updated.await?.result)
    }

    fn following(&self, known: Option<PollState>, source: &str) -> PollState {
        let write = self.host.unique();
        match known {
            Some(known) => known.following(write),
            None => PollState::unpolled(source, write),
        }
    }

    /// The failure that more requests are needed than the provider allows.
    fn too_much(&self, state: &PollState) -> Failure {
        let now = self.host.now();
        let (detail, wait_s) = match state.not_before.filter(|until| *until > now) {
            Some(until) => ("the provider asked not to be asked for a while", until.duration_since(now).as_secs()),
            None => ("more requests are needed than the provider allows in a minute", 10),
        };
        let retry_after_s = Some(u32::try_from(wait_s).unwrap_or(u32::MAX));
        Failure { retry_after_s, ..Failure::new(FailureKind::Provider, now, detail) }
    }

    fn port_failure(&self, error: &PortError) -> Failure {
        let kind = if let PortError::Broken { .. } = error { FailureKind::Broken } else { FailureKind::Storage };
        Failure::new(kind, self.host.now(), error.to_string())
    }
}

/// How many requests a minute the source allows, as far as its state shows. If its list can answer single requests,
/// they are limited from the start; if it has no list (404), only by the provider's refusal.
fn allowance(bound: &Bound, known: Option<&PollState>) -> u32 {
    let has_no_list =
        known.and_then(|known| known.failing.as_ref()).is_some_and(|failing| failing.last.kind == FailureKind::Missing);
    match bound.source.requests_a_minute {
        Some(allowed) => allowed,
        None if bound.source.is_polled() && !has_no_list => USUAL_A_MINUTE,
        None => UNBOUNDED_A_MINUTE,
    }
}

/// Fetch requests of a batch that a list can answer.
#[derive(Debug, Clone, Copy)]
struct Looks {
    count: u32,
    /// One of them is waiting already.
    is_waiting: bool,
}

impl<P: Ports> Hydrate<'_, P> {
    /// How each of a source's fetch requests in this batch is answered, in order.
    pub(super) async fn ways(&self, bound: &Bound, fetches: &[Wanted<'_>]) -> Vec<FetchDecision> {
        let (source, a_minute) = (&bound.origin.source, allowance(bound, None));
        if !self.has_time() {
            return fetches.iter().map(|wanted| FetchDecision::Wait(wanted.job.waits, 0)).collect();
        }
        let count = |is: &dyn Fn(&FetchRequest) -> bool| {
            let keys: BTreeSet<&str> = fetches
                .iter()
                .map(|wanted| wanted.fetch)
                .filter(|fetch| is(fetch))
                .map(|fetch| fetch.key.as_str())
                .collect();
            u32::try_from(keys.len()).unwrap_or(u32::MAX)
        };
        let (all, listable) = (count(&|_| true), count(&|fetch| is_listable(bound, fetch)));
        if self.local_budgets.take(source, all, a_minute, self.host.now()) {
            return vec![FetchDecision::Fetch; fetches.len()];
        }
        let is_waiting = fetches.iter().any(|wanted| wanted.job.waits.is_some() && is_listable(bound, wanted.fetch));
        let waiting = (listable > 0).then_some(Looks { count: listable, is_waiting });
        match self.ways_of(bound, fetches, all - listable, waiting).await {
            Ok(ways) => ways,
            Err(error) => vec![FetchDecision::Fail(self.port_failure(&error)); fetches.len()],
        }
    }

    async fn ways_of(
        &self,
        bound: &Bound,
        fetches: &[Wanted<'_>],
        others: u32,
        waiting: Option<Looks>,
    ) -> Result<Vec<FetchDecision>, PortError> {
        let mut asked = self.ask_for(bound, others, waiting).await?;
        if asked.is_claimed {
            let job = Job::fresh(
                &format!("list-{}", self.host.unique()),
                &bound.origin.source,
                self.host.now(),
                JobKind::Poll,
            );
            // The list is read for the first of those that wait.
            let hop = Hop::after(fetches.first().and_then(|wanted| wanted.job.traceparent), self.host);
            let span = hop.span("poll", &job.source, &job.delivery);
            let job = job.traced(hop.context);
            asked.state = self.list_and_note(bound, &job, asked.state).instrument(span).await?;
        }
        let shown = self.shown(bound, &asked, fetches).await?;
        let mut permitted = Permitted { keys: BTreeSet::new(), left: asked.granted };
        // None: only a request of its own answers it.
        let mut ways: Vec<Option<FetchDecision>> = Vec::with_capacity(fetches.len());
        for Wanted { fetch, job } in fetches {
            ways.push(if asked.is_burst && is_listable(bound, fetch) {
                self.by_list(&asked, shown.as_deref(), fetch, job)
            } else if permitted.permits(&fetch.key) {
                Some(FetchDecision::Fetch)
            } else {
                Some(self.waits_for_its_turn(&asked, job))
            });
        }
        let unlisted = fetches.iter().zip(&ways).filter(|(_, way)| way.is_none());
        let unlisted: BTreeSet<&str> = unlisted.map(|(wanted, _)| wanted.fetch.key.as_str()).collect();
        if !unlisted.is_empty() {
            let wanted = u32::try_from(unlisted.len()).unwrap_or(u32::MAX);
            permitted.left += self.ask_for(bound, wanted, None).await?.granted;
        }
        let way = |(Wanted { fetch, job }, way): (&Wanted<'_>, Option<FetchDecision>)| match way {
            Some(way) => way,
            None if permitted.permits(&fetch.key) => FetchDecision::Fetch,
            None => self.without_list(&asked, job),
        };
        Ok(fetches.iter().zip(ways).map(way).collect())
    }

    /// The list's answer to a fetch request; none if it has none.
    fn by_list(
        &self,
        asked: &Asked,
        shown: Option<&Remembered>,
        fetch: &FetchRequest,
        job: &Job,
    ) -> Option<FetchDecision> {
        let now = self.host.now();
        let waits = job.waits.unwrap_or(Waits { list: asked.lists, since: now });
        let budget = &asked.state.budget;
        if shown.is_some_and(|shown| shown.list > waits.list && shown.shows(&fetch.subject)) {
            return Some(FetchDecision::Answered);
        }
        // While the list fails, no fetch request waits for it: failures are booked, and retried ever more rarely.
        if budget.listed > waits.list || asked.state.failing.is_some() {
            return None;
        }
        if asked.state.must_wait(now) {
            return Some(FetchDecision::Fail(self.too_much(&asked.state)));
        }
        // A later attempt waits once. It is booked, so that its duplicates join, while each pass through a queue may
        // duplicate a message.
        let is_booked = job.attempt > 0 && job.waits.is_some();
        if is_booked || now.duration_since(waits.since) > MAX_LIST_WAIT {
            let detail = "the provider's list, for which it waits in a burst, did not come";
            return Some(FetchDecision::Fail(Failure::new(FailureKind::Provider, now, detail)));
        }
        Some(FetchDecision::Wait(Some(waits), AGAIN_S + self.up_to_s(AGAIN_S)))
    }

    /// The allowance is used up. A new fetch request waits a little before it fails. A later attempt fails at once: it
    /// is booked, so that its duplicates join, while each pass through a queue may duplicate a message.
    fn waits_for_its_turn(&self, asked: &Asked, job: &Job) -> FetchDecision {
        let now = self.host.now();
        let waits = job.waits.unwrap_or(Waits { list: asked.lists, since: now });
        if job.attempt > 0 || asked.state.must_wait(now) || now.duration_since(waits.since) > MAX_WAIT {
            return FetchDecision::Fail(self.too_much(&asked.state));
        }
        FetchDecision::Wait(Some(waits), TURN_S + self.up_to_s(2 * TURN_S))
    }

    fn up_to_s(&self, most_s: u32) -> u32 {
        u32::try_from(self.host.up_to(most_s.into())).unwrap_or(most_s)
    }

    /// The list does not show the dispatch, or failed, and the allowance is used up.
    fn without_list(&self, asked: &Asked, job: &Job) -> FetchDecision {
        match &asked.state.failing {
            // Its own request would probably fail in the same way.
            Some(failing) if failing.last.kind == FailureKind::Provider => {
                FetchDecision::Fail(Failure { at: self.host.now(), ..failing.last.clone() })
            }
            _ => self.waits_for_its_turn(asked, job),
        }
    }

    /// The content of the latest list, if it may answer one of the fetch requests.
    async fn shown(
        &self,
        bound: &Bound,
        asked: &Asked,
        fetches: &[Wanted<'_>],
    ) -> Result<Option<Arc<Remembered>>, PortError> {
        let source = &bound.origin.source;
        let first = fetches.iter().map(|wanted| wanted.job.waits.map_or(asked.lists, |waits| waits.list)).min();
        if !asked.is_burst || first.is_none_or(|first| asked.state.budget.listed <= first) {
            return Ok(None);
        }
        let known = self.local_budgets.shown(source).filter(|known| known.list >= asked.state.budget.listed);
        if known.is_some() {
            return Ok(known);
        }
        let Some(shown) = self.deliveries.shown(source).await? else { return Ok(None) };
        let remembered = Remembered::of(&shown);
        self.local_budgets.remember(source, Arc::clone(&remembered));
        Ok(Some(remembered))
    }
}

/// Whether a list can answer the fetch request. A source that is not polled has no list to wait for: no poll would
/// notice its recovery.
fn is_listable(bound: &Bound, fetch: &FetchRequest) -> bool {
    bound.source.is_polled() && bound.provider.is_answered_by_list(fetch)
}

/// How many single requests are permitted; each resource needs one.
struct Permitted {
    keys: BTreeSet<String>,
    left: u32,
}

impl Permitted {
    fn permits(&mut self, key: &str) -> bool {
        if self.keys.contains(key) {
            return true;
        }
        let permits = self.left > 0;
        if permits {
            self.left -= 1;
            self.keys.insert(key.to_owned());
        }
        permits
    }
}
