//! A provider's list into state and signals: what no webhook has brought is merged like any other fact, and noted as missed.

use std::collections::BTreeMap;

use dispatch::{Absorbed, Contradiction, Fact, Publication, Rank, Says, Subject, absorb};
use futures_util::{StreamExt, stream};
use jiff::SignedDuration;
use providers::Finding;

use super::{AT_ONCE, Bound, Hydrate, neighbours::Neighbours};
use crate::{
    incident::{Kind, Notice},
    poll::{GRACE_S, PollState},
    ports::{Chance, Clock, Deliveries, Dispatches, Health, Outlet, PortError, ProviderApi, SignalStream},
    record::{Missed, Record, Step},
    work::{Check, Trouble, TroubleKind, Work, clip},
    written::{MAX_TRIES, Written, always_overtaken, written},
};

/// The most dispatches that are taken of one list: more would not be merged within one invocation.
const MAX_LISTED: usize = 2_000;

/// No further list is asked for after this long: with it the poll stays below the function's timeout.
const MAX_PATIENCE: SignedDuration = SignedDuration::from_secs(4);

/// What was over for longer when it was first seen is history, and no news to anybody.
const HISTORY: SignedDuration = SignedDuration::from_hours(24);

/// How much is said of changes that no webhook told of, in characters.
const MAX_MISSED: usize = 300;

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
        let known = self.deliveries.poll_state(source).await?;
        let expected = known.as_ref().map(|state| state.revision);
        let claimed = PollState::claimed(known, source, self.world.now(), self.world.unique());
        let Some((next, notice)) = claimed else { return Ok(None) };
        // Stored first, as not told yet: where the poll that seemed dead was only slow and comes first, nobody would say that what
        // was told is over.
        let stored = if notice.is_some() { next.clone().not_told_down() } else { next.clone() };
        if !written(&stored, self.deliveries.write_poll_state(&stored, expected).await)?.is_done() {
            return Ok(None);
        }
        if let Some(notice) = notice {
            self.outlet.notice(&notice, 0).await?;
        }
        Ok(Some(next))
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
        let neighbours = &Neighbours::default();
        let merges = news.map(|candidate| self.merge_listed((bound, work), candidate, is_first, neighbours));
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

    async fn merge_listed(
        &self,
        (bound, work): (&Bound, &Work),
        candidate: &Candidate,
        is_first: bool,
        neighbours: &Neighbours,
    ) -> Result<bool, Refused> {
        let Some(subject) = candidate.facts.first().map(|fact| &fact.subject) else { return Ok(false) };
        let epoch = self.table.epoch(self.world.now()).await.map_err(|error| Refused::Now(self.storage(&error)))?;
        let mut known = candidate.known.clone();
        for _ in 0..MAX_TRIES {
            if known.as_ref().is_some_and(|known| is_before_the_push(known, &candidate.facts)) {
                return Ok(false);
            }
            let now = self.world.now();
            let publication = Publication { epoch, now, limit_bytes: self.stream.limit_bytes() };
            let is_of_before = self.begin_epoch(&mut known, publication);
            let state = known.as_ref().map(|record| record.state.clone());
            let absorbed = absorb(state, subject, candidate.facts.clone(), Contradiction::TakeLatest, publication);
            let reported = known.as_ref().map(|record| record.reported.clone()).unwrap_or_default();
            let fresh = reported.fresh(&candidate.facts);
            let is_new = |absorbed: &Absorbed| absorbed.changed || is_of_before || !fresh.is_empty();
            let Some(absorbed) = absorbed.filter(is_new) else { return Ok(false) };
            let repeats = known.as_ref().is_some_and(|record| record.state.holds_the_same_as(&absorbed.state));
            if absorbed.signals.is_empty() && repeats && !is_of_before && fresh.is_empty() {
                return Ok(false);
            }
            if let Some(signal) = absorbed.signals.iter().find(|signal| signal.body.len() > publication.limit_bytes) {
                let reason = format!("its signal of {} bytes is more than a message carries", signal.body.len());
                return Err(Refused::Never(Finding::Unreadable {
                    part: subject.to_string(),
                    reason,
                    about: Some(subject.clone()),
                }));
            }
            let changes: Vec<String> =
                absorbed.signals.iter().map(|signal| format!("{} #{}", signal.kind, signal.sequence)).collect();
            let news = !changes.is_empty();
            let mut missed = known.as_ref().and_then(|record| record.missed.clone());
            if news && !is_first {
                // Before the write: a check of what was not written finds nothing, a change without a check is never told of.
                let check = (Check::missed(subject.clone()), GRACE_S);
                self.outlet.checks(&[check]).await.map_err(|error| Refused::Now(self.storage(&error)))?;
                missed = Some(following(missed, &changes.join(", "), now));
            }
            self.report(subject, &fresh).await.map_err(|error| Refused::Now(self.storage(&error)))?;
            let published = absorbed.state.published();
            let programs = published.as_ref().map_or(&[][..], |(_, statement)| &statement.programs);
            let deadlines = self.config.deadlines_for(&bound.origin.source, programs);
            let delivery = work.delivery.as_str();
            let step = Step { subject, delivery, received_at: now, deadlines, write: self.world.unique(), now };
            let reported = reported.with(&fresh);
            let next = Record { missed, reported, ..Record::following(known.as_ref(), &bound.origin, absorbed, step) };
            let answer = self.table.write(&next, known.as_ref().map(|record| record.revision)).await;
            match written(&next, answer).map_err(|error| Refused::Now(self.storage(&error)))? {
                Written::Done => {
                    return self.watched(next, news, neighbours).await.map(|()| news).map_err(Refused::Now);
                }
                Written::Overtaken(stored) => known = stored,
            }
        }
        Err(Refused::Now(self.storage(&always_overtaken("dispatches", subject))))
    }

    async fn note_poll(
        &self,
        state: PollState,
        listed: &[Fact],
        findings: Vec<Finding>,
        trouble: Option<Trouble>,
    ) -> Result<(), PortError> {
        let (now, write, expected) = (self.world.now(), self.world.unique(), state.revision);
        let (source, told) = (state.source.clone(), state.doubts.clone());
        let (next, mut notices) = if let Some(trouble) = trouble {
            let (next, notice) = state.failed(&trouble, now, write);
            (next, notice.into_iter().collect())
        } else {
            let doubts = serde_json::to_string(&findings).ok().filter(|_| !findings.is_empty());
            state.good(listed, doubts.map(|doubts| dispatch::fifo_id(&doubts)), now, write)
        };
        if next.doubts != told {
            notices.extend(doubts(findings, &source, now));
        }
        // Told first and stored then, so that nothing is noted as told that was not.
        for notice in notices {
            self.outlet.notice(&notice, 0).await?;
        }
        written(&next, self.deliveries.write_poll_state(&next, Some(expected)).await).map(|_| ())
    }
}

