//! A provider's list into state and signals: what no webhook has brought is merged like any other fact, and noted as missed.

use std::collections::{BTreeMap, BTreeSet};

use dispatch::{Fact, Says, Subject};
use futures_util::{StreamExt, stream};
use jiff::SignedDuration;
use providers::Finding;

use super::{
    AT_ONCE, Bound, Hydrate,
    neighbours::Neighbours,
    settle::{Brought, By},
};
use crate::{
    conditions::Condition,
    poll::{Doubts, PollState},
    ports::{Chance, Clock, Deliveries, Dispatches, Health, Outlet, PortError, ProviderApi, SignalStream, WriteError},
    record::Record,
    update::{Change, From, PollStates, update},
    work::{Trouble, TroubleKind, Work, clip},
};

/// The most dispatches that are taken of one list: more would not be merged within one invocation.
const MAX_LISTED: usize = 2_000;

/// No further list is asked for after this long: with it the poll stays below the function's timeout.
const MAX_PATIENCE: SignedDuration = SignedDuration::from_secs(4);

/// What was over for longer when it was first seen is history, and no news to anybody.
const HISTORY: SignedDuration = SignedDuration::from_hours(24);

/// What a source's lists hold.
#[derive(Default)]
struct Listed {
    /// Each with the number of its list.
    facts: Vec<(usize, Fact)>,
    findings: Vec<Finding>,
    trouble: Option<Trouble>,
}

/// The facts about one subject, and what is known of it.
struct Candidate {
    list: usize,
    facts: Vec<Fact>,
    known: Option<Record>,
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
    /// Polls a source. Whatever goes wrong, the next poll makes up for it.
    pub(super) async fn poll(&self, work: &Work) {
        if let Err(error) = self.polled(work).await {
            tracing::error!(source.name = work.source, %error, "a poll could not be noted; the next one makes up for it");
        }
    }

    async fn polled(&self, work: &Work) -> Result<(), PortError> {
        let Some(bound) = self.bind(&work.source).filter(|bound| bound.source.is_polled()) else { return Ok(()) };
        let Some(state) = self.claim(&work.source).await? else {
            tracing::info!(source.name = work.source, "polled a moment ago");
            return Ok(());
        };
        let Listed { facts, mut findings, mut trouble } = self.list(&bound).await;
        let listed: Vec<Fact> = facts.iter().map(|(_, fact)| fact.clone()).collect();
        let is_first = state.good_at.is_none();
        let merged = self.merge_list(&bound, work, facts, is_first).await;
        let changed = merged.iter().filter(|result| matches!(result, Ok(true))).count();
        for refused in merged.into_iter().filter_map(Result::err) {
            match refused {
                Refused::Never(finding) => findings.push(finding),
                Refused::Now(reason) => trouble = trouble.or(Some(reason)),
            }
        }
        log(work, listed.len(), changed, trouble.as_ref());
        self.note_poll(state, &listed, findings, trouble).await
    }

    /// Books this poll as the source's latest; none where another began just now, or the provider wants to be left alone.
    async fn claim(&self, source: &str) -> Result<Option<PollState>, PortError> {
        let claimed = update(PollStates(self.deliveries), source, From::Stored, async |known| {
            let claimed = PollState::claimed(known, source, self.world.now(), self.world.unique());
            Ok::<_, PortError>(claimed.map_or(Change::Keep(()), |state| Change::Write(Box::new(state), ())))
        });
        Ok(claimed.await?.written)
    }

    /// Asks for all lists. One that does not exist for us (404) or that our key does not open (401, 403) is none that we use, as
    /// long as another answers.
    async fn list(&self, bound: &Bound) -> Listed {
        let began_at = self.world.now();
        let mut listed = Listed::default();
        let mut unused: Option<Trouble> = None;
        let mut answered = false;
        for (number, look) in bound.provider.listings(&bound.origin, began_at).iter().enumerate() {
            let now = self.world.now();
            if now.duration_since(began_at) > MAX_PATIENCE {
                listed.trouble = Some(Trouble::new(TroubleKind::Provider, now, "the first list took too long"));
                break;
            }
            match self.look(bound, look).await {
                Ok(reading) => {
                    answered = true;
                    listed.facts.extend(reading.facts.into_iter().map(|fact| (number, fact)));
                    listed.findings.extend(reading.findings);
                }
                Err(trouble) if trouble.kind == TroubleKind::Credentials => unused = Some(trouble),
                Err(trouble) if trouble.kind == TroubleKind::Missing => unused = unused.or(Some(trouble)),
                Err(trouble) => {
                    listed.trouble = Some(trouble);
                    break;
                }
            }
        }
        if !answered {
            listed.trouble = listed.trouble.or(unused);
        }
        if listed.facts.len() > MAX_LISTED {
            let detail = format!("it lists {} dispatches; {MAX_LISTED} are taken at most", listed.facts.len());
            listed.facts.clear();
            listed.trouble = Some(Trouble::new(TroubleKind::Answer, self.world.now(), detail));
        }
        listed
    }

