//! A provider's list into state and signals: changes that no webhook announced are merged like any other fact and
//! stored as missed.

use std::collections::{BTreeMap, BTreeSet};

use dispatch::{Fact, FactBody, Subject};
use futures_util::{StreamExt, stream};
use jiff::SignedDuration;
use providers::{Diagnostic, Parsed};

use super::{
    AT_ONCE, Bound, ENOUGH, Hydrate,
    fetch::RESERVE,
    listed::PassedOn,
    overlaps::Overlaps,
    settle::{Brought, By},
};
use crate::{
    alerts::condition::Condition,
    dispatches::record::SubjectRecord,
    job::{ByList, Failure, FailureKind, Job, clip},
    polling::{
        budget::{Shown, USUAL_A_MINUTE},
        state::{Doubts, PollState, near_from},
    },
    ports::{Clock, Deliveries, Dispatches, JobQueue, PortError, Ports, Random, fifo_id},
    update::{Change, From, PollStates, update},
};

/// So many facts of a list are settled by the invocation that reads it; messages carry the others to other invocations.
const SETTLED_HERE: usize = 100;

/// No further list is requested after this long, so that the poll stays below the function's timeout.
const MAX_PATIENCE: SignedDuration = SignedDuration::from_secs(4);

/// A dispatch that had ended this long before it was first seen is history, and is not published.
const HISTORY: SignedDuration = SignedDuration::from_hours(24);

#[derive(Default)]
struct Listed {
    /// The facts still to settle.
    facts: Vec<ListedFact>,
    /// How many facts there were.
    count: usize,
    /// Facts too large for a message.
    large: Vec<Fact>,
    /// How many messages carry facts to other invocations.
    passed_on: usize,
    /// The subjects that are no history, and so are settled or passed on, if fetch requests wait for the list.
    shown: Vec<Subject>,
    near_from: Option<jiff::Timestamp>,
    diagnostics: Vec<Diagnostic>,
    failure: Option<Failure>,
}

/// A fact, and the number of the list that contains it.
pub(super) struct ListedFact {
    pub(super) list: usize,
    pub(super) fact: Fact,
}

/// The facts about one subject, and its known record.
struct Candidate {
    list: usize,
    facts: Vec<Fact>,
    known: Option<SubjectRecord>,
}

/// The job and source of a list.
#[derive(Clone, Copy)]
pub(super) struct For<'a> {
    pub(super) bound: &'a Bound,
    pub(super) job: &'a Job,
    pub(super) by: ByList,
}

