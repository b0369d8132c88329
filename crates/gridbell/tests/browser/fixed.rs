//! A fake stack: fixed data, and a record of every action.

use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Result, bail};
use aws::dynamo::{Listed, StoredJob, Wanted};
use futures_util::{FutureExt, future::ready};
use gridbell::web::{
    Answer, CheckResult, Contents, DeliveryView, Lines, OutputView, Preview, Replayed, ReplayedSignal, SignalCount,
    SignalPreview, StackAccess, Tested,
};
use jiff::Timestamp;
use pipeline::{
    config::Config,
    incident::{Acknowledged, Incident, IncidentStatus, Snoozed},
    ingest::acknowledge::Acknowledgement,
    polling::state::PollState,
    record::SubjectRecord,
};

/// The data of the stack.
#[derive(Default)]
pub(crate) struct Data {
    pub(crate) records: Vec<SubjectRecord>,
    pub(crate) incidents: Vec<Incident>,
    pub(crate) jobs: Vec<StoredJob>,
    pub(crate) contents: Vec<Contents>,
    pub(crate) dead: Vec<DeliveryView>,
    pub(crate) polls: Vec<PollState>,
    pub(crate) outputs: Vec<OutputView>,
    /// What the first output did not take.
    pub(crate) kept_signals: Vec<SignalPreview>,
    pub(crate) checks: Vec<CheckResult>,
    pub(crate) unreadable: Vec<String>,
    /// The lines that a test prints.
    pub(crate) says: Vec<String>,
    /// Every action, in order.
    pub(crate) done: Vec<String>,
}

pub(crate) struct FixedStack {
    name: String,
    now: Timestamp,
    config: Config,
    data: Mutex<Data>,
}

impl FixedStack {
    pub(crate) fn new(now: Timestamp, config: Config, data: Data) -> Self {
        Self { name: "gridbell".to_owned(), now, config, data: Mutex::new(data) }
    }

    pub(crate) fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listed<T>(&self, found: Vec<T>) -> Answer<'_, Listed<T>>
    where
        T: Send + 'static,
    {
        let unreadable = self.data().unreadable.clone();
        ready(Ok(Listed { found, unreadable })).boxed()
    }
}

fn answer<'a, T: Send + 'a>(answer: Result<T>) -> Answer<'a, T> {
    ready(answer).boxed()
}

impl StackAccess for FixedStack {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_deployed(&self) -> bool {
        false
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn config(&self) -> Answer<'_, Config> {
        answer(Ok(self.config.clone()))
    }

