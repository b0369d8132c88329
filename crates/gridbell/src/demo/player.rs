//! Plays the scenarios in parallel, each step by step. A step ends when its expected results have arrived.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, bail};
use futures_util::future::join_all;
use jiff::Timestamp;
use reqwest::Client;
use serde_json::Value;
use simulation::history::mismatch;
use tokio::time::{Instant, interval};

use super::{
    check,
    observations::{Line, Observations, Observed, What},
    scenario::{Content, EndpointKind, Fails, Names, Scenario, Step},
};
use crate::progress::Progress;
use local_stack::queue::Queue;
use provider_server::{Simulators, times};
use stack_client::Description;

/// How often the player checks whether the queues are idle.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The stack that the scenarios run on.
pub(super) struct DemoStack<'a> {
    pub(super) observations: &'a Observations,
    pub(super) description: &'a Description,
    pub(super) simulators: &'a Simulators,
    pub(super) http: Client,
    pub(super) names: Names,
    /// The queues that must be idle at the end, in the order in which work passes through them.
    pub(super) inner: Vec<Queue>,
}

impl DemoStack<'_> {
    /// Plays all scenarios in parallel; failures are recorded as observations.
    pub(super) async fn play(&self, scenarios: &[Scenario], progress: &dyn Progress) {
        let plays = scenarios.iter().map(|scenario| async move {
            let shown = progress.step(&scenario.title);
            let mut memory = Memory::default();
            for (index, step) in scenario.steps.iter().enumerate() {
                shown.at(&step.says);
                if let Err(error) = self.step(scenario, index, &mut memory).await {
                    let what = format!("step {}, {}", index + 1, step.says);
                    self.observations.check(&scenario.name, what, Some(format!("{error:#}")));
                    return;
                }
            }
            shown.done("played");
        });
        join_all(plays).await;
    }

    async fn step(&self, scenario: &Scenario, index: usize, memory: &mut Memory) -> Result<()> {
        let step = &scenario.steps[index];
        let provider = self.provider(scenario)?;
        let body = match (&step.send, step.again) {
            (Some(content), _) => Some(content.body(&self.names)?),
            (None, Some(_)) => Some(memory.body.clone()),
            (None, None) => None,
        };
        if let Some(content) = &step.holds {
            self.hold(provider, content, body.as_deref())?;
        }
        if let Some(Fails { about, status, times }) = &step.fails {
            self.simulators.fail(provider, about, *status, *times);
        }
        if let Some(body) = body {
            let sends = (0..step.again.unwrap_or(1)).map(|_| self.send(scenario, step, &body));
            let sent = join_all(sends).await.into_iter().collect::<Result<Vec<Sent>>>()?;
            self.note_sent(scenario, index, &sent);
            memory.body = body;
        }
        self.wait_for_products(scenario, step, memory).await
    }

    fn provider(&self, scenario: &Scenario) -> Result<&str> {
        let source = self.description.sources.get(&scenario.source);
        source.map(|source| source.provider.as_str()).context("the stack has no such source")
    }

    fn hold(&self, provider: &str, content: &Content, sent: Option<&str>) -> Result<()> {
        let text = match sent {
            Some(sent) if content.sent => sent.to_owned(),
            _ => content.body(&self.names)?,
        };
        let held: Value = serde_json::from_str(&text).context("a simulator holds JSON")?;
        self.simulators.hold(provider, &held);
        Ok(())
    }

    /// Posts a webhook as the provider does, and checks the answer.
    async fn send(&self, scenario: &Scenario, step: &Step, body: &str) -> Result<Sent> {
        let source = &self.description.sources[&scenario.source];
        let url = match step.endpoint {
            None => source.url.clone(),
            Some(EndpointKind::WrongToken) => {
                format!("{}/hooks/{}/{}", self.description.webhook_base, scenario.source, "0".repeat(43))
            }
            Some(EndpointKind::UnknownSource) => {
                format!("{}/hooks/nobody/{}", self.description.webhook_base, "0".repeat(43))
            }
        };
        let (at, began) = (times::now(), Instant::now());
        let request = self.http.post(url).timeout(Duration::from_secs(30)).header("content-type", "application/json");
        // The address contains a token, so the error must not show it.
        let response = request.body(body.to_owned()).send().await.map_err(reqwest::Error::without_url)?;
        let status = response.status().as_u16();
        let answer = response.text().await.map_err(reqwest::Error::without_url)?;
        let took = began.elapsed();
        let read: Value = serde_json::from_str(&answer).unwrap_or(Value::Null);
        let problem = if status == step.answer.status {
            mismatch(&step.answer.body, &read).map(|problem| format!("the answer {answer}: {problem}"))
        } else {
            Some(format!("{status} {answer}"))
        };
        Ok(Sent { at, status, took, problem })
    }

    /// Records one check and one timeline line for the webhooks of a step.
    fn note_sent(&self, scenario: &Scenario, index: usize, sent: &[Sent]) {
        let step = &scenario.steps[index];
        let problem = sent.iter().find_map(|sent| sent.problem.clone());
        self.observations.check(
            &scenario.name,
            format!("{}: answered with {}", step.says, step.answer.status),
            problem,
        );
        let (Some(first), Some(slowest)) = (sent.first(), sent.iter().map(|sent| sent.took).max()) else { return };
        let text = format!("{}: {} after {} ms", step.says, first.status, slowest.as_millis());
        let line = |subject| Line { at: first.at, subject, what: What::Webhook, text: text.clone() };
        let lines: Vec<Line> = scenario.concerned(index).into_iter().map(line).collect();
        self.observations.note(|seen| seen.timeline.extend(lines));
    }

    async fn wait_for_products(&self, scenario: &Scenario, step: &Step, memory: &mut Memory) -> Result<()> {
        let within = Duration::from_secs(step.within_s);
        for expected in &step.signals {
            let subject = expected.subject(&scenario.source);
            let due = memory.due.entry(subject.clone()).or_default();
            *due += 1;
            let due = *due;
            let came =
                |seen: &Observed| seen.signals.iter().filter(|signal| signal.text("subject") == subject).count() >= due;
            if !self.observations.wait(within, came).await {
                bail!("waited {} s for signal {due} of {subject}, {}", step.within_s, expected.kind());
            }
        }
        for mail in &step.mails {
            let came = |seen: &Observed| seen.mails.iter().any(|one| check::is_about(&one.subject, mail));
            if !self.observations.wait(within, came).await {
                bail!("waited {} s for a mail about ({mail})", step.within_s);
            }
        }
        if step.worked_off && !self.is_worked_off(within).await {
            bail!("the queues were not worked off within {} s", step.within_s);
        }
        Ok(())
    }

    /// Waits until every inner queue is idle, checking each queue after those that feed it.
    pub(super) async fn is_worked_off(&self, within: Duration) -> bool {
        let looking = async {
            let mut clock = interval(LOOK_EVERY);
            'again: loop {
                clock.tick().await;
                for queue in &self.inner {
                    if !matches!(queue.is_idle().await, Ok(true)) {
                        continue 'again;
                    }
                }
                return;
            }
        };
        tokio::time::timeout(within, looking).await.is_ok()
    }
}

/// What a scenario carries from step to step.
#[derive(Default)]
struct Memory {
    body: String,
    /// Number of signals expected so far, by subject.
    due: BTreeMap<String, usize>,
}

/// A webhook and its answer.
struct Sent {
    at: Timestamp,
    status: u16,
    took: Duration,
    problem: Option<String>,
}
