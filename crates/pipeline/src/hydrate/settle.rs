//! Facts about one subject into its row: read what stands there, merge, write on condition, publish. Webhooks and polls take the same
//! way.

use dispatch::{Contradiction, Epoch, Fact, FactBody, FieldError, Publication, Rank, Subject, absorb};
use jiff::Timestamp;
use providers::{Diagnostic, FetchRequest, Parsed};

use super::{Bound, Hydrate, overlaps::Overlaps, publish};
use crate::{
    alerts::condition::Condition,
    deadlines::{ARMED_AHEAD, fires_at},
    dispatches::record::{Step, SubjectRecord},
    job::{ByList, Failure, FailureKind, Job, JobKind},
    messages::{Deadline, ToHydrate, ToRetry, hop_s},
    polling::state::{GRACE, GRACE_S},
    ports::{Clock, Dispatches, JobQueue, PortError, Ports, Random, SignalStream},
    update::{Change, From, Records, Updated, update},
};

/// Longer than a hydrator may run (its `Timeout` in the template): by then its write is done, or never will be. In seconds.
pub const WRITTEN_S: u32 = 30;

/// How long a hint waits, in seconds: it is sent before what it is about is written.
pub(super) const HINT_S: u32 = 5;

/// Facts about one subject, and how they came.
#[derive(Clone, Copy)]
pub(super) struct Brought<'a> {
    pub(super) bound: &'a Bound,
    pub(super) subject: &'a Subject,
    /// The delivery that brought the first of them.
    pub(super) delivery: &'a str,
    /// When that delivery was received.
    pub(super) received_at: Timestamp,
    pub(super) by: By,
}

/// What brought facts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// A webhook, or what was fetched for one.
    Webhook,
    /// The provider's list.
    List(ByList),
}

/// What came of facts.
#[derive(Default)]
pub(super) struct Settled {
    /// What the provider's own search gave cause to report.
    pub(super) diagnostics: Vec<Diagnostic>,
    /// A version was published.
    pub(super) has_news: bool,
}

/// What a write is for.
#[derive(Clone, Copy, Default)]
struct Purpose {
    has_news: bool,
    /// It is not written, but what it owes still has to be sent.
    owes: bool,
}

