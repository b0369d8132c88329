//! The opened stack, read and changed with the verbs' functions.

use std::collections::BTreeSet;

use anyhow::Result;
use aws::{
    dynamo::{Listed, StoredJob, Wanted},
    host::Host,
};
use dispatch::Subject;
use jiff::Timestamp;
use pipeline::{
    config::Config,
    incident::Incident,
    ingest::acknowledge::Acknowledgement,
    polling::state::PollState,
    ports::{Clock, Deliveries, Dispatches},
    record::SubjectRecord,
};
use tokio::runtime::Handle;

use super::access::{
    Answer, CheckResult, Contents, DeliveryView, Lines, OutputView, Preview, Replayed, ReplayedSignal, SignalPreview,
    StackAccess, Tested,
};
use crate::{
    console::{Console, Place, Which},
    show::{Clockface, Unasked, captured},
    verbs::{alert, delivery, dispatch as verbs_dispatch, doctor, output, site, webhook},
};

/// A running stack, local or in AWS.
pub(crate) struct OpenedStack {
    stack: Console,
    which: Which,
    utc: bool,
}

impl OpenedStack {
    /// Opens the stack.
    ///
    /// # Errors
    /// In one line, with the way out, as for every verb.
    pub(crate) async fn open(which: Which, utc: bool) -> Result<Self> {
        Ok(Self { stack: which.open().await?, which, utc })
    }

    fn clock(&self) -> Clockface {
        Clockface::now(self.utc)
    }

    fn refused<T>(&self, result: Result<T, impl std::fmt::Display>) -> Result<T> {
        result.map_err(|error| self.stack.refusal(error).into())
    }
}

/// Runs work whose future is not known to be `Send`.
async fn on_one_thread<T: Send + 'static>(work: impl AsyncFnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || runtime.block_on(work())).await?
}

impl StackAccess for OpenedStack {
    fn name(&self) -> &str {
        &self.stack.name
    }

    fn is_deployed(&self) -> bool {
        matches!(self.stack.place, Place::Deployed { .. })
    }

    fn now(&self) -> Timestamp {
        Host.now()
    }