    fn dispatches(&self, wanted: Wanted) -> Answer<'_, Listed<SubjectRecord>> {
        let of_source =
            |record: &&SubjectRecord| wanted.source.as_ref().is_none_or(|source| *source == record.origin.source);
        let records = self.data().records.iter().filter(of_source).cloned().collect();
        self.listed(records)
    }

    fn active_others<'a>(&'a self, _: Option<&'a str>, _: &'a [SubjectRecord]) -> Answer<'a, Vec<SubjectRecord>> {
        answer(Ok(Vec::new()))
    }

    fn record<'a>(&'a self, key: &'a str) -> Answer<'a, Option<SubjectRecord>> {
        answer(Ok(self.data().records.iter().find(|record| record.subject.as_str() == key).cloned()))
    }

    fn incidents(&self) -> Answer<'_, Listed<Incident>> {
        let incidents = self.data().incidents.clone();
        self.listed(incidents)
    }

    fn jobs<'a>(&'a self, source: Option<&'a str>) -> Answer<'a, Listed<StoredJob>> {
        let of = |job: &StoredJob| match job {
            StoredJob::Failing(failing) => failing.source.clone(),
            StoredJob::Quarantined(quarantined) => quarantined.source.clone(),
        };
        let jobs =
            self.data().jobs.iter().filter(|job| source.is_none_or(|source| source == of(job))).cloned().collect();
        self.listed(jobs)
    }

    fn dead_letters(&self) -> Answer<'_, Vec<DeliveryView>> {
        answer(Ok(self.data().dead.clone()))
    }

    fn delivery<'a>(&'a self, id: &'a str) -> Answer<'a, Contents> {
        let found = self.data().contents.iter().find(|contents| contents.view.id == id).cloned();
        answer(found.ok_or_else(|| anyhow::anyhow!("nothing fails and nothing is quarantined under {id}")))
    }

    fn poll_state<'a>(&'a self, source: &'a str) -> Answer<'a, Option<PollState>> {
        answer(Ok(self.data().polls.iter().find(|poll| poll.source == source).cloned()))
    }

    fn outputs(&self) -> Answer<'_, Vec<OutputView>> {
        answer(Ok(self.data().outputs.clone()))
    }

    fn kept_signals<'a>(&'a self, output: &'a str) -> Answer<'a, Vec<SignalPreview>> {
        let data = self.data();
        let is_first = data.outputs.first().is_some_and(|first| first.output == output);
        answer(Ok(if is_first { data.kept_signals.clone() } else { Vec::new() }))
    }

    fn replay_output<'a>(&'a self, output: &'a str) -> Answer<'a, Vec<ReplayedSignal>> {
        let mut data = self.data();
        data.done.push(format!("replay output {output}"));
        let kept = std::mem::take(&mut data.kept_signals);
        if let Some(first) = data.outputs.first_mut() {
            first.kept = SignalCount::default();
        }
        let replayed = kept.into_iter().map(|kept| ReplayedSignal { id: kept.id, delivered_again: kept.possible });
        answer(Ok(replayed.collect()))
    }

    fn test_output<'a>(&'a self, output: &'a str, agreed: bool, lines: Lines) -> Answer<'a, Tested> {
        let mut data = self.data();
        data.done.push(format!("test output {output} {agreed}"));
        if !agreed {
            return answer(Ok(Tested::Asks(format!(
                "{output} would get an event of the type gridbell.output.test.v1"
            ))));
        }
        match data.outputs.iter().find(|one| one.output == output).and_then(|one| one.reason.clone()) {
            Some(reason) => answer(Err(anyhow::anyhow!("{output} did not take the test event: {reason}"))),
            None => {
                lines(format!("{output} took the test event in 41 ms"));
                answer(Ok(Tested::Done))
            }
        }
    }

    fn doctor(&self) -> Answer<'_, Vec<CheckResult>> {
        let mut data = self.data();
        data.done.push("doctor".to_owned());
        answer(Ok(data.checks.clone()))
    }

    fn acknowledge<'a>(&'a self, said: &'a Acknowledgement) -> Answer<'a, String> {
        let Acknowledgement { dispatch, version, state, detail, .. } = said;
        let current = self
            .data()
            .records
            .iter()
            .find(|record| record.subject.as_str() == dispatch)
            .map(|record| record.state.version);
        if current != Some(*version) {
            return answer(Err(anyhow::anyhow!("version {version} of {dispatch} is not the current one")));
        }
        self.data().done.push(format!(
            "ack {dispatch} {version} {} {}",
            state.word(),
            detail.as_deref().unwrap_or("-")
        ));
        answer(Ok(format!("{dispatch} version {version}: {}", state.word())))
    }

    fn acknowledge_incident<'a>(&'a self, incident: &'a str, by: &'a str) -> Answer<'a, String> {
        let (now, mut data) = (self.now, self.data());
        let found = data.incidents.iter_mut().find(|one| one.incident == incident);
        let Some(found) = found else { return answer(Err(anyhow::anyhow!("there is no incident {incident}"))) };
        (found.status, found.acknowledged) =
            (IncidentStatus::Acknowledged, Some(Acknowledged { by: by.to_owned(), at: now }));
        data.done.push(format!("incident {incident} {by}"));
        answer(Ok(format!("{incident}: acknowledged by {by}")))
    }

    fn snooze_incident<'a>(&'a self, incident: &'a str, until: Timestamp, by: &'a str) -> Answer<'a, String> {
        let (now, mut data) = (self.now, self.data());
        let found = data.incidents.iter_mut().find(|one| one.incident == incident);
        let Some(found) = found else { return answer(Err(anyhow::anyhow!("there is no incident {incident}"))) };
        found.snoozed = Some(Snoozed { by: by.to_owned(), at: now, until });
        data.done.push(format!("snooze {incident} {until} {by}"));
        answer(Ok(format!("{incident}: no reminder and no escalation until {until}")))
    }

    fn previews<'a>(&'a self, ids: &'a [String]) -> Answer<'a, Vec<Preview>> {
        let data = self.data();
        let preview = |id: &String| -> Result<Preview> {
            let Some(view) =
                data.contents.iter().map(|contents| &contents.view).chain(&data.dead).find(|view| view.id == *id)
            else {
                bail!("nothing is stored under {id}")
            };
            let outcome = vec![format!(
                "{}: publishes gridbell.dispatch.updated.v1 #2",
                view.about.as_deref().unwrap_or("nothing")
            )];
            Ok(Preview { id: id.clone(), source: view.source.clone(), possible: view.attempt.is_none(), outcome })
        };
        answer(ids.iter().map(preview).collect())
    }

    fn replay<'a>(&'a self, ids: &'a [String]) -> Answer<'a, Vec<Replayed>> {
        self.data().done.push(format!("replay {}", ids.join(" ")));
        answer(Ok(ids.iter().map(|id| Replayed { id: id.clone(), delivery: format!("new-{id}") }).collect()))
    }

    fn test<'a>(&'a self, source: &'a str, agreed: bool, lines: Lines) -> Answer<'a, Tested> {
        let mut data = self.data();
        data.done.push(format!("test {source} {agreed}"));
        if !agreed {
            return answer(Ok(Tested::Asks("the provider would schedule a real self-test in production".to_owned())));
        }
        data.says.iter().cloned().for_each(|line| lines(line));
        answer(Ok(Tested::Done))
    }
}
