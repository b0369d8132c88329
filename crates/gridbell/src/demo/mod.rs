//! `demo`: starts the real system on this machine, plays every provider's scenarios and checks the results.

mod check;
mod observations;
mod player;
mod report;
mod scenario;
mod show;
mod watchers;

use std::{sync::Arc, time::Duration};

use anyhow::Result;

use self::{observations::Observations, player::DemoStack, report::Report, scenario::Names, watchers::Watchers};
use crate::progress::Progress;
use local_stack::queue::Queue;
use local_stack::{ProviderUrls, Stack, UpOptions};
use provider_server::{Simulators, times};

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
pub async fn play(stack: Stack, simulators: Simulators, progress: &dyn Progress) -> Result<Played> {
    let start = times::now();
    let scenarios = scenario::load(start)?;
    let observations = Arc::new(Observations::new(start));
    let http = stack_client::http_client()?;
    let description = stack.description();
    let queue = |name: &str| Queue::of(description, name, http.clone());
    let inner =
        ["deliveries", "retries", "alerts", "reviews"].map(queue).into_iter().collect::<Result<Vec<Queue>>>()?;
    let watchers = Watchers::start(&observations, queue("signals")?, (http.clone(), description.mail.clone())).await?;
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
    drop(watchers);
    let report = Report::new(&observations, &scenarios, &simulators);
    Ok(Played { report, stack, simulators })
}
