//! Facts about one subject into its row: read the stored record, merge, write conditionally, publish. Webhooks and
//! polls use the same code.

use dispatch::{Contradiction, Epoch, Fact, FactBody, FieldError, Publication, Rank, Subject, TraceParent, absorb};
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
    ports::{Clock, Dispatches, JobQueue, Measurement, Metrics, PortError, Ports, Random, SignalStream, ms},
    trace::Hop,
    update::{Change, From, Records, Updated, update},
};

/// Longer than a hydrator may run (`Timeout` in the template): by then its write is done, or never will be. In seconds.
pub const WRITTEN_S: u32 = 30;

/// How long a hint is delayed, in seconds: it is sent before the write that it is about.
pub(super) const HINT_S: u32 = 5;

#[derive(Clone, Copy)]
pub(super) struct Brought<'a> {
    pub(super) bound: &'a Bound,
    pub(super) subject: &'a Subject,
    /// The delivery that brought the first of them.
    pub(super) delivery: &'a str,
    /// When that delivery was received.
    pub(super) received_at: Timestamp,
    pub(super) by: By,
    /// The hop that brought it.
    pub(super) traceparent: Option<TraceParent>,
}

/// The origin of facts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// A webhook, or a fetch for one.
    Webhook,
    /// The provider's list.
    List(ByList),
}

#[derive(Default)]
pub(super) struct Settled {
    /// The diagnostics of the provider's own search.
    pub(super) diagnostics: Vec<Diagnostic>,
    /// A version was published.
    pub(super) has_news: bool,
}

#[derive(Clone, Copy, Default)]
struct Purpose {
    has_news: bool,
    /// Nothing changes, but its outbox must still be sent.
    has_unsent: bool,
}

