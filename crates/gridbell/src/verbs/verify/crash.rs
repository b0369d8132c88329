//! A hydrator that is killed over a delivery, on the emulator alone: there the function's process is on this machine,
//! and it takes no real delivery with it.

use std::time::Duration;

use dispatch::Status;
use local_stack::processes::{self, Harm};

use super::{
    dispatch::{TestDispatch, until},
    report::{Failed, Found, Step},
    steps::accepted,
    test::Verification,
};

/// SQS delivers a message again after its visibility timeout of 120 s.
pub(super) const STEP: Step = Step {
    name: "crash",
    within: Duration::from_mins(5),
    late: "look at the logs of hydrator and retrier: `gridbell up --logs`",
};

/// How long the stopped hydrator may take to receive the delivery.
const RECEIVES: Duration = Duration::from_secs(20);

/// The processes of the hydrator. They go on when this is dropped, unless they were killed.
struct Stopped(Vec<u32>);

impl Stopped {
    fn these(processes: Vec<u32>) -> Result<Self, Failed> {
        let stopped = Self(processes);
        stopped.all(Harm::Stop)?;
        Ok(stopped)
    }

    fn all(&self, harm: Harm) -> Result<(), Failed> {
        let all = self.0.iter().try_for_each(|process| processes::harm(*process, harm));
        all.map_err(|error| Failed::new(format!("the hydrator cannot be killed: {error}")))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        drop(self.all(Harm::Continue));
    }
}

/// Kills the hydrator while it holds a delivery, and waits for the signal of that delivery.
pub(super) async fn killed(test: &Verification<'_>, dispatch: &TestDispatch) -> Result<Found, Failed> {
    let stack = test.console.cloudformation().describe(&test.console.name).await;
    let stack = stack.map_err(|error| test.refused(error))?;
    let endpoint = test.console.aws.endpoint_url().unwrap_or_default();
    let name = stack.outputs.get("HydratorFunctionName").ok_or_else(|| Failed::new("the stack names no hydrator"))?;
    let processes = processes::of_function(name, endpoint);
    if processes.is_empty() {
        return Ok(Found::Skipped("no process of the hydrator was found on this machine".to_owned()));
    }
    let stopped = Stopped::these(processes)?;
    test.leave(|left| left.dispatches.push(dispatch.clone()));
    accepted(test, &dispatch.body(1, false)).await?;
    let queue = test.console.queues.get("deliveries").ok_or_else(|| Failed::new("the stack names no queue"))?;
    let held = until(async || {
        let counts = test.console.counting().counts(queue).await.map_err(|error| test.refused(error))?;
        Ok((counts.waiting == 0 && counts.in_hand > 0).then_some(()))
    });
    let held = tokio::time::timeout(RECEIVES, held).await;
    held.map_err(|_| Failed::new("the hydrator did not receive the delivery before it was killed"))??;
    stopped.all(Harm::Kill)?;
    drop(stopped);
    let record = dispatch.sent(test.console, 1).await?;
    dispatch.is(&record, Status::Scheduled)?;
    Ok(Found::Good("the hydrator was killed over a delivery, and its signal was sent all the same".to_owned()))
}