/// Why a listed dispatch was not merged.
enum Refused {
    /// The next poll may have better luck.
    Now(Trouble),
    /// No poll ever will.
    Never(Finding),
}

/// Whether the list was asked for before a push that nothing fetched has confirmed yet: it may not know of it, and would undo it.
/// The next poll knows.
fn is_before_the_push(known: &Record, listed: &[Fact]) -> bool {
    let Some(Rank::Pushed(received_at)) = known.state.rank() else { return false };
    listed.iter().all(|fact| match &fact.says {
        Says::Dispatch(said) => said.rank.observed_at() <= received_at,
        Says::Power(_) | Says::Meter(_) | Says::Account(_) => false,
    })
}

/// Of two views of one call the one counts that a webhook has brought, else that of the earlier list.
fn is_other_view(bound: &Bound, candidate: &Candidate, all: &[Candidate]) -> bool {
    let Some(fact) = candidate.facts.first().filter(|_| candidate.known.is_none()) else { return false };
    all.iter().any(|other| {
        (other.known.is_some() || other.list < candidate.list)
            && other.facts.iter().any(|same| bound.provider.is_same_call(fact, same))
    })
}

/// What is missed after one more change: the grace counts from the first that nobody was told of.
fn following(before: Option<Missed>, changes: &str, now: jiff::Timestamp) -> Missed {
    match before.filter(|missed| !missed.told) {
        Some(missed) => Missed { what: clip(&format!("{}, {changes}", missed.what), MAX_MISSED), ..missed },
        None => Missed { found_at: now, what: changes.to_owned(), told: false },
    }
}

/// One notice for all that could not be read, one for each dispatch with a number that cannot be.
fn doubts(findings: Vec<Finding>, source: &str, now: jiff::Timestamp) -> Vec<Notice> {
    let mut unreadable = Vec::new();
    let mut notices = Vec::new();
    for finding in findings {
        match finding {
            Finding::Unreadable { part, reason, about: None } => unreadable.push(format!("{part}: {reason}")),
            finding => notices.push(Notice::of_finding(finding, source, now)),
        }
    }
    if !unreadable.is_empty() {
        let parts = unreadable.len();
        let detail = format!("{parts} part(s) of the provider's list could not be read: {}", unreadable.join("; "));
        notices.push(Notice::happens(Kind::Quarantined, source, source.to_owned(), now, clip(&detail, 600)));
    }
    notices
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