    /// Merges what was listed. Returns for each subject whether there was news.
    async fn merge_list(
        &self,
        bound: &Bound,
        work: &Work,
        facts: Vec<(usize, Fact)>,
        is_first: bool,
    ) -> Vec<Result<bool, Refused>> {
        let mut of: BTreeMap<Subject, (usize, Vec<Fact>)> = BTreeMap::new();
        for (list, fact) in facts {
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
        let news = candidates.iter().filter(|candidate| !self.is_history(candidate));
        let news = news.filter(|candidate| !is_other_view(bound, candidate, &candidates));
        let neighbours = &Neighbours::new(self.views);
        let merges = news.map(|candidate| async move {
            let Some(fact) = candidate.facts.first() else { return Ok(false) };
            let brought = Brought {
                bound,
                subject: &fact.subject,
                delivery: &work.delivery,
                received_at: self.world.now(),
                by: By::List { is_first },
            };
            let from = From::Known(candidate.known.clone());
            match self.settle(brought, candidate.facts.clone(), from, neighbours).await {
                Ok(settled) => Ok(settled.has_news),
                Err(trouble) if trouble.kind == TroubleKind::Unreadable => Err(Refused::Never(Finding::Unreadable {
                    part: fact.subject.to_string(),
                    reason: trouble.detail,
                    about: Some(fact.subject.clone()),
                })),
                Err(trouble) => Err(Refused::Now(trouble)),
            }
        });
        results.extend(stream::iter(merges).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await);
        results
    }

    /// Never seen, and over for long.
    fn is_history(&self, candidate: &Candidate) -> bool {
        let since = self.world.now().saturating_sub(HISTORY).unwrap_or(jiff::Timestamp::MIN);
        let over = |fact: &Fact| match &fact.says {
            Says::Dispatch(said) => said.statement.possible_end().is_some_and(|end| end < since),
            Says::Power(_) | Says::Meter(_) | Says::Account(_) => false,
        };
        candidate.known.is_none() && candidate.facts.iter().all(over)
    }

    async fn note_poll(
        &self,
        state: PollState,
        listed: &[Fact],
        findings: Vec<Finding>,
        trouble: Option<Trouble>,
    ) -> Result<(), PortError> {
        let (now, write, source) = (self.world.now(), self.world.unique(), state.source.clone());
        let (revision, known) = (state.revision, state.conditions(now));
        let mut notices = Vec::new();
        let next = if let Some(trouble) = trouble {
            state.failed(&trouble, now, write)
        } else {
            let mut unreadable = Vec::new();
            for finding in findings {
                match finding {
                    Finding::Unreadable { part, reason, about: None } => unreadable.push(format!("{part}: {reason}")),
                    finding => notices.push(finding),
                }
            }
            state.good(listed, doubts(&unreadable, now), now, write)
        };
        for finding in notices {
            self.note_finding(finding, &source, now).await?;
        }
        let mut conditions: BTreeSet<Condition> = known.into_iter().collect();
        conditions.extend(next.conditions(now));
        match self.deliveries.write_poll_state(&next, Some(revision)).await {
            Ok(()) | Err(WriteError::Lost(_)) => {}
            Err(WriteError::Port(error)) => return Err(error),
        }
        for condition in conditions {
            self.outlet.hint(condition, now, 0).await?;
        }
        Ok(())
    }
}

/// Why a listed dispatch was not merged.
enum Refused {
    /// The next poll may have better luck.
    Now(Trouble),
    /// No poll ever will.
    Never(Finding),
}

/// Of two views of one call the one counts that a webhook has brought, else that of the earlier list.
fn is_other_view(bound: &Bound, candidate: &Candidate, all: &[Candidate]) -> bool {
    let Some(fact) = candidate.facts.first().filter(|_| candidate.known.is_none()) else { return false };
    all.iter().any(|other| {
        (other.known.is_some() || other.list < candidate.list)
            && other.facts.iter().any(|same| bound.provider.is_same_call(fact, same))
    })
}

/// What of a list could not be read, beside what is known of dispatches.
fn doubts(unreadable: &[String], now: jiff::Timestamp) -> Option<Doubts> {
    let parts = unreadable.len();
    let said = unreadable.join("; ");
    let detail = format!("{parts} part(s) of the provider's list could not be read: {said}");
    (parts > 0).then(|| Doubts { since: now, digest: dispatch::fifo_id(&said), detail: clip(&detail, 600) })
}

fn log(work: &Work, listed: usize, changed: usize, trouble: Option<&Trouble>) {
    match trouble {
        None => tracing::info!(source.name = work.source, poll.listed = listed, poll.changed = changed, "polled"),
        Some(trouble) => tracing::warn!(
            source.name = work.source,
            poll.listed = listed,
            poll.changed = changed,
            trouble.kind = ?trouble.kind,
            trouble.detail = trouble.detail,
            "not polled"
        ),
    }
}
