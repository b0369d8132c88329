//! Facts about one subject into its row: read what stands there, merge, write on condition, publish.

use dispatch::{Contradiction, Diagnostic, Fact, Publication, Rank, Says, Subject, absorb};
use jiff::Timestamp;
use providers::{Finding, Look, Reading};

use super::{Bound, Hydrate, neighbours::Neighbours, publish};
use crate::{
    incident::{Kind, Notice},
    ports::{Chance, Clock, Deliveries, Dispatches, Outlet, PortError, ProviderApi, SignalStream},
    record::{Record, Step},
    reported,
    watch::{ARMED_AHEAD, hop_s},
    work::{Check, Task, Trouble, TroubleKind, Work},
    written::{MAX_TRIES, Written, always_overtaken, written},
};

/// Longer than a hydrator may run (its `Timeout` in the template): by then its write is done, or never will be. In seconds.
pub const WRITTEN_S: u32 = 30;

impl<T, S, F, D, O, C> Hydrate<'_, T, S, F, D, O, C>
where
    T: Dispatches,
    S: SignalStream,
    F: ProviderApi,
    D: Deliveries,
    O: Outlet,
    C: Clock + Chance,
{
    /// Returns what the provider's own search gave cause to tell.
    pub(super) async fn settle(
        &self,
        bound: &Bound,
        subject: &Subject,
        (delivery, received_at): (&str, Timestamp),
        mut facts: Vec<Fact>,
        neighbours: &Neighbours,
    ) -> Result<Vec<Finding>, Trouble> {
        let mut findings = Vec::new();
        let epoch = self.table.epoch(self.world.now()).await.map_err(|error| self.storage(&error))?;
        let mut known = self.known(subject, &facts).await.map_err(|error| self.storage(&error))?;
        let (mut contradiction, mut asked) = (Contradiction::Ask, None::<Look>);
        for _ in 0..MAX_TRIES {
            let now = self.world.now();
            let publication = Publication { epoch, now, limit_bytes: self.stream.limit_bytes() };
            let is_of_before = self.begin_epoch(&mut known, publication);
            let state = known.as_ref().map(|record| record.state.clone());
            let absorbed = absorb(state, subject, facts.clone(), contradiction, publication);
            let Some(absorbed) = absorbed else { return Ok(findings) };
            if let Some(push) = absorbed.unsettled.first() {
                match self.ask_the_source(bound, push, known.as_ref()).await? {
                    Some((look, answer)) => {
                        asked = Some(look);
                        facts.extend(answer.facts);
                        findings.extend(answer.findings);
                    }
                    None => contradiction = Contradiction::TakeLatest,
                }
                continue;
            }
            let missed = known.as_ref().and_then(|record| record.missed.as_ref());
            let reported = known.as_ref().map(|record| record.reported.clone()).unwrap_or_default();
            let fresh = reported.fresh(&facts);
            if !absorbed.changed && missed.is_none() && !is_of_before && fresh.is_empty() {
                // Unchanged, but what an earlier attempt owes may still lie there.
                if let Some(record) = &known {
                    self.publish(record).await?;
                }
                return Ok(findings);
            }
            if let Some(signal) = absorbed.signals.iter().find(|signal| signal.body.len() > publication.limit_bytes) {
                // Once it is owed, everything after it waits for ever.
                let detail = format!("its signal of {} bytes is more than a message carries", signal.body.len());
                return Err(Trouble::new(TroubleKind::Unreadable, now, detail).about(subject));
            }
            if missed.is_some_and(|missed| missed.told) {
                self.came_after_all(bound, subject).await.map_err(|error| self.storage(&error))?;
            }
            let published = absorbed.state.published();
            let programs = published.as_ref().map_or(&[][..], |(_, statement)| &statement.programs);
            let deadlines = self.config.deadlines_for(&bound.origin.source, programs);
            let step = Step { subject, delivery, received_at, deadlines, write: self.world.unique(), now };
            let has_news = !absorbed.signals.is_empty();
            if let Some(look) = asked.take_if(|_| has_news) {
                self.look_again(bound, look, (delivery, received_at)).await.map_err(|error| self.storage(&error))?;
            }
            self.report(subject, &fresh).await.map_err(|error| self.storage(&error))?;
            let record = Record::following(known.as_ref(), &bound.origin, absorbed, step);
            let record = Record { reported: reported.with(&fresh), ..record };
            let record = self.with_ramps(record, delivery, neighbours).await.map_err(|error| self.storage(&error))?;
            let answer = self.table.write(&record, known.as_ref().map(|record| record.revision)).await;
            match written(&record, answer).map_err(|error| self.storage(&error))? {
                Written::Done => return self.watched(record, has_news, neighbours).await.map(|()| findings),
                Written::Overtaken(stored) => known = stored,
            }
        }
        Err(self.storage(&always_overtaken("dispatches", subject)))
    }

    /// A record of an earlier epoch as it is in this one; whether it was of an earlier one.
    pub(super) fn begin_epoch(&self, known: &mut Option<Record>, publication: Publication) -> bool {
        let anew = known.as_ref().and_then(|record| {
            let published = record.state.published();
            let programs = published.as_ref().map_or(&[][..], |(_, statement)| &statement.programs);
            record.in_epoch(publication, self.config.deadlines_for(&record.origin.source, programs))
        });
        let is_of_before = anew.is_some();
        *known = anew.or_else(|| known.take());
        is_of_before
    }

    /// Notifies people of fields that could not be read. Before the write that remembers it: a crash in between repeats it rather
    /// than loses it.
    pub(super) async fn report(&self, subject: &Subject, fresh: &[Diagnostic]) -> Result<(), PortError> {
        if fresh.is_empty() {
            return Ok(());
        }
        self.outlet.notice(&reported::notice(subject, fresh, self.world.now()), reported::WRITTEN_S).await
    }

    /// What the search says once more, after a write that changes what stands here. A push that said what stood before came while
    /// the first answer was on its way, and was taken for a repetition: the answer would stand, and what the provider said after
    /// it be lost. Asked for before the write, since whoever dies after it leaves nothing that contradicts.
    async fn look_again(
        &self,
        bound: &Bound,
        look: Look,
        (delivery, received_at): (&str, Timestamp),
    ) -> Result<(), PortError> {
        let work = Work::fresh(delivery, &bound.origin.source, received_at, Task::Look(look));
        self.outlet.work(&work, WRITTEN_S).await
    }

    /// Whether to read first. What is likely new is written at once on the condition that nothing stands there: the refusal
    /// brings the stored record along. What is likely known is read, since a refused write costs more than a read, and so is what
    /// may have been reported.
    async fn known(&self, subject: &Subject, facts: &[Fact]) -> Result<Option<Record>, PortError> {
        let likely_new = facts.iter().all(|fact| match &fact.says {
            _ if !fact.diagnostics.is_empty() => false,
            Says::Dispatch(said) => matches!(said.rank, Rank::Numbered(0, _) | Rank::Pushed(_) | Rank::Fetched(_)),
            Says::Power(_) | Says::Meter(_) | Says::Account(_) => false,
        });
        if likely_new { Ok(None) } else { self.table.read(subject).await }
    }

    /// A push contradicts what is known: the provider's own search decides. None: the provider has nothing to say about it, and
    /// only because both were tests of a webhook's own making does the later push hold.
    async fn ask_the_source(
        &self,
        bound: &Bound,
        push: &Fact,
        known: Option<&Record>,
    ) -> Result<Option<(Look, Reading)>, Trouble> {
        let published = known.and_then(|record| record.state.published()).map(|(_, statement)| statement);
        let Some(look) = bound.provider.settle(push, published.as_ref()) else { return Ok(None) };
        let is_test = |statement: &dispatch::Statement| statement.test_reason.is_some();
        // What the search has shown once is no test of a webhook's own making.
        let searched = known.is_some_and(|record| record.state.was_fetched());
        let both_tests = !searched
            && published.as_ref().is_some_and(is_test)
            && matches!(&push.says, Says::Dispatch(said) if is_test(&said.statement));
        match self.look(bound, &look).await {
            Ok(mut answer) => {
                answer.facts.retain(|fact| fact.subject == push.subject);
                if answer.facts.is_empty() {
                    let detail = "the search answered without a word on what was asked";
                    return Err(Trouble::new(TroubleKind::Answer, self.world.now(), detail).about(&push.subject));
                }
                Ok(Some((look, answer)))
            }
            Err(trouble) if trouble.kind == TroubleKind::Missing && both_tests => Ok(None),
            // The delivery may hold other dispatches as well: people look for this one.
            Err(trouble) => Err(trouble.about(&push.subject)),
        }
    }

    /// A person was told that no webhook had come.
    async fn came_after_all(&self, bound: &Bound, subject: &Subject) -> Result<(), PortError> {
        let detail = "a webhook of this dispatch came after all".to_owned();
        let source = &bound.origin.source;
        let over = Notice::over(Kind::MissedDelivery, source, subject.as_str(), self.world.now(), detail);
        self.outlet.notice(&over, 0).await
    }

    /// Publishes what was just written, its deadline armed before the send can fail.
    pub(super) async fn watched(&self, record: Record, has_news: bool, neighbours: &Neighbours) -> Result<(), Trouble> {
        let now = self.world.now();
        if let Some(at) = record.look_at().filter(|at| *at < now + ARMED_AHEAD) {
            let check = (Check::dispatch(record.subject.clone()), hop_s(at, now));
            self.outlet.checks(&[check]).await.map_err(|error| self.storage(&error))?;
        }
        let record = if has_news { self.with_neighbours(record, neighbours).await } else { record };
        self.publish(&record).await
    }

    async fn publish(&self, record: &Record) -> Result<(), Trouble> {
        publish(self.table, self.stream, record).await.map(|_| ()).map_err(|error| self.storage(&error))
    }
}

impl<T, S, F, D, O, C: Clock> Hydrate<'_, T, S, F, D, O, C> {
    pub(super) fn storage(&self, error: &PortError) -> Trouble {
        let kind = match error {
            PortError::Unavailable { .. } => TroubleKind::Storage,
            PortError::Broken { .. } => TroubleKind::Broken,
        };
        Trouble::new(kind, self.world.now(), error.to_string())
    }
}