impl<P: Ports> Hydrate<'_, P> {
    /// Settles facts, beginning with the known record of the subject.
    pub(super) async fn settle(
        &self,
        brought: Brought<'_>,
        facts: Vec<Fact>,
        from: From<SubjectRecord>,
        overlaps: &Overlaps<'_>,
    ) -> Result<Settled, Failure> {
        let storage = |error: PortError| self.storage(&error);
        let epoch = self.table.epoch(self.host.now()).await.map_err(storage)?;
        let contradiction = if brought.by == By::Webhook { Contradiction::Fetch } else { Contradiction::TakeLatest };
        let publishing = Hop::after(brought.traceparent, self.host);
        let mut settling = Settling { facts, diagnostics: Vec::new(), contradiction, asked: None, publishing };
        let mut unchanged = None;
        let settled = update(Records(self.table), brought.subject, from, async |known| {
            let change = self.change(brought, &mut settling, known, epoch, overlaps).await?;
            Ok::<_, SettleError>(match change {
                Changed::Nothing => Change::Keep(Purpose::default()),
                Changed::Repeated(known) => {
                    unchanged = known;
                    Change::Keep(Purpose { has_unsent: true, has_news: false })
                }
                Changed::Next(next, has_news) => Change::Write(next, Purpose { has_news, has_unsent: false }),
            })
        });
        let Updated { written, result } = settled.await.map_err(|failure| match failure {
            SettleError::Port(error) => self.storage(&error),
            SettleError::Failure(failure) => failure,
        })?;
        match written {
            Some(record) => {
                self.watched(record, result.has_news, overlaps, publishing).await?;
                if result.has_news && brought.by == By::Webhook {
                    let took = self.host.now().duration_since(brought.received_at);
                    self.host.measure(Measurement::WebhookToSignal { took_ms: ms(took) });
                }
            }
            None if result.has_unsent => {
                // Unchanged, but the outbox of an earlier attempt may still be pending.
                if let Some(record) = &unchanged {
                    self.publish(record, publishing).await?;
                }
            }
            None => {}
        }
        Ok(Settled { diagnostics: settling.diagnostics, has_news: result.has_news })
    }

    async fn change(
        &self,
        brought: Brought<'_>,
        settling: &mut Settling,
        mut known: Option<SubjectRecord>,
        epoch: Epoch,
        overlaps: &Overlaps<'_>,
    ) -> Result<Changed, SettleError> {
        let Brought { bound, subject, delivery, received_at, by, traceparent } = brought;
        if by != By::Webhook && known.as_ref().is_some_and(|known| is_before_the_push(known, &settling.facts)) {
            return Ok(Changed::Nothing);
        }
        let (now, is_of_before, absorbed) = loop {
            let now = self.host.now();
            let limit_bytes = self.stream.limit_bytes();
            let publication = Publication { epoch, now, limit_bytes, traceparent: Some(settling.publishing.context) };
            let is_of_before = self.begin_epoch(&mut known, publication);
            let state = known.as_ref().map(|record| record.state.clone());
            let absorbed = absorb(state, subject, settling.facts.clone(), settling.contradiction, publication);
            let Some(absorbed) = absorbed else { return Ok(Changed::Nothing) };
            let Some(push) = absorbed.unsettled.first() else { break (now, is_of_before, absorbed) };
            match self.ask_the_source(brought, push, known.as_ref()).await? {
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
        // The same terms in a list with a newer instant are no change; a webhook that announces a missed change is one.
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
            // Once it is in the outbox, it blocks all later signals for ever.
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
        self.report(brought, &fresh).await?;
        let (write, published_by) = (self.host.unique(), Some(settling.publishing.context));
        let step = Step { subject, delivery, received_at, deadlines, write, now, traceparent: published_by };
        let mut next = SubjectRecord::following(known.as_ref(), &bound.origin, absorbed, step);
        next.unreadable = next.unreadable.with(fresh, now);
        if let By::List(by) = by {
            next.missed =
                known.as_ref().filter(|known| !announces(by, Some(known))).and_then(|known| known.missed.clone());
            if has_news && !by.is_first && by.answers_since.is_none() {
                // Before the write: a hint without a write finds nothing; a write without a hint waits for the sweep.
                let missed = Condition::MissedDelivery { dispatch: subject.clone() };
                self.job_queue.hint_in(traceparent, missed, now, GRACE_S + 1).await?;
                next = next.with_missed(known.as_ref(), &changes.join(", "), now);
            }
        }
        let next = self.with_ramps(next, brought, overlaps).await?;
        Ok(Changed::Next(Box::new(next), has_news))
    }

    /// Converts a record of an earlier epoch to this one; returns whether it was of an earlier one.
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

    /// Sends a hint so that people are notified of unreadable fields.
    async fn report(&self, brought: Brought<'_>, fresh: &[FieldError]) -> Result<(), PortError> {
        if fresh.is_empty() {
            return Ok(());
        }
        let Brought { subject, traceparent, .. } = brought;
        let condition = Condition::Quarantined { source: subject.source().to_owned(), about: Some(subject.clone()) };
        self.job_queue.hint_in(traceparent, condition, self.host.now(), HINT_S).await
    }

    /// Schedules the search again after a write that changes the stored terms. A push with the earlier terms may have
    /// arrived while the first answer was on its way, and have been taken for a repetition: the answer would stay, and
    /// the provider's later statement be lost. Sent before the write, since after a crash behind it no contradiction
    /// would remain.
    async fn look_again(&self, brought: Brought<'_>, fetch: FetchRequest) -> Result<(), PortError> {
        let Brought { bound, delivery, received_at, traceparent, .. } = brought;
        let job = Job::fresh(delivery, &bound.origin.source, received_at, JobKind::Fetch(fetch));
        self.job_queue.deliver(ToHydrate::Job(Job { traceparent, ..job }), WRITTEN_S).await
    }

    /// A push contradicts the stored terms: the provider's own search decides. None: the search does not know the event
    /// and both statements are a webhook's own tests; only then does the later push win.
    async fn ask_the_source(
        &self,
        Brought { bound, traceparent, .. }: Brought<'_>,
        push: &Fact,
        known: Option<&SubjectRecord>,
    ) -> Result<Option<(FetchRequest, Parsed)>, Failure> {
        let published = known.and_then(|record| record.state.published()).map(|(_, terms)| terms);
        let Some(fetch) = bound.provider.settle(push, published.as_ref()) else { return Ok(None) };
        let is_test = |terms: &dispatch::DispatchTerms| terms.test_reason.is_some();
        // An event that the search has shown once is not a webhook's own test.
        let searched = known.is_some_and(|record| record.state.was_fetched());
        let both_tests = !searched
            && published.as_ref().is_some_and(is_test)
            && matches!(&push.body, FactBody::Dispatch(said) if is_test(&said.terms));
        self.permit(bound).await.map_err(|failure| failure.about(&push.subject))?;
        match self.fetch(bound, &fetch, traceparent).await {
            Ok(mut answer) => {
                answer.facts.retain(|fact| fact.subject == push.subject);
                if answer.facts.is_empty() {
                    let detail = "the search answered without a word on what was asked";
                    return Err(Failure::new(FailureKind::Answer, self.host.now(), detail).about(&push.subject));
                }
                Ok(Some((fetch, answer)))
            }
            Err(failure) if failure.kind == FailureKind::Missing && both_tests => Ok(None),
            // The delivery may contain other dispatches as well: the failure names this one.
            Err(failure) => Err(failure.about(&push.subject)),
        }
    }

    /// Publishes a written record. Arms its deadline first, before the send can fail.
    async fn watched(
        &self,
        record: SubjectRecord,
        has_news: bool,
        overlaps: &Overlaps<'_>,
        publishing: Hop,
    ) -> Result<(), Failure> {
        let now = self.host.now();
        if let Some(at) = record.look_at().filter(|at| *at < now + ARMED_AHEAD) {
            let traceparent = Some(publishing.context);
            let deadline = ToRetry::Deadline(Deadline { traceparent, ..Deadline::of(record.subject.clone()) });
            let at = fires_at(at, self.config, &record.origin.source);
            self.job_queue.retry(&[deadline.after(hop_s(at, now))]).await.map_err(|error| self.storage(&error))?;
        }
        let record = if has_news { self.with_neighbours(record, overlaps).await } else { record };
        self.publish(&record, publishing).await
    }

    async fn publish(&self, record: &SubjectRecord, publishing: Hop) -> Result<(), Failure> {
        let published = publish(self.table, self.stream, record, publishing);
        published.await.map(|_| ()).map_err(|error| self.storage(&error))
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

/// Facts on their way into the record, across repeated writes.
struct Settling {
    facts: Vec<Fact>,
    diagnostics: Vec<Diagnostic>,
    contradiction: Contradiction,
    /// The request to the provider's own search.
    asked: Option<FetchRequest>,
    /// The hop that publishes what changes.
    publishing: Hop,
}

enum Changed {
    Nothing,
    /// The stored record has the same terms already.
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

/// Where to begin with a webhook's facts. If they are probably new, write at once on the condition that no record is
/// stored: a refusal returns the stored record. If they are probably known or may have been reported, read first: a
/// refused write costs more than a read.
pub(super) fn likely(facts: &[Fact], was_seen: bool) -> From<SubjectRecord> {
    let is_new = !was_seen
        && facts.iter().all(|fact| match &fact.body {
            _ if !fact.field_errors.is_empty() => false,
            FactBody::Dispatch(said) => matches!(said.rank, Rank::Numbered(0, _) | Rank::Pushed(_) | Rank::Fetched(_)),
            FactBody::Power(_) | FactBody::Meter(_) | FactBody::Account(_) => false,
        });
    if is_new { From::Known(None) } else { From::Stored }
}

/// Whether webhooks that wait for the list announce a change that an earlier list found. Their fetch requests are not
/// settled one by one.
fn announces(by: ByList, known: Option<&SubjectRecord>) -> bool {
    let Some(since) = by.answers_since else { return false };
    let missed = known.and_then(|known| known.missed.as_deref()).unwrap_or_default();
    missed.last().is_some_and(|latest| since.duration_since(latest.found_at) < GRACE)
}

/// Whether the list was requested before a push that no fetch has confirmed yet: the list may not contain it, and would
/// undo it. The next poll decides.
fn is_before_the_push(known: &SubjectRecord, listed: &[Fact]) -> bool {
    let Some(Rank::Pushed(received_at)) = known.state.rank() else { return false };
    listed.iter().all(|fact| match &fact.body {
        FactBody::Dispatch(said) => said.rank.observed_at() <= received_at,
        FactBody::Power(_) | FactBody::Meter(_) | FactBody::Account(_) => false,
    })
}