impl<P: Ports> Hydrate<'_, P> {
    /// Settles facts, beginning with what is known of the subject.
    pub(super) async fn settle(
        &self,
        brought: Brought<'_>,
        facts: Vec<Fact>,
        from: From<SubjectRecord>,
        overlaps: &Overlaps<'_>,
    ) -> Result<Settled, Failure> {
        let storage = |error: PortError| self.storage(&error);
        let epoch = self.table.epoch(self.host.now()).await.map_err(storage)?;
        let contradiction = if brought.by == By::Webhook { Contradiction::Ask } else { Contradiction::TakeLatest };
        let mut settling = Settling { facts, diagnostics: Vec::new(), contradiction, asked: None };
        let mut unchanged = None;
        let settled = update(Records(self.table), brought.subject, from, async |known| {
            let change = self.change(brought, &mut settling, known, epoch, overlaps).await?;
            Ok::<_, SettleError>(match change {
                Changed::Nothing => Change::Keep(Purpose::default()),
                Changed::Repeated(known) => {
                    unchanged = known;
                    Change::Keep(Purpose { owes: true, has_news: false })
                }
                Changed::Next(next, has_news) => Change::Write(next, Purpose { has_news, owes: false }),
            })
        });
        let Updated { written, result } = settled.await.map_err(|failure| match failure {
            SettleError::Port(error) => self.storage(&error),
            SettleError::Failure(failure) => failure,
        })?;
        match written {
            Some(record) => self.watched(record, result.has_news, overlaps).await?,
            None if result.owes => {
                // Unchanged, but what an earlier attempt owes may still lie there.
                if let Some(record) = &unchanged {
                    self.publish(record).await?;
                }
            }
            None => {}
        }
        Ok(Settled { diagnostics: settling.diagnostics, has_news: result.has_news })
    }

    /// What the facts make of what is known.
    async fn change(
        &self,
        brought: Brought<'_>,
        settling: &mut Settling,
        mut known: Option<SubjectRecord>,
        epoch: Epoch,
        overlaps: &Overlaps<'_>,
    ) -> Result<Changed, SettleError> {
        let Brought { bound, subject, delivery, received_at, by } = brought;
        if by != By::Webhook && known.as_ref().is_some_and(|known| is_before_the_push(known, &settling.facts)) {
            return Ok(Changed::Nothing);
        }
        let (now, is_of_before, absorbed) = loop {
            let now = self.host.now();
            let publication = Publication { epoch, now, limit_bytes: self.stream.limit_bytes() };
            let is_of_before = self.begin_epoch(&mut known, publication);
            let state = known.as_ref().map(|record| record.state.clone());
            let absorbed = absorb(state, subject, settling.facts.clone(), settling.contradiction, publication);
            let Some(absorbed) = absorbed else { return Ok(Changed::Nothing) };
            let Some(push) = absorbed.unsettled.first() else { break (now, is_of_before, absorbed) };
            match self.ask_the_source(bound, push, known.as_ref()).await? {
                Some((fetch, answer)) => {
                    settling.asked = Some(fetch);
                    settling.facts.extend(answer.facts);
                    settling.diagnostics.extend(answer.diagnostics);
                }
                None => settling.contradiction = Contradiction::TakeLatest,
            }
        };
        let fresh = known.as_ref().map(|record| record.unreadable.clone()).unwrap_or_default().fresh(&settling.facts);
        let has_news = !absorbed.signals.is_empty();
        let has_missed = known.as_ref().is_some_and(|record| record.missed.is_some());
        // A list that says the same with a newer instant is no change; a webhook that announces what was missed is one.
        let repeats = || known.as_ref().is_some_and(|record| record.state.holds_the_same_as(&absorbed.state));
        let is_changed = match by {
            By::Webhook => absorbed.changed || has_missed,
            By::List(by) => absorbed.changed && (has_news || !repeats()) || announces(by, known.as_ref()),
        };
        if !is_changed && !is_of_before && fresh.is_empty() {
            return Ok(if by == By::Webhook { Changed::Repeated(known.map(Box::new)) } else { Changed::Nothing });
        }
        let limit_bytes = self.stream.limit_bytes();
        if let Some(signal) = absorbed.signals.iter().find(|signal| signal.body.len() > limit_bytes) {
            // Once it is owed, everything after it waits for ever.
            let detail = format!("its signal of {} bytes is more than a message carries", signal.body.len());
            return Err(Failure::new(FailureKind::Unreadable, now, detail).about(subject).into());
        }
        let changes: Vec<String> =
            absorbed.signals.iter().map(|signal| format!("{} #{}", signal.kind, signal.sequence)).collect();
        let published = absorbed.state.published();
        let programs = published.as_ref().map_or(&[][..], |(_, terms)| &terms.programs);
        let deadlines = self.config.deadlines_for(&bound.origin.source, programs);
        if let Some(fetch) = settling.asked.take_if(|_| has_news) {
            self.look_again(brought, fetch).await?;
        }
        self.report(subject, &fresh).await?;
        let step = Step { subject, delivery, received_at, deadlines, write: self.host.unique(), now };
        let mut next = SubjectRecord::following(known.as_ref(), &bound.origin, absorbed, step);
        next.unreadable = next.unreadable.with(fresh, now);
        if let By::List(by) = by {
            next.missed =
                known.as_ref().filter(|known| !announces(by, Some(known))).and_then(|known| known.missed.clone());
            if has_news && !by.is_first && by.answers_since.is_none() {
                // Before the write: a hint at what was not written finds nothing; a change without a hint waits for the sweep.
                self.job_queue.hint(Condition::MissedDelivery { dispatch: subject.clone() }, now, GRACE_S + 1).await?;
                next = next.with_missed(known.as_ref(), &changes.join(", "), now);
            }
        }
        let next = self.with_ramps(next, delivery, overlaps).await?;
        Ok(Changed::Next(Box::new(next), has_news))
    }

    /// A record of an earlier epoch as it is in this one; whether it was of an earlier one.
    fn begin_epoch(&self, known: &mut Option<SubjectRecord>, publication: Publication) -> bool {
        let anew = known.as_ref().and_then(|record| {
            let published = record.state.published();
            let programs = published.as_ref().map_or(&[][..], |(_, terms)| &terms.programs);
            record.in_epoch(publication, self.config.deadlines_for(&record.origin.source, programs))
        });
        let is_of_before = anew.is_some();
        *known = anew.or_else(|| known.take());
        is_of_before
    }

    /// People are notified of fields that could not be read.
    async fn report(&self, subject: &Subject, fresh: &[FieldError]) -> Result<(), PortError> {
        if fresh.is_empty() {
            return Ok(());
        }
        let condition = Condition::Quarantined { source: subject.source().to_owned(), about: Some(subject.clone()) };
        self.job_queue.hint(condition, self.host.now(), HINT_S).await
    }

    /// What the search says once more, after a write that changes what stands here. A push that said what stood before came while
    /// the first answer was on its way, and was taken for a repetition: the answer would stand, and what the provider said after
    /// it be lost. Asked for before the write: a crash after it leaves nothing that contradicts.
    async fn look_again(&self, brought: Brought<'_>, fetch: FetchRequest) -> Result<(), PortError> {
        let Brought { bound, delivery, received_at, .. } = brought;
        let job = Job::fresh(delivery, &bound.origin.source, received_at, JobKind::Fetch(fetch));
        self.job_queue.deliver(ToHydrate::Job(job), WRITTEN_S).await
    }

    /// A push contradicts what is known: the provider's own search decides. None: the provider has nothing to say about it, and
    /// only because both were tests of a webhook's own making does the later push hold.
    async fn ask_the_source(
        &self,
        bound: &Bound,
        push: &Fact,
        known: Option<&SubjectRecord>,
    ) -> Result<Option<(FetchRequest, Parsed)>, Failure> {
        let published = known.and_then(|record| record.state.published()).map(|(_, terms)| terms);
        let Some(fetch) = bound.provider.settle(push, published.as_ref()) else { return Ok(None) };
        let is_test = |terms: &dispatch::DispatchTerms| terms.test_reason.is_some();
        // What the search has shown once is no test of a webhook's own making.
        let searched = known.is_some_and(|record| record.state.was_fetched());
        let both_tests = !searched
            && published.as_ref().is_some_and(is_test)
            && matches!(&push.body, FactBody::Dispatch(said) if is_test(&said.terms));
        self.permit(bound).await.map_err(|failure| failure.about(&push.subject))?;
        match self.fetch(bound, &fetch).await {
            Ok(mut answer) => {
                answer.facts.retain(|fact| fact.subject == push.subject);
                if answer.facts.is_empty() {
                    let detail = "the search answered without a word on what was asked";
                    return Err(Failure::new(FailureKind::Answer, self.host.now(), detail).about(&push.subject));
                }
                Ok(Some((fetch, answer)))
            }
            Err(failure) if failure.kind == FailureKind::Missing && both_tests => Ok(None),
            // The delivery may hold other dispatches as well: people look for this one.
            Err(failure) => Err(failure.about(&push.subject)),
        }
    }

    /// Publishes what was just written, its deadline armed before the send can fail.
    async fn watched(&self, record: SubjectRecord, has_news: bool, overlaps: &Overlaps<'_>) -> Result<(), Failure> {
        let now = self.host.now();
        if let Some(at) = record.look_at().filter(|at| *at < now + ARMED_AHEAD) {
            let deadline = ToRetry::Deadline(Deadline::of(record.subject.clone()));
            let at = fires_at(at, self.config.deadlines_for(&record.origin.source, &[]));
            self.job_queue.retry(&[deadline.after(hop_s(at, now))]).await.map_err(|error| self.storage(&error))?;
        }
        let record = if has_news { self.with_neighbours(record, overlaps).await } else { record };
        self.publish(&record).await
    }

    async fn publish(&self, record: &SubjectRecord) -> Result<(), Failure> {
        publish(self.table, self.stream, record).await.map(|_| ()).map_err(|error| self.storage(&error))
    }
}