    fn config(&self) -> Answer<'_, Config> {
        Box::pin(async { Ok(self.stack.config().await?) })
    }

    fn dispatches(&self, wanted: Wanted) -> Answer<'_, Listed<SubjectRecord>> {
        Box::pin(async move { self.refused(self.stack.dispatches().all(&wanted).await) })
    }

    fn active_others<'a>(
        &'a self,
        source: Option<&'a str>,
        known: &'a [SubjectRecord],
    ) -> Answer<'a, Vec<SubjectRecord>> {
        Box::pin(async move {
            let known: BTreeSet<&Subject> = known.iter().map(|record| &record.subject).collect();
            site::active(&self.stack, source, |subject| known.contains(subject), self.now()).await
        })
    }

    fn record<'a>(&'a self, key: &'a str) -> Answer<'a, Option<SubjectRecord>> {
        Box::pin(async move { self.refused(self.stack.dispatches().read(&Subject::from_stored(key)).await) })
    }

    fn incidents(&self) -> Answer<'_, Listed<Incident>> {
        Box::pin(async { self.refused(self.stack.incidents().all(false).await) })
    }

    fn jobs<'a>(&'a self, source: Option<&'a str>) -> Answer<'a, Listed<StoredJob>> {
        Box::pin(async move { self.refused(self.stack.deliveries().all(source).await) })
    }

    fn dead_letters(&self) -> Answer<'_, Vec<DeliveryView>> {
        Box::pin(async { delivery::dead_letters(&self.stack).await })
    }

    fn delivery<'a>(&'a self, id: &'a str) -> Answer<'a, Contents> {
        Box::pin(async move { delivery::contents(&self.stack, id).await })
    }

    fn poll_state<'a>(&'a self, source: &'a str) -> Answer<'a, Option<PollState>> {
        Box::pin(async move { self.refused(self.stack.deliveries().poll_state(source).await) })
    }

    fn outputs(&self) -> Answer<'_, Vec<OutputView>> {
        let stack = self.stack.clone();
        Box::pin(on_one_thread(async move || output::views(&stack, &stack.config().await?).await))
    }

    fn kept_signals<'a>(&'a self, output: &'a str) -> Answer<'a, Vec<SignalPreview>> {
        let (stack, name) = (self.stack.clone(), output.to_owned());
        Box::pin(on_one_thread(async move || Ok(output::replay_previews(&output::kept(&stack, &name, &[]).await?))))
    }

    fn replay_output<'a>(&'a self, output: &'a str) -> Answer<'a, Vec<ReplayedSignal>> {
        let (stack, name) = (self.stack.clone(), output.to_owned());
        Box::pin(on_one_thread(async move || {
            let lanes = output::kept(&stack, &name, &[]).await?;
            if lanes.is_empty() { Ok(Vec::new()) } else { output::replay(&stack, &name, &[], &lanes).await }
        }))
    }

    fn test_output<'a>(&'a self, output: &'a str, agreed: bool, lines: Lines) -> Answer<'a, Tested> {
        let (stack, name) = (self.stack.clone(), output.to_owned());
        Box::pin(on_one_thread(async move || {
            let config = stack.config().await?;
            let asks = output::test_asks(&config, &name)?;
            if !agreed {
                return Ok(Tested::Asks(asks));
            }
            let result = output::test(&stack, &config, &name).await?;
            let words = output::test_words(&name, &result);
            anyhow::ensure!(result.failed.is_none(), "{words}");
            lines(words);
            Ok(Tested::Done)
        }))
    }

    fn doctor(&self) -> Answer<'_, Vec<CheckResult>> {
        let (stack, clock) = (self.stack.clone(), self.clock());
        Box::pin(on_one_thread(async move || doctor::checked(&stack, None, false, &clock).await))
    }

    fn acknowledge<'a>(&'a self, said: &'a Acknowledgement) -> Answer<'a, String> {
        let (stack, said) = (self.stack.clone(), said.clone());
        Box::pin(on_one_thread(async move || verbs_dispatch::acknowledge(&stack, &said).await))
    }

    fn acknowledge_incident<'a>(&'a self, incident: &'a str, by: &'a str) -> Answer<'a, String> {
        let (stack, incident, by) = (self.stack.clone(), incident.to_owned(), by.to_owned());
        Box::pin(on_one_thread(async move || alert::acknowledge(&stack, &incident, &by).await))
    }

    fn snooze_incident<'a>(&'a self, incident: &'a str, until: Timestamp, by: &'a str) -> Answer<'a, String> {
        let (stack, clock, incident, by) = (self.stack.clone(), self.clock(), incident.to_owned(), by.to_owned());
        Box::pin(on_one_thread(async move || {
            alert::snooze(&stack, &incident, alert::Snoozing { until, by: &by }, &clock).await
        }))
    }

    fn previews<'a>(&'a self, ids: &'a [String]) -> Answer<'a, Vec<Preview>> {
        Box::pin(async move { delivery::previews(&self.stack, ids, &self.clock()).await })
    }

    fn replay<'a>(&'a self, ids: &'a [String]) -> Answer<'a, Vec<Replayed>> {
        let (stack, ids, clock) = (self.stack.clone(), ids.to_vec(), self.clock());
        Box::pin(on_one_thread(async move || delivery::replay(&stack, &ids, &clock).await))
    }

    fn test<'a>(&'a self, source: &'a str, agreed: bool, lines: Lines) -> Answer<'a, Tested> {
        let (which, source) = (self.which.clone(), source.to_owned());
        Box::pin(on_one_thread(async move || {
            match captured(lines, Box::pin(webhook::test(&which, &source, agreed))).await {
                Ok(()) => Ok(Tested::Done),
                Err(error) => match error.downcast::<Unasked>() {
                    Ok(Unasked(what)) => Ok(Tested::Asks(what)),
                    Err(error) => Err(error),
                },
            }
        }))
    }
}