impl<P: Ports> Hydrate<'_, P> {
    /// Polls a source. The next poll repairs any failure.
    pub(super) async fn poll(&self, job: &Job) {
        if let Err(error) = self.polled(job).await {
            tracing::error!(source.name = job.source, %error, "a poll could not be noted; the next one makes up for it");
        }
    }

    async fn polled(&self, job: &Job) -> Result<(), PortError> {
        let Some(bound) = self.bind(&job.source).filter(|bound| bound.source.is_polled()) else { return Ok(()) };
        let Some(state) = self.claim(&job.source).await? else {
            tracing::info!(source.name = job.source, "polled a moment ago");
            return Ok(());
        };
        self.list_and_note(&bound, job, state).await.map(|_| ())
    }

    /// Reads a source's lists, settles their facts, and stores the result. Returns the poll state stored then.
    pub(super) async fn list_and_note(
        &self,
        bound: &Bound,
        job: &Job,
        state: PollState,
    ) -> Result<PollState, PortError> {
        let answers_since = state.budget.burst(self.host.now()).map(|burst| burst.since);
        let by = ByList { is_first: state.good_at.is_none(), answers_since };
        let list = For { bound, job, by };
        let mut listed = self.list(list).await;
        let merged = self.merge_list(list, std::mem::take(&mut listed.facts)).await;
        let changed = merged.iter().filter(|result| matches!(result, Ok(true))).count();
        for refused in merged.into_iter().filter_map(Result::err) {
            match refused {
                Refused::Never(diagnostic) => listed.diagnostics.push(diagnostic),
                Refused::Now(reason) => listed.failure = listed.failure.or(Some(reason)),
            }
        }
        log(job, &listed, changed);
        if by.answers_since.is_some()
            && listed.failure.is_none()
            && let Some(shown) = Shown::of(&state.source, state.budget.lists, &listed.shown)
        {
            // Before the state shows that there is such a list.
            self.deliveries.show(&shown).await?;
        }
        self.note_poll(job, state, listed).await
    }

    /// Books this poll as the source's latest; none if another poll has just begun, or if the provider refuses requests
    /// for now.
    async fn claim(&self, source: &str) -> Result<Option<PollState>, PortError> {
        let claimed = update(PollStates(self.deliveries), source, From::Stored, async |known| {
            let claimed = PollState::claimed(known, source, self.host.now(), self.host.unique());
            let claimed = claimed.map(|mut state| {
                // It is counted, but no allowance forbids one poll a minute.
                state.budget.take(1, USUAL_A_MINUTE, self.host.now());
                Box::new(state)
            });
            Ok::<_, PortError>(claimed.map_or(Change::Keep(()), |state| Change::Write(state, ())))
        });
        Ok(claimed.await?.written)
    }

    /// Requests all lists. A list that does not exist for the source (404) or that its key cannot read (401, 403) is
    /// not used, as long as another list answers.
    async fn list(&self, list: For<'_>) -> Listed {
        let For { bound, .. } = list;
        let began_at = self.host.now();
        let mut listed = Listed::default();
        let mut unused: Option<Failure> = None;
        let mut answered = false;
        for (number, fetch) in bound.provider.listings(&bound.origin, began_at).iter().enumerate() {
            let now = self.host.now();
            if now.duration_since(began_at) > MAX_PATIENCE || !self.has_time() {
                listed.failure = Some(Failure::new(FailureKind::Provider, now, "the first list took too long"));
                break;
            }
            let read = self.read_list(bound, fetch, list.job.traceparent, async |page| {
                self.take_page(list, number, page, &mut listed).await
            });
            match read.await {
                Ok(()) => answered = true,
                Err(failure) if failure.kind == FailureKind::Credentials => unused = Some(failure),
                Err(failure) if failure.kind == FailureKind::Missing => unused = unused.or(Some(failure)),
                Err(failure) => {
                    listed.failure = Some(failure);
                    break;
                }
            }
        }
        if !answered {
            listed.failure = listed.failure.or(unused);
        }
        if listed.passed_on > 0 {
            let rest: Vec<Fact> = std::mem::take(&mut listed.facts).into_iter().map(|listed| listed.fact).collect();
            self.pass_on_or_note(list, rest, &mut listed).await;
        }
        listed.facts.extend(std::mem::take(&mut listed.large).into_iter().map(|fact| ListedFact { list: 0, fact }));
        listed
    }

    /// Reads a page of a list. Once there are more facts than one invocation should settle, they are passed on, so that
    /// at most one page of them is in memory.
    async fn take_page(&self, list: For<'_>, number: usize, page: Parsed, listed: &mut Listed) -> Result<(), Failure> {
        let now = self.host.now();
        listed.count += page.facts.len();
        listed.diagnostics.extend(page.diagnostics);
        listed.near_from = listed.near_from.into_iter().chain(near_from(&page.facts, now)).min();
        if list.by.answers_since.is_some() {
            let current = page.facts.iter().filter(|fact| !self.was_over_for_long(fact));
            listed.shown.extend(current.map(|fact| fact.subject.clone()));
        }
        listed.facts.extend(page.facts.into_iter().map(|fact| ListedFact { list: number, fact }));
        // If two lists show the same dispatch, both facts must be settled together.
        let is_only = list.bound.provider.listings(&list.bound.origin, now).len() == 1;
        if is_only && listed.facts.len() > SETTLED_HERE {
            let facts = std::mem::take(&mut listed.facts).into_iter().map(|listed| listed.fact).collect();
            self.pass_on_or_note(list, facts, listed).await;
        }
        Ok(())
    }

    async fn pass_on_or_note(&self, list: For<'_>, facts: Vec<Fact>, listed: &mut Listed) {
        match self.pass_on(list, facts, listed.passed_on).await {
            Ok(PassedOn { messages, too_large }) => {
                listed.passed_on += messages;
                listed.large.extend(too_large);
            }
            Err(error) => listed.failure = listed.failure.take().or_else(|| Some(self.storage(&error))),
        }
    }

    /// Merges listed facts. Returns for each subject whether there was news. Facts for which no time is left are passed
    /// on.
    pub(super) async fn merge_list(&self, list: For<'_>, facts: Vec<ListedFact>) -> Vec<Result<bool, Refused>> {
        let began_at = self.host.now();
        let mut of: BTreeMap<Subject, (usize, Vec<Fact>)> = BTreeMap::new();
        for ListedFact { list, fact } in facts {
            of.entry(fact.subject.clone()).or_insert_with(|| (list, Vec::new())).1.push(fact);
        }
        let reads = of.into_iter().map(|(subject, (list, facts))| async move {
            let known = self.table.read(&subject).await;
            known.map(|known| Candidate { list, facts, known }).map_err(|error| Refused::Now(self.storage(&error)))
        });
        let read: Vec<Result<Candidate, Refused>> = stream::iter(reads).buffer_unordered(AT_ONCE).collect().await;
        let (candidates, mut results): (Vec<Candidate>, Vec<_>) = {
            let (good, bad): (Vec<_>, Vec<_>) = read.into_iter().partition(Result::is_ok);
            (good.into_iter().filter_map(Result::ok).collect(), bad.into_iter().map(|bad| bad.map(|_| false)).collect())
        };
        let is_view = other_views(list.bound, &candidates);
        let news =
            candidates.iter().zip(is_view).filter(|(candidate, is_view)| !is_view && !self.is_history(candidate));
        let overlaps = &Overlaps::new(self.views, self.config);
        let has_time = || self.host.now().duration_since(began_at) < ENOUGH && self.left() > RESERVE;
        let merges = news.map(|(candidate, _)| async move {
            if has_time() { Ok(self.merge(list, candidate, overlaps).await) } else { Err(candidate.facts.clone()) }
        });
        let outcomes: Vec<Result<Result<bool, Refused>, Vec<Fact>>> =
            stream::iter(merges).buffer_unordered(AT_ONCE).collect().await;
        let mut late = Vec::new();
        for outcome in outcomes {
            match outcome {
                Ok(result) => results.push(result),
                Err(facts) => late.extend(facts),
            }
        }
        if !late.is_empty() {
            let detail = "there was no time for a dispatch that no message carries";
            match self.pass_on(list, late, 0).await {
                Ok(passed_on) if passed_on.too_large.is_empty() => {}
                Ok(_) => results.push(Err(Refused::Now(Failure::new(FailureKind::Storage, self.host.now(), detail)))),
                Err(error) => results.push(Err(Refused::Now(self.storage(&error)))),
            }
        }
        results
    }

    /// Merges the listed facts of one subject; returns whether there was news.
    async fn merge(&self, list: For<'_>, candidate: &Candidate, overlaps: &Overlaps<'_>) -> Result<bool, Refused> {
        let For { bound, job, by } = list;
        let Some(Fact { subject, .. }) = candidate.facts.first() else { return Ok(false) };
        let received_at = self.host.now();
        let (delivery, by, traceparent) = (job.delivery.as_str(), By::List(by), job.traceparent);
        let brought = Brought { bound, subject, delivery, received_at, by, traceparent };
        let from = From::Known(candidate.known.clone());
        match self.settle(brought, candidate.facts.clone(), from, overlaps).await {
            Ok(settled) => Ok(settled.has_news),
            Err(failure) if failure.kind == FailureKind::Unreadable => Err(Refused::Never(Diagnostic::Unreadable {
                part: subject.to_string(),
                reason: failure.detail,
                about: Some(subject.clone()),
            })),
            Err(failure) => Err(Refused::Now(failure)),
        }
    }

    /// Never seen before, and ended long ago.
    fn is_history(&self, candidate: &Candidate) -> bool {
        candidate.known.is_none() && candidate.facts.iter().all(|fact| self.was_over_for_long(fact))
    }

    fn was_over_for_long(&self, fact: &Fact) -> bool {
        let since = self.host.now().saturating_sub(HISTORY).unwrap_or(jiff::Timestamp::MIN);
        match &fact.body {
            FactBody::Dispatch(said) => said.terms.possible_end().is_some_and(|end| end < since),
            FactBody::Power(_) | FactBody::Meter(_) | FactBody::Account(_) => false,
        }
    }

    async fn note_poll(&self, job: &Job, state: PollState, listed: Listed) -> Result<PollState, PortError> {
        let Listed { diagnostics, failure, near_from, .. } = listed;
        let (now, source, began_at) = (self.host.now(), state.source.clone(), state.began_at);
        let known = state.conditions(now);
        let (mut notices, mut unreadable) = (Vec::new(), Vec::new());
        for diagnostic in diagnostics {
            match diagnostic {
                Diagnostic::Unreadable { part, reason, about: None } => unreadable.push(format!("{part}: {reason}")),
                diagnostic => notices.push(diagnostic),
            }
        }
        if failure.is_none() {
            for diagnostic in notices {
                self.note_diagnostic(diagnostic, job, now).await?;
            }
        }
        let latest = state.clone();
        let noted = update(PollStates(self.deliveries), source.as_str(), From::Known(Some(state)), async |known| {
            // Requests may have been permitted meanwhile. If another poll has begun, this one took too long.
            let Some(known) = known.filter(|known| known.began_at == began_at && known.under_way) else {
                return Ok::<_, PortError>(Change::Keep(()));
            };
            let write = self.host.unique();
            let next = match &failure {
                Some(failure) => known.failed(failure, now, write),
                None => known.good(near_from, doubts(&unreadable, now), write),
            };
            Ok(Change::Write(Box::new(next), ()))
        });
        let next = noted.await?.written.unwrap_or(latest);
        let conditions: BTreeSet<Condition> = known.into_iter().chain(next.conditions(now)).collect();
        for condition in conditions {
            self.job_queue.hint_in(job.traceparent, condition, now, 0).await?;
        }
        Ok(next)
    }
}

