//! `demo`: starts the real system on this machine, plays every provider's scenarios and checks the results.

mod check;
mod gateway;
mod observations;
mod player;
mod report;
mod scenario;
mod show;
mod watchers;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use dispatch::Subject;
use pipeline::{ports::Dispatches, record::AckState};

pub use self::gateway::Gateway;
use self::{observations::Observations, player::DemoStack, report::Report, scenario::Names, watchers::Watchers};
use crate::progress::Progress;
use local_stack::queue::Queue;
use local_stack::{ProviderUrls, Stack, UpOptions};
use provider_server::{Simulators, times};
use stack_client::Console;

/// How often the stored acknowledgement is looked for, and the pause between.
const ACK_TRIES: usize = 40;
const ACK_EVERY: Duration = Duration::from_millis(500);

/// How long the last pending work may take.
const LAST_WAIT: Duration = Duration::from_secs(45);

/// A finished demo; its stack is still up.
#[derive(Debug)]
pub struct Played {
    /// The results.
    pub report: Report,
    /// The stack; the caller shuts it down.
    pub stack: Stack,
    /// The providers that the stack sends requests to.
    pub simulators: Simulators,
    /// The output that the stack delivers to.
    pub gateway: Gateway,
}

/// The options of the demo's stack: the built-in configuration, with simulators as providers.
///
/// # Errors
/// No port is free.
pub async fn prepare() -> Result<(UpOptions, Simulators)> {
    let simulators = Simulators::with_the_seeds().await?;
    let mut options = UpOptions::built_in(&ProviderUrls::new())?;
    simulators.answer_for(&mut options);
    Ok((options, simulators))
}

/// Plays everything on a running stack, and checks the results.
///
/// # Errors
/// The scenarios cannot be read. Failed expectations are in the report.
pub async fn play(
    stack: Stack,
    simulators: Simulators,
    mut gateway: Gateway,
    progress: &dyn Progress,
) -> Result<Played> {
    let start = times::now();
    let scenarios = scenario::load(start)?;
    let observations = Arc::new(Observations::new(start));
    let http = stack_client::http_client()?;
    let description = stack.description();
    let queue = |name: &str| Queue::of(description, name, http.clone());
    let inner = ["deliveries", "signals", "outputs", "retries", "alerts", "reviews"]
        .map(queue)
        .into_iter()
        .collect::<Result<Vec<Queue>>>()?;
    let signals = gateway.signals().context("the signals of a gateway are watched once")?;
    let watchers = Watchers::start(&observations, signals, (http.clone(), description.mail.clone())).await?;
    let names = Names::from([("{elsewhere}", watchers.elsewhere.clone())]);
    let stage = DemoStack { observations: &observations, description, simulators: &simulators, http, names, inner };
    stage.play(&scenarios, progress).await;
    if !stage.is_worked_off(LAST_WAIT).await {
        observations.check(
            "all",
            "the queues are worked off in the end",
            Some(format!("not within {} s", LAST_WAIT.as_secs())),
        );
    }
    check::everything(&observations, &scenarios, &simulators, watchers.calls_elsewhere());
    let tally = gateway.tally();
    check::output(&observations, &tally, acknowledged(&stack).await);
    drop(watchers);
    let report = Report::new(&observations, &scenarios, &simulators, tally);
    Ok(Played { report, stack, simulators, gateway })
}

/// The acknowledgement that the stack stores of the dispatch which the gateway acknowledged in its response. The
/// courier hands it to the retrier, so it may take a moment.
async fn acknowledged(stack: &Stack) -> Result<Option<AckState>> {
    let console = Console::open_local(stack.state_file()).await?;
    let (table, subject) = (console.dispatches(), Subject::from_stored(gateway::ACKNOWLEDGED));
    for _ in 0..ACK_TRIES {
        let record = table.read(&subject).await.map_err(|error| console.refusal(error))?;
        if let Some(ack) = record.and_then(|record| record.ack) {
            return Ok(Some(ack.state));
        }
        tokio::time::sleep(ACK_EVERY).await;
    }
    Ok(None)
}
