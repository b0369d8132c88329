//! Ends and deletes what a run has begun: its dispatches, their incidents, and the permit.

use std::time::Duration;

use aws::host::Host;
use pipeline::{
    conditions::Condition,
    config::VERIFY,
    incident::{Incident, IncidentStatus},
    ports::{Clock, Incidents, JobQueue},
};

use super::{
    dispatch::{TestDispatch, is_cancelled, until},
    report::{Failed, Found, Step},
    steps::accepted,
    test::{Left, Verification},
};

/// Time that stays for the permit, whatever the rest needs.
const FOR_THE_PERMIT: Duration = Duration::from_secs(15);

/// How often a row is deleted that a function changed in between.
const TRIES: usize = 5;

/// Cleans up, within that time.
pub(super) async fn up(test: &Verification<'_>, within: Duration) {
    let left = test.left();
    if !left.permit && left.dispatches.is_empty() {
        return;
    }
    let late = "what is left are tests; they end by themselves, and the permit expires within 15 minutes";
    let step = Step { name: "clean-up", within, late };
    test.report.step(step, cleaned(test, &left, within.saturating_sub(FOR_THE_PERMIT))).await;
}

async fn cleaned(test: &Verification<'_>, left: &Left, within: Duration) -> Result<Found, Failed> {
    let late = || Err(Failed::new(format!("the test dispatches are not over after {} s", within.as_secs())));
    let over = tokio::time::timeout(within, over(test, left)).await.unwrap_or_else(|_| late());
    // Last, because a cancellation needs it; and in any case, so that the source is closed.
    let withdrawn = test.console.configurations().withdraw_permit(&test.permit).await;
    withdrawn.map_err(|error| test.refused(error))?;
    over.map_err(|failed| failed.mend("they are tests, and end by themselves within two and a half hours"))?;
    Ok(Found::Good(format!(
        "{} test dispatches and their incidents are deleted, {VERIFY} is closed",
        left.dispatches.len()
    )))
}

async fn over(test: &Verification<'_>, left: &Left) -> Result<(), Failed> {
    for dispatch in &left.dispatches {
        cancelled(test, dispatch).await?;
    }
    let about = left.dispatches.iter().flat_map(|dispatch| Condition::all_about(&dispatch.subject));
    // With those of the cancellations.
    let failing = test.left().deliveries.into_iter();
    let failing = failing.map(|key| Condition::Failing { source: VERIFY.to_owned(), key });
    let conditions: Vec<Condition> = about.chain(failing).collect();
    resolved(test, &conditions).await?;
    for condition in &conditions {
        deleted(test, condition).await?;
    }
    for dispatch in &left.dispatches {
        forgotten(test, dispatch).await?;
    }
    Ok(())
}

/// Cancels it, unless that is done: a controller that saw it must not curtail. A webhook that was accepted and not yet
/// read is older than this one, so it changes nothing any more.
async fn cancelled(test: &Verification<'_>, dispatch: &TestDispatch) -> Result<(), Failed> {
    if dispatch.record(test.console).await?.is_some_and(|record| is_cancelled(&record)) {
        return Ok(());
    }
    accepted(test, &dispatch.body(2, true)).await?;
    dispatch.cancelled(test.console).await.map(drop)
}

/// Waits until no incident about the run is open; asks the alerter to judge those that are, once each.
async fn resolved(test: &Verification<'_>, conditions: &[Condition]) -> Result<(), Failed> {
    for condition in conditions {
        if is_open(incident(test, condition).await?.as_ref()) {
            let hint = test.console.inner().hint(condition.clone(), Host.now(), 0).await;
            hint.map_err(|error| test.refused(error))?;
            until(async || Ok((!is_open(incident(test, condition).await?.as_ref())).then_some(()))).await?;
        }
    }
    Ok(())
}

fn is_open(incident: Option<&Incident>) -> bool {
    incident.is_some_and(|incident| incident.status != IncidentStatus::Resolved)
}

async fn incident(test: &Verification<'_>, condition: &Condition) -> Result<Option<Incident>, Failed> {
    test.console.incidents().read(&condition.incident()).await.map_err(|error| test.refused(error))
}

async fn deleted(test: &Verification<'_>, condition: &Condition) -> Result<(), Failed> {
    for _ in 0..TRIES {
        let Some(incident) = incident(test, condition).await? else { return Ok(()) };
        if test.console.incidents().remove(&incident).await.map_err(|error| test.refused(error))? {
            return Ok(());
        }
    }
    Err(Failed::new(format!("the incident {condition} changes too often to be deleted")))
}

async fn forgotten(test: &Verification<'_>, dispatch: &TestDispatch) -> Result<(), Failed> {
    for _ in 0..TRIES {
        let Some(record) = dispatch.record(test.console).await? else { return Ok(()) };
        if test.console.dispatches().remove(&record).await.map_err(|error| test.refused(error))? {
            return Ok(());
        }
    }
    Err(Failed::new(format!("{} changes too often to be deleted", dispatch.subject)))
}