impl<P: Ports> Hydrate<'_, P> {
    pub(super) fn storage(&self, error: &PortError) -> Failure {
        let kind = match error {
            PortError::Unavailable { .. } => FailureKind::Storage,
            PortError::Broken { .. } => FailureKind::Broken,
        };
        Failure::new(kind, self.host.now(), error.to_string())
    }
}

/// Facts on their way into the record, whatever writes come in between.
struct Settling {
    facts: Vec<Fact>,
    diagnostics: Vec<Diagnostic>,
    contradiction: Contradiction,
    /// What the provider's own search was asked.
    asked: Option<FetchRequest>,
}

/// What facts change.
enum Changed {
    Nothing,
    /// What stands there says the same.
    Repeated(Option<Box<SubjectRecord>>),
    /// The next revision, and whether it publishes a version.
    Next(Box<SubjectRecord>, bool),
}

/// Why facts could not be settled.
enum SettleError {
    Port(PortError),
    Failure(Failure),
}

impl std::convert::From<PortError> for SettleError {
    fn from(error: PortError) -> Self {
        Self::Port(error)
    }
}

impl std::convert::From<Failure> for SettleError {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// Where to begin with a webhook's facts. What is likely new is written at once on the condition that nothing stands there: the
/// refusal brings the stored record along. What is likely known is read, since a refused write costs more than a read, and so is
/// what may have been reported.
pub(super) fn likely(facts: &[Fact]) -> From<SubjectRecord> {
    let is_new = facts.iter().all(|fact| match &fact.body {
        _ if !fact.field_errors.is_empty() => false,
        FactBody::Dispatch(said) => matches!(said.rank, Rank::Numbered(0, _) | Rank::Pushed(_) | Rank::Fetched(_)),
        FactBody::Power(_) | FactBody::Meter(_) | FactBody::Account(_) => false,
    });
    if is_new { From::Known(None) } else { From::Stored }
}

/// Whether webhooks that wait for the list announce what an earlier list found. Their looks are not settled one by one.
fn announces(by: ByList, known: Option<&SubjectRecord>) -> bool {
    let Some(since) = by.answers_since else { return false };
    let missed = known.and_then(|known| known.missed.as_deref()).unwrap_or_default();
    missed.last().is_some_and(|latest| since.duration_since(latest.found_at) < GRACE)
}

/// Whether the list was asked for before a push that nothing fetched has confirmed yet: it may not know of it, and would undo it.
/// The next poll knows.
fn is_before_the_push(known: &SubjectRecord, listed: &[Fact]) -> bool {
    let Some(Rank::Pushed(received_at)) = known.state.rank() else { return false };
    listed.iter().all(|fact| match &fact.body {
        FactBody::Dispatch(said) => said.rank.observed_at() <= received_at,
        FactBody::Power(_) | FactBody::Meter(_) | FactBody::Account(_) => false,
    })
}