/// Why a listed dispatch was not merged.
pub(super) enum Refused {
    /// The next poll may succeed.
    Now(Failure),
    /// No poll will succeed.
    Never(Diagnostic),
}

/// If two lists show one dispatch differently, the one that a webhook brought counts, else the one of the earlier list.
/// A single list has no second view.
fn other_views(bound: &Bound, all: &[Candidate]) -> Vec<bool> {
    let is_single = all.first().is_none_or(|first| all.iter().all(|other| other.list == first.list));
    let is_view = |candidate: &Candidate| {
        let Some(fact) = candidate.facts.first().filter(|_| candidate.known.is_none()) else { return false };
        all.iter().any(|other| {
            (other.known.is_some() || other.list < candidate.list)
                && other.facts.iter().any(|same| bound.provider.is_same_call(fact, same))
        })
    };
    all.iter().map(|candidate| !is_single && is_view(candidate)).collect()
}

/// The unreadable parts of a list, other than those of known dispatches.
fn doubts(unreadable: &[String], now: jiff::Timestamp) -> Option<Doubts> {
    let parts = unreadable.len();
    let said = unreadable.join("; ");
    let detail = format!("{parts} part(s) of the provider's list could not be read: {said}");
    (parts > 0).then(|| Doubts { since: now, digest: fifo_id(&said), detail: clip(&detail, 600) })
}

fn log(job: &Job, listed: &Listed, changed: usize) {
    let (count, passed_on) = (listed.count, listed.passed_on);
    match &listed.failure {
        None => tracing::info!(
            source.name = job.source,
            poll.listed = count,
            poll.changed = changed,
            poll.passed_on = passed_on,
            "polled"
        ),
        Some(failure) => tracing::warn!(
            source.name = job.source,
            poll.listed = count,
            poll.changed = changed,
            poll.passed_on = passed_on,
            failure.kind = ?failure.kind,
            failure.detail = failure.detail,
            "not polled"
        ),
    }
}
