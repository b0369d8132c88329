//! `demo`: the real system on this machine, every provider's scenario played through it, and a look at all that comes of it.

mod check;
mod observations;
mod player;
mod report;
mod scenario;
mod show;
mod watchers;

use std::{sync::Arc, time::Duration};

use anyhow::{Result, bail};

use self::{observations::Observations, player::DemoStack, report::Report, scenario::Names, watchers::Watchers};
use crate::{
    progress::Progress,
    queue::Queue,
    simulate::{Simulators, times},
};
use local_stack::{ProviderUrls, Stack, UpOptions};

/// How long what is still under way in the end may take.
const LAST_WAIT: Duration = Duration::from_secs(45);

/// A demo that has been played; its stack is still up.
#[derive(Debug)]
pub struct Played {
    /// What came of it.
    pub report: Report,
    /// The stack, to be shut down.
    pub stack: Stack,
    /// What the stack asks.
    pub simulators: Simulators,
}

/// The options of the demo's stack: the built-in configuration, asking the simulators.
///
/// # Errors
/// No port is free.
pub async fn prepare() -> Result<(UpOptions, Simulators)> {
    let simulators = Simulators::with_the_seeds().await?;
    let mut options = UpOptions::built_in(&ProviderUrls::new())?;
    simulators.answer_for(&mut options);
    Ok((options, simulators))
}

/// Plays everything on a stack that is up, and looks at all that came of it.
///
/// # Errors
/// The scenarios cannot be read. What does not come as expected stands in the report.
pub async fn play(stack: Stack, simulators: Simulators, progress: &dyn Progress) -> Result<Played> {
    let start = times::now();
    let scenarios = scenario::load(start)?;
    let observations = Arc::new(Observations::new(start));
    let http = stack_client::http_client()?;
    let description = stack.description();
    let queue = |name: &str| {
        let Some(url) = description.queues.get(name) else { bail!("the stack has no queue {name}") };
        Ok(Queue { http: http.clone(), endpoint: description.endpoint_url.clone(), url: url.clone() })
    };
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
